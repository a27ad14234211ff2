/*
 * loaders.h - how class loaders are shown.
 */
#ifndef COREHEAP_REPORT_LOADERS_H
#define COREHEAP_REPORT_LOADERS_H

#include "analysis/loaders.h"
#include "render/document.h"

CH_MUST_CHECK struct ch_error *chp_report_loaders(const struct ch_report *report,
						  const struct ch_loaders_result *result);

#endif /* COREHEAP_REPORT_LOADERS_H */
