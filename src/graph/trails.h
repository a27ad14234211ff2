/*
 * trails.h - a way from a root to each block, and ways that are alike laid over each other.
 *
 * A block has the shortest way of those from roots that last (what runtimes name, variables of
 * modules), if there is none of those from thread-local storage and other memory, and only then
 * one from stacks and registers. Pointers to first bytes come before others.
 *
 * Ways that lead from roots of one name (numbers aside) through the same fields and types share
 * a track: the 300 sessions of a map are on one track, and so is what 8 threads of a pool have in
 * their thread-locals. Rows of blocks of one type, and of up to three types in turns (a list, a
 * tree), count as one step. What lies on a track and behind it is what it leads to: each block
 * once, so that tracks, unlike dominators, also tell of memory that several ways lead to.
 */
#ifndef COREHEAP_GRAPH_TRAILS_H
#define COREHEAP_GRAPH_TRAILS_H

#include "graph/retained.h"
#include "graph/tally.h"

/** The track before all others; no type. */
#define CH_TRACK_ALL 0U
#define CH_TYPE_NONE UINT32_MAX

struct ch_track {
	/** Where it goes on from; of a root's track CH_TRACK_ALL. */
	uint32_t parent;
	/** Index into ch_trails.types.rows, an alias; CH_TYPE_NONE of a root's track. */
	uint32_t type;
	/** Where the pointer lies in the block before; CH_OFFSET_NONE: in an array, or anywhere,
	 * as of rows, which have both ends in fields of one object. Of a root's track the hash of
	 * its name. */
	uint64_t field;
	/** Blocks on it (of a root's track: roots), and the first one that was met. */
	uint32_t count, first;
	/** What those blocks weigh; and with all behind them. */
	uint64_t self_bytes, bytes;
	/** Blocks of its type follow each other on it. */
	bool row;
	/** First one behind it; the next one of its parent. 0: none. */
	uint32_t child, next;
	/** Of a root's track: what such roots are called. Escaped, owned. */
	char *name;
};

struct ch_trails {
	struct ch_graph *graph;
	/** By id: the block before, CH_ID_NONE where a root points at it. Valid with a track. */
	uint32_t *holder;
	/** By id: its track; CH_TRACK_ALL: no root reaches it. */
	uint32_t *track;
	/** of struct ch_track */
	struct ch_vec tracks;
	/** Types; counts and bytes mean nothing. And by their index, the one that
	 * stands for all of that name: each class loader makes one anew of the same class. */
	struct ch_tallies types;
	uint32_t *alias;
	/** of struct ch_root, by target, ascending: where ways begin */
	struct ch_vec roots;
	/** How many blocks have a way. */
	uint32_t count;
};

/** Find ways for what retained has. types: by id, that of each node. End with chp_trails_deinit(),
 * also on failure. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_trails_make(struct ch_graph *graph,
					       const struct ch_retained *retained,
					       const uint32_t *types, struct ch_trails *ret);
void chp_trails_deinit(struct ch_trails *trails);

/** Where a row of types that repeat themselves goes on behind parent: at the track of the same type
 * before it; of "A B A" and then B at that of the first B. CH_TRACK_ALL: it is no such row.
 * tracks: of struct ch_track. */
uint32_t chp_track_repeated(const struct ch_vec *tracks, uint32_t parent, uint32_t type);

/** The root where the way to a block begins; NULL: it has none. */
const struct ch_root *chp_trails_root(const struct ch_trails *trails, uint32_t id);

/** Steps from the root's block to id, both counted. */
uint32_t chp_trails_length(const struct ch_trails *trails, uint32_t id);

#endif /* COREHEAP_GRAPH_TRAILS_H */
