/*
 * The brk heap without main_arena: a dumper may leave the data of libc out
 * (createdump), and the end of a core that is cut, where libraries lie, is lost
 * first. Chunks describe themselves from the first one on, where brk memory
 * begins, and lead to top, which ends where brk memory ends; what they do not
 * show are blocks in fast bins, which look used.
 */
#include "walkers/glibc/chunks.h"

#include "util/context.h"

/* Chunks that show a heap where its end is not in the core. */
#define CHUNKS_ENOUGH 8

/* The first row whose thread caches, the first chunk there is up to 2.42, have
 * that size; else the first of all. */
static const struct glibc_layout *guess_layout(const struct glibc *glibc, uint64_t first)
{
	/* 2.26 to 2.29: of those the rows of arenas are alike in what matters here */
	bool is_old = glibc_chunk_size(glibc->env.core, first) == 0x250;

	return &glibc_layouts[is_old ? 1 : 0];
}

/*
 * Follow all chunks of [start, end): their number, and the last of them where it
 * ends with the range, which is top. False where they lead nowhere.
 */
static bool follow_all(const struct glibc *glibc, uint64_t start, uint64_t end, uint64_t *top_ret)
{
	struct glibc_range range = { .view.core = glibc->env.core, .end = end };
	uint64_t at = ch_align_up(start, 16), last = 0, next = 0, left, count = 0;

	range.bad_flags = CHUNK_IS_MMAPPED | CHUNK_NON_MAIN;
	*top_ret = 0;
	while (at < end) {
		left = 1;
		last = at;
		switch (glibc_follow(&range, at, &left, &next)) {
		case GLIBC_STOP_MAX:
			count++;
			at = next;
			break;
		case GLIBC_STOP_END:
			*top_ret = last;
			return true;
		case GLIBC_STOP_ABSENT:
			last = 0;
			next = glibc_behind_hole(&range, at);
			at = next > at ? next : end;
			break;
		case GLIBC_STOP_BROKEN:
			last = 0;
			next = glibc_resync(&range, at + CHUNK_HEADER_BYTES, at);
			/* nothing behind it: top, whose header is not written yet */
			if (next >= end) {
				*top_ret = at;
				return count > 1;
			}
			at = next;
			break;
		default:
			at = end;
			break;
		}
		/* the last chunk ends the range when it was followed to its end */
		if (at == end && last && next == end) {
			*top_ret = last;
			return count > 1;
		}
	}
	return count >= CHUNKS_ENOUGH;
}

/* The ring of the other arenas leads to where it was. */
static uint64_t ring_address(const struct glibc *glibc)
{
	const struct glibc_arena *arenas = glibc->arenas.items;
	uint64_t at, first;
	size_t i;

	if (!glibc->arenas.count)
		return 0;
	at = first = arenas[0].addr;
	for (i = 0; i <= glibc->arenas.count; i++) {
		if (!ch_core_read_u64(glibc->env.core, at + glibc->layout->next, &at) ||
		    at == first)
			return 0;
		if (!glibc_is_heap_place(at) && ch_sym_module_at(glibc->env.sym, at))
			return at;
	}
	return 0;
}

static struct ch_error *take(struct glibc *glibc, uint64_t start, uint64_t end, uint64_t top)
{
	struct glibc_piece piece = { .start = start,
				     .first = ch_align_up(start, 16),
				     .end = end,
				     .committed_end = end,
				     .reserved_end = end,
				     .guessed = true };
	uint64_t addr = ring_address(glibc);
	struct glibc_arena *arena;
	struct ch_error *err;

	if (!glibc->layout)
		glibc->layout = guess_layout(glibc, piece.first);
	err = glibc_add_orphan(glibc, addr);
	if (err)
		return err;
	arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, 0);
	arena->top = top;
	arena->top_bytes = top ? end - top : 0;
	if (!glibc->arena_basis)
		glibc->arena_basis = "chunks that follow each other from the begin of brk memory";
	chp_context_finding(
		glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-arena-absent",
		"the main arena is not in the core: its heap at 0x%llx-0x%llx is walked "
		"by its chunks alone, so that free blocks in fast bins count as used; "
		"further memory of it, and mmapped chunks, cannot be told from other "
		"memory with certainty",
		(unsigned long long)start, (unsigned long long)end);
	return glibc_add_heap(glibc, &piece);
}

/* Gaps in brk memory that a dumper may have left out. */
#define GAP_BYTES_MAX (1ULL << 20)

/* End of brk memory: what lies close behind a gap belongs to it. */
static uint64_t brk_end(const struct glibc *glibc, uint64_t start)
{
	uint64_t end = glibc_writable_end(glibc, start), next;

	for (;;) {
		next = glibc_extent_end(glibc, end, end + GAP_BYTES_MAX);
		if (next <= end)
			return end;
		end = glibc_writable_end(glibc, next - 1);
	}
}

struct ch_error *glibc_find_orphan(struct glibc *glibc, bool *found_ret)
{
	const struct ch_region *regions;
	uint64_t start = 0, end = 0, top;
	size_t count, i;

	*found_ret = false;
	regions = ch_map_regions(glibc->env.map, &count);
	for (i = 0; i < count; i++) {
		if (regions[i].usage != CH_USAGE_HEAP || !glibc_is_candidate(&regions[i]) ||
		    regions[i].start < end)
			continue;
		start = regions[i].start;
		end = brk_end(glibc, start);
		if (!follow_all(glibc, start, end, &top))
			continue;
		*found_ret = true;
		return take(glibc, start, end, top);
	}
	return NULL;
}
