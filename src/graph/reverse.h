/*
 * reverse.h - all edges between nodes, and the same turned round.
 */
#ifndef COREHEAP_GRAPH_REVERSE_H
#define COREHEAP_GRAPH_REVERSE_H

#include "graph/graph_priv.h"

/** Called for each edge, sources ascending. Non-NULL ends the visit. */
typedef struct ch_error *(*chp_edge_fn)(void *arg, uint32_t source, uint32_t target);

/**
 * Visit all edges of all nodes of [from, to); with exact only pointers to first
 * bytes. phase is for progress, NULL: none is told. Errors: STOP, whatever fn returned.
 */
CH_MUST_CHECK struct ch_error *chp_each_edge(const struct ch_graph *graph, uint32_t from,
					     uint32_t to, bool exact, const char *phase,
					     chp_edge_fn fn, void *arg);

/**
 * All edges turned round, those that the graph kept if it did. End with
 * chp_reverse_return(). Errors: LIMIT, NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_reverse_borrow(const struct ch_graph *graph, bool exact,
						  struct ch_reverse *ret);
/** Free it, or keep it in a graph that keeps edges. */
void chp_reverse_return(struct ch_graph *graph, bool exact, struct ch_reverse *reverse);
void chp_reverse_deinit(struct ch_reverse *reverse);

#endif /* COREHEAP_GRAPH_REVERSE_H */
