/*
 * traces.h - how stack traces that objects carry are shown.
 */
#ifndef COREHEAP_REPORT_TRACES_H
#define COREHEAP_REPORT_TRACES_H

#include "analysis/traces.h"
#include "render/render.h"

/** Frames that are texts of the program only with report->reveal. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_traces(const struct ch_report *report,
						const struct ch_traces_result *traces);

/** {frames_count, frames_cut, frames[]} of what an object carries. */
json_t *chp_json_trace(const struct ch_report *report, const struct ch_trace *trace,
		       const struct ch_trace_frame *frames, size_t count);
/** A line for each frame of it, skip of them left out. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_print_trace(const struct ch_report *report,
					       const struct ch_trace_frame *frames, size_t count,
					       size_t skip);

#endif /* COREHEAP_REPORT_TRACES_H */
