/*
 * retained.h - the dominator tree, made by dominators.c, told by retained.c.
 */
#ifndef COREHEAP_GRAPH_RETAINED_H
#define COREHEAP_GRAPH_RETAINED_H

#include <coreheap/graph.h>

#include "heap/filter.h"
#include "util/vec.h"

/** The virtual root's number; nodes have 1 .. count in the order of a depth-first
 * search. */
#define CH_DOMINATOR_ROOT 0

struct ch_retained {
	struct ch_graph *graph;
	/** Nodes that live roots reach. */
	uint32_t count;
	/** By id: its number, CH_DOMINATOR_ROOT if it is not reached. */
	uint32_t *number;
	/** By number: id, immediate dominator. */
	uint32_t *ids, *idom;
	/** By number, the dominator tree: first child, next one of its parent. */
	uint32_t *child, *next;
	uint64_t *bytes;
	uint32_t *counts;
	/** of struct ch_retained_type */
	struct ch_vec types;
	bool typed;
	/** One bit for each number: nodes that were chosen; NULL: all are. */
	uint64_t *chosen;
	uint32_t chosen_count;
	/** Borrowed; NULL where all are chosen. */
	const struct ch_object_filter *filter;
};

/** Usable bytes of a node that count: all, or those on touched pages, as the graph was made. */
uint64_t chp_graph_weight(const struct ch_graph *graph, uint32_t id);

/**
 * From now on rows are of the objects that pass only: those of ch_retained_top() and
 * ch_retained_types(), and those of ch_retained_children(), which has what is below a node and what
 * no other one that passes dominates down from there. filter is borrowed. Errors: NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_retained_choose(struct ch_retained *retained,
						   const struct ch_object_filter *filter);
/** What goes with all that are chosen below a node (CH_ID_NONE: of all), each byte once: a
 * row of no node. */
struct ch_retained_row chp_retained_chosen(const struct ch_retained *retained, uint32_t id);

/** How many nodes follow each other from one on, itself counted, where each dominates directly one
 * other of its type, as nodes of a list do; *next_ret is the second one, or CH_ID_NONE. Linear in
 * what they dominate directly. */
uint64_t chp_retained_chain(const struct ch_retained *retained, uint32_t id, uint32_t *next_ret);

#endif /* COREHEAP_GRAPH_RETAINED_H */
