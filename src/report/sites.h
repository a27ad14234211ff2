/*
 * report/sites.h - how sites of allocations are shown, and written for other programs.
 */
#ifndef COREHEAP_REPORT_SITES_H
#define COREHEAP_REPORT_SITES_H

#include "analysis/sites.h"
#include "render/document.h"

CH_MUST_CHECK struct ch_error *chp_report_sites(const struct ch_report *report,
						const struct ch_sites *sites);
/** A profile of pprof as runtime/pprof writes it. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_report_sites_pprof(const struct ch_report *report,
						      const struct ch_sites *sites);
/** A line for each stack, with bytes in use. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_report_sites_folded(const struct ch_report *report,
						       const struct ch_sites *sites);

#endif /* COREHEAP_REPORT_SITES_H */
