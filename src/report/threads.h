/*
 * threads.h - how threads, their stacks, and groups of equal stacks are shown.
 */
#ifndef COREHEAP_REPORT_THREADS_H
#define COREHEAP_REPORT_THREADS_H

#include "analysis/thread_rows.h"
#include "render/render.h"

CH_MUST_CHECK struct ch_error *ch_report_threads(const struct ch_report *report,
						 const struct ch_threads *threads);

#endif /* COREHEAP_REPORT_THREADS_H */
