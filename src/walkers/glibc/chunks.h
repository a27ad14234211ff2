/*
 * chunks.h - chunks that follow each other, and what to do where they do not.
 */
#ifndef COREHEAP_WALKERS_GLIBC_CHUNKS_H
#define COREHEAP_WALKERS_GLIBC_CHUNKS_H

#include "walkers/glibc/glibc_priv.h"

/** Where following sizes ended. */
enum glibc_stop {
	/** At top, or at the end of the range. */
	GLIBC_STOP_TOP,
	GLIBC_STOP_END,
	/** At the first of the fenceposts that close a stretch. */
	GLIBC_STOP_FENCE,
	/** After as many chunks as were allowed. */
	GLIBC_STOP_MAX,
	/** At a header that makes no sense. */
	GLIBC_STOP_BROKEN,
	/** At a header that is not in the core. */
	GLIBC_STOP_ABSENT,
};
/** The range chunks are followed in. */
struct glibc_range {
	struct glibc_view view;
	uint64_t end;
	/** The last chunk may go on up to there, behind memory that the core lacks; 0:
	 * end. */
	uint64_t whole_end;
	/** Where chunks begin; 0 when not known. */
	uint64_t start;
	/** Address of the top chunk, 0 when it is elsewhere. */
	uint64_t top;
	/** Flags that no chunk has: IS_MMAPPED, and NON_MAIN in the main arena. */
	uint64_t bad_flags;
	/** Chunks in use have NON_MAIN: not in the main arena. */
	bool needs_non_main;
	/** Repairs in it. */
	uint32_t repairs;
};
/** Size field of a fencepost: 16 bytes, or in a thread's heap none at all. The
 * chunk before it may be free. */
static inline bool glibc_is_fence(uint64_t head)
{
	return (head & ~(uint64_t)CHUNK_PREV_INUSE) == CHUNK_HEADER_BYTES ||
	       head == CHUNK_PREV_INUSE;
}
/** Follow sizes from chunk; *left bounds the chunks and is counted down. */
enum glibc_stop glibc_follow(struct glibc_range *range, uint64_t chunk, uint64_t *left,
			     uint64_t *stop_ret);
/** End of the fenceposts that close a stretch of the main arena; 0: none. */
uint64_t glibc_fence_end(struct glibc_range *range, uint64_t fence);
/** The lowest address from low on at which a stretch may begin: chunks follow
 * each other from there. range->end when there is none. */
uint64_t glibc_next_stretch(struct glibc_range *range, uint64_t low);
/** As above, in a damaged heap: prev is the chunk that is damaged. */
uint64_t glibc_resync(struct glibc_range *range, uint64_t low, uint64_t prev);
/** Whether enough chunks follow each other from at, or lead to an end. */
bool glibc_is_boundary(struct glibc_range *range, uint64_t at, uint64_t enough);

/** holes.c: where chunks go on behind memory that the core lacks, whose first
 * missing header would be at hole; range->end if nowhere. */
uint64_t glibc_behind_hole(struct glibc_range *range, uint64_t hole);

/* ---- damage.c -------------------------------------------------------------- */

/** What lists of free chunks say of one piece: they lead to chunks. */
struct glibc_lists {
	/** Ascending; of all pieces. */
	const struct glibc_cached *cached;
	size_t count;
	/** For its fast bins; may be NULL. */
	const struct glibc_piece *piece;
};
/** The first chunk above at that a list leads to, at most limit. */
uint64_t glibc_next_listed(const struct glibc_lists *lists, uint64_t at, uint64_t limit);
/** Size of the chunks in the list that a chunk is in; 0: in none, or of many. */
uint64_t glibc_listed_bytes(const struct glibc_lists *lists, uint64_t chunk);

/** Chunks before a header that makes no sense that may be damaged instead. */
#define GLIBC_DOUBTS_MAX 4
/** A header that makes no sense, or contradicts the lists, and chunks that lead
 * to it: the size of each to the next one, of the last to next. */
struct glibc_doubt {
	uint64_t starts[GLIBC_DOUBTS_MAX];
	size_t count;
	uint64_t next;
	struct glibc_lists lists;
};
/** The chunk that is damaged, one of the doubt's, and where chunks go on. When
 * both are doubt.next, only its prev_size or its PREV_INUSE flag is wrong. */
struct glibc_verdict {
	uint64_t damaged, next;
};
/** Find out. The first one searches all memory for pointers (repairs.c): for damaged heaps only. */
void glibc_repair(const struct glibc *glibc, struct glibc_range *range,
		  const struct glibc_doubt *doubt, struct glibc_verdict *ret);
/** A free chunk in front of the one at `at` says so there, with its size. */
bool glibc_agrees_with(const uint8_t *p, uint64_t at, uint64_t prev);

#endif /* COREHEAP_WALKERS_GLIBC_CHUNKS_H */
