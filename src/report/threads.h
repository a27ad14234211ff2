/*
 * threads.h - how threads, their stacks, and groups of equal stacks are shown.
 */
#ifndef COREHEAP_REPORT_THREADS_H
#define COREHEAP_REPORT_THREADS_H

#include "analysis/thread_rows.h"
#include "render/render.h"

/** The frames of a stack as documents have them. */
json_t *chp_json_frames(const struct ch_core *core, const struct ch_thread_row *row);

/** The frames of a stack as a table. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_print_frames(const struct ch_report *report,
						const struct ch_thread_row *row);

CH_MUST_CHECK struct ch_error *ch_report_threads(const struct ch_report *report,
						 const struct ch_threads *threads);

#endif /* COREHEAP_REPORT_THREADS_H */
