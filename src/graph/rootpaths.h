/*
 * rootpaths.h - what roots hold, named so that the same place has the same name in
 * another dump of the program.
 */
#ifndef COREHEAP_GRAPH_ROOTPATHS_H
#define COREHEAP_GRAPH_ROOTPATHS_H

#include <coreheap/graph.h>

#include "util/texts.h"

/** Blocks of one type that roots alone dominate, by the place that points at them. */
struct ch_root_path {
	/** "g_orders", "static Cache.s_all", "stack of main", "several ways". Escaped,
	 * without addresses and numbers of threads. Borrowed from the list. */
	const char *place;
	uint32_t type;
	/** Such blocks, and the usable bytes that they retain. */
	uint64_t count, bytes;
	/** The one that retains most. */
	uint32_t id;
};

struct ch_root_paths {
	/** of struct ch_root_path: by bytes, descending, then by place */
	struct ch_vec rows;
	struct ch_texts places;
};

/** The places that point at blocks that roots alone dominate. */
struct ch_root_places {
	/** "g_orders" and the like, as in struct ch_root_path. */
	struct ch_texts names;
	/** By number in the dominator tree: index of the place's name + 1; 0: no root points at
	 * the block, several ways lead there, or another block dominates it. */
	uint32_t *place_of;
};

/** The name of a root's place, as above. Beyond a million of roots in *named_count, which
 * counts them, the name is that of their kind. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_root_place(struct ch_graph *graph, const struct ch_root *root,
					      uint32_t *named_count, char *buf, size_t max);
/** Of several places the one that lasts. The caller's to end with chp_root_places_deinit() also on
 * failure. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_root_places_find(struct ch_graph *graph,
						    const struct ch_retained *retained,
						    struct ch_root_places *ret);
void chp_root_places_deinit(struct ch_root_places *places);
/** The caller's to end with chp_root_paths_deinit() also on failure. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_root_paths_find(struct ch_graph *graph,
						   const struct ch_retained *retained,
						   struct ch_root_paths *ret);
void chp_root_paths_deinit(struct ch_root_paths *paths);
/** Of what id dominates directly, the one that retains most: at least percent of what id
 * does; else CH_ID_NONE. */
uint32_t chp_heaviest_child(const struct ch_retained *retained, uint32_t id, uint32_t percent);

#endif /* COREHEAP_GRAPH_ROOTPATHS_H */
