/*
 * report/export.h - what `export` writes: formats of other programs.
 */
#ifndef COREHEAP_REPORT_EXPORT_H
#define COREHEAP_REPORT_EXPORT_H

#include "analysis/export.h"
#include "analysis/hprof.h"
#include "render/render.h"

/** What stands for the paths that --limit leaves out, after their number. */
#define CH_EXPORT_REST "smaller paths"

/** A line for each path, "frame;frame;frame BYTES", outermost first. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *ch_report_folded(const struct ch_report *report,
						const struct ch_export *of);
/** A profile of pprof with counts and bytes. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_pprof(const struct ch_report *report,
					       const struct ch_export *of);
/** A heap dump of Java; contents of memory are zeros without report->reveal. Errors: NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *ch_report_hprof(const struct ch_report *report,
					       const struct ch_hprof *of);

#endif /* COREHEAP_REPORT_EXPORT_H */
