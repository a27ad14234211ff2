/*
 * strings.h - equal strings, and what they cost.
 */
#ifndef COREHEAP_REPORT_STRINGS_H
#define COREHEAP_REPORT_STRINGS_H

#include "heap/strings.h"
#include "render/render.h"

/** Texts themselves only with report->reveal. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_strings(const struct ch_report *report,
						 const struct ch_core *core,
						 const struct ch_strings_stat *strings);

#endif /* COREHEAP_REPORT_STRINGS_H */
