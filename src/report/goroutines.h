/*
 * goroutines.h - how goroutines are shown: each of them in documents, in groups for people.
 */
#ifndef COREHEAP_REPORT_GOROUTINES_H
#define COREHEAP_REPORT_GOROUTINES_H

#include "analysis/thread_rows.h"
#include "render/listing.h"

extern const struct ch_list chp_goroutines_list, chp_goroutine_groups_list;

/** Fill listings of them. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_goroutines_put(struct ch_listing *rows,
						  struct ch_listing *groups,
						  const struct ch_threads *threads);
/** Groups with their stacks; nothing where there is no goroutine. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_goroutines_print(const struct ch_report *report,
						    const struct ch_threads *threads);

#endif /* COREHEAP_REPORT_GOROUTINES_H */
