/*
 * Objects of haproxy's pools: blocks of malloc that end with the address of their pool.
 *
 * Every pool is in a list that begins in the program's data, and has a name; pools of one size
 * are one, with the name of the first. An object in use has its pool behind what the program uses
 * of it ("tag", which is how haproxy is built unless told otherwise). Objects that were freed lose
 * that mark; they are in a list of their pool, or of its cache of a thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap/signs.h"
#include "types/provider.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/table.h"
#include "util/text.h"
#include "util/vec.h"

/* Some 30 to 60 are there. */
#define POOLS_MAX 1024U
/* Freed objects that are looked at in all: caches are small. */
#define FREED_MAX (1U << 22)
/* struct pool_head, name. */
#define NAME_BYTES 12U
/* struct pool_cache_head: list, count u32 16, tid u32 20, pool 24; aligned to 64. */
#define CACHE_BYTES 64U
/* CONFIG_HAP_POOL_BUCKETS, the most. */
#define BUCKETS_MAX 64U
/* MAX_THREADS, the most that was ever set. */
#define THREADS_MAX 4096U
/* Behind an object: its mark, who freed it, and what malloc rounds up. */
#define TAIL_BYTES 40U

/* Where releases have what of struct pool_head. */
struct layout {
	uint32_t size, alloc_size, list, name;
	/* The first list of freed objects, and how many there are at most, CACHE_BYTES apart;
	 * caches of threads are behind them. */
	uint32_t freed, freed_max, caches_min;
	/* Project, version, file, name. */
	const char *source;
};

static const struct layout layouts[] = {
	{ 28, 44, 48, 72, 0, 1, 128, "haproxy 2.6.0 and 2.7.0, pool-t.h struct pool_head" },
	{ 8, 20, 24, 48, 64, BUCKETS_MAX, 128,
	  "haproxy 2.8.0 and 3.0.0, pool-t.h struct pool_head" },
	{ 8, 20, 32, 56, 128, BUCKETS_MAX, 192, "haproxy 3.2.0, pool-t.h struct pool_head" },
	{ 8, 24, 32, 56, 128, BUCKETS_MAX, 192, "haproxy 3.5-dev5, pool-t.h struct pool_head" },
};

struct pool {
	uint64_t addr;
	uint32_t size, alloc_size;
	/* Of objects in use, and of freed ones. */
	char *names[2];
};

struct haproxy {
	struct ch_heap_env env;
	const struct layout *layout;
	/* of struct pool */
	struct ch_vec pools;
	/* Where each is in pools, and of which pool a freed object is. */
	struct ch_table numbers, freed;
};

/* ---- The pools ---------------------------------------------------------------------------- */

/* Where caches of threads begin: each leads back to its pool. 0: nowhere. */
static uint64_t find_caches(const struct haproxy *ha, uint64_t pool)
{
	const struct layout *layout = ha->layout;
	uint64_t addr = pool + layout->caches_min, back;
	uint32_t i, tid;

	for (i = 0; i < layout->freed_max; i++, addr += CACHE_BYTES)
		if (ch_core_read_u64(ha->env.core, addr + 24, &back) && back == pool &&
		    ch_core_read_u32(ha->env.core, addr + 20, &tid) && tid == 0)
			return addr;
	return 0;
}

static bool read_pool(const struct haproxy *ha, uint64_t addr, struct pool *pool,
		      char name[NAME_BYTES])
{
	const struct ch_core *core = ha->env.core;
	uint32_t extra;

	*pool = (struct pool){ .addr = addr };
	if (addr % CACHE_BYTES ||
	    !ch_core_try_read(core, addr + ha->layout->name, name, NAME_BYTES) ||
	    !memchr(name, '\0', NAME_BYTES) || !chp_text_is_name(name) ||
	    !ch_core_read_u32(core, addr + ha->layout->size, &pool->size) ||
	    !ch_core_read_u32(core, addr + ha->layout->alloc_size, &pool->alloc_size))
		return false;
	extra = pool->alloc_size - pool->size;
	return pool->size && extra <= 16 && extra % 8 == 0;
}

/* Whether a list of pools begins at head: its first and its last lead back, and both are pools. */
static bool is_list(struct haproxy *ha, uint64_t head, uint64_t first)
{
	const struct ch_core *core = ha->env.core;
	char name[NAME_BYTES];
	struct pool pool;
	uint64_t last, word;
	size_t row;

	if (first % 8 || first == head || !ch_core_read_u64(core, first + 8, &word) ||
	    word != head || !ch_core_read_u64(core, head + 8, &last) ||
	    !ch_core_read_u64(core, last, &word) || word != head)
		return false;
	for (row = 0; row < CH_COUNT_OF(layouts); row++) {
		ha->layout = &layouts[row];
		if (read_pool(ha, first - ha->layout->list, &pool, name) &&
		    find_caches(ha, pool.addr) &&
		    read_pool(ha, last - ha->layout->list, &pool, name) &&
		    find_caches(ha, pool.addr))
			return true;
	}
	return false;
}

static bool name_pool(struct pool *pool, const char *name)
{
	if (asprintf(&pool->names[0], "pool %s", name) < 0)
		pool->names[0] = NULL;
	if (asprintf(&pool->names[1], "pool %s, freed", name) < 0)
		pool->names[1] = NULL;
	return pool->names[0] && pool->names[1];
}

/* Follow the list; each must lead back to the one before, so that it cannot run in a circle that
 * is not its own. */
static struct ch_error *read_pools(struct haproxy *ha, uint64_t head)
{
	const struct ch_core *core = ha->env.core;
	uint64_t before = head, at, back;
	char name[NAME_BYTES];
	struct pool pool, *slot;

	while (ch_core_read_u64(core, before, &at) && at != head && ha->pools.count < POOLS_MAX &&
	       ch_core_read_u64(core, at + 8, &back) && back == before &&
	       read_pool(ha, at - ha->layout->list, &pool, name)) {
		slot = ch_vec_push(&ha->pools);
		if (!slot)
			return &ch_enomem;
		*slot = pool;
		if (!name_pool(slot, name) ||
		    !ch_table_put(&ha->numbers, pool.addr, (uint32_t)ha->pools.count - 1))
			return &ch_enomem;
		before = at;
	}
	return NULL;
}

/* ---- Freed objects -------------------------------------------------------------------------- */

static struct ch_error *add_freed(struct haproxy *ha, uint64_t addr, uint32_t pool)
{
	return ch_table_put(&ha->freed, addr, pool) ? NULL : &ch_enomem;
}

static bool is_new(const struct haproxy *ha, uint64_t addr)
{
	return addr && addr % 8 == 0 && ha->freed.count < FREED_MAX &&
	       ch_table_find(&ha->freed, addr) == CH_TABLE_NONE;
}

/* Objects of a thread's cache: a ring through their first words. */
static struct ch_error *read_cache(struct haproxy *ha, uint64_t head, uint32_t pool)
{
	struct ch_error *err = NULL;
	uint64_t at;

	if (!ch_core_read_u64(ha->env.core, head, &at))
		return NULL;
	while (!err && at != head && is_new(ha, at)) {
		err = add_freed(ha, at, pool);
		if (!ch_core_read_u64(ha->env.core, at, &at))
			break;
	}
	return err;
}

/* Objects that threads share: a list of lists, by their first and second words. */
static struct ch_error *read_shared(struct haproxy *ha, uint64_t place, uint32_t pool)
{
	const struct ch_core *core = ha->env.core;
	struct ch_error *err = NULL;
	uint64_t next, at;

	if (!ch_core_read_u64(core, place, &next))
		return NULL;
	while (!err && is_new(ha, next)) {
		at = next;
		if (!ch_core_read_u64(core, at, &next))
			break;
		while (!err && is_new(ha, at)) {
			err = add_freed(ha, at, pool);
			if (!ch_core_read_u64(core, at + 8, &at))
				break;
		}
	}
	return err;
}

static struct ch_error *read_freed(struct haproxy *ha, uint32_t number)
{
	const struct layout *layout = ha->layout;
	uint64_t pool = CH_VEC_AT(&ha->pools, struct pool, number)->addr;
	uint64_t caches = find_caches(ha, pool), at = pool + layout->freed, back;
	struct ch_error *err = NULL;
	uint32_t i;

	for (i = 0; !err && i < layout->freed_max && at < caches; i++, at += CACHE_BYTES)
		err = read_shared(ha, at, number);
	for (i = 0, at = caches; caches && !err && i < THREADS_MAX; i++, at += CACHE_BYTES) {
		if (!ch_core_read_u64(ha->env.core, at + 24, &back) || back != pool)
			break;
		err = read_cache(ha, at, number);
	}
	return err;
}

/* ---- The provider -----------------------------------------------------------------------------
 */

struct search {
	struct haproxy *ha;
	uint64_t head;
};

static bool try_word(void *arg, uint64_t addr, uint64_t word)
{
	struct search *search = arg;

	search->head = addr;
	return word && is_list(search->ha, addr, word);
}

static void close_haproxy(void *state)
{
	struct haproxy *ha = state;
	struct pool *pool;
	size_t i;

	for (i = 0; i < ha->pools.count; i++) {
		pool = CH_VEC_AT(&ha->pools, struct pool, i);
		free(pool->names[0]);
		free(pool->names[1]);
	}
	ch_vec_deinit(&ha->pools);
	ch_table_deinit(&ha->numbers);
	ch_table_deinit(&ha->freed);
	free(ha);
}

static struct ch_error *open_haproxy(const struct ch_provider_env *env, void **state_ret)
{
	struct haproxy *ha = calloc(1, sizeof(*ha));
	struct search search = { .ha = ha };
	struct ch_error *err;
	uint32_t i;

	if (!ha)
		return &ch_enomem;
	ha->env = (struct ch_heap_env){
		.core = env->core, .sym = env->sym, .map = env->map, .ctx = env->ctx
	};
	ha->pools = CH_VEC(struct pool);
	if (!chp_exe_words(&ha->env, try_word, &search)) {
		close_haproxy(ha);
		return NULL;
	}
	err = read_pools(ha, search.head);
	for (i = 0; !err && i < ha->pools.count; i++)
		err = read_freed(ha, i);
	if (err) {
		close_haproxy(ha);
		return err;
	}
	*state_ret = ha;
	return NULL;
}

static uint64_t key_of(uint32_t pool, bool freed)
{
	return 2 * (uint64_t)pool + freed + 1;
}

/* Whether a block can be an object of a pool: it is as large as malloc makes one. */
static bool fits(const struct pool *pool, uint64_t size)
{
	return size >= pool->alloc_size && size - pool->alloc_size < TAIL_BYTES - 8;
}

static uint64_t find_key(const struct haproxy *ha, const struct ch_object *object)
{
	const struct pool *pools = ha->pools.items;
	uint32_t pool = ch_table_find(&ha->freed, object->addr);
	uint64_t size = object->size_bytes, offset, word;

	if (pool != CH_TABLE_NONE)
		return fits(&pools[pool], size) ? key_of(pool, true) : 0;
	for (offset = size % 8 ? 0 : 8; offset && offset <= ch_min(TAIL_BYTES, size); offset += 8) {
		if (!ch_core_read_u64(ha->env.core, object->addr + size - offset, &word))
			continue;
		pool = ch_table_find(&ha->numbers, word);
		if (pool != CH_TABLE_NONE && pools[pool].size == size - offset &&
		    pools[pool].alloc_size > pools[pool].size && fits(&pools[pool], size))
			return key_of(pool, false);
	}
	return 0;
}

static struct ch_error *blocks(void *state, const struct ch_object *objects, size_t n,
			       uint64_t *keys_ret)
{
	const struct haproxy *ha = state;
	size_t i;

	for (i = 0; i < n; i++)
		keys_ret[i] = find_key(ha, &objects[i]);
	return NULL;
}

/* What was freed holds nothing. */
static enum ch_words words(const void *state, uint64_t key)
{
	(void)state;
	return (key - 1) % 2 ? CH_WORDS_BYTES : CH_WORDS_MEMBERS;
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	const struct haproxy *ha = state;
	const struct pool *pool = CH_VEC_AT(&ha->pools, struct pool, (key - 1) / 2);

	ret->name = pool->names[(key - 1) % 2];
	return NULL;
}

const struct ch_provider ch_provider_haproxy = {
	.name = "haproxy",
	.summary = "objects of haproxy's pools by the pool that each ends with",
	.basis = CH_BASIS_RECORDED,
	.rank = CH_RANK_RECORDED,
	.open = open_haproxy,
	.close = close_haproxy,
	.blocks = blocks,
	.type = type,
	.words = words,
};
