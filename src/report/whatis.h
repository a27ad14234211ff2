/*
 * whatis.h - how is shown what an address is.
 */
#ifndef COREHEAP_REPORT_WHATIS_H
#define COREHEAP_REPORT_WHATIS_H

#include "analysis/whatis.h"
#include "render/render.h"

/** One block of lines for each result, or one document. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_whatis(const struct ch_report *report,
						const struct ch_whatis_result *results,
						size_t count);

#endif /* COREHEAP_REPORT_WHATIS_H */
