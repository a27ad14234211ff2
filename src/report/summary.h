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

/** What TEXT begins with: who died, how, and what memory is in use. summary needs to be no further
 * than for ch_summary_options.begun. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *ch_report_summary_head(const struct ch_report *report,
						      const struct ch_summary *summary);
/** all: in TEXT all of it, not what fits on a screen. begun: its head is printed already. Errors:
 * NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_summary(const struct ch_report *report,
						 const struct ch_summary *summary, bool all,
						 bool begun);

#endif /* COREHEAP_REPORT_SUMMARY_H */
