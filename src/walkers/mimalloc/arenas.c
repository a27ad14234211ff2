/*
 * Arenas: large mappings whose blocks (releases 1 and 2) or slices (release 3) have bits for what
 * is in use, was ever written to, and is mapped for use. What is in use lies in segments or pages;
 * this says what the rest is.
 */
#include "walkers/mimalloc/mimalloc_priv.h"

#include "heap/signs.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/search.h"

/* No process has more (MI_MAX_ARENAS is 132, and 160 in release 3). */
#define ARENAS_MAX 256U
/* Blocks and slices of all arenas that are looked at: 1 TiB of slices. */
#define UNITS_MAX (1ULL << 24)
/* Of mi_arena_t, words that are looked at. */
#define ARENA_WORDS 40U
/* Release 3: bits of a chunk of a bitmap; those of mi_bitmap_t begin there. */
#define CHUNK_BITS  512U
#define CHUNK_BYTES 64U
#define BITMAP_BITS 128U

/* What of an arena is a block or slice. */
struct arena {
	uint64_t start, unit_bytes, count;
	/* Where bits are; 0: there are none. */
	uint64_t in_use, is_free, dirty, committed, pages;
	/* Release 3: slices for the arena itself. */
	uint64_t info;
};

/* ---- areas --------------------------------------------------------------------- */

static bool push(struct mimalloc *mi, const struct mimalloc_area *area)
{
	struct mimalloc_area *slot = ch_vec_push(&mi->areas);

	if (slot)
		*slot = *area;
	return slot != NULL;
}

/* Where memory that is mapped for use, or memory that is not, ends which holds addr. */
static uint64_t same_state_end(struct ch_map *map, uint64_t addr, uint64_t end, bool *is_used)
{
	const struct ch_region *region = ch_map_region_at(map, addr);

	*is_used = region && region->state == CH_STATE_COMMIT;
	while (region && region->end > addr && region->end < end &&
	       (region->state == CH_STATE_COMMIT) == *is_used) {
		addr = region->end;
		region = ch_map_region_at(map, addr);
	}
	return region && region->end > addr && (region->state == CH_STATE_COMMIT) == *is_used
		       ? ch_min(region->end, end)
		       : addr;
}

/*
 * What was given back may not be mapped for use any more, and with MI_SECURE there are guard pages
 * behind heads of segments and behind pages. blocks_end: what is before it is not cut up.
 */
struct ch_error *mimalloc_add_area(struct mimalloc *mi, const struct mimalloc_area *area,
				   uint64_t blocks_end)
{
	struct mimalloc_area part = *area;
	bool is_used;

	while (part.start < area->end) {
		/* From its last block on, which a guard page may follow. */
		part.end = same_state_end(mi->env.map,
					  part.start < blocks_end ? blocks_end - 1 : part.start,
					  area->end, &is_used);
		if (part.end <= part.start)
			part.end = area->end;
		part.kind = is_used || part.start < blocks_end ? area->kind : MIMALLOC_AREA_SPACE;
		/* Behind its blocks a page has nothing more of them. */
		if (part.kind == MIMALLOC_AREA_BLOCKS && part.start > area->start)
			part.kind = MIMALLOC_AREA_META;
		if (!push(mi, &part))
			return &ch_enomem;
		part.start = part.end;
	}
	return NULL;
}

static int compare_areas(const void *a, const void *b)
{
	const struct mimalloc_area *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->kind - y->kind;
}

void mimalloc_order_areas(struct mimalloc *mi)
{
	struct mimalloc_area *items = mi->areas.items;
	size_t i, kept = 0;

	ch_vec_sort(&mi->areas, compare_areas);
	for (i = 0; i < mi->areas.count; i++) {
		if (kept && items[i].start < items[kept - 1].end) {
			/* Of segments that were given up something may still be there. */
			if (items[i].kind == MIMALLOC_AREA_FREE ||
			    items[i].kind == MIMALLOC_AREA_SPACE)
				continue;
			if (items[kept - 1].kind == MIMALLOC_AREA_FREE ||
			    items[kept - 1].kind == MIMALLOC_AREA_SPACE) {
				items[kept - 1].end = items[i].start;
				kept -= items[kept - 1].start == items[kept - 1].end;
				items[kept++] = items[i];
				continue;
			}
			chp_context_finding(mi->env.ctx, chp_blame(&mi->env), "mimalloc-page",
					    "mimalloc: the page at 0x%llx lies in the one at "
					    "0x%llx; it is left out",
					    (unsigned long long)items[i].start,
					    (unsigned long long)items[kept - 1].start);
			continue;
		}
		items[kept++] = items[i];
	}
	mi->areas.count = kept;
}

/* ---- what is in no segment and no page --------------------------------------------- */

static bool bit(const struct ch_core *core, uint64_t bits, uint64_t index)
{
	uint64_t word;

	return bits && ch_core_read_u64(core, bits + index / 64 * 8, &word) &&
	       word >> index % 64 & 1;
}

static enum mimalloc_area_kind kind_of(const struct mimalloc *mi, const struct arena *arena,
				       uint64_t index)
{
	const struct ch_core *core = mi->env.core;
	const uint64_t addr = arena->start + index * arena->unit_bytes;
	bool in_use =
		arena->in_use ? bit(core, arena->in_use, index) : !bit(core, arena->is_free, index);

	if (index < arena->info)
		return MIMALLOC_AREA_META;
	if (!in_use)
		return bit(core, arena->dirty, index) &&
				       (!arena->committed || bit(core, arena->committed, index))
			       ? MIMALLOC_AREA_FREE
			       : MIMALLOC_AREA_SPACE;
	if (!arena->in_use && !bit(core, arena->pages, index))
		return MIMALLOC_AREA_META;
	chp_context_finding(
		mi->env.ctx, chp_blame(&mi->env), "mimalloc-arena",
		"mimalloc: what the arena has in use at 0x%llx was not found there: its "
		"blocks are not counted",
		(unsigned long long)addr);
	return MIMALLOC_AREA_DAMAGED;
}

/* The segment or pages that hold addr, or the first ones behind it. */
static const struct mimalloc_range *range_from(const struct mimalloc *mi, uint64_t addr)
{
	const struct mimalloc_range *ranges = mi->segments.items;
	size_t at = ch_search(ranges, mi->segments.count, it, it->end <= addr);

	return at < mi->segments.count ? &ranges[at] : NULL;
}

static struct ch_error *add_rest(struct mimalloc *mi, uint16_t instance, const struct arena *arena)
{
	struct mimalloc_area area = { .instance = instance };
	const struct mimalloc_range *range;
	struct ch_error *err = NULL;
	enum mimalloc_area_kind kind;
	uint64_t i, addr;

	for (i = 0; !err && i < arena->count; i++) {
		addr = arena->start + i * arena->unit_bytes;
		range = range_from(mi, addr);
		if (range && range->start <= addr) {
			/* Behind the last of its blocks. */
			i = (ch_align_up(range->end - arena->start, arena->unit_bytes) /
			     arena->unit_bytes) -
			    1;
			continue;
		}
		kind = kind_of(mi, arena, i);
		if (area.end == addr && area.kind == kind && area.end) {
			area.end += arena->unit_bytes;
			continue;
		}
		if (area.end)
			err = mimalloc_add_area(mi, &area, 0);
		area.start = addr;
		area.end = addr + arena->unit_bytes;
		area.kind = (uint8_t)kind;
	}
	return err || !area.end ? err : mimalloc_add_area(mi, &area, 0);
}

static bool is_known(const struct mimalloc *mi, uint64_t start, uint64_t end)
{
	const struct mimalloc_range *ranges = mi->arenas.items;
	size_t i;

	for (i = 0; i < mi->arenas.count; i++)
		if (start < ranges[i].end && ranges[i].start < end)
			return true;
	return mi->arenas.count >= ARENAS_MAX;
}

static struct ch_error *take_arena(struct mimalloc *mi, uint16_t instance,
				   const struct arena *arena)
{
	const uint64_t end = arena->start + arena->count * arena->unit_bytes;
	struct mimalloc_range *slot;

	if (is_known(mi, arena->start, end))
		return NULL;
	if (arena->count > UNITS_MAX - mi->arena_units) {
		chp_context_finding(
			mi->env.ctx, CH_SEVERITY_INCOMPLETE, "mimalloc-arena",
			"mimalloc: what is free in the arena at 0x%llx was not looked at: "
			"its arenas are too large together",
			(unsigned long long)arena->start);
		return NULL;
	}
	mi->arena_units += arena->count;
	slot = ch_vec_push(&mi->arenas);
	if (!slot)
		return &ch_enomem;
	*slot = (struct mimalloc_range){ .start = arena->start, .end = end };
	return add_rest(mi, instance, arena);
}

static bool read_words(const struct ch_core *core, uint64_t addr, uint64_t ret[ARENA_WORDS])
{
	uint8_t bytes[ARENA_WORDS * 8];
	uint32_t i;

	if (!addr || addr % 8 || addr > 1ULL << 47 ||
	    !ch_core_try_read(core, addr, bytes, sizeof(bytes)))
		return false;
	for (i = 0; i < ARENA_WORDS; i++)
		ret[i] = ch_get64(bytes + (size_t)i * 8);
	return true;
}

/* ---- releases 1 and 2 ---------------------------------------------------------------- */

/*
 * arena.c, struct mi_arena_s: start, block_count and field_count, which follows from it; then
 * pointers to bits of blocks, each as many words behind the one before, the first right behind
 * blocks_inuse, which ends the structure.
 */
static bool read_arena(const struct mimalloc *mi, uint64_t addr, uint64_t block_bytes,
		       struct arena *ret)
{
	uint64_t words[ARENA_WORDS], bytes;
	uint32_t at, i;

	if (!read_words(mi->env.core, addr, words))
		return false;
	for (at = 1; at < 6; at++) {
		const uint64_t start = words[at], count = words[at + 1], fields = words[at + 2];

		if (!start || start % block_bytes || !count || fields != (count + 63) / 64 ||
		    !ch_mul(count, block_bytes, &bytes) || !ch_inside(start, bytes, 1ULL << 47))
			continue;
		for (i = at + 3; i + 1 < ARENA_WORDS; i++) {
			const uint64_t in_use = words[i] - 8 * fields;

			/* blocks_committed may be missing; since 2.1.4 blocks_abandoned lie
			 * between. */
			if (in_use <= addr + 8ULL * i || in_use > addr + 8ULL * (i + 5) ||
			    (words[i + 1] && words[i + 1] != words[i] + 8 * fields &&
			     words[i + 1] != words[i] + 16 * fields))
				continue;
			*ret = (struct arena){ .start = start,
					       .unit_bytes = block_bytes,
					       .count = count,
					       .in_use = in_use,
					       .dirty = words[i],
					       .committed = words[i + 1] };
			return true;
		}
	}
	return false;
}

struct ch_error *mimalloc_find_arenas(struct mimalloc *mi, uint16_t index)
{
	const struct mimalloc_instance *instance =
		CH_VEC_AT(&mi->instances, struct mimalloc_instance, index);
	const uint64_t block_bytes = 1ULL << instance->layout->segment->arena_shift;
	struct ch_data_run run = { 0 };
	struct ch_error *err = NULL;
	uint64_t at = instance->module->start;
	struct arena arena;
	size_t k;

	while (!err && chp_data_next(&mi->env, instance->module, &at, &run))
		for (k = ch_align_up(run.addr, 8) - run.addr;
		     !err && k < run.len && run.len - k >= 8; k += 8)
			if (read_arena(mi, ch_get64(run.bytes + k), block_bytes, &arena))
				err = take_arena(mi, index, &arena);
	return err;
}

/* ---- release 3 --------------------------------------------------------------------- */

/* bitmap.h, mi_bitmap_t and mi_bbitmap_t: they begin with the number of their chunks. */
static bool is_bitmap(const struct ch_core *core, uint64_t addr, uint64_t chunks)
{
	uint64_t word;

	return addr && addr % CHUNK_BYTES == 0 && ch_core_read_u64(core, addr, &word) &&
	       word == chunks;
}

/*
 * types.h (arena.c until 3.0.1), struct mi_arena_s: slice_count and info_slices; then pointers to
 * bitmaps, one behind the other: slices_free, slices_committed, slices_dirty, slices_purge; and
 * pages behind them.
 */
struct ch_error *mimalloc_add_arena(struct mimalloc *mi, uint16_t instance, uint64_t addr)
{
	const struct ch_core *core = mi->env.core;
	uint64_t words[ARENA_WORDS], chunks;
	struct arena arena = { .start = addr, .unit_bytes = MIMALLOC_SLICE_BYTES };
	uint32_t at, i;

	if (!read_words(core, addr, words))
		return NULL;
	for (at = 4; at < 7; at++)
		for (i = at + 3; i < at + 12; i++) {
			chunks = words[at] / CHUNK_BITS + (words[at] % CHUNK_BITS > 0);
			if (!words[at] || words[at] > 1U << 18 || words[at + 1] >= words[at] ||
			    words[i + 1] <= words[i] + chunks * CHUNK_BYTES ||
			    !is_bitmap(core, words[i], chunks) ||
			    !is_bitmap(core, words[i + 1], chunks) ||
			    !is_bitmap(core, words[i + 2], chunks))
				continue;
			/* From 3.6 on it says where it begins, and lies behind a table. */
			if (words[at - 1] == ch_align_down(addr, MIMALLOC_REGION_BYTES))
				arena.start = words[at - 1];
			arena.count = words[at];
			arena.info = words[at + 1];
			/* Between a head, which grew, and the next bitmap are its chunks. */
			arena.is_free = words[i + 1] - chunks * CHUNK_BYTES;
			arena.committed = words[i + 1] + BITMAP_BITS;
			arena.dirty = words[i + 2] + BITMAP_BITS;
			arena.pages = words[i + 4] + BITMAP_BITS;
			if (!is_bitmap(core, words[i + 4], chunks))
				arena.pages = is_bitmap(core, words[i + 5], chunks)
						      ? words[i + 5] + BITMAP_BITS
						      : 0;
			return take_arena(mi, instance, &arena);
		}
	chp_context_finding(mi->env.ctx, chp_blame(&mi->env), "mimalloc-arena",
			    "mimalloc: the head of the arena at 0x%llx is damaged: what is free in "
			    "it is not known",
			    (unsigned long long)addr);
	return NULL;
}
