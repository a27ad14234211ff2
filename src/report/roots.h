/*
 * report/roots.h - how chains from roots are shown.
 */
#ifndef COREHEAP_REPORT_ROOTS_H
#define COREHEAP_REPORT_ROOTS_H

#include "analysis/roots.h"
#include "render/render.h"

/** Chains from roots to the targets. Errors: NOMEM, OS, STOP. */
CH_MUST_CHECK struct ch_error *ch_report_roots(const struct ch_report *report,
					       const struct ch_roots_result *result);

#endif /* COREHEAP_REPORT_ROOTS_H */
