/*
 * exceptions.h - how exceptions are shown.
 */
#ifndef COREHEAP_REPORT_EXCEPTIONS_H
#define COREHEAP_REPORT_EXCEPTIONS_H

#include "analysis/exceptions.h"
#include "render/render.h"

/** rows: of struct ch_exception_row. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_exceptions(const struct ch_report *report,
						    const struct ch_vec *rows);

#endif /* COREHEAP_REPORT_EXCEPTIONS_H */
