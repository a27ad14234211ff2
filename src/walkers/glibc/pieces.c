/*
 * The arenas that were found and the pieces of memory that they own, each list in order, and what
 * memory may be a piece at all. arenas.c, brk.c and orphan.c find arenas and heaps in different
 * ways and add them here, where what overlaps is left out and what the core lacks is said.
 */
#include "walkers/glibc/glibc_priv.h"

#include <string.h>

#include "util/context.h"
#include "util/search.h"

bool glibc_is_candidate(const struct ch_region *region)
{
	/* huge pages show up as a file, /anon_hugepage */
	return region->state == CH_STATE_COMMIT && (region->prot & CH_SEGMENT_WRITE) &&
	       (region->type == CH_MEMTYPE_PRIVATE || region->usage == CH_USAGE_SHM);
}

uint64_t glibc_writable_end(const struct glibc *glibc, uint64_t start)
{
	const struct ch_region *region;
	uint64_t at = start;

	for (;;) {
		region = ch_map_region_at(glibc->env.map, at);
		if (!region || !glibc_is_candidate(region))
			return at;
		at = region->end;
	}
}

uint64_t glibc_extent_end(const struct glibc *glibc, uint64_t start, uint64_t limit)
{
	uint64_t at = start, end = start;
	const struct ch_region *region;

	while (at < limit) {
		region = ch_map_region_at(glibc->env.map, at);
		if (!region || (region->state != CH_STATE_FREE && !glibc_is_candidate(region)))
			break;
		at = ch_min(region->end, limit);
		if (region->state != CH_STATE_FREE)
			end = at;
	}
	return end;
}

bool glibc_is_extent(const struct glibc *glibc, uint64_t start, uint64_t end)
{
	const struct ch_region *region = ch_map_region_at(glibc->env.map, start);
	uint64_t at = start;

	if (!region || !glibc_is_candidate(region))
		return false;
	while (at < end) {
		region = ch_map_region_at(glibc->env.map, at);
		if (!region || (region->state != CH_STATE_FREE && !glibc_is_candidate(region)))
			return false;
		at = region->end;
	}
	return true;
}

static uint64_t read_or(const struct ch_core *core, uint64_t addr, uint64_t otherwise)
{
	uint64_t value;

	return ch_core_read_u64(core, addr, &value) ? value : otherwise;
}

struct ch_error *glibc_add_arena(struct glibc *glibc, uint64_t addr, bool is_main)
{
	const struct glibc_layout *layout = glibc->layout;
	const struct ch_core *core = glibc->env.core;
	struct glibc_arena *arena = ch_vec_push(&glibc->arenas), first;

	if (!arena)
		return &ch_enomem;
	arena->addr = addr;
	arena->is_main = is_main;
	/* the mutex comes first in all releases */
	arena->locked = read_or(core, addr, 0) & UINT32_MAX;
	if (is_main)
		glibc->libc = ch_sym_module_at(glibc->env.sym, addr);
	arena->facts = CH_VEC(struct ch_fact);
	arena->tids = CH_VEC(uint32_t);
	arena->top = read_or(core, addr + layout->top, 0);
	arena->system_mem = read_or(core, addr + layout->system_mem, 0);
	arena->max_system_mem = read_or(core, addr + layout->max_system_mem, 0);
	arena->attached =
		layout->attached ? read_or(core, addr + layout->attached, UINT64_MAX) : UINT64_MAX;
	if (!is_main || glibc->arenas.count == 1)
		return NULL;
	/* the main arena comes first, also when the others led to it */
	first = *arena;
	memmove(glibc_arena_at(glibc, 1), glibc_arena_at(glibc, 0),
		(glibc->arenas.count - 1) * sizeof(first));
	*glibc_arena_at(glibc, 0) = first;
	return NULL;
}

struct ch_error *glibc_add_orphan(struct glibc *glibc, uint64_t addr)
{
	struct ch_error *err = glibc_add_arena(glibc, addr, true);

	if (!err)
		glibc_arena_at(glibc, 0)->absent = true;
	return err;
}

size_t glibc_piece_at(const struct glibc *glibc, uint64_t addr)
{
	const struct glibc_piece *pieces = glibc->pieces.items;
	size_t low = ch_search(pieces, glibc->pieces.count, it, it->reserved_end <= addr);

	return low < glibc->pieces.count && pieces[low].start <= addr ? low : glibc->pieces.count;
}

static struct ch_error *add_piece(struct glibc *glibc, const struct glibc_piece *piece)
{
	struct glibc_piece *pieces, *slot;
	size_t i;

	slot = ch_vec_push(&glibc->pieces);
	if (!slot)
		return &ch_enomem;
	pieces = glibc->pieces.items;
	for (i = glibc->pieces.count - 1; i > 0 && pieces[i - 1].start > piece->start; i--)
		pieces[i] = pieces[i - 1];
	/* what meets another piece is a pointer gone astray */
	if (piece->start >= piece->reserved_end ||
	    (i > 0 && pieces[i - 1].reserved_end > piece->start) ||
	    (i + 1 < glibc->pieces.count && pieces[i + 1].start < piece->reserved_end)) {
		for (; i + 1 < glibc->pieces.count; i++)
			pieces[i] = pieces[i + 1];
		glibc->pieces.count--;
		chp_context_finding(
			glibc->env.ctx, chp_blame(&glibc->env), "glibc-heap-overlap",
			"%s: its memory at 0x%llx-0x%llx overlaps that of another arena; "
			"left out",
			piece->arena ? "an arena" : "main arena", (unsigned long long)piece->start,
			(unsigned long long)piece->end);
		return NULL;
	}
	pieces[i] = *piece;
	glibc_arena_at(glibc, piece->arena)->found_bytes += piece->end - piece->start;
	return NULL;
}

/* Say it once a heap. */
static void tell_missing(const struct glibc *glibc, const struct glibc_piece *heap, uint64_t bytes)
{
	chp_context_finding(
		glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-heap-missing",
		"%s: of its heap 0x%llx-0x%llx the core has no segments for %llu bytes: "
		"the blocks there are not counted",
		glibc_arena_at(glibc, heap->arena)->name[0]
			? glibc_arena_at(glibc, heap->arena)->name
			: "main arena",
		(unsigned long long)heap->start, (unsigned long long)heap->end,
		(unsigned long long)bytes);
}

struct ch_error *glibc_add_heap(struct glibc *glibc, const struct glibc_piece *heap)
{
	struct glibc_piece piece = *heap;
	const struct ch_region *region;
	struct ch_error *err = NULL;
	uint64_t at = heap->start, missing = 0;

	while (!err && at < heap->end) {
		region = ch_map_region_at(glibc->env.map, at);
		if (region && region->state == CH_STATE_FREE) {
			missing += ch_min(region->end, heap->end) - at;
			at = region->end;
			continue;
		}
		piece.start = at;
		piece.headless = at > heap->first;
		if (piece.headless)
			piece.first = ch_align_up(at, 16);
		while (at < heap->end && region && region->state != CH_STATE_FREE) {
			glibc_arena_at(glibc, heap->arena)->partial |=
				region->in_core_bytes < region->end - region->start &&
				glibc_is_candidate(region);
			at = region->end;
			region = ch_map_region_at(glibc->env.map, at);
		}
		piece.whole_end = heap->end;
		piece.end = ch_min(at, heap->end);
		piece.committed_end = at < heap->end ? piece.end : heap->committed_end;
		piece.reserved_end = at < heap->end ? piece.end : heap->reserved_end;
		err = add_piece(glibc, &piece);
		if (!region)
			break;
	}
	if (missing)
		tell_missing(glibc, heap, missing);
	glibc_arena_at(glibc, heap->arena)->found_bytes += missing;
	glibc_arena_at(glibc, heap->arena)->partial |= missing > 0;
	return err;
}

/* at, or the end of the heap of another runtime, or another libc, that it lies in. */
static uint64_t behind_taken(const struct glibc *glibc, uint64_t at)
{
	const struct ch_taken *taken = glibc->env.taken;
	size_t low = ch_search(taken, glibc->env.taken_count, it, it->end <= at);

	return low < glibc->env.taken_count && taken[low].start <= at ? taken[low].end : at;
}

uint64_t glibc_next_page(const struct glibc *glibc, uint64_t at)
{
	const struct ch_segment *segment;
	uint64_t taken;
	size_t piece, len;

	for (;;) {
		piece = glibc_piece_at(glibc, at);
		if (piece < glibc->pieces.count) {
			at = ch_align_up(
				CH_VEC_AT(&glibc->pieces, struct glibc_piece, piece)->reserved_end,
				CH_PAGE_BYTES);
			continue;
		}
		taken = ch_align_up(behind_taken(glibc, at), CH_PAGE_BYTES);
		if (taken > at) {
			at = taken;
			continue;
		}
		if (ch_core_span_recorded(glibc->env.core, at, &len))
			return at;
		segment = ch_core_segment_at(glibc->env.core, at);
		if (!segment)
			return UINT64_MAX;
		at = ch_align_up(segment->end, CH_PAGE_BYTES);
	}
}

bool glibc_is_absent(const struct glibc *glibc, uint64_t addr)
{
	const struct glibc_piece *pieces = glibc->pieces.items;
	size_t low = ch_search(pieces, glibc->pieces.count, it, it->start <= addr), len;

	return low && addr < pieces[low - 1].whole_end &&
	       !ch_core_span_recorded(glibc->env.core, addr, &len);
}

bool glibc_is_partial(const struct glibc *glibc)
{
	const struct glibc_arena *arenas = glibc->arenas.items;
	size_t i;

	for (i = 0; i < glibc->arenas.count; i++)
		if (arenas[i].partial)
			return true;
	return false;
}
