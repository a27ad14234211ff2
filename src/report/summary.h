/*
 * summary.h - how the summary is shown.
 */
#ifndef COREHEAP_REPORT_SUMMARY_H
#define COREHEAP_REPORT_SUMMARY_H

#include "analysis/summary.h"
#include "report/crash.h"
#include "report/death.h"
#include "report/pools.h"
#include "report/process.h"
#include "report/suspect.h"

/** all: in TEXT all of it, not what fits on a screen. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_summary(const struct ch_report *report,
						 const struct ch_summary *summary, bool all);

#endif /* COREHEAP_REPORT_SUMMARY_H */
