/*
 * diff.h - how a comparison is shown.
 */
#ifndef COREHEAP_REPORT_DIFF_H
#define COREHEAP_REPORT_DIFF_H

#include "analysis/compare.h"
#include "render/render.h"

/** Print it in any format. all: also rows that did not change. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_diff(const struct ch_report *report,
					      const struct ch_diff *diff, bool all);
/** diff_json.c. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_diff_print_json(const struct ch_report *report,
						   const struct ch_diff *diff, bool all);

#endif /* COREHEAP_REPORT_DIFF_H */
