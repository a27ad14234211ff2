/*
 * paths.h - the dominator tree laid over itself by names: what is held where, as paths from a
 * place that roots lie in, through fields and types, to a type.
 *
 * Paths are tracks (trails.h), whose types are frames here. Rows of blocks of one type, and of up
 * to three types in turns (a list, a tree), are one frame, so that paths are short. What no root
 * reaches is below a place of its own, CH_PATHS_LOST. Bytes are usable bytes, as in
 * ch_retained_row(): those below all other places are what the roots retain.
 */
#ifndef COREHEAP_GRAPH_PATHS_H
#define COREHEAP_GRAPH_PATHS_H

#include "graph/trails.h"
#include "util/texts.h"

#define CH_PATHS_LOST "no root reaches it"
/** Where several ways lead that have no block in common. */
#define CH_PATHS_SEVERAL "several ways"
/** Where blocks are whose paths are beyond what is told apart; they are of track CH_TRACK_ALL. */
#define CH_PATHS_OTHER "other paths"

struct ch_paths {
	/** Names of places, types and fields ("struct order.next"). Escaped. */
	struct ch_texts frames;
	/** of struct ch_track: type is a frame, and field is the frame of the field that leads
	 * there, or CH_OFFSET_NONE; of the track of a place type is CH_TYPE_NONE, and field is the
	 * frame of the place. row and name mean nothing. */
	struct ch_vec tracks;
	/** What the roots retain, and what none reaches. */
	uint64_t held_count, held_bytes, lost_count, lost_bytes;
};

/** The caller's to end with chp_paths_deinit() also on failure. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *
chp_paths_find(struct ch_graph *graph, const struct ch_retained *retained, struct ch_paths *ret);
void chp_paths_deinit(struct ch_paths *paths);

#endif /* COREHEAP_GRAPH_PATHS_H */
