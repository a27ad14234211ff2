/*
 * held.h - whether blocks are held at all, for filters: the quick part of leaks; and what
 * leaks met on their way.
 */
#ifndef COREHEAP_GRAPH_HELD_H
#define COREHEAP_GRAPH_HELD_H

#include <coreheap/leaks.h>

#include "heap/filter.h"

/**
 * As ch_leaks_find(), but nodes that nothing holds all have CH_REACH_DEAD, and there
 * are no sums and no groups. Errors: NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_held_find(struct ch_graph *graph, struct ch_leaks **ret);

/**
 * Of objects of one span as a walk gives them, ascending: which are nodes that a root
 * reaches (held), or which are nodes that none does.
 */
void chp_held_select(const struct ch_graph *graph, const struct ch_leaks *leaks, bool held,
		     const struct ch_object *objects, size_t n, bool *ret);

/** Of leaks of ch_leaks_find(): from now on groups and sums (but that of the allocators' own
 * blocks) are of the objects that pass only. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_leaks_choose(struct ch_leaks *leaks,
						const struct ch_object_filter *filter);

/** By id: the type of each node, of ch_leaks_find() in a graph that keeps edges; else NULL.
 * Borrowed. */
const uint32_t *chp_leaks_types(const struct ch_leaks *leaks);

#endif /* COREHEAP_GRAPH_HELD_H */
