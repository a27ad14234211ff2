/*
 * summary_priv.h - the parts of the summary's report.
 */
#ifndef COREHEAP_REPORT_SUMMARY_PRIV_H
#define COREHEAP_REPORT_SUMMARY_PRIV_H

#include "report/summary.h"

/** Room for what chp_summary_complete() says. */
#define CH_SUMMARY_COMPLETE_MAX 512

/** "complete", or "not complete: ..." with what is missing. */
void chp_summary_complete(const struct ch_report *report, const struct ch_summary *summary,
			  char ret[CH_SUMMARY_COMPLETE_MAX]);
/** screen.c: TEXT, at most a screen of it; begun: its head is printed already. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_summary_print_screen(const struct ch_report *report,
							const struct ch_summary *summary,
							bool begun);
/** screen.c: what comes before the tables, with so many suspects at most, and without the head if
 * that is printed already. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_summary_print_upper(const struct ch_report *report,
						       const struct ch_summary *summary,
						       size_t suspects, bool begun);
/** screen.c: what is mapped and not in use, in a sentence. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_summary_print_untouched(const struct ch_report *report,
							   const struct ch_summary *summary);
/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_summary_print_json(const struct ch_report *report,
						      const struct ch_summary *summary);

/** Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_summary_print_markdown(const struct ch_report *report,
							  const struct ch_summary *summary);
/** What is mapped and not touched: with the touched bytes it is the total. */
struct ch_untouched_part {
	/** For people; for programs. Static. */
	const char *title, *name;
	uint64_t bytes;
};
#define CH_UNTOUCHED_PARTS 4
/** Those that are not empty; returns how many. */
size_t chp_summary_untouched(const struct ch_account *account,
			     struct ch_untouched_part ret[CH_UNTOUCHED_PARTS]);
/** The accounting, and the largest types, as tables. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_summary_print_rows(const struct ch_report *report,
						      const struct ch_summary *summary);
CH_MUST_CHECK struct ch_error *chp_summary_print_tracked(const struct ch_report *report,
							 const struct ch_summary *summary);
CH_MUST_CHECK struct ch_error *chp_summary_print_types(const struct ch_report *report,
						       const struct ch_summary *summary);
/** What share of used blocks has a name, where more than runtimes have one; the largest types are
 * printed with it. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_summary_print_named(const struct ch_report *report,
						       const struct ch_summary *summary);

#endif /* COREHEAP_REPORT_SUMMARY_PRIV_H */
