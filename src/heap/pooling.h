/*
 * pooling.h - what a walker knows of memory that libraries of its runtime manage themselves
 * (coreheap/pools.h). Part of walker.h, which includes it.
 */
#ifndef COREHEAP_HEAP_POOLING_H
#define COREHEAP_HEAP_POOLING_H

#include <coreheap/pools.h>

/** A counted object: coreheap/pools.h. */
struct ch_counted {
	/** References that its program counts; 0: it was released. */
	uint32_t refs;
	/** What it can hold; 0: nothing of its own, or not known. What it takes of a pool's
	 * memory; 0: it has none of a pool. */
	uint64_t capacity_bytes, pooled_bytes;
	/** Where its memory lies, 0: not known, or in an object. */
	uint64_t memory_addr;
};

struct ch_pooling {
	/** What is counted against limits, all but walker filled in; owned by the state, and
	 * computed when it is first asked for. May be NULL. Errors: NOMEM, STOP. */
	struct ch_error *(*quotas)(void *state, struct ch_quota **ret, size_t *count_ret);
	/** As ch_heaps_pools(), all but walker filled in; *ret NULL: there are none. Errors:
	 * NOMEM, STOP. */
	struct ch_error *(*pools)(void *state, struct ch_heaps *heaps, struct ch_pools **ret);
	/** What the object at addr says of itself. False: it is not counted, or part of a pool
	 * itself. Called after pools(), which found some. Cheap, and not thread-safe. */
	bool (*counted)(void *state, uint64_t addr, uint64_t key, struct ch_counted *ret);
};

/** That of the walker that ch_heaps_pools() asked, and its state; NULL: there is none. */
const struct ch_pooling *chp_heaps_pooling(const struct ch_heaps *heaps, uint32_t walker,
					   void **state_ret);

#endif /* COREHEAP_HEAP_POOLING_H */
