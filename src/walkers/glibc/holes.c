/*
 * Chunks behind memory that the core lacks.
 *
 * Parts of a heap may be missing in the core: left out by the process itself
 * (MADV_DONTDUMP) or by the dumper, or cut off with the end of the file. Chunks
 * behind a hole are found again as behind damage: by following each other.
 */
#include "walkers/glibc/chunks.h"

/* Chunks that must follow each other behind a hole; fewer where they lead to the
 * next hole. */
#define FOLLOW_CHUNKS       8
#define FOLLOW_CHUNKS_LEAST 3

/* Whether chunks follow each other from at on. */
static bool is_chunk(struct glibc_range *range, uint64_t at)
{
	uint64_t left = FOLLOW_CHUNKS, stop = at;

	switch (glibc_follow(range, at, &left, &stop)) {
	case GLIBC_STOP_BROKEN:
		return false;
	case GLIBC_STOP_ABSENT:
		return FOLLOW_CHUNKS - left >= FOLLOW_CHUNKS_LEAST;
	case GLIBC_STOP_FENCE:
	case GLIBC_STOP_END:
		return stop > at;
	default:
		return true;
	}
}

/* The first chunk in [at, end), which the core holds; end if there is none. */
static uint64_t first_chunk(struct glibc_range *range, uint64_t at, uint64_t end)
{
	for (at = ch_align_up(at, 16); at < end && glibc_view_chunk(&range->view, at); at += 16)
		if (at == range->top || is_chunk(range, at))
			return at;
	return end;
}

uint64_t glibc_behind_hole(struct glibc_range *range, uint64_t hole)
{
	const struct ch_core *core = range->view.core;
	uint64_t at = hole, present, end, found;
	size_t len = 0;

	while (at < range->end) {
		present = ch_core_next_present(core, at, range->end);
		/* where top begins is known without its header */
		if (range->top >= at && range->top < present)
			return range->top;
		if (present >= range->end || !ch_core_span_recorded(core, present, &len) || !len)
			break;
		end = present + ch_min(len, range->end - present);
		found = first_chunk(range, present, end);
		if (found < end)
			return found;
		at = end;
	}
	return range->end;
}
