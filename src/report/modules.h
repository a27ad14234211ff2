/*
 * modules.h - how the images of a process are shown.
 */
#ifndef COREHEAP_REPORT_MODULES_H
#define COREHEAP_REPORT_MODULES_H

#include "analysis/modules.h"
#include "report/sections.h"

CH_MUST_CHECK struct ch_error *ch_report_modules(const struct ch_report *report,
						 const struct ch_modules *modules);

#endif /* COREHEAP_REPORT_MODULES_H */
