/*
 * Objects of squid's memory pools, which are blocks of malloc without a header.
 *
 * Each pool has a label, the size of its objects, and counts of them; all are in a list. Which
 * pool a block is of can be told of
 *   freed objects, which the pool keeps in a std::stack;
 *   objects with callbacks (cbdata): a header with their type, and a cookie that their address
 * makes; mem_node, which holds the data of cached answers and points at its own buffer; sizes of
 * which malloc has exactly as many blocks as pools have objects.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/signs.h"
#include "types/provider.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/search.h"
#include "util/table.h"
#include "util/text.h"
#include "util/vec.h"

/* Some 150 are there; one for each class, and each label of a configuration. */
#define POOLS_MAX 4096U
/* Pools that are looked at until a list of them is found: others end with the first. */
#define TRIED_MAX (1U << 20)
/* Freed objects that are looked at in all; squid keeps 5 MB of them unless told otherwise. */
#define FREED_MAX (1U << 22)
#define LABEL_MAX 128U
/* Larger ones are no objects. */
#define SIZE_MAX_BYTES (1U << 24)

/* class MemPools: the list of pools 0, how many u32 16. */
#define POOLS_BYTES 24U
/* The most of struct layout's pool_bytes. */
#define POOL_BYTES 288U
/* std::deque (libstdc++, bits/stl_deque.h): map 0, its size 8, start 16, finish 48; an iterator is
 * cur, first, last, node. Nodes have 64 pointers. */
#define STACK_BYTES 80U
#define NODE_BYTES  512U
/* class cbdata (cbdata.cc): valid, locks, type i32 8, cookie 16; the object is at 24. */
#define CBDATA_BYTES  24U
#define CBDATA_COOKIE 0xdeadbeefULL
/* class mem_node (mem_node.h): the pointer in nodeBuffer, and data, which it points at. */
#define NODE_POINTER 24U
#define NODE_DATA    32U

/* Where releases have what of MemPoolMalloc: its label, the levels of its meters, the size of its
 * objects, and a std::deque that its stack is made of. */
struct layout {
	uint32_t label, alloc, inuse, idle, size, stack, pool_bytes;
	/* The next pool; 0: pools are in a std::list, whose nodes are next, previous, pool. */
	uint32_t next;
	/* Project, version, file, name. */
	const char *source;
};

static const struct layout layouts[] = {
	{ 16, 24, 48, 72, 200, 208, 288, 168,
	  "squid 4.13 and 5.7, mem/Pool.h MemPools, MemImplementingAllocator; mem/PoolMalloc.h" },
	{ 32, 48, 72, 96, 40, 192, 272, 0,
	  "squid 6.9, mem/Pool.h MemPools; mem/Allocator.h Allocator; mem/PoolMalloc.h" },
};

struct pool {
	uint64_t addr, size, alloc_count, idle_count;
	/* Objects that were told by themselves, in use and freed. */
	uint64_t told_count;
	/* Of objects in use, and of freed ones. */
	char *names[2];
};

struct squid {
	struct ch_heap_env env;
	const struct layout *layout;
	/* The list of pools, and what is at its end. */
	uint64_t first, end;
	/* of struct pool, by what malloc makes of their size */
	struct ch_vec pools;
	/* Of which pool a freed object is; of which one a type of cbdata. */
	struct ch_table freed, types;
	/* The pool of mem_node; CH_TABLE_NONE: there is none. */
	uint32_t nodes;
	/* Pools of lists that may be none, and entries of stacks, that were looked at. */
	uint32_t tried_count, seen_count;
};

extern const struct ch_provider ch_provider_squid;

/* What the C library makes of a request: usable bytes. */
static uint64_t usable_bytes(uint64_t request)
{
	return ch_max(ch_align_up(request + 8, 16), 32) - 8;
}

/* Whether a block can be an object of a pool: a remainder too small for a block of its own goes
 * with it. */
static bool fits(const struct pool *pool, uint64_t size)
{
	return size - usable_bytes(pool->size) <= 16;
}

/* ---- The pools ---------------------------------------------------------------------------- */

static bool read_text(const struct ch_core *core, uint64_t addr, char *buf, size_t max)
{
	size_t i;

	for (i = 0; i < max && ch_core_try_read(core, addr + i, &buf[i], 1); i++)
		if (!buf[i])
			return chp_text_is_name(buf);
	return false;
}

static bool read_pool(const struct squid *squid, uint64_t addr, struct pool *pool, char *label)
{
	const struct layout *layout = squid->layout;
	uint8_t bytes[POOL_BYTES];

	if (addr % 8 || !ch_core_try_read(squid->env.core, addr, bytes, layout->pool_bytes) ||
	    !ch_sym_module_at(squid->env.sym, ch_get64(bytes)) ||
	    !read_text(squid->env.core, ch_get64(bytes + layout->label), label, LABEL_MAX))
		return false;
	*pool = (struct pool){ .addr = addr,
			       .size = ch_get64(bytes + layout->size),
			       .alloc_count = ch_get64(bytes + layout->alloc),
			       .idle_count = ch_get64(bytes + layout->idle) };
	return pool->size && pool->size % 8 == 0 && pool->size <= SIZE_MAX_BYTES &&
	       pool->alloc_count - pool->idle_count == ch_get64(bytes + layout->inuse);
}

/* The pool at a place of the list; moves *at to the next one. */
static bool next_pool(const struct squid *squid, uint64_t *at, struct pool *pool, char *label)
{
	uint64_t addr = *at;

	if (!squid->layout->next && !ch_core_read_u64(squid->env.core, *at + 16, &addr))
		return false;
	return read_pool(squid, addr, pool, label) &&
	       ch_core_read_u64(squid->env.core, *at + squid->layout->next, at);
}

/* Whether a list is as long as is said beside it. */
static bool is_list(struct squid *squid, uint32_t count)
{
	uint64_t at = squid->first;
	char label[LABEL_MAX];
	struct pool pool;
	uint32_t i;

	for (i = 0; i < count && at != squid->end; i++)
		if (squid->tried_count++ >= TRIED_MAX || !next_pool(squid, &at, &pool, label))
			return false;
	return i == count && at == squid->end;
}

/* Whether word is the address of all pools. */
static bool try_word(void *arg, uint64_t addr, uint64_t word)
{
	struct squid *squid = arg;
	uint8_t bytes[POOLS_BYTES];
	uint32_t count;
	size_t row;

	(void)addr;
	if (!word || word % 8 || !ch_core_try_read(squid->env.core, word, bytes, sizeof(bytes)))
		return false;
	squid->first = ch_get64(bytes);
	count = ch_get32(bytes + 16);
	if (!squid->first || !count || count > POOLS_MAX)
		return false;
	for (row = 0; row < CH_COUNT_OF(layouts); row++) {
		squid->layout = &layouts[row];
		squid->end = squid->layout->next ? 0 : word;
		if (is_list(squid, count))
			return true;
	}
	return false;
}

static struct ch_error *read_pools(struct squid *squid)
{
	uint64_t at = squid->first;
	char label[LABEL_MAX];
	struct pool pool, *slot;

	while (squid->pools.count < POOLS_MAX && at != squid->end &&
	       next_pool(squid, &at, &pool, label)) {
		slot = ch_vec_push(&squid->pools);
		if (!slot)
			return &ch_enomem;
		*slot = pool;
	}
	return NULL;
}

static int compare_pools(const void *a, const void *b)
{
	const struct pool *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* "cbdata MemBuf (18)": the number is that of its type, in the order in which they were made. */
static struct ch_error *take_type(struct squid *squid, uint32_t number, char *label)
{
	char *open = strrchr(label, '('), *end;
	unsigned long type;

	if (strncmp(label, "cbdata ", 7) != 0 || !open || open[-1] != ' ')
		return NULL;
	type = strtoul(open + 1, &end, 10);
	if (strcmp(end, ")") != 0 || !type || type > POOLS_MAX)
		return NULL;
	open[-1] = '\0';
	return ch_table_put(&squid->types, type, number) ? NULL : &ch_enomem;
}

static struct ch_error *name_pool(struct squid *squid, uint32_t number)
{
	struct pool *pool = CH_VEC_AT(&squid->pools, struct pool, number), again;
	char label[LABEL_MAX];
	struct ch_error *err;

	if (!read_pool(squid, pool->addr, &again, label))
		return NULL;
	if (strcmp(label, "mem_node") == 0)
		squid->nodes = number;
	err = take_type(squid, number, label);
	if (!err && asprintf(&pool->names[0], "pool %s", label) < 0) {
		pool->names[0] = NULL;
		err = &ch_enomem;
	}
	if (!err && asprintf(&pool->names[1], "pool %s, freed", label) < 0) {
		pool->names[1] = NULL;
		err = &ch_enomem;
	}
	return err;
}

/* ---- Freed objects -------------------------------------------------------------------------- */

/* The objects of one node of the stack, in [at, end). */
static struct ch_error *read_node(struct squid *squid, uint32_t number, uint64_t at, uint64_t end)
{
	uint64_t object;

	for (; at < end && squid->seen_count < FREED_MAX; at += 8, squid->seen_count++) {
		if (!ch_core_read_u64(squid->env.core, at, &object) || !object ||
		    ch_table_find(&squid->freed, object) != CH_TABLE_NONE)
			continue;
		if (!ch_table_put(&squid->freed, object, number))
			return &ch_enomem;
		CH_VEC_AT(&squid->pools, struct pool, number)->told_count++;
	}
	return NULL;
}

/* Follow the stack's nodes from the one that it begins in to the one that it ends in; no more than
 * the pool counts objects, and an end that lies in no node ends it. */
static struct ch_error *read_stack(struct squid *squid, uint32_t number, const uint8_t *bytes)
{
	uint64_t node = ch_get64(bytes + 40), last = ch_get64(bytes + 72), at, end, first, i;
	uint64_t most = CH_VEC_AT(&squid->pools, struct pool, number)->idle_count / 64 + 2;
	struct ch_error *err = NULL;

	if (last < node || (last - node) / 8 >= most)
		return NULL;
	for (i = 0; !err && node + 8 * i <= last && squid->seen_count < FREED_MAX; i++) {
		if (!ch_core_read_u64(squid->env.core, node + 8 * i, &first))
			break;
		at = i ? first : ch_get64(bytes + 16);
		end = node + 8 * i == last ? ch_get64(bytes + 48) : first + NODE_BYTES;
		if (at - first > NODE_BYTES || end - first > NODE_BYTES)
			break;
		err = read_node(squid, number, at, end);
	}
	return err;
}

static struct ch_error *read_freed(struct squid *squid, uint32_t number)
{
	const struct pool *pool = CH_VEC_AT(&squid->pools, struct pool, number);
	struct ch_error *err = NULL;
	uint8_t bytes[STACK_BYTES];

	if (ch_core_try_read(squid->env.core, pool->addr + squid->layout->stack, bytes,
			     sizeof(bytes)))
		err = read_stack(squid, number, bytes);
	if (!err && pool->told_count != pool->idle_count)
		chp_context_finding(squid->env.ctx, CH_SEVERITY_NOTE, "squid-freed",
				    "squid: a pool counts %llu freed objects, its stack leads to "
				    "%llu: the others are not known to be free",
				    (unsigned long long)pool->idle_count,
				    (unsigned long long)pool->told_count);
	return err;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static void close_squid(void *state)
{
	struct squid *squid = state;
	struct pool *pool;
	size_t i;

	for (i = 0; i < squid->pools.count; i++) {
		pool = CH_VEC_AT(&squid->pools, struct pool, i);
		free(pool->names[0]);
		free(pool->names[1]);
	}
	ch_vec_deinit(&squid->pools);
	ch_table_deinit(&squid->freed);
	ch_table_deinit(&squid->types);
	free(squid);
}

static struct ch_error *open_squid(const struct ch_provider_env *env, void **state_ret)
{
	struct squid *squid = calloc(1, sizeof(*squid));
	struct ch_error *err;
	uint32_t i;

	if (!squid)
		return &ch_enomem;
	squid->env = (struct ch_heap_env){
		.core = env->core, .sym = env->sym, .map = env->map, .ctx = env->ctx
	};
	squid->pools = CH_VEC(struct pool);
	squid->nodes = CH_TABLE_NONE;
	if (!chp_exe_words(&squid->env, try_word, squid)) {
		close_squid(squid);
		return NULL;
	}
	err = read_pools(squid);
	ch_vec_sort(&squid->pools, compare_pools);
	for (i = 0; !err && i < squid->pools.count; i++) {
		err = name_pool(squid, i);
		if (!err)
			err = read_freed(squid, i);
	}
	if (err) {
		close_squid(squid);
		return err;
	}
	*state_ret = squid;
	return NULL;
}

/* ---- Objects that tell --------------------------------------------------------------------- */

static uint64_t key_of(uint32_t pool, bool freed)
{
	return 2 * (uint64_t)pool + freed + 1;
}

/* The pool of an object in use; CH_TABLE_NONE: it does not say. */
static uint32_t pool_in_use(const struct squid *squid, const struct ch_object *object)
{
	const struct ch_core *core = squid->env.core;
	uint64_t word;
	uint32_t type;

	if (object->size_bytes > CBDATA_BYTES && ch_core_read_u64(core, object->addr + 16, &word) &&
	    word == (object->addr ^ CBDATA_COOKIE) &&
	    ch_core_read_u32(core, object->addr + 8, &type))
		return ch_table_find(&squid->types, type);
	if (squid->nodes != CH_TABLE_NONE &&
	    ch_core_read_u64(core, object->addr + NODE_POINTER, &word) &&
	    word == object->addr + NODE_DATA)
		return squid->nodes;
	return CH_TABLE_NONE;
}

static struct ch_error *blocks(void *state, const struct ch_object *objects, size_t n,
			       uint64_t *keys_ret)
{
	struct squid *squid = state;
	struct pool *pools = squid->pools.items;
	uint32_t pool;
	bool freed;
	size_t i;

	for (i = 0; i < n; i++) {
		keys_ret[i] = 0;
		pool = ch_table_find(&squid->freed, objects[i].addr);
		freed = pool != CH_TABLE_NONE;
		if (!freed)
			pool = pool_in_use(squid, &objects[i]);
		if (pool == CH_TABLE_NONE || !fits(&pools[pool], objects[i].size_bytes))
			continue;
		pools[pool].told_count += !freed;
		keys_ret[i] = key_of(pool, freed);
	}
	return NULL;
}

/* ---- Sizes that only pools have -------------------------------------------------------------- */

/* Pools whose objects may be of the same size for malloc, and all blocks of these sizes. */
struct cluster {
	/* [first, end) of the pools, and least and greatest usable bytes. */
	uint32_t first, end;
	uint64_t least, most;
	uint64_t blocks_count;
	/* The only pool with objects that were not told; CH_TABLE_NONE: it is not known. */
	uint32_t rest;
};

struct clusters {
	struct squid *squid;
	struct ch_naming *naming;
	/* of struct cluster, ascending */
	struct ch_vec items;
};

static bool make_clusters(struct clusters *clusters)
{
	const struct pool *pools = clusters->squid->pools.items;
	struct cluster *cluster = NULL;
	uint64_t bytes;
	uint32_t i;

	for (i = 0; i < clusters->squid->pools.count; i++) {
		bytes = usable_bytes(pools[i].size);
		if (!cluster || bytes > cluster->most) {
			cluster = ch_vec_push(&clusters->items);
			if (!cluster)
				return false;
			*cluster = (struct cluster){ .first = i, .least = bytes };
		}
		cluster->end = i + 1;
		cluster->most = bytes + 16;
		cluster->rest = CH_TABLE_NONE;
	}
	return true;
}

static struct cluster *cluster_of(const struct clusters *clusters, uint64_t size)
{
	struct cluster *items = clusters->items.items;
	size_t i = ch_search(items, clusters->items.count, it, it->most < size);

	return i < clusters->items.count && items[i].least <= size ? &items[i] : NULL;
}

static struct ch_error *count_blocks(void *arg, const struct ch_named_block *blocks_list, size_t n)
{
	const struct clusters *clusters = arg;
	struct cluster *cluster;
	size_t i;

	for (i = 0; i < n; i++) {
		cluster = cluster_of(clusters, blocks_list[i].size_bytes);
		if (cluster)
			cluster->blocks_count++;
	}
	return NULL;
}

/* Where there are as many blocks as objects, all blocks are objects; and where all but those of one
 * pool were told, the others are that pool's. */
static void decide(const struct clusters *clusters, struct cluster *cluster)
{
	const struct pool *pools = clusters->squid->pools.items;
	uint64_t objects = 0, open = 0;
	uint32_t i, rest = CH_TABLE_NONE;

	for (i = cluster->first; i < cluster->end; i++) {
		objects += pools[i].alloc_count;
		if (pools[i].told_count == pools[i].alloc_count)
			continue;
		open++;
		rest = i;
	}
	if (objects == cluster->blocks_count && open == 1)
		cluster->rest = rest;
}

static struct ch_error *name_blocks(void *arg, const struct ch_named_block *blocks_list, size_t n)
{
	const struct clusters *clusters = arg;
	const struct cluster *cluster;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		cluster = cluster_of(clusters, blocks_list[i].size_bytes);
		if (cluster && cluster->rest != CH_TABLE_NONE)
			err = chp_naming_say(clusters->naming, &ch_provider_squid, &blocks_list[i],
					     key_of(cluster->rest, false));
	}
	return err;
}

static struct ch_error *rest(void *state, struct ch_naming *naming)
{
	struct clusters clusters = { .squid = state,
				     .naming = naming,
				     .items = CH_VEC(struct cluster) };
	struct ch_error *err = NULL;
	size_t i;

	if (!make_clusters(&clusters))
		err = &ch_enomem;
	if (!err)
		err = chp_naming_all(naming, count_blocks, &clusters);
	for (i = 0; !err && i < clusters.items.count; i++)
		decide(&clusters, CH_VEC_AT(&clusters.items, struct cluster, i));
	if (!err)
		err = chp_naming_left(naming, name_blocks, &clusters);
	ch_vec_deinit(&clusters.items);
	return err;
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	const struct squid *squid = state;
	const struct pool *pool = CH_VEC_AT(&squid->pools, struct pool, (key - 1) / 2);

	ret->name = pool->names[(key - 1) % 2];
	return NULL;
}

const struct ch_provider ch_provider_squid = {
	.name = "squid",
	.summary = "objects of squid's memory pools",
	.basis = CH_BASIS_DERIVED,
	.rank = CH_RANK_RECORDED,
	.open = open_squid,
	.close = close_squid,
	.blocks = blocks,
	.rest = rest,
	.type = type,
};
