/*
 * mark.h - what can be reached, as a set of ids.
 *
 * The order in which nodes are met does not matter, so several threads may mark
 * one set. Two rings hide the latency of memory: words that may be pointers wait
 * in one until the index line that ranks them has come, nodes in the other until
 * their own first line has.
 */
#ifndef COREHEAP_GRAPH_MARK_H
#define COREHEAP_GRAPH_MARK_H

#include "graph/offsets.h"

/** Of all sets: one bit for each id. */
struct ch_mark {
	const struct ch_graph *graph;
	/** graph->index: it is looked at for each word. */
	const struct ch_index *index;
	/** Nodes met. */
	uint64_t *marked;
	/** Follow pointers to first bytes only; targets of others are kept in
	 * deferred (once each, by their bits in interior). */
	bool exact;
	uint64_t *interior;
	/** of uint64_t: addresses of nodes */
	struct ch_vec deferred;
	/** By id: where words lead into nodes that are neither marked nor known (bits by
	 * id, or NULL); each has its bit in interior. NULL: nobody asks. */
	ch_inner *insides;
	const uint64_t *known;
	/** In exact mode: pointers that count as those to first bytes; or NULL. */
	const struct ch_offsets *offsets;
	/** Bytes of marked nodes that are not in the core. */
	uint64_t absent_bytes;
	struct ch_marker *markers;
};

/** Begin with nothing marked. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_mark_init(struct ch_mark *mark, const struct ch_graph *graph);
void chp_mark_deinit(struct ch_mark *mark);
/** Mark a node, which is scanned by the next chp_mark_run(). Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_mark_add(struct ch_mark *mark, uint64_t value);
/** Mark whatever is reached from what was added. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_mark_run(struct ch_mark *mark, bool threads);

static inline bool chp_bit(const uint64_t *bits, uint32_t id)
{
	return bits[id / 64] >> (id % 64) & 1;
}

#endif /* COREHEAP_GRAPH_MARK_H */
