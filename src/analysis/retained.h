/*
 * retained.h - what would go away with a block: by block, by type, as a tree.
 */
#ifndef COREHEAP_ANALYSIS_RETAINED_H
#define COREHEAP_ANALYSIS_RETAINED_H

#include <coreheap/coreheap.h>
#include <coreheap/graph.h>

#include "heap/filter.h"
#include "util/vec.h"

struct ch_retained_block {
	struct ch_retained_row of;
	uint64_t addr;
	/** Of what the roots retain, hundredths of a percent. */
	uint64_t share;
	bool has_dominator;
	uint64_t dominator_addr;
	/** Borrowed until the heaps are closed. */
	const char *type;
	/** Of a row that stands for more than itself: blocks that follow each other from it on, as
	 * in a list, itself counted, and how the second is called from it: ".next", "" if that is
	 * not known; escaped. 0: it stands for itself, or was not asked. */
	uint64_t chain_count;
	char chain_field[40];
	/** The two in words: "1,000,000 by .next"; "" of no chain. */
	char chain[64];
	/** In the tree: how far below what was asked for, from 0 on. */
	uint32_t depth;
};

struct ch_retained_by_type {
	struct ch_retained_type of;
	uint64_t share;
	/** Borrowed until the heaps are closed; static. */
	const char *type, *runtime;
};

struct ch_retained_options {
	/** Threads to work with; 0: as many as there are processors. */
	uint32_t threads;
	/** One block, the one that addr lies in. */
	bool has_addr;
	uint64_t addr;
	/** Rows of a list; 0: a thousand. */
	uint64_t rows_max;
	/** Levels of the tree; 0: no tree. */
	uint32_t tree_depth;
	/** Which blocks have rows; NULL: all. Not with a tree. */
	const struct ch_object_filter *filter;
};

struct ch_retained_result {
	/** What the roots retain. */
	struct ch_retained_row all;
	/** Not all blocks were asked for: what those that were (with a block: those below it)
	 * retain, each byte once, and how many of what the roots retain were. */
	bool filtered;
	struct ch_retained_row chosen;
	uint64_t chosen_count;
	/** One block was asked for: it, and what dominates it, nearest first, of struct
	 * ch_retained_block; above_count counts those that are not kept, too. */
	bool has_block;
	struct ch_retained_block block;
	struct ch_vec above;
	uint64_t above_count;
	/** of struct ch_retained_block, without a block: all, most bytes first; rows_count counts
	 * those that are not kept, too. */
	struct ch_vec rows;
	uint64_t rows_count;
	/** of struct ch_retained_block: what no block (of those that were asked for) dominates, or
	 * what the block that was asked for dominates directly, with their chains, most bytes
	 * first; tops_count as above */
	struct ch_vec tops;
	uint64_t tops_count;
	/** of struct ch_retained_by_type, without a block */
	struct ch_vec types;
	/** of struct ch_retained_block: the tree, from the top down */
	struct ch_vec tree;
};

/** The caller's to end with chp_retained_deinit() also on failure. Errors: ARG where no block is,
 * or none that a root reaches; those of the session and the graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_retained_make(struct ch_session *session,
						 const struct ch_retained_options *options,
						 struct ch_retained_result *ret);
void chp_retained_deinit(struct ch_retained_result *result);

#endif /* COREHEAP_ANALYSIS_RETAINED_H */
