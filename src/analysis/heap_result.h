/*
 * heap_result.h - the state of all heaps: leak or retention, and where free memory is.
 */
#ifndef COREHEAP_ANALYSIS_HEAP_RESULT_H
#define COREHEAP_ANALYSIS_HEAP_RESULT_H

#include <coreheap/runtime.h>

#include "analysis/heaps_view.h"
#include "analysis/measure.h"
#include "analysis/pooled.h"
#include "analysis/retention.h"
#include "heap/sections.h"

struct ch_heap_result {
	struct ch_heaps_view view;
	/** The verdict is in them. */
	struct ch_measured sums;
	/** Leak or retention, of heaps alone. */
	struct ch_retention retention;
	/** What a runtime counts of its memory, or NULL. Borrowed. */
	const struct ch_tracking *tracking;
	/** What a runtime has for its classes, or NULL. Borrowed. */
	const struct ch_metaspace *metaspace;
	/** of struct ch_section: how runtimes were set up */
	struct ch_vec settings;
	struct ch_pooled pooled;
};

/**
 * threads: to work with; 0: as many as there are processors. The caller's to end with
 * chp_heap_result_deinit() also on failure. Errors: those of the session, NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_heap_result_make(struct ch_session *session, uint32_t threads,
						    struct ch_heap_result *ret);
void chp_heap_result_deinit(struct ch_heap_result *result);

#endif /* COREHEAP_ANALYSIS_HEAP_RESULT_H */
