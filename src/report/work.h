/*
 * report/work.h - what `timers` and `threadpool` say.
 */
#ifndef COREHEAP_REPORT_WORK_H
#define COREHEAP_REPORT_WORK_H

#include "analysis/work.h"
#include "render/render.h"

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_timers(const struct ch_report *report,
						const struct ch_work *work);
/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_pool(const struct ch_report *report,
					      const struct ch_work *work);

#endif /* COREHEAP_REPORT_WORK_H */
