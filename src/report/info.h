/*
 * info.h - how is shown what a core is.
 */
#ifndef COREHEAP_REPORT_INFO_H
#define COREHEAP_REPORT_INFO_H

#include "analysis/info.h"
#include "report/death.h"
#include "report/process.h"

/** "walked", "not walked yet", "mapped, not in use". Static. */
const char *chp_info_status(const struct ch_runtime *runtime);

CH_MUST_CHECK struct ch_error *ch_report_info(const struct ch_report *report,
					      const struct ch_info *info);

#endif /* COREHEAP_REPORT_INFO_H */
