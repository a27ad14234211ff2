/*
 * candidates.h - spans on their way into the table: spans.c takes them from walkers and settles
 * who has what, nesting.c finds the blocks that nested ones lie in, ranges.c tells what is wrong.
 */
#ifndef COREHEAP_HEAP_CANDIDATES_H
#define COREHEAP_HEAP_CANDIDATES_H

#include "heap/heap_priv.h"

struct ch_candidate {
	struct ch_span span;
	/** Index into ch_heaps.origins. */
	uint32_t origin;
	uint32_t opened;
	/** As in struct ch_span_info. */
	bool cut, holed;
	/** A nested one: the block that it names was found around it. */
	bool placed;
};

/** Ranges of which one thing is to be said: once, for there may be a million of them. */
struct ch_ranges {
	uint64_t count, bytes;
	/** The first one. */
	uint64_t start, end;
};

void chp_ranges_add(struct ch_ranges *ranges, uint64_t start, uint64_t end, uint64_t bytes);
/** One finding for all ranges that have a fault. */
void chp_ranges_tell(struct ch_heaps *heaps, uint32_t opened, const struct ch_ranges *ranges,
		     enum ch_severity severity, const char *code, const char *what);

/** Of nested candidates, ascending and not touching, keep those that lie in one block of the
 * spans in the table, or in a mapping that none of these has. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_nesting_place(struct ch_heaps *heaps, struct ch_vec *candidates);

#endif /* COREHEAP_HEAP_CANDIDATES_H */
