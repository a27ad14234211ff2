/*
 * report/retained.h - what `retained` says.
 */
#ifndef COREHEAP_REPORT_RETAINED_H
#define COREHEAP_REPORT_RETAINED_H

#include "analysis/retained.h"
#include "render/document.h"

/** as_tree: the tree instead of lists, but in documents. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_retained(const struct ch_report *report,
						  const struct ch_retained_result *of,
						  bool as_tree);

#endif /* COREHEAP_REPORT_RETAINED_H */
