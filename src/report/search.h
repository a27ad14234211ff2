/*
 * report/search.h - what `search` says, row by row.
 */
#ifndef COREHEAP_REPORT_SEARCH_H
#define COREHEAP_REPORT_SEARCH_H

#include <coreheap/graph.h>

#include "heap/filter.h"
#include "map/search.h"
#include "report/heap.h"

struct ch_search_result {
	struct ch_graph *graph;
	struct ch_heaps *heaps;
	struct ch_sym *sym;
	struct ch_search search;
	/** Only matches in objects that pass; NULL: anywhere. */
	const struct ch_object_filter *objects;
	/** Only say how many. */
	bool count;
};

/** Search and print. Errors: NOMEM, OS, STOP. */
CH_MUST_CHECK struct ch_error *ch_report_search(const struct ch_report *report,
						const struct ch_search_result *result);

#endif /* COREHEAP_REPORT_SEARCH_H */
