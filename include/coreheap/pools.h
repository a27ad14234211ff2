/*
 * coreheap/pools.h - memory that libraries of a runtime manage themselves: pools of buffers,
 * and what is counted against a limit.
 *
 * Vocabulary:
 *   quota    bytes that are counted, and the most that there may be;
 *   pool     a library takes chunks and hands out pieces of them (an arena of Netty's);
 *   counted  an object whose program counts references to it, and that is to be released by
 *            hand (a ByteBuf of Netty's): collected before that, its piece is lost to the pool.
 */
#ifndef COREHEAP_POOLS_H
#define COREHEAP_POOLS_H

#include <coreheap/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A counter, and its limit. */
struct ch_quota {
	/** Index into ch_heaps_runtimes(). */
	uint32_t walker;
	/** "direct memory of java.nio", "direct memory of Netty". Borrowed. */
	const char *label;
	/** What counts it: "java.nio.Bits.RESERVED_MEMORY". Borrowed. */
	const char *counter;
	uint64_t used_bytes, limit_bytes;
	/** What the next allocation takes at least, and of what: "a chunk of its pool"; 0 and
	 * NULL: not known. Static. */
	uint64_t next_bytes;
	const char *next;
};
/** What is left; 0: it is at its limit or above. */
CH_PUBLIC uint64_t ch_quota_left(const struct ch_quota *quota);

/**
 * What runtimes and their libraries count against limits. Borrowed until ch_heaps_close().
 * Errors: NOMEM, STOP.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_heaps_quotas(struct ch_heaps *heaps, const struct ch_quota **ret, size_t *count_ret);

/** Memory that a pool cuts into pieces. */
struct ch_pool_chunk {
	/** The object that describes it; where the memory lies, 0: not known. */
	uint64_t addr, memory_addr;
	uint64_t bytes, free_bytes;
};

struct ch_pool {
	/** "direct arena 3", "heap arena 0". Borrowed. */
	const char *name;
	/** The object. */
	uint64_t addr;
	/** Its memory is no managed object's. */
	bool direct;
	/** Of ch_pools.chunks: those of this pool. */
	size_t chunks_first, chunks_count;
	/** Sums over them; what is free in them is not known of each pool. */
	uint64_t chunks_bytes, free_bytes;
	bool free_unknown;
	/** Pieces too large for a chunk, by the pool's own counter; valid when huge_known. */
	uint64_t huge_bytes;
	bool huge_known;
	/** Buffers that have a piece of its chunks, be they reached or not, and what these take;
	 * the same of pieces too large for a chunk. Pieces that wait in caches of threads. */
	uint64_t buffers_count, buffers_bytes, huge_count, huge_held_bytes;
	uint64_t cached_count, cached_bytes;
	/** Free parts of pages that small pieces share. */
	uint64_t shared_bytes;
	/** The rest of what is used, huge pieces included: buffers that had it were collected
	 * without a release. Valid when lost_known. */
	uint64_t lost_bytes;
	bool lost_known;
	/** Kernel ids of the threads that allocate from it, ascending: in ch_pools.tids. */
	size_t tids_first, tids_count;
};

/** Counted objects of one type. */
struct ch_counted_type {
	/** What the runtime calls it. */
	uint64_t key;
	/** Not released: count, what they can hold, what they take of pools. */
	uint64_t count, capacity_bytes, pooled_bytes;
	/** Released: they wait to be used again, or for the collector. */
	uint64_t released_count;
	/** One that is not released; 0: all are. */
	uint64_t sample_addr;
};

struct ch_pools {
	/** Index into ch_heaps_runtimes(). */
	uint32_t walker;
	/** "Netty". Static. */
	const char *library;
	const struct ch_pool *pools;
	size_t pools_count;
	const struct ch_pool_chunk *chunks;
	size_t chunks_count;
	const uint32_t *tids;
	/** By count, descending. */
	const struct ch_counted_type *types;
	size_t types_count;
};

/**
 * Pools of a library and its buffers; NULL when there are none. Computed when it is first
 * asked for, which walks all objects of the runtime. Borrowed until ch_heaps_close().
 * Errors: NOMEM, STOP.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_pools(struct ch_heaps *heaps,
							const struct ch_pools **ret);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_POOLS_H */
