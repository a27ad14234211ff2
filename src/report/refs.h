/*
 * report/refs.h - what `refs` says, row by row.
 */
#ifndef COREHEAP_REPORT_REFS_H
#define COREHEAP_REPORT_REFS_H

#include "analysis/refs.h"
#include "render/document.h"

/** Find and print. Errors: NOMEM, OS, STOP. */
CH_MUST_CHECK struct ch_error *ch_report_refs(const struct ch_report *report,
					      const struct ch_refs_result *result);

#endif /* COREHEAP_REPORT_REFS_H */
