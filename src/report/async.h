/*
 * report/async.h - what `async` says.
 */
#ifndef COREHEAP_REPORT_ASYNC_H
#define COREHEAP_REPORT_ASYNC_H

#include "analysis/async.h"
#include "render/render.h"

/** Groups and chains. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_async(const struct ch_report *report,
					       const struct ch_async *async);

#endif /* COREHEAP_REPORT_ASYNC_H */
