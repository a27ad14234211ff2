/*
 * report/handles.h - what `handles` says.
 */
#ifndef COREHEAP_REPORT_HANDLES_H
#define COREHEAP_REPORT_HANDLES_H

#include "analysis/handles.h"
#include "render/render.h"

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_handles(const struct ch_report *report,
						 const struct ch_handles *handles);

#endif /* COREHEAP_REPORT_HANDLES_H */
