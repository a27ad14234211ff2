/*
 * show.h - how what is inside of one object or block is shown.
 */
#ifndef COREHEAP_REPORT_SHOW_H
#define COREHEAP_REPORT_SHOW_H

#include "analysis/show.h"
#include "render/render.h"

/** Text, plain or JSON. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_show(const struct ch_report *report,
					      const struct ch_show_result *result);

#endif /* COREHEAP_REPORT_SHOW_H */
