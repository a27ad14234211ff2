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
	/** Which row it was when it was counted. */
	uint32_t number;
};

struct ch_root_paths {
	/** of struct ch_root_path: by bytes, descending, then by place */
	struct ch_vec rows;
	struct ch_texts places;
	/** By number in the dominator tree: the number of its row + 1; 0: it is no row's. */
	uint32_t *row_of;
};

/** What of one type a row retains. */
struct ch_root_part {
	/** Index of the row. */
	uint32_t row;
	uint32_t type;
	/** Blocks, and their bytes in chunks, as `types` counts them. */
	uint64_t count, bytes;
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
/** Append to ret (of struct ch_root_part) what the rows retain by type; none where that is more
 * than can be told apart. Once: paths cannot be asked again. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_root_parts_find(struct ch_graph *graph,
						   const struct ch_retained *retained,
						   struct ch_root_paths *paths, struct ch_vec *ret);
void chp_root_paths_deinit(struct ch_root_paths *paths);
/** Of what id dominates directly, the one that retains most: at least percent of what id
 * does; else CH_ID_NONE. */
uint32_t chp_heaviest_child(const struct ch_retained *retained, uint32_t id, uint32_t percent);

#endif /* COREHEAP_GRAPH_ROOTPATHS_H */
