/*
 * report/refs.h - what `refs` says, row by row.
 */
#ifndef COREHEAP_REPORT_REFS_H
#define COREHEAP_REPORT_REFS_H

#include <coreheap/graph.h>

#include "report/heap.h"

struct ch_refs_result {
	struct ch_graph *graph;
	struct ch_heaps *heaps;
	struct ch_sym *sym;
	/** What is pointed at: [start, end), and the block it is, if any. */
	uint64_t start, end;
	bool has_block;
	struct ch_object block;
	bool code;
	/** start is the word of this static field, "Type.field", unescaped; "": it is not. */
	char static_name[1536];
};

/** Find and print. Errors: NOMEM, OS, STOP. */
CH_MUST_CHECK struct ch_error *ch_report_refs(const struct ch_report *report,
					      const struct ch_refs_result *result);

#endif /* COREHEAP_REPORT_REFS_H */
