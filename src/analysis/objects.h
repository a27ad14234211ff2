/*
 * objects.h - the blocks of the heaps that pass a filter, as they come.
 *
 * There may be millions, so none is kept: they are handed over in batches.
 */
#ifndef COREHEAP_ANALYSIS_OBJECTS_H
#define COREHEAP_ANALYSIS_OBJECTS_H

#include <coreheap/coreheap.h>

#include "analysis/named_types.h"
#include "heap/filter.h"

/** What blocks are read from; private to objects.c. */
struct ch_objects_source;

struct ch_objects_result {
	/** Borrowed until the heaps are closed. */
	const struct ch_runtime *runtimes;
	size_t runtimes_count;
	const struct ch_heap *heaps;
	size_t heaps_count;
	/** The heap of a block is that of its span. */
	const struct ch_span *spans;
	struct ch_objects_source *source;
};

/** Make ready for a walk. filter is borrowed. The caller's to end with chp_objects_deinit() also
 * on failure. Where there is no allocator, that is a finding. Errors: those of the session,
 * NOMEM. */
CH_MUST_CHECK struct ch_error *chp_objects_make(struct ch_session *session,
						const struct ch_object_filter *filter,
						struct ch_objects_result *ret);
void chp_objects_deinit(struct ch_objects_result *result);

/** Hand over all that pass, ascending. Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_objects_walk(const struct ch_objects_result *result,
						ch_objects_fn fn, void *arg);
/** The type of a block as `types` has it, but for what is counted there. Errors: those of
 * ch_heaps_type(). */
CH_MUST_CHECK struct ch_error *chp_objects_type(const struct ch_objects_result *result,
						const struct ch_object *object,
						struct ch_named_type *ret);

#endif /* COREHEAP_ANALYSIS_OBJECTS_H */
