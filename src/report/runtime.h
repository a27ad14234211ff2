/*
 * runtime.h - how is shown what runtimes say of themselves.
 */
#ifndef COREHEAP_REPORT_RUNTIME_H
#define COREHEAP_REPORT_RUNTIME_H

#include "analysis/heap_result.h"
#include "render/render.h"

/** An object, null where tracking is NULL. */
json_t *chp_json_tracking(const struct ch_runtime *runtimes, const struct ch_tracking *tracking);
/** Nothing where tracking is NULL. */
CH_MUST_CHECK struct ch_error *chp_print_tracking(const struct ch_report *report,
						  const struct ch_tracking *tracking);

/** Whose the used blocks of malloc are: at most so many categories. */
CH_MUST_CHECK struct ch_error *chp_print_tracked_blocks(const struct ch_report *report,
							const struct ch_runtime *runtimes,
							const struct ch_tracking *tracking,
							size_t most);

#endif /* COREHEAP_REPORT_RUNTIME_H */
