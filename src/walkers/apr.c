/*
 * The walker of APR's pools (Apache httpd, Subversion). A pool has nodes, from which memory is
 * handed out front to back and never taken back one by one; the pool itself lies in its first node.
 * Nodes are blocks of malloc or, as in Debian, mappings of their own, whole pages in any case. What
 * a node has handed out is one object, as nothing tells where its parts end.
 *
 * Source: APR 1.4 to 1.7, memory/unix/apr_pools.c, struct apr_pool_t (without APR_POOL_DEBUG),
 * struct apr_allocator_t; include/apr_allocator.h, struct apr_memnode_t.
 */
#include "heap/constants.h"
#include "heap/signs.h"

#include <stdlib.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* apr_memnode_t: next, ref, index, free_index, first_avail, endp; index + 1 pages. */
#define NODE_BYTES 40U
#define NODE_INDEX 16
#define NODE_FIRST 24
#define NODE_END   32
#define NODE_LEAST 8192U
#define NODE_PAGE  4096U
/* apr_pool_t: parent, child, sibling, ref, cleanups, free_cleanups, allocator, subprocesses,
 * abort_fn, user_data, tag, active, self, self_first_avail, and from 1.3 on pre_cleanups */
#define POOL_PARENT    0
#define POOL_REF       24
#define POOL_ALLOCATOR 48
#define POOL_TAG       80
#define POOL_ACTIVE    88
#define POOL_SELF      96
#define POOL_SELF_END  104
#define POOL_BYTES     112U
/* apr_allocator_t: three numbers, mutex, owner, then lists of free nodes by size */
#define FREE_LISTS       40
#define FREE_LISTS_COUNT 20

static const char *const modules[] = { "libapr-1", NULL };
static const char *const symbols[] = { "apr_pool_create_ex" };
static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
};

/* A node: [start, end), handed out from its header to used_end. */
struct part {
	uint64_t start, used_end, end;
	uint64_t key;
};

struct pool {
	uint64_t addr, nodes_count, nodes_bytes;
	/* of names */
	uint32_t name, parent;
};

struct apr {
	/* What the engine reads; first. */
	struct ch_answers out;
	struct ch_heap_env env;
	struct ch_constants names;
	/* Index of the name of pools without one, and of free nodes. */
	uint32_t unnamed, unused;
	/* of struct pool, which are heaps; by address */
	struct ch_vec pools;
	struct ch_table by_addr;
	/* of struct part; cookies of spans are indices; by address */
	struct ch_vec parts;
	struct ch_table nodes, free_nodes, allocators;
};

static uint64_t word_at(const struct apr *apr, uint64_t addr)
{
	uint64_t word;

	return ch_core_read_u64(apr->env.core, addr, &word) ? word : 0;
}

/* Whether a node begins at addr: its end follows from its index. */
static bool read_node(const struct apr *apr, uint64_t addr, struct part *ret)
{
	uint32_t index;

	if (addr % 8 || !ch_core_read_u32(apr->env.core, addr + NODE_INDEX, &index))
		return false;
	*ret = (struct part){ .start = addr,
			      .used_end = word_at(apr, addr + NODE_FIRST),
			      .end = word_at(apr, addr + NODE_END) };
	return ret->end - addr == (index + 1ULL) * NODE_PAGE && ret->end - addr >= NODE_LEAST &&
	       ret->used_end >= addr + NODE_BYTES && ret->used_end <= ret->end;
}

/* Whether the node at addr is the first one of a pool, which then lies behind its header. What led
 * to a pool that was destroyed leads to it no more, but the rest of it stays as it was. */
static bool is_first(const struct apr *apr, uint64_t addr)
{
	const uint64_t pool = addr + NODE_BYTES, end = word_at(apr, pool + POOL_SELF_END);
	const uint64_t parent = word_at(apr, pool), ref = word_at(apr, pool + POOL_REF);
	struct part node;

	return word_at(apr, pool + POOL_SELF) == addr && end >= pool + POOL_BYTES &&
	       (parent ? word_at(apr, ref) == pool : !ref) && read_node(apr, addr, &node) &&
	       end <= node.used_end;
}

/* ---- Looking for them ------------------------------------------------------------ */

static struct ch_error *add_pool(struct apr *apr, uint64_t addr)
{
	const size_t index = apr->pools.count;
	struct pool *pool;

	if (ch_table_find(&apr->by_addr, addr) != CH_TABLE_NONE)
		return NULL;
	pool = ch_vec_push(&apr->pools);
	if (!pool || !ch_table_put(&apr->by_addr, addr, (uint32_t)index))
		return &ch_enomem;
	*pool = (struct pool){ .addr = addr, .parent = CH_TABLE_NONE };
	return NULL;
}

static struct ch_error *look_in_blocks(void *arg, const struct ch_object *objects, size_t n)
{
	struct ch_error *err = NULL;
	struct apr *apr = arg;
	size_t i;

	for (i = 0; !err && i < n; i++)
		if (objects[i].state == CH_OBJECT_USED && objects[i].size_bytes >= NODE_LEAST &&
		    is_first(apr, objects[i].addr))
			err = add_pool(apr, objects[i].addr + NODE_BYTES);
	return err;
}

/* Pages that no walker has. */
static struct ch_error *look_in_pages(struct apr *apr, uint64_t start, uint64_t end)
{
	struct ch_error *err = NULL;
	uint64_t at = start;
	size_t len;

	while (!err && ch_core_next_data(apr->env.core, &at, end, &len)) {
		at = ch_align_down(at, NODE_PAGE);
		if (is_first(apr, at))
			err = add_pool(apr, at + NODE_BYTES);
		at += NODE_PAGE;
	}
	return err ? err : chp_context_check(apr->env.ctx);
}

static struct ch_error *look_in_mappings(struct apr *apr)
{
	const struct ch_region *regions;
	const struct ch_taken *taken = apr->env.taken;
	struct ch_error *err = NULL;
	size_t count, i, k = 0;
	uint64_t at, end;

	regions = ch_map_regions(apr->env.map, &count);
	for (i = 0; !err && i < count; i++) {
		if (regions[i].type != CH_MEMTYPE_PRIVATE || regions[i].state != CH_STATE_COMMIT ||
		    !(regions[i].prot & CH_SEGMENT_WRITE))
			continue;
		for (at = ch_align_up(regions[i].start, NODE_PAGE); !err && at < regions[i].end;
		     at = end) {
			while (k < apr->env.taken_count && taken[k].end <= at)
				k++;
			if (k < apr->env.taken_count && taken[k].start <= at) {
				end = ch_align_up(taken[k].end, NODE_PAGE);
				continue;
			}
			end = k < apr->env.taken_count ? ch_min(taken[k].start, regions[i].end)
						       : regions[i].end;
			err = look_in_pages(apr, at, end);
			end = ch_align_up(end, NODE_PAGE);
		}
	}
	return err;
}

/* ---- What they have -------------------------------------------------------------- */

/* Add a node of a heap. It may lie in a block of malloc. */
static struct ch_error *add_node(struct apr *apr, uint32_t heap, const struct part *node)
{
	struct part *part = ch_vec_push(&apr->parts);
	struct ch_span *span = ch_vec_push(&apr->out.spans);
	struct pool *pool = CH_VEC_AT(&apr->pools, struct pool, heap);
	struct ch_object block;
	bool in_block;

	if (!part || !span || !ch_table_put(&apr->nodes, node->start, 0))
		return &ch_enomem;
	in_block = chp_outer_block_at(&apr->env, node->start, &block) && block.addr == node->start;
	*part = *node;
	*span = (struct ch_span){ .start = node->start,
				  .end = node->end,
				  .committed_end = node->end,
				  .kind = "node of pools",
				  .heap = heap,
				  .usage = CH_USAGE_ARENA,
				  .basis = CH_BASIS_DERIVED,
				  .cookie = apr->parts.count - 1,
				  .block_addr = in_block ? node->start : 0 };
	pool->nodes_count++;
	pool->nodes_bytes += node->end - node->start;
	return NULL;
}

static void tell(const struct apr *apr, uint64_t addr)
{
	chp_context_finding(apr->env.ctx, chp_blame(&apr->env), "apr-nodes",
			    "pool 0x%llx: its list of nodes leads to what is none",
			    (unsigned long long)addr);
}

/* The nodes of a pool are a ring. */
static struct ch_error *add_ring(struct apr *apr, uint32_t index)
{
	const struct pool *pool = CH_VEC_AT(&apr->pools, struct pool, index);
	const uint64_t active = word_at(apr, pool->addr + POOL_ACTIVE);
	struct ch_error *err = NULL;
	uint64_t at = active;
	struct part node;

	do {
		if (!read_node(apr, at, &node) || ch_table_find(&apr->nodes, at) != CH_TABLE_NONE) {
			tell(apr, pool->addr);
			break;
		}
		node.key = pool->name + 1ULL;
		err = add_node(apr, index, &node);
		at = word_at(apr, at);
	} while (!err && at != active);
	return err;
}

/* Remember which nodes an allocator has for pools to come. */
static struct ch_error *mark_free(struct apr *apr, uint64_t allocator)
{
	uint64_t at, i;

	for (i = 0; allocator && i < FREE_LISTS_COUNT; i++)
		for (at = word_at(apr, allocator + FREE_LISTS + 8 * i);
		     at && ch_table_find(&apr->free_nodes, at) == CH_TABLE_NONE;
		     at = word_at(apr, at))
			if (!ch_table_put(&apr->free_nodes, at, 0))
				return &ch_enomem;
	return NULL;
}

/* Pools that lie in a free node were destroyed. */
static struct ch_error *drop_free(struct apr *apr)
{
	struct pool *pools = apr->pools.items;
	struct ch_error *err = NULL;
	size_t i, kept = 0;

	for (i = 0; !err && i < apr->pools.count; i++)
		err = mark_free(apr, word_at(apr, pools[i].addr + POOL_ALLOCATOR));
	for (i = 0; !err && i < apr->pools.count; i++) {
		if (ch_table_find(&apr->free_nodes, pools[i].addr - NODE_BYTES) != CH_TABLE_NONE)
			continue;
		pools[kept] = pools[i];
		if (!ch_table_put(&apr->by_addr, pools[kept].addr, (uint32_t)kept))
			err = &ch_enomem;
		kept++;
	}
	apr->pools.count = kept;
	return err;
}

/* Free nodes of an allocator, which is named as a pool is. */
static struct ch_error *add_free(struct apr *apr, uint64_t allocator)
{
	const size_t index = apr->pools.count;
	struct ch_error *err = NULL;
	struct part node;
	uint64_t at, i;
	struct pool *pool;

	if (!allocator || ch_table_find(&apr->allocators, allocator) != CH_TABLE_NONE)
		return NULL;
	pool = ch_vec_push(&apr->pools);
	if (!pool || !ch_table_put(&apr->allocators, allocator, 0))
		return &ch_enomem;
	*pool = (struct pool){ .addr = allocator, .name = apr->unused, .parent = CH_TABLE_NONE };
	for (i = 0; !err && i < FREE_LISTS_COUNT; i++)
		for (at = word_at(apr, allocator + FREE_LISTS + 8 * i); !err && at;
		     at = word_at(apr, at)) {
			if (!read_node(apr, at, &node) ||
			    ch_table_find(&apr->nodes, at) != CH_TABLE_NONE) {
				tell(apr, allocator);
				break;
			}
			/* the end of what it handed out is set when it is taken again */
			node.used_end = at + NODE_BYTES;
			err = add_node(apr, (uint32_t)index, &node);
		}
	return err;
}

static struct ch_error *name_pool(struct apr *apr, struct pool *pool)
{
	struct ch_error *err;

	err = chp_constants_at(&apr->names, &apr->env, word_at(apr, pool->addr + POOL_TAG),
			       &pool->name);
	if (pool->name == CH_TABLE_NONE)
		pool->name = apr->unnamed;
	return err;
}

static struct ch_error *read_pools(struct apr *apr)
{
	struct ch_error *err = chp_outer_walk(&apr->env, 0, UINT64_MAX, look_in_blocks, apr);
	struct pool *pools;
	size_t count, i;

	if (!err)
		err = look_in_mappings(apr);
	if (!err)
		err = drop_free(apr);
	pools = apr->pools.items;
	count = apr->pools.count;
	for (i = 0; !err && i < count; i++)
		err = name_pool(apr, &pools[i]);
	for (i = 0; !err && i < count; i++) {
		pools[i].parent =
			ch_table_find(&apr->by_addr, word_at(apr, pools[i].addr + POOL_PARENT));
		err = add_ring(apr, (uint32_t)i);
	}
	for (i = 0; !err && i < count; i++)
		err = add_free(apr, word_at(apr, CH_VEC_AT(&apr->pools, struct pool, i)->addr +
							 POOL_ALLOCATOR));
	return err;
}

/* ---- The walker ------------------------------------------------------------------ */

static void close_apr(void *state)
{
	struct apr *apr = state;

	chp_constants_deinit(&apr->names);
	ch_vec_deinit(&apr->pools);
	ch_table_deinit(&apr->by_addr);
	ch_vec_deinit(&apr->parts);
	ch_table_deinit(&apr->nodes);
	ch_table_deinit(&apr->free_nodes);
	ch_table_deinit(&apr->allocators);
	chp_answers_deinit(&apr->out);
	free(apr);
}

/* What is told of one pool. Its facts may still move. */
static struct ch_error *add_desc(struct apr *apr, const struct pool *pool)
{
	struct ch_heap_desc *desc = ch_vec_push(&apr->out.heaps);
	const struct pool *pools = apr->pools.items;
	const size_t first = apr->out.heap_facts.count;
	struct ch_error *err = NULL;

	if (!desc)
		return &ch_enomem;
	*desc = (struct ch_heap_desc){ .kind = pool->name == apr->unused ? "allocator" : "pool",
				       .name = chp_constant(&apr->names, pool->name),
				       .addr = pool->addr };
	if (pool->parent != CH_TABLE_NONE)
		err = chp_fact_add(&apr->out.heap_facts, "parent", 0,
				   chp_constant(&apr->names, pools[pool->parent].name));
	if (!err)
		err = chp_fact_add(&apr->out.heap_facts, "nodes_count", pool->nodes_count, NULL);
	desc->facts_count = apr->out.heap_facts.count - first;
	return err;
}

static struct ch_error *fill(struct apr *apr)
{
	struct ch_heap_desc *descs;
	struct ch_error *err;
	size_t i, first = 0;

	err = chp_constants_add(&apr->names, "pool without a tag", &apr->unnamed);
	if (!err)
		err = chp_constants_add(&apr->names, "free nodes", &apr->unused);
	if (!err)
		err = read_pools(apr);
	if (!err && !apr->pools.count)
		err = ch_error_create(CH_ERROR_ABSENT, "no pool of APR was found");
	for (i = 0; !err && i < apr->pools.count; i++)
		err = add_desc(apr, CH_VEC_AT(&apr->pools, struct pool, i));
	descs = apr->out.heaps.items;
	for (i = 0; !err && i < apr->out.heaps.count; i++) {
		descs[i].facts = CH_VEC_AT(&apr->out.heap_facts, struct ch_fact, first);
		first += descs[i].facts_count;
	}
	return err ? err : chp_fact_add(&apr->out.facts, "nodes_count", apr->nodes.count, NULL);
}

static struct ch_error *open_apr(const struct ch_heap_env *env, void **state_ret)
{
	struct apr *apr = calloc(1, sizeof(*apr));
	struct ch_error *err;

	if (!apr)
		return &ch_enomem;
	apr->env = *env;
	apr->names = CH_CONSTANTS;
	apr->pools = CH_VEC(struct pool);
	apr->parts = CH_VEC(struct part);
	apr->out = CH_ANSWERS;
	err = fill(apr);
	if (err) {
		close_apr(apr);
		return err;
	}
	*state_ret = apr;
	return NULL;
}

static struct ch_error *put(struct ch_object_batch *batch, uint64_t start, uint64_t end,
			    enum ch_object_state state, uint64_t key)
{
	const struct ch_object object = { .addr = start,
					  .size_bytes = end - start,
					  .chunk_bytes = end - start,
					  .key = key,
					  .state = (uint8_t)state,
					  .flags = state == CH_OBJECT_FREE ? CH_OBJECT_TOP : 0 };

	return start < end ? ch_object_batch_put(batch, &object) : NULL;
}

static struct ch_error *objects(void *state, const struct ch_span *span, uint64_t from,
				struct ch_object_sink *sink)
{
	const struct apr *apr = state;
	const struct part *part = CH_VEC_AT(&apr->parts, struct part, span->cookie);
	const uint64_t first = part->start + NODE_BYTES;
	struct ch_object_batch batch;
	struct ch_error *err;

	(void)from;
	/* Not initialised as a whole: the items are 20 KiB. */
	batch.sink = sink;
	batch.count = 0;
	err = put(&batch, part->start, first, CH_OBJECT_OVERHEAD, 0);
	if (!err)
		err = put(&batch, first, part->used_end, CH_OBJECT_USED, part->key);
	if (!err)
		err = put(&batch, part->used_end, part->end, CH_OBJECT_FREE, 0);
	return err ? err : ch_object_batch_flush(&batch);
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	const struct apr *apr = state;

	if (key <= apr->names.texts.count)
		ret->name = chp_constant(&apr->names, (uint32_t)key - 1);
	ret->basis = key == apr->unnamed + 1ULL ? CH_BASIS_DERIVED : CH_BASIS_RECORDED;
	return NULL;
}

const struct ch_walker ch_walker_apr = {
	.name = "apr",
	.title = "APR pools",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "pools of the Apache Portable Runtime, by their tags",
	.priority = CH_WALKER_SPECIFIC,
	.signs = &signs,
	.open = open_apr,
	.close = close_apr,
	.allocator = &(
		const struct ch_walker_allocator){ .stage = 1, .pooled = true, .objects = objects },
	.types = &(const struct ch_walker_types){ .name = type },
};
