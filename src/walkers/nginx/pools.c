/*
 * Pools are found among the used blocks of malloc by what ngx_create_pool() makes of one: it knows
 * its own end, which is malloc's but for rounding, how much it hands out at most follows from that,
 * and the place up to which it has lies between. What a pool is for is told by what lies first in
 * it, and by its log: a connection's is in its own pool, as is that of a cycle.
 *
 * Source: nginx 0.8 to 1.31, src/core/ngx_palloc.h, ngx_pool_t, ngx_pool_large_t;
 * src/core/ngx_palloc.c, ngx_create_pool(), ngx_palloc_block(), ngx_palloc_large().
 */
#include "walkers/nginx/nginx_priv.h"

#include "util/bytes.h"
#include "util/context.h"

/* ngx_pool_data_t: last, end, next, failed; then max, current, chain, large, cleanup, log */
#define DATA_BYTES 32U
#define POOL_BYTES 80U
#define LAST       0
#define END        8
#define NEXT       16
#define MAX        32
#define CURRENT    40
#define LARGE      56
#define LOG        72
/* ngx_pool_large_t: next, alloc */
#define LARGE_BYTES 16U

/* ngx_cycle_t: pool, and new_log, a struct */
#define CYCLE_POOL 8
#define CYCLE_LOG  24
/* The first word of a ngx_http_request_t, NGX_HTTP_MODULE. */
#define HTTP_SIGNATURE 0x50545448U

/* Most that malloc adds to a request of that size: to 16 bytes, and what is too little for a
 * chunk of its own. */
#define ROUNDING 32U

struct pool {
	uint64_t addr, size_bytes;
};

struct search {
	struct nginx *ng;
	/* of struct pool */
	struct ch_vec pools;
};

static bool is_pool(const struct nginx *ng, const struct ch_object *block, uint64_t *size_ret)
{
	uint64_t words[POOL_BYTES / 8], size;
	const struct ch_region *region;

	if (block->size_bytes <= POOL_BYTES ||
	    !ch_core_try_read(ng->env.core, block->addr, words, sizeof(words)))
		return false;
	size = words[END / 8] - block->addr;
	if (size <= POOL_BYTES || size > block->size_bytes ||
	    block->size_bytes - size >= ROUNDING || words[LAST / 8] < block->addr + POOL_BYTES ||
	    words[LAST / 8] > words[END / 8] ||
	    words[MAX / 8] != ch_min(size - POOL_BYTES, ng->page_bytes - 1) ||
	    (words[CURRENT / 8] != block->addr && !words[NEXT / 8]))
		return false;
	region = ch_map_region_at(ng->env.map, words[LOG / 8]);
	*size_ret = size;
	return region && region->state == CH_STATE_COMMIT;
}

static struct ch_error *look_for_pools(void *arg, const struct ch_object *objects, size_t n)
{
	struct search *search = arg;
	struct pool *pool;
	uint64_t size;
	size_t i;

	for (i = 0; i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || !is_pool(search->ng, &objects[i], &size))
			continue;
		pool = ch_vec_push(&search->pools);
		if (!pool)
			return &ch_enomem;
		*pool = (struct pool){ .addr = objects[i].addr, .size_bytes = size };
		/* no other pool has it */
		if (!ch_table_put(&search->ng->blocks, pool->addr, 0))
			return &ch_enomem;
	}
	return NULL;
}

static bool is_inside(uint64_t addr, const struct pool *pool)
{
	return addr >= pool->addr && addr - pool->addr < pool->size_bytes;
}

static enum nginx_name name_of(struct nginx *ng, const struct pool *pool)
{
	const uint64_t log = nginx_word(ng, pool->addr + LOG);
	uint32_t signature = 0;

	if (pool->addr == ng->cycle_pool)
		return NGINX_CYCLE_POOL;
	if (ch_core_read_u32(ng->env.core, pool->addr + POOL_BYTES, &signature) &&
	    signature == HTTP_SIGNATURE)
		return NGINX_REQUEST_POOL;
	if (!log || nginx_word(ng, log - CYCLE_LOG + CYCLE_POOL) != pool->addr)
		return is_inside(log, pool) ||
				       ch_table_find(&ng->owned, pool->addr) != CH_TABLE_NONE
			       ? NGINX_CONNECTION_POOL
			       : NGINX_POOL;
	/* that of a configuration that was replaced, if another one is in use */
	if (!ng->cycle)
		ng->cycle = log - CYCLE_LOG;
	return NGINX_CYCLE_POOL;
}

/* Blocks behind the first one, which are as long as that. */
static struct ch_error *add_blocks(struct nginx *ng, const struct pool *pool, uint32_t heap,
				   uint64_t key)
{
	uint64_t at = nginx_word(ng, pool->addr + NEXT);
	struct ch_error *err = NULL;
	struct nginx_part part;
	struct ch_object block;

	for (; !err && at; at = nginx_word(ng, at + NEXT)) {
		part = (struct nginx_part){ .start = at,
					    .used_end = nginx_word(ng, at + LAST),
					    .end = nginx_word(ng, at + END),
					    .key = key };
		if (!chp_outer_block_at(&ng->env, at, &block) || block.addr != at ||
		    block.state != CH_OBJECT_USED || block.size_bytes < pool->size_bytes ||
		    part.end - at != pool->size_bytes || part.used_end < at + DATA_BYTES ||
		    part.used_end > part.end || ch_table_find(&ng->blocks, at) != CH_TABLE_NONE) {
			chp_context_finding(ng->env.ctx, chp_blame(&ng->env), "nginx-pool",
					    "pool 0x%llx: its list of blocks leads to what is none",
					    (unsigned long long)pool->addr);
			break;
		}
		err = nginx_add_part(ng, heap, &part, true);
	}
	return err;
}

/* Blocks of malloc that are the pool's, as a list in its memory says; freed ones are 0. */
static struct ch_error *add_large(struct nginx *ng, const struct pool *pool, uint32_t heap,
				  uint64_t key)
{
	uint64_t at = nginx_word(ng, pool->addr + LARGE), alloc;
	struct nginx_heap *of = CH_VEC_AT(&ng->heaps, struct nginx_heap, heap);
	/* each has its place in the pool's memory */
	uint64_t left = of->counts[0] * pool->size_bytes / LARGE_BYTES;
	struct ch_error *err = NULL;
	struct ch_object block;

	for (; !err && at && left; at = nginx_word(ng, at), left--) {
		alloc = nginx_word(ng, at + 8);
		if (!alloc || !chp_outer_block_at(&ng->env, alloc, &block) || block.addr != alloc ||
		    block.state != CH_OBJECT_USED ||
		    ch_table_find(&ng->blocks, alloc) != CH_TABLE_NONE)
			continue;
		err = nginx_add_part(ng, heap,
				     &(struct nginx_part){ .start = alloc,
							   .used_end = alloc + block.size_bytes,
							   .end = alloc + block.size_bytes,
							   .key = key },
				     true);
		of->counts[0]--;
		of->counts[1]++;
	}
	if (!err && at)
		chp_context_finding(ng->env.ctx, chp_blame(&ng->env), "nginx-large",
				    "pool 0x%llx: its list of large blocks is longer than there is "
				    "room for",
				    (unsigned long long)pool->addr);
	return err;
}

static struct ch_error *add_pool(struct nginx *ng, const struct pool *pool)
{
	struct nginx_heap heap = { .kind = "pool", .addr = pool->addr };
	struct ch_error *err;
	uint32_t index;

	heap.key = name_of(ng, pool);
	err = nginx_add_heap(ng, &heap, &index);
	if (!err)
		err = nginx_add_part(
			ng, index,
			&(struct nginx_part){ .start = pool->addr,
					      .used_end = nginx_word(ng, pool->addr + LAST),
					      .end = pool->addr + pool->size_bytes,
					      .key = heap.key },
			true);
	if (!err)
		err = add_blocks(ng, pool, index, heap.key);
	return err ? err : add_large(ng, pool, index, heap.key);
}

struct ch_error *nginx_read_pools(struct nginx *ng)
{
	struct search search = { .ng = ng, .pools = CH_VEC(struct pool) };
	struct ch_error *err;
	size_t i;

	if (ng->cycle)
		ng->cycle_pool = nginx_word(ng, ng->cycle + CYCLE_POOL);
	err = chp_outer_walk(&ng->env, 0, UINT64_MAX, look_for_pools, &search);
	for (i = 0; !err && i < search.pools.count; i++)
		err = add_pool(ng, CH_VEC_AT(&search.pools, struct pool, i));
	ch_vec_deinit(&search.pools);
	return err;
}
