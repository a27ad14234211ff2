/*
 * report/owners.h - native memory by the managed objects that own it.
 */
#ifndef COREHEAP_REPORT_OWNERS_H
#define COREHEAP_REPORT_OWNERS_H

#include "analysis/owned.h"
#include "render/document.h"

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_report_owners(const struct ch_report *report,
						 const struct ch_owned *result);

#endif /* COREHEAP_REPORT_OWNERS_H */
