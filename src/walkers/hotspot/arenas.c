/*
 * Netty's pools: arenas and their chunks. Facts (netty-4.1.48.Final and netty-4.2.17.Final,
 * buffer/src/main/java/ io/netty/buffer):
 *
 * - PoolArena keeps its chunks in lists by how full they are (qInit, q000 to q100); a chunk is
 *   in one as long as it has memory. Pieces larger than a chunk have one of their own, which is
 *   in no list, and are counted (activeBytesHuge).
 * - The adaptive allocator of 4.2 takes unpooled buffers as chunks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "walkers/hotspot/hotspot_priv.h"

#define POOLS_MAX  65536
#define CHUNKS_MAX (1U << 20)
#define OWN_MAX    (1U << 20)

/* A chunk of the adaptive allocator's, and its allocator. */
struct adaptive {
	uint64_t owner;
	struct ch_pool_chunk chunk;
	bool direct;
};

/* Where the memory of a ByteBuffer or of an array of bytes lies; 0: not known. */
static uint64_t memory_of(const struct hs *hs, uint64_t object)
{
	uint64_t addr;

	return hs_object_long(hs, object, "address", &addr) ? addr : object;
}

/* ---- The first walk: what there is --------------------------------------------------------- */

static struct ch_error *add_adaptive(struct hs_netty_reading *reading,
				     const struct hs_netty_class *class, uint64_t addr)
{
	const struct hs *hs = reading->hs;
	uint64_t delegate = hs_netty_ref(hs, addr, class->memory), *own;
	struct ch_counted counted = { .refs = 1 };
	struct hs_netty_class *of;
	struct adaptive *slot;

	of = delegate ? hs_netty_class_at(hs, hs_klass_at(hs, delegate)) : NULL;
	if (of && reading->netty->own.count < OWN_MAX) {
		own = ch_vec_push(&reading->netty->own);
		if (!own)
			return &ch_enomem;
		*own = delegate;
	}
	if (class->refs)
		hs_netty_counted(reading->hs, addr, class->klass, &counted);
	if (!counted.refs || reading->adaptive.count == CHUNKS_MAX)
		return NULL;
	slot = ch_vec_push(&reading->adaptive);
	if (!slot)
		return &ch_enomem;
	*slot = (struct adaptive){ .owner = hs_netty_ref(hs, addr, class->owner),
				   .direct = of && !of->array,
				   .chunk = { .addr = addr,
					      .bytes = hs_netty_int(hs, addr, class->bytes) } };
	if (of && of->address)
		hs_read_ptr(hs, delegate + of->address, &slot->chunk.memory_addr);
	return NULL;
}

static struct ch_error *find_pools(void *arg, const struct ch_object *objects, size_t n)
{
	struct hs_netty_reading *reading = arg;
	const struct hs_netty_class *class;
	struct ch_error *err = NULL;
	struct ch_pool *pool;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		class = objects[i].state == CH_OBJECT_USED
				? hs_netty_class_at(reading->hs, objects[i].key)
				: NULL;
		if (class && class->kind == HS_NETTY_ADAPTIVE)
			err = add_adaptive(reading, class, objects[i].addr);
		if (!class || class->kind != HS_NETTY_ARENA ||
		    reading->netty->pools.count == POOLS_MAX)
			continue;
		pool = ch_vec_push(&reading->netty->pools);
		if (!pool)
			return &ch_enomem;
		*pool = (struct ch_pool){ .addr = objects[i].addr, .direct = class->direct };
	}
	return err;
}

/* ---- Arenas -------------------------------------------------------------------------------- */

static struct ch_error *keep_text(struct hs *hs, char *text, const char **ret)
{
	char **kept = text ? ch_vec_push(&hs->names) : NULL;

	if (!kept) {
		free(text);
		return &ch_enomem;
	}
	*kept = text;
	*ret = text;
	return NULL;
}

/* "direct arena 3"; of several allocators also which. */
static struct ch_error *name_arena(struct hs_netty_reading *reading, struct ch_pool *pool,
				   bool several)
{
	struct hs *hs = reading->hs;
	uint64_t parent = hs_object_ref(hs, pool->addr, "parent");
	const char *kind = pool->direct ? "direct" : "heap";
	struct hs_array arenas = { .count = 0 };
	char of[64] = "", *text;
	uint32_t i;

	hs_array_open_refs(hs,
			   hs_object_ref(hs, parent, pool->direct ? "directArenas" : "heapArenas"),
			   &arenas);
	for (i = 0; i < arenas.count && i < POOLS_MAX; i++)
		if (hs_array_ref(hs, &arenas, i) == pool->addr)
			break;
	if (several)
		snprintf(of, sizeof(of), " of 0x%llx", (unsigned long long)parent);
	if (i < arenas.count ? asprintf(&text, "%s arena %u%s", kind, i, of) < 0
			     : asprintf(&text, "%s arena%s", kind, of) < 0)
		text = NULL;
	return keep_text(hs, text, &pool->name);
}

static struct ch_error *name_arenas(struct hs_netty_reading *reading)
{
	struct ch_pool *pools = reading->netty->pools.items;
	uint64_t parent, first = 0;
	struct ch_error *err = NULL;
	bool several = false;
	size_t i;

	for (i = 0; i < reading->netty->pools.count; i++) {
		parent = hs_object_ref(reading->hs, pools[i].addr, "parent");
		several |= first && parent != first;
		first = parent;
	}
	for (i = 0; !err && i < reading->netty->pools.count; i++)
		err = name_arena(reading, &pools[i], several);
	return err;
}

static struct ch_error *add_chunk(struct hs_netty_reading *reading, struct ch_pool *pool,
				  const struct ch_pool_chunk *chunk)
{
	struct ch_pool_chunk *slot = ch_vec_push(&reading->netty->chunks);

	if (!slot)
		return &ch_enomem;
	*slot = *chunk;
	pool->chunks_count++;
	pool->chunks_bytes += chunk->bytes;
	pool->free_bytes += chunk->free_bytes;
	return NULL;
}

/* The chunks of one list; a ring of a damaged one ends with the bound. */
static struct ch_error *read_list(struct hs_netty_reading *reading, struct ch_pool *pool,
				  uint64_t list)
{
	const struct hs *hs = reading->hs;
	uint64_t chunk = hs_object_ref(hs, list, "head"), first = chunk;
	const struct hs_netty_class *class;
	struct ch_error *err = NULL;

	while (!err && chunk && reading->netty->chunks.count < CHUNKS_MAX) {
		class = hs_netty_class_at(hs, hs_klass_at(hs, chunk));
		if (!class || class->kind != HS_NETTY_CHUNK)
			break;
		err = add_chunk(reading, pool,
				&(struct ch_pool_chunk){
					.addr = chunk,
					.memory_addr = memory_of(
						hs, hs_netty_ref(hs, chunk, class->memory)),
					.bytes = hs_netty_int(hs, chunk, class->bytes),
					.free_bytes = hs_netty_int(hs, chunk, class->free) });
		chunk = hs_object_ref(hs, chunk, "next");
		if (chunk == first)
			break;
	}
	return err;
}

/* A LongAdder, or an AtomicLong where there is none. */
static bool read_adder(const struct hs *hs, uint64_t object, uint64_t *ret)
{
	struct hs_array cells;
	uint64_t value;
	uint32_t i;

	if (hs_object_long(hs, object, "value", ret))
		return true;
	if (!hs_object_long(hs, object, "base", ret))
		return false;
	if (hs_array_open_refs(hs, hs_object_ref(hs, object, "cells"), &cells))
		for (i = 0; i < cells.count && i < 4096; i++)
			if (hs_object_long(hs, hs_array_ref(hs, &cells, i), "value", &value))
				*ret += value;
	return true;
}

static struct ch_error *read_arena(struct hs_netty_reading *reading, struct ch_pool *pool)
{
	static const char *const lists[] = { "qInit", "q000", "q025", "q050", "q075", "q100" };
	const struct hs *hs = reading->hs;
	struct ch_error *err = NULL;
	uint64_t list;
	size_t i;

	pool->chunks_first = reading->netty->chunks.count;
	for (i = 0; !err && i < CH_COUNT_OF(lists); i++) {
		list = hs_object_ref(hs, pool->addr, lists[i]);
		if (!list)
			chp_context_finding(hs->env->ctx, CH_SEVERITY_INCOMPLETE, "jvm-netty-lists",
					    "an arena of Netty's has no list %s: its chunks are "
					    "not all known",
					    lists[i]);
		else
			err = read_list(reading, pool, list);
	}
	pool->huge_known = read_adder(hs, hs_object_ref(hs, pool->addr, "activeBytesHuge"),
				      &pool->huge_bytes) &&
			   (int64_t)pool->huge_bytes >= 0;
	if (!pool->huge_known)
		pool->huge_bytes = 0;
	return err ? err : chp_context_check(hs->env->ctx);
}

/* ---- The adaptive allocator's ---------------------------------------------------------------- */

static int compare_adaptive(const void *a, const void *b)
{
	const struct adaptive *x = a, *y = b;

	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	return x->chunk.addr < y->chunk.addr ? -1 : x->chunk.addr > y->chunk.addr;
}

static int compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* A pool for each allocator. What is free in a chunk, several structures say together. */
static struct ch_error *add_adaptive_pools(struct hs_netty_reading *reading)
{
	const struct adaptive *list;
	struct ch_pool *pool = NULL;
	struct ch_error *err = NULL;
	size_t i;

	ch_vec_sort(&reading->netty->own, compare_numbers);
	ch_vec_sort(&reading->adaptive, compare_adaptive);
	list = reading->adaptive.items;
	for (i = 0; !err && i < reading->adaptive.count; i++) {
		if (!list[i].owner)
			continue;
		if (!pool || pool->addr != list[i].owner) {
			pool = ch_vec_push(&reading->netty->pools);
			if (!pool)
				return &ch_enomem;
			*pool = (struct ch_pool){ .addr = list[i].owner,
						  .name = list[i].direct ? "adaptive direct pool"
									 : "adaptive heap pool",
						  .direct = list[i].direct,
						  .free_unknown = true,
						  .chunks_first = reading->netty->chunks.count };
		}
		err = add_chunk(reading, pool, &list[i].chunk);
	}
	return err;
}

/* ---- All of it ----------------------------------------------------------------------------- */

static void bounds_of(const struct hs *hs, uint64_t *low, uint64_t *high)
{
	const struct hs_space *spaces = hs->spaces.items;
	size_t i;

	*low = UINT64_MAX;
	*high = 0;
	for (i = 0; i < hs->spaces.count; i++) {
		*low = ch_min(*low, spaces[i].start);
		*high = ch_max(*high, spaces[i].end);
	}
}

static struct ch_error *read_all(struct hs_netty_reading *reading)
{
	struct hs_netty *netty = reading->netty;
	struct ch_error *err;
	uint64_t low, high;
	size_t i, arenas;

	bounds_of(reading->hs, &low, &high);
	if (low >= high)
		return NULL;
	err = ch_heaps_walk(reading->heaps, low, high, find_pools, reading);
	arenas = netty->pools.count;
	if (!err)
		err = name_arenas(reading);
	for (i = 0; !err && i < arenas; i++)
		err = read_arena(reading, CH_VEC_AT(&netty->pools, struct ch_pool, i));
	if (!err)
		err = add_adaptive_pools(reading);
	ch_vec_sort(&netty->pools, hs_netty_compare_pools);
	if (!err)
		err = hs_netty_threads(reading);
	return err ? err : hs_netty_holdings(reading, low, high);
}

/* Direct ones first, by name: of the same length, numbers are in order. */
static int compare_names(const void *a, const void *b)
{
	const struct ch_pool *x = a, *y = b;
	size_t x_len = strlen(x->name), y_len = strlen(y->name);

	if (x->direct != y->direct)
		return x->direct ? -1 : 1;
	if (x_len != y_len)
		return x_len < y_len ? -1 : 1;
	return strcmp(x->name, y->name) ? strcmp(x->name, y->name) : hs_netty_compare_pools(a, b);
}

struct ch_error *hs_netty_pools(void *state, struct ch_heaps *heaps, struct ch_pools **ret)
{
	struct hs_netty_reading reading = { .hs = state,
					    .heaps = heaps,
					    .adaptive = CH_VEC(struct adaptive) };
	struct ch_error *err = hs_netty_open(reading.hs);
	struct hs_netty *netty = reading.hs->netty;

	*ret = NULL;
	if (err || !netty->classes.count)
		return err;
	if (!netty->read) {
		netty->read = true;
		reading.netty = netty;
		err = read_all(&reading);
		ch_vec_sort(&netty->pools, compare_names);
		ch_vec_deinit(&reading.adaptive);
		netty->result = (struct ch_pools){ .library = "Netty",
						   .pools = netty->pools.items,
						   .pools_count = netty->pools.count,
						   .chunks = netty->chunks.items,
						   .chunks_count = netty->chunks.count,
						   .tids = netty->tids.items,
						   .types = netty->types.items,
						   .types_count = netty->types.count };
	}
	if (!err && (netty->pools.count || netty->types.count))
		*ret = &netty->result;
	return err;
}

const struct ch_pooling hs_pooling = {
	.quotas = hs_quotas,
	.pools = hs_netty_pools,
	.counted = hs_netty_counted,
};
