/*
 * reverse.h - all edges between nodes turned round.
 */
#ifndef COREHEAP_GRAPH_REVERSE_H
#define COREHEAP_GRAPH_REVERSE_H

#include <coreheap/graph.h>

/** Sources of each target: sources[start[t]] .. sources[start[t + 1]], one for each
 * word; and by the same index a bit for those words that lead into the target, not to
 * its first byte. */
struct ch_reverse {
	uint32_t *start, *sources;
	uint64_t *inner;
};

/**
 * All edges turned round, those that the graph kept if it did. End with
 * chp_reverse_return(). Errors: LIMIT, NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_reverse_borrow(const struct ch_graph *graph,
						  struct ch_reverse *ret);
/**
 * The same, of which only edges need be there that are on a way to one of targets: whatever leads
 * to them has all of its sources.
 */
CH_MUST_CHECK struct ch_error *chp_reverse_borrow_for(const struct ch_graph *graph,
						      const uint32_t *targets, size_t count,
						      struct ch_reverse *ret);
/** Free it, or keep it in a graph that keeps edges. */
void chp_reverse_return(struct ch_graph *graph, struct ch_reverse *reverse);
/** Whether the k-th source points into its target only. */
static inline bool chp_reverse_inner(const struct ch_reverse *reverse, uint32_t k)
{
	return reverse->inner[k / 64] >> (k % 64) & 1;
}
void chp_reverse_deinit(struct ch_reverse *reverse);

#endif /* COREHEAP_GRAPH_REVERSE_H */
