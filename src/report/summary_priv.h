/*
 * summary_priv.h - the JSON half of the summary.
 */
#ifndef COREHEAP_REPORT_SUMMARY_PRIV_H
#define COREHEAP_REPORT_SUMMARY_PRIV_H

#include "report/summary.h"

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_summary_print_json(const struct ch_report *report,
						      const struct ch_summary *summary);

#endif /* COREHEAP_REPORT_SUMMARY_PRIV_H */
