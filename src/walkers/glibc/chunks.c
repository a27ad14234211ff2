/*
 * Following the sizes of chunks from one to the next, and what counts as a boundary between two.
 * It knows nothing of damage; damage.c and holes.c find a way on where following ends.
 */
#include "walkers/glibc/chunks.h"

/* Chunks that must follow each other where nothing else vouches for the memory. */
#define FOLLOW_STRETCH 64

/* ---- following sizes ------------------------------------------------------- */

enum glibc_stop glibc_follow(struct glibc_range *range, uint64_t chunk, uint64_t *left,
			     uint64_t *stop_ret)
{
	uint64_t at = chunk, head, size, last = 0, flagged = 0;
	const uint8_t *p;

	for (;; at += size, (*left)--) {
		*stop_ret = at;
		if (at == range->top)
			return GLIBC_STOP_TOP;
		if (at >= range->end)
			return at == range->end        ? GLIBC_STOP_END
			       : at < range->whole_end ? GLIBC_STOP_ABSENT
						       : GLIBC_STOP_BROKEN;
		if (!*left)
			return GLIBC_STOP_MAX;
		p = glibc_view_chunk(&range->view, at);
		if (!p)
			return GLIBC_STOP_ABSENT;
		head = ch_get64(p + 8);
		size = head & ~(uint64_t)CHUNK_FLAGS;
		/* a free chunk's size is repeated in the next one's prev_size */
		if ((last && !(head & CHUNK_PREV_INUSE) && ch_get64(p) != last) ||
		    (head & (range->bad_flags | CHUNK_IS_MMAPPED)) ||
		    (range->needs_non_main && last && (head & CHUNK_PREV_INUSE) && !flagged))
			return GLIBC_STOP_BROKEN;
		flagged = head & CHUNK_NON_MAIN;
		if (size < CHUNK_BYTES_MIN)
			return last && glibc_is_fence(head) ? GLIBC_STOP_FENCE : GLIBC_STOP_BROKEN;
		if (size % 16 || size > ch_max(range->end, range->whole_end) - at)
			return GLIBC_STOP_BROKEN;
		last = size;
	}
}

/*
 * Fenceposts are two chunks of 16 bytes at the end of a page, three where the
 * old top left 16 bytes over (malloc.c, sysmalloc: "Shrink old_top to insert
 * fenceposts").
 */
uint64_t glibc_fence_end(struct glibc_range *range, uint64_t fence)
{
	uint64_t end = ch_align_up(fence + 1, CH_PAGE_BYTES), at;
	const uint8_t *p;

	if (end < fence || end > range->end || end - fence < 2 * CHUNK_HEADER_BYTES ||
	    end - fence > 3 * CHUNK_HEADER_BYTES)
		return 0;
	for (at = fence; at < end; at += CHUNK_HEADER_BYTES) {
		p = glibc_view_chunk(&range->view, at);
		if (!p ||
		    (ch_get64(p + 8) | CHUNK_PREV_INUSE) != (CHUNK_HEADER_BYTES | CHUNK_PREV_INUSE))
			return 0;
	}
	return end;
}

bool glibc_is_boundary(struct glibc_range *range, uint64_t at, uint64_t enough)
{
	uint64_t left = enough, stop = at;

	switch (glibc_follow(range, at, &left, &stop)) {
	case GLIBC_STOP_BROKEN:
	case GLIBC_STOP_ABSENT:
		return false;
	case GLIBC_STOP_FENCE:
	case GLIBC_STOP_END:
		return stop > at;
	default:
		return true;
	}
}

uint64_t glibc_next_stretch(struct glibc_range *range, uint64_t low)
{
	uint64_t at = ch_align_up(low, 16), head;
	const uint8_t *p;

	for (; at < range->end; at += 16) {
		p = glibc_view_chunk(&range->view, at);
		if (!p)
			break;
		if (at == range->top)
			return at;
		head = ch_get64(p + 8);
		if ((head & CHUNK_FLAGS) == CHUNK_PREV_INUSE &&
		    glibc_is_boundary(range, at, FOLLOW_STRETCH))
			return at;
	}
	return range->end;
}

uint64_t glibc_chunk_size(const struct ch_core *core, uint64_t chunk)
{
	uint64_t head;

	if (chunk > UINT64_MAX - 8 || !ch_core_read_u64(core, chunk + 8, &head))
		return 0;
	return head & ~(uint64_t)CHUNK_FLAGS;
}
