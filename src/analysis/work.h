/*
 * work.h - what .NET will do by and by: timers, and work for the pool of threads.
 *
 * Both are told by the runtime's own library, by the names of its types and fields. Times and
 * counts are its own, not the program's data.
 */
#ifndef COREHEAP_ANALYSIS_WORK_H
#define COREHEAP_ANALYSIS_WORK_H

#include <coreheap/heap.h>

#include "util/vec.h"

/** A time that never comes. */
#define CH_WORK_NEVER UINT32_MAX

/** Alike ones in one row. Texts are the row's own, unescaped; NULL: not known. */
struct ch_work_row {
	/** Of work: the queue, static; of timers NULL. */
	const char *queue;
	/** Of work: type of the item; of timers: of the object that is handed over. */
	char *type;
	/** The method that will be called: "Shop.Tick". */
	char *calls;
	/** Of timers: as they were set, in milliseconds. */
	uint32_t due_ms, period_ms;
	uint64_t count, sample_addr;
};

struct ch_work {
	/** The runtime is here, and its library has these types. */
	bool known;
	/** of struct ch_work_row, most of them first */
	struct ch_vec rows;
	uint64_t count;
	/** The pool's threads; valid when has_workers. */
	bool has_workers;
	uint32_t workers_count, working_count, goal_count, min_count, max_count;
	/** Not all items were looked at. */
	bool cut;
};

/** Timers that will fire. Errors: NOMEM, STOP. Call chp_work_deinit() also on failure. */
CH_MUST_CHECK struct ch_error *chp_timers_find(struct ch_heaps *heaps, const struct ch_core *core,
					       struct ch_work *ret);
/** Items that no thread of the pool has taken yet, and its threads. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_pool_find(struct ch_heaps *heaps, const struct ch_core *core,
					     struct ch_work *ret);
void chp_work_deinit(struct ch_work *work);

#endif /* COREHEAP_ANALYSIS_WORK_H */
