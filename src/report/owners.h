/*
 * report/owners.h - native memory by the managed objects that own it.
 */
#ifndef COREHEAP_REPORT_OWNERS_H
#define COREHEAP_REPORT_OWNERS_H

#include "graph/owners.h"
#include "report/heap.h"

struct ch_owners_result {
	struct ch_heaps *heaps;
	struct ch_owners owners;
};

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_report_owners(const struct ch_report *report,
						 const struct ch_owners_result *result);

#endif /* COREHEAP_REPORT_OWNERS_H */
