/*
 * filter.h - which objects a command asks for.
 */
#ifndef COREHEAP_HEAP_FILTER_H
#define COREHEAP_HEAP_FILTER_H

#include <coreheap/heap.h>

#include "util/vec.h"

/** Zeroed, it lets everything pass. */
struct ch_object_filter {
	/** Bit 1 << state for each state wanted; 0: all. */
	uint32_t states;
	/** Bounds of size_bytes, inclusive; max_bytes 0: none. */
	uint64_t min_bytes, max_bytes;
	/** Chunks that meet [start, end); end 0: everywhere. */
	uint64_t start, end;
	/** Only some heaps: one of these for each of ch_heaps_list(), borrowed; NULL:
	 * all. */
	const bool *heaps;
	/** Only these types: type and kind of rows of ch_heaps_types(); count 0: all. */
	const struct ch_type_stat *types;
	size_t types_count;
	/** Of n objects of one span, at most CH_BATCH_MAX, which to keep; NULL: all. */
	void (*keep)(const void *arg, const struct ch_object *objects, size_t n, bool *ret);
	const void *keep_arg;
};

/** Whether nothing is filtered out. */
static inline bool chp_filter_is_open(const struct ch_object_filter *filter)
{
	return !filter->states && !filter->min_bytes && !filter->max_bytes && !filter->end &&
	       !filter->heaps && !filter->types_count && !filter->keep;
}

/**
 * Move the objects of a batch (all of one span, at most CH_BATCH_MAX) that pass to
 * the front of out, which has room for n. Returns how many passed. The range is not looked at:
 * give it to ch_heaps_walk().
 */
size_t chp_filter_batch(const struct ch_heaps *heaps, const struct ch_object_filter *filter,
			const struct ch_object *objects, size_t n, struct ch_object *out);

/** As ch_heaps_walk(), of the objects that pass only. */
CH_MUST_CHECK struct ch_error *chp_heaps_walk_where(struct ch_heaps *heaps,
						    const struct ch_object_filter *filter,
						    ch_objects_fn fn, void *arg);

/**
 * As ch_heaps_types(), of the objects that pass only. rows (of struct
 * ch_type_stat) is empty before and the caller's after. Unwalked bytes have a
 * row unless a size, a range or a type was asked for. Errors: NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_heaps_types_where(struct ch_heaps *heaps,
						     const struct ch_object_filter *filter,
						     struct ch_vec *rows);

#endif /* COREHEAP_HEAP_FILTER_H */
