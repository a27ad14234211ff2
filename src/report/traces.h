/*
 * traces.h - stack traces that objects carry.
 */
#ifndef COREHEAP_REPORT_TRACES_H
#define COREHEAP_REPORT_TRACES_H

#include "heap/traces.h"
#include "report/report.h"

/** Frames that are texts of the program only with report->reveal. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_traces(const struct ch_report *report,
						struct ch_heaps *heaps,
						const struct ch_traces_stat *traces);

#endif /* COREHEAP_REPORT_TRACES_H */
