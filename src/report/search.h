/*
 * report/search.h - what `search` says, row by row.
 */
#ifndef COREHEAP_REPORT_SEARCH_H
#define COREHEAP_REPORT_SEARCH_H

#include "analysis/matches.h"
#include "render/document.h"

/** Search and print; count: only how many. Errors: NOMEM, OS, STOP. */
CH_MUST_CHECK struct ch_error *ch_report_search(const struct ch_report *report,
						const struct ch_matches *matches, bool count);

#endif /* COREHEAP_REPORT_SEARCH_H */
