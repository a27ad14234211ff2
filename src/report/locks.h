/*
 * locks.h - how locks are shown.
 */
#ifndef COREHEAP_REPORT_LOCKS_H
#define COREHEAP_REPORT_LOCKS_H

#include "analysis/lock_rows.h"
#include "render/render.h"

CH_MUST_CHECK struct ch_error *chp_report_locks(const struct ch_report *report,
						const struct ch_locks_result *result);

#endif /* COREHEAP_REPORT_LOCKS_H */
