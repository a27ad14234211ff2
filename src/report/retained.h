/*
 * report/retained.h - what `retained` says.
 */
#ifndef COREHEAP_REPORT_RETAINED_H
#define COREHEAP_REPORT_RETAINED_H

#include <coreheap/graph.h>

#include "report/heap.h"

struct ch_retained_result {
	struct ch_graph *graph;
	struct ch_heaps *heaps;
	struct ch_retained *retained;
	/** One block; CH_ID_NONE: all. */
	uint32_t id;
	/** The tree, this many levels deep; 0: tables. */
	uint32_t tree_depth;
};

/** Errors: NOMEM, OS, STOP. */
CH_MUST_CHECK struct ch_error *ch_report_retained(const struct ch_report *report,
						  const struct ch_retained_result *result);

#endif /* COREHEAP_REPORT_RETAINED_H */
