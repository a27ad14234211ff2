/*
 * nginx_priv.h - the inside of the walker of nginx's pools, tables and shared zones.
 *
 * A pool (ngx_pool_t) is a chain of blocks of malloc, from which memory is handed out front to back
 * and never taken back, and a list of large blocks. Nothing tells where one piece of memory ends,
 * so what a block has handed out is one object. Connections and their events are tables; shared
 * zones are slabs of pages, in mappings of their own.
 *
 *   parts.c   heaps and their parts
 *   pools.c   pools among the blocks of malloc, and what each has
 *   tables.c  connections and events
 *   zones.c   shared zones and their pages
 */
#ifndef COREHEAP_WALKERS_NGINX_NGINX_PRIV_H
#define COREHEAP_WALKERS_NGINX_NGINX_PRIV_H

#include "heap/walker.h"

#include "util/table.h"
#include "util/vec.h"

/** What a name stands for, and the key of its type; 0 is none. */
enum nginx_name {
	NGINX_CYCLE_POOL = 1,
	NGINX_CONNECTION_POOL,
	NGINX_REQUEST_POOL,
	NGINX_POOL,
	NGINX_CONNECTION,
	NGINX_EVENT,
	/** Zones follow, each with a key of its own. */
	NGINX_ZONE,
};

enum nginx_kind {
	/** [start, used_end) is handed out; one with a mapping of its own, or a block. */
	NGINX_BLOCK,
	/** Elements of stride_bytes, each used if its connection has a file. */
	NGINX_TABLE,
	NGINX_SLAB,
};

/** A span; cookies are indices. */
struct nginx_part {
	enum nginx_kind kind;
	uint64_t start, used_end, end;
	/** Key of the type of what is in it. */
	uint64_t key;
	uint64_t stride_bytes;
};

/** A heap with its facts. */
struct nginx_heap {
	const char *kind;
	uint64_t addr, key;
	/** Of pools: blocks of malloc, and large ones; of zones: pages, requests that failed. */
	uint64_t counts[2], bytes;
};

struct nginx {
	/** What the engine reads; first. */
	struct ch_answers out;
	struct ch_heap_env env;
	uint64_t page_bytes;
	/** The cycle, 0 if it is not known, and its pool. */
	uint64_t cycle, cycle_pool;
	/** of struct nginx_part; of struct nginx_heap */
	struct ch_vec parts, heaps;
	/** Blocks that have a part. */
	struct ch_table blocks;
	/** of char *, owned: of zones, NULL unless contents are to be revealed */
	struct ch_vec zone_names;
	/** Addresses of pools that connections have. */
	struct ch_table owned;
	/** Connections: where, how far apart, how many. */
	uint64_t connections, stride_bytes, connections_count;
};

/** A number of 8 bytes; 0: it is not there. */
uint64_t nginx_word(const struct nginx *ng, uint64_t addr);
/** Add a heap; its index in *ret. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *nginx_add_heap(struct nginx *ng, const struct nginx_heap *heap,
					      uint32_t *ret);
/** Add a part of a heap that begins in a block of malloc, or with a mapping of its own. Errors:
 * NOMEM. */
CH_MUST_CHECK struct ch_error *nginx_add_part(struct nginx *ng, uint32_t heap,
					      const struct nginx_part *part, bool in_block);
/** Pools. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *nginx_read_pools(struct nginx *ng);
/** Connections and events, if the cycle is known. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *nginx_read_tables(struct nginx *ng);
/** Shared zones. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *nginx_read_zones(struct nginx *ng);

/** Of objects(), for parts of each kind. Errors: those of the batch. */
CH_MUST_CHECK struct ch_error *nginx_walk_table(const struct nginx *ng,
						const struct nginx_part *part, uint64_t from,
						struct ch_object_batch *batch);
CH_MUST_CHECK struct ch_error *nginx_walk_slab(const struct nginx *ng,
					       const struct nginx_part *part, uint64_t from,
					       struct ch_object_batch *batch);
/** Put an object without a header, unless it is empty. */
CH_MUST_CHECK struct ch_error *nginx_put(struct ch_object_batch *batch, uint64_t addr,
					 uint64_t bytes, enum ch_object_state state, uint64_t key);

#endif /* COREHEAP_WALKERS_NGINX_NGINX_PRIV_H */
