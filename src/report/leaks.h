/*
 * report/leaks.h - how leaks are shown.
 */
#ifndef COREHEAP_REPORT_LEAKS_H
#define COREHEAP_REPORT_LEAKS_H

#include "analysis/leaks.h"
#include "report/heap.h"

/** Classes, then groups of lost blocks; reaches not 0: each block that is held so (bits of
 * enum ch_reach) instead. Errors: NOMEM, OS, STOP. */
CH_MUST_CHECK struct ch_error *ch_report_leaks(const struct ch_report *report,
					       const struct ch_leaks_result *result,
					       uint32_t reaches);

#endif /* COREHEAP_REPORT_LEAKS_H */
