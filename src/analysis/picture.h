/*
 * picture.h - the numbers behind the pictures of a dump: what they show of it, and no more shapes
 * than somebody can look at.
 *
 * Lists with levels are trees from the top down: what is inside of a row follows it, one level
 * deeper. What is too small to be seen is one row, which says how many it stands for.
 */
#ifndef COREHEAP_ANALYSIS_PICTURE_H
#define COREHEAP_ANALYSIS_PICTURE_H

#include <coreheap/graph.h>

#include "analysis/summary.h"
#include "analysis/thread_rows.h"
#include "graph/paths.h"

enum ch_tile_kind {
	/** With others inside of it, or a part of memory that has none. */
	CH_TILE_PART,
	/** Used blocks of a type. */
	CH_TILE_USED,
	CH_TILE_FREE,
	/** What an allocator has for itself. */
	CH_TILE_OVERHEAD,
};

/** Touched memory by what it is for, by heap, by type. */
struct ch_tile {
	uint32_t level;
	enum ch_memory_group group;
	enum ch_tile_kind kind;
	/** Static; and where it has them, heap and type: borrowed until the heaps are closed. */
	const char *usage, *heap, *type;
	/** More than 0: it stands for so many smaller ones, heaps or types. */
	uint64_t others_count;
	/** Blocks, where it consists of them. */
	uint64_t blocks_count;
	/** And of all, in hundredths of a percent. */
	uint64_t touched_bytes, share;
};

/** The dominator tree, laid over itself by names (graph/paths.h). */
struct ch_branch {
	uint32_t level;
	/** A place of roots, below it types, and the field through which they are held, where that
	 * is known: borrowed from the paths. Name NULL: it stands for others_count smaller ones. */
	const char *name, *field;
	uint64_t others_count;
	/** Its blocks; with all that they hold; of the whole, in hundredths of a percent. */
	uint64_t self_count, self_bytes, retained_count, retained_bytes, share;
	/** What no root reaches. */
	bool is_lost;
};

/** Neighbours in the address space that are for the same. */
struct ch_stretch {
	uint64_t start, end;
	/** What most of it is for. */
	enum ch_memory_group group;
	const char *usage;
	uint64_t regions_count, mapped_bytes, touched_bytes;
	/** Of mapped bytes that are not reserved, in hundredths of a percent. */
	uint64_t share;
};

/** Blocks that take [smallest_bytes, largest_bytes] in a heap. */
struct ch_size_class {
	uint64_t smallest_bytes, largest_bytes;
	uint64_t used_count, used_bytes, free_count, free_bytes;
};

struct ch_picture {
	struct ch_summary summary;
	/** All touched bytes but those of files that are only read, all mapped ones, those of them
	 * that are reserved (without access), which are in no stretch, and all that is in a branch.
	 */
	uint64_t touched_bytes, mapped_bytes, reserved_bytes, held_bytes;
	/** of struct ch_tile: their first level is the touched bytes */
	struct ch_vec tiles;
	/** of struct ch_branch; has_branches: roots were followed */
	struct ch_vec branches;
	bool has_branches;
	/** What names of branches are borrowed from. */
	struct ch_paths paths;
	/** of struct ch_stretch, ascending: mapped bytes that are not reserved */
	struct ch_vec stretches;
	/** of struct ch_size_class, ascending */
	struct ch_vec sizes;
	/** Threads by stack. */
	struct ch_thread_rows threads;
};

/** Threads: at most so many work; 0: as many as there are processors. The caller's to end with
 * chp_picture_deinit() also on failure. Errors: those of chp_summary_make(). */
CH_MUST_CHECK struct ch_error *chp_picture_make(struct ch_session *session, uint32_t threads,
						struct ch_picture *ret);
void chp_picture_deinit(struct ch_picture *picture);

#endif /* COREHEAP_ANALYSIS_PICTURE_H */
