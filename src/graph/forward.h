/*
 * forward.h - all edges between nodes by their sources: written down in one walk over the heap, and
 * then read as often as anybody follows edges, without a look at the heap.
 */
#ifndef COREHEAP_GRAPH_FORWARD_H
#define COREHEAP_GRAPH_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/graph.h>

#include "graph/parts.h"
#include "util/bytes.h"

/** Where the word of an edge lies in its source: in a node whose walker knows its pointers
 * CH_PLACE_FIRST and the offset's fourth part, which others do not tell. */
enum {
	/** Of a node of which any word may point somewhere. */
	CH_PLACE_PLAIN,
	/** Of a node whose walker knows its pointers, without a word. */
	CH_PLACE_WORDLESS,
	CH_PLACE_FIRST,
	/** Too far behind to be told. */
	CH_PLACE_FAR = UINT16_MAX,
};

/** The edges that leave some nodes, in the order of these, and of the words of each. */
struct ch_edge_part {
	/** Ids of sources: [from, to). */
	uint32_t from, to;
	uint32_t *targets;
	/** Bits by place in targets: the pointer leads into its target. */
	uint64_t *inner;
	/** By place in targets, as above; NULL: no walker knows pointers. */
	uint16_t *places;
	/** By source: where its edges begin; those of the next source end them. */
	uint32_t *starts;
	/** Bits by source: its edges are not all that is to be known of it. A word of it leads into
	 * a node, or some of it is not in one piece in our memory. */
	uint64_t *odd;
	size_t count, room;
};

/** Zero it to begin; parts_count is 0 until it is made. */
struct ch_forward {
	struct ch_edge_part parts[CH_EDGE_PARTS_MAX];
	uint32_t parts_count;
};

/** Go over the heap, with as many threads as the graph may use. End with chp_forward_deinit(), also
 * on failure. Errors: LIMIT (2^32 - 1 edges or more), NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_forward_make(const struct ch_graph *graph,
						struct ch_forward *ret);
void chp_forward_deinit(struct ch_forward *forward);

/** Make what the graph holds for all who ask; nothing is done where it is there. Errors as above.
 */
CH_MUST_CHECK struct ch_error *chp_forward_keep(struct ch_graph *graph);
/** The rules of offsets were found after the edges: tell again which ones lead into their targets.
 * Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_forward_use_rules(struct ch_graph *graph);
/** Nobody follows edges any more. */
void chp_forward_drop(struct ch_graph *graph);

/** The part that has the edges of a node. */
static inline const struct ch_edge_part *chp_forward_part(const struct ch_forward *forward,
							  uint32_t id)
{
	const struct ch_edge_part *part = forward->parts;

	while (id >= part->to)
		part++;
	return part;
}

static inline bool chp_edge_odd(const struct ch_edge_part *part, uint32_t id)
{
	return part->odd[(id - part->from) / 64] >> ((id - part->from) % 64) & 1;
}

static inline bool chp_edge_inner(const struct ch_edge_part *part, uint32_t at)
{
	return part->inner[at / 64] >> (at % 64) & 1;
}

#endif /* COREHEAP_GRAPH_FORWARD_H */
