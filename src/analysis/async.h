/*
 * async.h - methods of .NET that wait: their state machines, and who waits for whom.
 *
 * Vocabulary:
 *   machine   what the compiler makes of an async method; when the method has to wait for the
 *             first time, the machine moves into an object on the heap, its box;
 *   state     the number of the await at which it stands, in the order of the source from 0 on;
 *             -1: it runs, or was not started;
 *   chain     boxes and tasks, each of which is continued by the one before it: what an
 *             asynchronous program has instead of a stack.
 *
 * Completed machines and tasks are left out. Those that nothing holds any more are counted
 * until they are collected, as `types` counts them.
 */
#ifndef COREHEAP_ANALYSIS_ASYNC_H
#define COREHEAP_ANALYSIS_ASYNC_H

#include <coreheap/heap.h>

#include "util/vec.h"

/** Machines that are alike. */
struct ch_async_group {
	/** Type of the machine; of what it awaits, NULL: not known. Borrowed from the result. */
	const char *type, *awaits;
	bool has_state;
	int32_t state;
	uint64_t count, total_bytes, sample_addr;
};

/** A step of the chains, alike ones merged: a tree, each row followed by its children. */
struct ch_async_step {
	/** Chains count from 1; a step of depth 0 is what the others wait for. */
	uint32_t chain, depth;
	const char *type;
	bool has_state;
	int32_t state;
	uint64_t count, sample_addr;
};

struct ch_async {
	/** A runtime that has state machines is here, and its fields are known. */
	bool known;
	/** Not all chains were followed. */
	bool cut;
	/** of struct ch_async_group, most bytes first; of struct ch_async_step */
	struct ch_vec groups, steps;
	uint64_t machines_count, machines_bytes, completed_count, chains_count;
	/** of char *: names, owned */
	struct ch_vec names;
};

/** Find them. Call chp_async_deinit() also on failure. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_async_find(struct ch_heaps *heaps, const struct ch_core *core,
					      struct ch_async *ret);
void chp_async_deinit(struct ch_async *async);

#endif /* COREHEAP_ANALYSIS_ASYNC_H */
