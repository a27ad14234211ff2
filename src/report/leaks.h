/*
 * report/leaks.h - what `leaks` says.
 */
#ifndef COREHEAP_REPORT_LEAKS_H
#define COREHEAP_REPORT_LEAKS_H

#include <coreheap/leaks.h>

#include "analysis/coverage.h"
#include "report/heap.h"

struct ch_leaks_result {
	struct ch_graph *graph;
	struct ch_leaks *leaks;
	struct ch_heaps *heaps;
	struct ch_sym *sym;
	struct ch_coverage coverage;
	/** Show each lost block, not the groups. */
	bool list;
	/** In a list: bits of enum ch_reach. */
	uint32_t reaches;
};

/** Classes, then groups of lost blocks, or each of them. Errors: NOMEM, OS, STOP. */
CH_MUST_CHECK struct ch_error *ch_report_leaks(const struct ch_report *report,
					       const struct ch_leaks_result *result);

#endif /* COREHEAP_REPORT_LEAKS_H */
