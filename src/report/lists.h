/*
 * report/lists.h - what commands say whose answer is one list.
 */
#ifndef COREHEAP_REPORT_LISTS_H
#define COREHEAP_REPORT_LISTS_H

#include "render/listing.h"

/** `methods`; known: a runtime lists its own. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_methods(const struct ch_report *report,
						 struct ch_listing *listing, bool known,
						 uint64_t code_bytes);
/** `stackobjects`: of threads_count threads. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_stackobjects(const struct ch_report *report,
						      struct ch_listing *listing,
						      uint64_t threads_count);

#endif /* COREHEAP_REPORT_LISTS_H */
