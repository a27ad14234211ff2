/*
 * traces.h - the stack traces that objects carry, alike ones together, with names.
 *
 * Frames of a trace are read when they are asked for: there may be many traces, and long ones.
 */
#ifndef COREHEAP_ANALYSIS_TRACES_H
#define COREHEAP_ANALYSIS_TRACES_H

#include <coreheap/coreheap.h>

#include "heap/traces.h"
#include "util/vec.h"

/** What frames are read from; private to traces.c. */
struct ch_traces_source;

struct ch_traces_row {
	struct ch_trace_stat of;
	/** Borrowed until the heaps are closed; static. */
	const char *type, *runtime;
	const struct ch_traces_source *source;
};

struct ch_traces_result {
	/** Its rows aside. */
	struct ch_traces_stat sums;
	/** of struct ch_traces_row: most objects first */
	struct ch_vec rows;
	struct ch_traces_source *source;
};

/** Group all that pass. The caller's to end with chp_traces_result_deinit() also on failure.
 * What found no room is a finding. Errors: those of the session, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_traces_make(struct ch_session *session,
					       const struct ch_object_filter *filter,
					       struct ch_traces_result *ret);
void chp_traces_result_deinit(struct ch_traces_result *result);

/** A frame of the first object of a row. False: it has no more. */
bool chp_traces_frame(const struct ch_traces_row *row, uint32_t index, struct ch_trace_frame *ret);

#endif /* COREHEAP_ANALYSIS_TRACES_H */
