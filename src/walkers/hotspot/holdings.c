/*
 * Who has what of Netty's pools: threads that allocate from an arena, buffers and caches with
 * pieces of its chunks. Facts as in arenas.c:
 *
 * - A thread's PoolThreadCache names the arenas that it allocates from. It is a variable of
 *   FastThreadLocal's: in an array that FastThreadLocalThread has a field for; other threads
 *   have it in a ThreadLocal.
 * - A buffer has at least maxLength of its chunk. Pieces below a page share pages with others of
 *   their size, a cache of a thread holds pieces of up to DEFAULT_MAX_CACHED_BUFFER_CAPACITY; what
 *   is used and none of these belongs to buffers that were collected without a release.
 */
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "walkers/hotspot/hotspot_priv.h"

/* Variables of a thread that are looked at. */
#define VARIABLES_MAX 65536

/* A thread allocates from a pool. */
struct use {
	size_t pool;
	uint32_t tid;
};

int hs_netty_compare_pools(const void *a, const void *b)
{
	const struct ch_pool *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

struct ch_pool *hs_netty_pool_at(const struct hs_netty *netty, uint64_t addr)
{
	const struct ch_pool key = { .addr = addr };

	return addr ? bsearch(&key, netty->pools.items, netty->pools.count, sizeof(key),
			      hs_netty_compare_pools)
		    : NULL;
}

/* ---- Threads --------------------------------------------------------------------------------- */

static struct ch_error *add_use(struct hs_netty_reading *reading, uint32_t tid, uint64_t arena)
{
	const struct ch_pool *pool = hs_netty_pool_at(reading->netty, arena);
	struct use *use = pool ? ch_vec_push(&reading->uses) : NULL;

	if (!pool)
		return NULL;
	if (!use)
		return &ch_enomem;
	*use = (struct use){ .pool = (size_t)(pool -
					      (const struct ch_pool *)reading->netty->pools.items),
			     .tid = tid };
	return NULL;
}

static bool is_class(const struct hs *hs, uint64_t object, const char *wanted)
{
	char name[HS_NAME_MAX];

	return object && hs_klass_symbol(hs, hs_klass_at(hs, object), name, sizeof(name)) &&
	       hs_netty_is(name, wanted);
}

/* Among the variables of FastThreadLocal's. */
static struct ch_error *look_for_cache(struct hs_netty_reading *reading, uint32_t tid, uint64_t map)
{
	const struct hs *hs = reading->hs;
	struct ch_error *err = NULL;
	struct hs_array variables;
	uint64_t cache;
	uint32_t i;

	if (!hs_array_open_refs(hs, hs_object_ref(hs, map, "indexedVariables"), &variables))
		return NULL;
	for (i = 0; !err && i < variables.count && i < VARIABLES_MAX; i++) {
		cache = hs_array_ref(hs, &variables, i);
		if (!is_class(hs, cache, "io/netty/buffer/PoolThreadCache"))
			continue;
		err = add_use(reading, tid, hs_object_ref(hs, cache, "directArena"));
		if (!err)
			err = add_use(reading, tid, hs_object_ref(hs, cache, "heapArena"));
	}
	return err;
}

static struct ch_error *look_at_thread(void *arg, uint32_t tid, uint64_t thread)
{
	struct hs_netty_reading *reading = arg;
	const struct hs *hs = reading->hs;
	uint64_t map = hs_object_ref(hs, thread, "threadLocalMap"), value;
	struct ch_error *err = NULL;
	struct hs_array entries;
	uint32_t i;

	if (map)
		return look_for_cache(reading, tid, map);
	if (!hs_array_open_refs(
		    hs, hs_object_ref(hs, hs_object_ref(hs, thread, "threadLocals"), "table"),
		    &entries))
		return NULL;
	for (i = 0; !err && i < entries.count && i < VARIABLES_MAX; i++) {
		value = hs_object_ref(hs, hs_array_ref(hs, &entries, i), "value");
		if (is_class(hs, value, "io/netty/util/internal/InternalThreadLocalMap"))
			err = look_for_cache(reading, tid, value);
	}
	return err ? err : chp_context_check(hs->env->ctx);
}

static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	if (x->pool != y->pool)
		return x->pool < y->pool ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

struct ch_error *hs_netty_threads(struct hs_netty_reading *reading)
{
	struct ch_pool *pools = reading->netty->pools.items, *pool;
	const struct use *uses;
	struct ch_error *err;
	uint32_t *slot;
	size_t i;

	reading->uses = CH_VEC(struct use);
	err = hs_threads_visit(reading->hs, look_at_thread, reading);
	ch_vec_sort(&reading->uses, compare_uses);
	uses = reading->uses.items;
	for (i = 0; !err && i < reading->uses.count; i++) {
		if (i && compare_uses(&uses[i - 1], &uses[i]) == 0)
			continue;
		slot = ch_vec_push(&reading->netty->tids);
		if (!slot) {
			err = &ch_enomem;
			break;
		}
		*slot = uses[i].tid;
		pool = &pools[uses[i].pool];
		if (!pool->tids_count++)
			pool->tids_first = reading->netty->tids.count - 1;
	}
	ch_vec_deinit(&reading->uses);
	return err;
}

/* ---- Pieces --------------------------------------------------------------------------------- */

/* The pool that a chunk is of; NULL: none that is known. */
static struct ch_pool *pool_of(const struct hs_netty_reading *reading, uint64_t chunk,
			       const struct hs_netty_class **class_ret)
{
	const struct hs *hs = reading->hs;

	*class_ret = chunk ? hs_netty_class_at(hs, hs_klass_at(hs, chunk)) : NULL;
	if (!*class_ret ||
	    ((*class_ret)->kind != HS_NETTY_CHUNK && (*class_ret)->kind != HS_NETTY_ADAPTIVE))
		return NULL;
	return hs_netty_pool_at(reading->netty, hs_netty_ref(hs, chunk, (*class_ret)->owner));
}

static bool is_set(const struct hs *hs, uint64_t object, uint32_t offset)
{
	uint8_t byte;

	return offset && ch_core_try_read(hs->core, object + offset, &byte, 1) && byte;
}

static void take_buffer(struct hs_netty_reading *reading, struct hs_netty_class *class,
			uint64_t addr)
{
	uint64_t chunk = hs_netty_ref(reading->hs, addr, class->chunk);
	const struct hs_netty_class *of;
	struct ch_counted counted;
	struct ch_pool *pool;

	if (!hs_netty_counted(reading->hs, addr, class->klass, &counted))
		return;
	if (!counted.refs) {
		class->sums.released_count++;
		return;
	}
	class->sums.count++;
	class->sums.capacity_bytes += counted.capacity_bytes;
	class->sums.pooled_bytes += counted.pooled_bytes;
	if (!class->sums.sample_addr)
		class->sums.sample_addr = addr;
	pool = pool_of(reading, chunk, &of);
	if (pool && is_set(reading->hs, chunk, of->unpooled)) {
		pool->huge_count++;
		pool->huge_held_bytes += counted.pooled_bytes;
	} else if (pool) {
		pool->buffers_count++;
		pool->buffers_bytes += counted.pooled_bytes;
	}
}

/* What a piece takes that has a handle: up to 4.1.51 the number of a node in a tree whose root is
 * the chunk, and above 32 bits that are not 0 if it is a part of a page. */
static uint64_t piece_bytes(const struct hs *hs, uint64_t chunk, const struct hs_netty_class *of,
			    uint64_t handle)
{
	const struct hs_netty_class *pages;
	uint32_t node = (uint32_t)handle;
	struct hs_array array;
	uint64_t page;

	if (!node || !hs_array_open_refs(hs, hs_netty_ref(hs, chunk, of->pages), &array))
		return 0;
	if (!(handle >> 32))
		return hs_netty_int(hs, chunk, of->bytes) >> (31 - __builtin_clz(node));
	page = node >= array.count ? hs_array_ref(hs, &array, node - array.count) : 0;
	pages = page ? hs_netty_class_at(hs, hs_klass_at(hs, page)) : NULL;
	return pages ? hs_netty_int(hs, page, pages->taken) : 0;
}

static void take_cached(struct hs_netty_reading *reading, const struct hs_netty_class *class,
			uint64_t addr)
{
	const struct hs *hs = reading->hs;
	uint64_t chunk = hs_netty_ref(hs, addr, class->chunk), bytes, handle;
	const struct hs_netty_class *of;
	struct ch_pool *pool = pool_of(reading, chunk, &of);

	if (!pool)
		return;
	bytes = hs_netty_int(hs, addr, class->taken);
	if (!class->taken && class->handle && hs_read_ptr(hs, addr + class->handle, &handle))
		bytes = piece_bytes(hs, chunk, of, handle);
	pool->cached_count++;
	pool->cached_bytes += bytes;
	pool->lost_known &= bytes > 0;
}

/* Pages that are cut into small pieces. */
static void take_pages(struct hs_netty_reading *reading, const struct hs_netty_class *class,
		       uint64_t addr)
{
	const struct hs *hs = reading->hs;
	uint64_t pieces = hs_netty_int(hs, addr, class->pieces);
	uint64_t unused = hs_netty_int(hs, addr, class->pieces_free), bytes, used;
	const struct hs_netty_class *of;
	struct ch_pool *pool;

	pool = is_set(hs, addr, class->in_use)
		       ? pool_of(reading, hs_netty_ref(hs, addr, class->chunk), &of)
		       : NULL;
	if (!pool)
		return;
	bytes = hs_netty_int(hs, addr, class->bytes);
	used = unused < pieces ? (pieces - unused) * hs_netty_int(hs, addr, class->taken) : 0;
	pool->lost_known &= bytes && used <= bytes;
	pool->shared_bytes += bytes > used ? bytes - used : 0;
}

static struct ch_error *take_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct hs_netty_reading *reading = arg;
	struct hs_netty_class *class;
	size_t i;

	for (i = 0; i < n; i++) {
		class = objects[i].state == CH_OBJECT_USED
				? hs_netty_class_at(reading->hs, objects[i].key)
				: NULL;
		if (!class)
			continue;
		if (class->kind == HS_NETTY_BUFFER)
			take_buffer(reading, class, objects[i].addr);
		else if (class->kind == HS_NETTY_CACHED)
			take_cached(reading, class, objects[i].addr);
		else if (class->kind == HS_NETTY_PAGES)
			take_pages(reading, class, objects[i].addr);
	}
	return NULL;
}

static int compare_types(const void *a, const void *b)
{
	const struct ch_counted_type *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	if (x->released_count != y->released_count)
		return x->released_count > y->released_count ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static struct ch_error *sum_types(struct hs_netty *netty)
{
	const struct hs_netty_class *classes = netty->classes.items;
	struct ch_counted_type *slot;
	size_t i;

	for (i = 0; i < netty->classes.count; i++) {
		if (!classes[i].sums.count && !classes[i].sums.released_count)
			continue;
		slot = ch_vec_push(&netty->types);
		if (!slot)
			return &ch_enomem;
		*slot = classes[i].sums;
	}
	ch_vec_sort(&netty->types, compare_types);
	return NULL;
}

/* What of the used memory nobody has. A piece larger than a chunk goes with its chunk when that
 * is collected, unless only Netty can give its memory back. */
static void find_lost(struct ch_pool *pool, bool uncleaned)
{
	uint64_t used = pool->chunks_bytes - pool->free_bytes;
	uint64_t known = pool->buffers_bytes + pool->cached_bytes + pool->shared_bytes;

	pool->lost_known &= pool->huge_known && !pool->free_unknown;
	if (!pool->lost_known)
		return;
	pool->lost_bytes = used > known ? used - known : 0;
	if (uncleaned && pool->direct && pool->huge_bytes > pool->huge_held_bytes)
		pool->lost_bytes += pool->huge_bytes - pool->huge_held_bytes;
}

/* Direct memory has no cleaners where Netty counts it itself. */
static bool is_uncleaned(const struct hs *hs)
{
	const struct ch_quota *quotas = hs->quotas.items;
	size_t i;

	for (i = 0; i < hs->quotas.count; i++)
		if (strcmp(quotas[i].label, HS_NETTY_QUOTA) == 0)
			return true;
	return false;
}

/* Small pieces are known of releases that have a class of their pages. */
static bool has_pages(const struct hs_netty *netty)
{
	const struct hs_netty_class *classes = netty->classes.items;
	size_t i;

	for (i = 0; i < netty->classes.count; i++)
		if (classes[i].kind == HS_NETTY_PAGES && classes[i].chunk && classes[i].taken &&
		    classes[i].bytes && classes[i].pieces && classes[i].in_use)
			return true;
	return false;
}

struct ch_error *hs_netty_holdings(struct hs_netty_reading *reading, uint64_t low, uint64_t high)
{
	struct hs_netty *netty = reading->netty;
	struct ch_pool *pools = netty->pools.items;
	bool known = has_pages(netty), uncleaned;
	struct ch_quota *quotas;
	struct ch_error *err;
	size_t unused;
	size_t i;

	err = hs_quotas(reading->hs, &quotas, &unused);
	if (err)
		return err;
	uncleaned = is_uncleaned(reading->hs);
	for (i = 0; i < netty->pools.count; i++)
		pools[i].lost_known = known;
	err = ch_heaps_walk(reading->heaps, low, high, take_objects, reading);
	for (i = 0; i < netty->pools.count; i++)
		find_lost(&pools[i], uncleaned);
	return err ? err : sum_types(netty);
}
