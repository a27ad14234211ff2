/*
 * heaps_view.h - what is known of all allocators, runtimes and heaps, as arrays.
 *
 * Results have this in place of the heaps themselves, so that whoever shows a result can ask
 * nothing that was not found out for it.
 */
#ifndef COREHEAP_ANALYSIS_HEAPS_VIEW_H
#define COREHEAP_ANALYSIS_HEAPS_VIEW_H

#include <coreheap/heap.h>

struct ch_facts {
	const struct ch_fact *rows;
	size_t count;
};

/** But for facts, borrowed until the heaps are closed. */
struct ch_heaps_view {
	const struct ch_runtime *runtimes;
	size_t runtimes_count;
	/** Of each runtime what it says of itself. The array is owned, facts are borrowed. */
	struct ch_facts *facts;
	const struct ch_heap *heaps;
	/** Of each heap; sums as far as the heaps were measured. */
	const struct ch_heap_free *frees;
	size_t heaps_count;
	const struct ch_span *spans;
	/** Of each span. */
	const struct ch_span_sums *sums;
	size_t spans_count;
	/** What runtimes have for themselves, beside their heaps. */
	const struct ch_runtime_memory *memory;
	size_t memory_count;
};

/** After the heaps were measured, if they are. The caller's to end with
 * chp_heaps_view_deinit() also on failure. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_heaps_view_make(const struct ch_heaps *heaps,
						   struct ch_heaps_view *ret);
void chp_heaps_view_deinit(struct ch_heaps_view *view);

/** Name of a heap without that of the processor it belongs to: "gen0" of "heap 3 gen0". */
const char *chp_generation_name(const struct ch_heap *heap);

#endif /* COREHEAP_ANALYSIS_HEAPS_VIEW_H */
