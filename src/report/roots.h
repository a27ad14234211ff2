/*
 * report/roots.h - what `roots` says.
 */
#ifndef COREHEAP_REPORT_ROOTS_H
#define COREHEAP_REPORT_ROOTS_H

#include <coreheap/graph.h>

#include "report/heap.h"

enum ch_roots_verdict {
	CH_ROOTS_REACHABLE,
	CH_ROOTS_UNREACHABLE,
	CH_ROOTS_INCOMPLETE,
};

struct ch_roots_result {
	struct ch_graph *graph;
	struct ch_heaps *heaps;
	struct ch_chains *chains;
	/** Ids of the targets, ascending. */
	const uint32_t *targets;
	size_t targets_count;
	/** The type that was asked for, or NULL: then there is one target. */
	const char *type_name;
	/** What was asked for lies there, in no block: the targets are those that have its
	 * address. Else NULL. */
	const struct ch_region *mapping;
	enum ch_roots_verdict verdict;
	/** Why it is incomplete; "" otherwise. */
	char reason[256];
};

/** Chains from roots to the targets. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_roots(const struct ch_report *report,
					       const struct ch_roots_result *result);

#endif /* COREHEAP_REPORT_ROOTS_H */
