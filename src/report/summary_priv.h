/*
 * summary_priv.h - the parts of the summary's report.
 */
#ifndef COREHEAP_REPORT_SUMMARY_PRIV_H
#define COREHEAP_REPORT_SUMMARY_PRIV_H

#include "report/summary.h"

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_summary_print_json(const struct ch_report *report,
						      const struct ch_summary *summary);

/** Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_summary_print_markdown(const struct ch_report *report,
							  const struct ch_summary *summary);
/** The accounting, and the largest types, as tables. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_summary_print_rows(const struct ch_report *report,
						      const struct ch_summary *summary);
CH_MUST_CHECK struct ch_error *chp_summary_print_tracked(const struct ch_report *report,
							 const struct ch_summary *summary);
CH_MUST_CHECK struct ch_error *chp_summary_print_types(const struct ch_report *report,
						       const struct ch_summary *summary);

#endif /* COREHEAP_REPORT_SUMMARY_PRIV_H */
