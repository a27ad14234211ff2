/*
 * holders.h - the few blocks through which most of the memory is held.
 *
 * From each block that roots alone dominate and that retains enough, the way
 * leads down the dominator tree as long as one child retains most of it; where
 * it ends is the holder: below it the memory spreads.
 */
#ifndef COREHEAP_GRAPH_HOLDERS_H
#define COREHEAP_GRAPH_HOLDERS_H

#include <coreheap/leaks.h>

#include "graph/alike.h"
#include "util/vec.h"

#define CH_HOLDERS_MAX 8

/** Blocks of a type that a holder retains. */
struct ch_held_type {
	uint32_t type;
	uint64_t count;
	/** Sum of chunk_bytes, those aside that are known to be on untouched pages. */
	uint64_t total_bytes;
};

struct ch_holder {
	uint32_t id;
	/** The block that roots alone dominate, from which the way led here. */
	uint32_t top;
	/** Of chunks, untouched bytes aside: of all that it retains, itself included. */
	uint64_t total_bytes, total_count;
	/** Blocks that it dominates directly. */
	uint64_t children_count;
	/** It is the first of a long row of blocks of its type, each of which holds
	 * the next one. */
	bool list;
	/** of struct ch_held_type: by bytes, descending */
	struct ch_vec types;
};

/** What a track leads to (alike.h). */
struct ch_alike_sum {
	/** As in struct ch_holder: chunks, untouched bytes aside. */
	uint64_t total_bytes, total_count;
	/** Of it what is below each holder. */
	uint64_t held_bytes[CH_HOLDERS_MAX];
	/** of struct ch_held_type, by bytes, descending: all of it; and what is below no holder */
	struct ch_vec types, rest;
};

struct ch_holders {
	/** By retained bytes, descending. */
	struct ch_holder items[CH_HOLDERS_MAX];
	size_t count;
	/** Of the tracks that were asked for, in their order. */
	struct ch_alike_sum alike[CH_ALIKE_MAX];
	size_t alike_count;
	/** Of blocks that roots alone dominate, outside of all holders and tracks: by type, how
	 * many they are and the usable bytes that they retain, without what tracks lead to. By
	 * bytes, descending. */
	struct ch_vec loose;
	/** Chunk bytes of managed objects that their collector would free. */
	uint64_t managed_dead_bytes, managed_dead_touched_bytes;
	/** What they take. */
	uint64_t dead_bytes;
	/** Of them those outside of young generations: how many, and the bytes that they take. */
	uint64_t old_dead_count, old_dead_bytes;
};

/**
 * Find the blocks below which at least bytes_min usable bytes are held, and what of; and what of
 * those tracks lead to.
 * The caller's to end with chp_holders_deinit() also on failure. Errors: NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_holders_find(struct ch_graph *graph,
						const struct ch_retained *retained,
						const struct ch_leaks *leaks,
						const struct ch_alikes *alikes, uint64_t bytes_min,
						struct ch_holders *ret);
void chp_holders_deinit(struct ch_holders *holders);

#endif /* COREHEAP_GRAPH_HOLDERS_H */
