/*
 * Releases 1 and 2: segments, found by their shape at multiples of their size. Each says its own
 * address, encoded with a number that is the same for all (cookie), and lies in the data of the
 * module. No symbol is needed, and nothing else has that shape.
 */
#include "walkers/mimalloc/mimalloc_priv.h"

#include "heap/signs.h"
#include "util/addrs.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/search.h"

/* mi_slice_t is a descriptor: slice_count and slice_offset in releases 2; segment_idx and
 * segment_in_use in releases 1. */
#define SLICE_COUNT  0
#define SLICE_OFFSET 4
#define PAGE_INDEX   0
#define PAGE_FLAGS   1
/* MI_HUGE_BLOCK_SIZE: blocks of that size and above have all of their page. */
#define HUGE_BLOCK_BYTES (2ULL << 30)
/* Pages that a row is judged by. */
#define SAMPLES_MAX 128U
/* Numbers that are tried as keys, and instances of the allocator in one process. */
#define KEYS_MAX      64U
#define INSTANCES_MAX 16U
/* How much more a segment counts that has the right key. */
#define KEY_WEIGHT 4096
/* Slices of a segment: MI_SLICES_PER_SEGMENT of 2.0.3 is 1024; one more for huge blocks. */
#define ENTRIES_MAX 1025U

/* What may be a segment. */
struct candidate {
	uint64_t addr, key;
	/* index in mimalloc_segment_layouts */
	uint8_t segment;
};

/* A segment that is being read. */
struct segment {
	struct mimalloc *mi;
	const struct mimalloc_layout *layout;
	uint64_t addr, bytes, owner;
	uint32_t entries;
	uint16_t instance;
	uint8_t head[MIMALLOC_SEGMENT_BYTES];
	/* Of each slice, whether what begins there leads, one after the other, to the end. */
	uint64_t leads[ENTRIES_MAX / 64 + 1];
};

/* ---- the shape of a head ----------------------------------------------------------- */

static uint64_t word_of(const uint8_t *head, uint16_t offset)
{
	return ch_get64(head + offset);
}

static bool is_slices_head(const struct mimalloc_segment_layout *at, const uint8_t *head)
{
	const uint64_t slices = word_of(head, at->slices), info = word_of(head, at->info);
	const uint64_t entries = word_of(head, at->entries), kind = word_of(head, at->kind);
	const uint64_t whole = 1ULL << (at->shift - MIMALLOC_SLICE_SHIFT);

	return info && info <= 8 && slices > info && slices < 1ULL << 31 &&
	       (entries == ch_min(slices, whole) || entries + 1 == ch_min(slices, whole)) &&
	       (kind & 0xffffffffU) <= 1 && ((kind & 0xffffffffU) || slices == whole) &&
	       ch_get32(head + at->pages + SLICE_COUNT) == info &&
	       ch_get32(head + at->pages + SLICE_OFFSET) == 0;
}

static bool is_pages_head(const struct mimalloc_segment_layout *at, const uint8_t *head)
{
	const uint64_t size = word_of(head, at->size), capacity = word_of(head, at->capacity);
	const uint64_t shift = word_of(head, at->page_shift), info = word_of(head, at->info_size);

	return size && size % CH_PAGE_BYTES == 0 && size < 1ULL << 47 && shift < 48 && capacity &&
	       capacity <= 64 && info && info % 256 == 0 && info < size &&
	       (ch_get32(head + at->kind) == 3 || size == 1ULL << at->shift) &&
	       (ch_get32(head + at->kind) == 3
			? capacity == 1
			: shift >= 16 && shift <= at->shift && capacity == size >> shift) &&
	       ch_get32(head + at->kind) <= 3 && head[at->pages + PAGE_INDEX] == 0;
}

static bool is_head(const struct mimalloc_segment_layout *at, const uint8_t *head)
{
	const uint64_t used = word_of(head, at->used), owner = word_of(head, at->thread_id);

	return used <= ENTRIES_MAX && word_of(head, at->abandoned) <= used && owner % 8 == 0 &&
	       owner < 1ULL << 47 &&
	       (at->slices ? is_slices_head(at, head) : is_pages_head(at, head));
}

static struct ch_error *look_at(const struct mimalloc *mi, uint64_t addr, struct ch_vec *ret)
{
	uint8_t head[MIMALLOC_SEGMENT_BYTES];
	struct candidate *slot;
	uint32_t i;

	if (!ch_core_try_read(mi->env.core, addr, head, sizeof(head)))
		return NULL;
	for (i = 0; i < MIMALLOC_SEGMENT_LAYOUTS; i++) {
		const struct mimalloc_segment_layout *at = &mimalloc_segment_layouts[i];

		if (addr % (1ULL << at->shift) || !is_head(at, head))
			continue;
		slot = ch_vec_push(ret);
		if (!slot)
			return &ch_enomem;
		*slot = (struct candidate){ .addr = addr,
					    .key = addr ^ word_of(head, at->cookie),
					    .segment = (uint8_t)i };
	}
	return NULL;
}

/* All of them, ascending. */
static struct ch_error *find_candidates(const struct mimalloc *mi, struct ch_vec *ret)
{
	const uint64_t step = 1ULL << 22;
	struct ch_error *err = NULL;
	const struct ch_region *regions;
	size_t count, i, len;
	uint64_t at, next;

	regions = ch_map_regions(mi->env.map, &count);
	for (i = 0; !err && i < count; i++) {
		if (regions[i].type != CH_MEMTYPE_PRIVATE || regions[i].state == CH_STATE_FREE)
			continue;
		for (at = ch_align_up(regions[i].start, step); !err && at < regions[i].end;
		     at = next) {
			next = at;
			if (!ch_core_next_data(mi->env.core, &next, regions[i].end, &len))
				break;
			if (next == at)
				err = look_at(mi, at, ret);
			next = next == at ? at + step : ch_align_up(next, step);
		}
		if (!err)
			err = chp_context_check(mi->env.ctx);
	}
	return err;
}

/* ---- pages of a segment ------------------------------------------------------------- */

/* segment.c of each release, _mi_segment_page_start(): where the first block of a page is that
 * has so much memory. */
static uint64_t first_block(const struct segment *segment, const struct mimalloc_page *page,
			    uint64_t start, uint64_t end)
{
	const uint64_t bytes = page->block_bytes;

	switch (segment->layout->start) {
	case MIMALLOC_START_128:
		return start + (bytes <= 1024 ? 128 : 0);
	case MIMALLOC_START_384:
		return start + (bytes <= 1024 ? 384 : 0);
	case MIMALLOC_START_BY_SIZE:
		return start + (bytes <= 64 ? 3 * bytes : bytes <= 512 ? bytes : 0);
	case MIMALLOC_START_ALIGNED:
		/* Small and medium pages that come behind the head: at a multiple of the size. */
		if (start % MIMALLOC_SLICE_BYTES && bytes &&
		    ch_get32(segment->head + segment->layout->segment->kind) <= 1 &&
		    end - start - (bytes - start % bytes) >= bytes)
			return start + (bytes - start % bytes) % bytes;
		return start;
	case MIMALLOC_START_STORED:
	case MIMALLOC_START_WORDS:
		return page->start;
	default:
		return start;
	}
}

/* What a descriptor says; its first block. False: it is not in the core. */
static bool read_page(const struct segment *segment, uint64_t addr, uint64_t start, uint64_t end,
		      struct mimalloc_page *ret, uint64_t *first_ret)
{
	if (!mimalloc_read_page(segment->mi->env.core, segment->layout, addr, ret))
		return false;
	*first_ret = first_block(segment, ret, start, end);
	if (segment->layout->page->block_size_bytes == 4 && ret->block_bytes >= HUGE_BLOCK_BYTES &&
	    *first_ret < end)
		ret->block_bytes = end - *first_ret;
	return true;
}

static const char *check_page(const struct mimalloc_page *page, uint64_t first, uint64_t start,
			      uint64_t end)
{
	uint64_t bytes;

	if (page->block_bytes < 8 || page->block_bytes % 8)
		return "its blocks have no size";
	if (page->capacity > page->reserved)
		return "it has more blocks than there is room for";
	if (first < start || !ch_mul(page->block_bytes, page->reserved, &bytes) ||
	    !ch_inside(first, bytes, end))
		return "its blocks do not fit it";
	return NULL;
}

/* One page of a segment: [start, end). */
static struct ch_error *add_page(const struct segment *segment, uint64_t addr, uint64_t start,
				 uint64_t end)
{
	struct mimalloc_area area = { .start = start,
				      .end = end,
				      .page = addr,
				      .owner = segment->owner,
				      .instance = segment->instance,
				      .kind = MIMALLOC_AREA_BLOCKS };
	struct mimalloc_page page;
	const char *why = "its descriptor is not in the core";
	uint64_t blocks_end = 0;

	if (read_page(segment, addr, start, end, &page, &area.first))
		why = check_page(&page, area.first, start, end);
	if (why) {
		chp_context_finding(segment->mi->env.ctx, chp_blame(&segment->mi->env),
				    "mimalloc-page",
				    "mimalloc: the page at 0x%llx: %s; its blocks are not counted",
				    (unsigned long long)start, why);
		area.kind = MIMALLOC_AREA_DAMAGED;
	} else {
		blocks_end = area.first + page.block_bytes * page.reserved;
	}
	return mimalloc_add_area(segment->mi, &area, blocks_end);
}

static struct ch_error *add_other(const struct segment *segment, uint64_t start, uint64_t end,
				  enum mimalloc_area_kind kind)
{
	const struct mimalloc_area area = { .start = start,
					    .end = end,
					    .owner = segment->owner,
					    .instance = segment->instance,
					    .kind = (uint8_t)kind };

	return mimalloc_add_area(segment->mi, &area, 0);
}

static uint64_t descriptor(const struct segment *segment, uint32_t index)
{
	return segment->addr + segment->layout->segment->pages +
	       (uint64_t)index * segment->layout->page->bytes;
}

/* ---- releases 2 --------------------------------------------------------------------- */

/* Slices of what begins at a slice; 0: nothing can. */
static uint32_t slices_at(const struct segment *segment, uint32_t index)
{
	const struct ch_core *core = segment->mi->env.core;
	const uint64_t addr = descriptor(segment, index);
	uint32_t count, offset;

	if (!ch_core_read_u32(core, addr + SLICE_COUNT, &count) ||
	    !ch_core_read_u32(core, addr + SLICE_OFFSET, &offset) || offset)
		return 0;
	/* A huge block has more slices than there are descriptors. */
	if (count > segment->entries - index &&
	    ch_get32(segment->head + segment->layout->segment->kind) == 1)
		count = segment->entries - index;
	return count <= segment->entries - index ? count : 0;
}

/* Fill leads, from the end on. */
static void find_leads(struct segment *segment)
{
	uint32_t index, count, next;

	for (index = segment->entries; index-- > 0;) {
		count = slices_at(segment, index);
		next = index + count;
		if (count &&
		    (next == segment->entries || segment->leads[next / 64] >> next % 64 & 1))
			segment->leads[index / 64] |= 1ULL << index % 64;
	}
}

/* The next slice that something begins at, behind one whose count is damaged. */
static uint32_t next_start(const struct segment *segment, uint32_t index)
{
	for (index++; index < segment->entries; index++)
		if (segment->leads[index / 64] >> index % 64 & 1)
			break;
	return index;
}

/* Of the slice at index: *next_ret, what comes behind it. */
static uint32_t slices_or_rest(const struct segment *segment, uint32_t index)
{
	const uint32_t count = slices_at(segment, index);
	uint32_t next;

	if (count && (index + count == segment->entries || slices_at(segment, index + count)))
		return count;
	/* Either this one's count is damaged, or that of the one behind it. */
	next = next_start(segment, index);
	if (count && next > index + count)
		return count;
	chp_context_finding(
		segment->mi->env.ctx, chp_blame(&segment->mi->env), "mimalloc-segment",
		"mimalloc: the page at 0x%llx does not lead to the one behind it, which "
		"was looked for",
		(unsigned long long)(segment->addr + index * MIMALLOC_SLICE_BYTES));
	return next - index;
}

static struct ch_error *add_slices(struct segment *segment)
{
	const struct mimalloc_segment_layout *at = segment->layout->segment;
	const uint32_t info = (uint32_t)word_of(segment->head, at->info);
	/* With MI_SECURE the last slice of a segment is not used. */
	const bool has_guard = segment->entries + 1ULL == word_of(segment->head, at->slices);
	const uint64_t end =
		segment->addr + segment->bytes - (has_guard ? MIMALLOC_SLICE_BYTES : 0);
	struct ch_error *err =
		add_other(segment, segment->addr, segment->addr + info * MIMALLOC_SLICE_BYTES,
			  MIMALLOC_AREA_META);
	struct mimalloc_page page;
	uint32_t index, count;

	find_leads(segment);
	for (index = info; !err && index < segment->entries; index += count) {
		uint64_t start = segment->addr + index * MIMALLOC_SLICE_BYTES, stop;

		count = slices_or_rest(segment, index);
		stop = index + count == segment->entries ? end
							 : start + count * MIMALLOC_SLICE_BYTES;
		/* A range of slices without blocks has a block size of 0. */
		if (mimalloc_read_page(segment->mi->env.core, segment->layout,
				       descriptor(segment, index), &page) &&
		    !page.block_bytes && !page.capacity)
			err = add_other(segment, start, stop, MIMALLOC_AREA_FREE);
		else
			err = add_page(segment, descriptor(segment, index), start, stop);
	}
	return err ? err
		   : add_other(segment, end, segment->addr + segment->bytes, MIMALLOC_AREA_META);
}

/* ---- releases 1 --------------------------------------------------------------------- */

static struct ch_error *add_pages(const struct segment *segment)
{
	const struct mimalloc_segment_layout *at = segment->layout->segment;
	const uint64_t shift = word_of(segment->head, at->page_shift);
	const uint64_t info = word_of(segment->head, at->info_size);
	struct ch_error *err =
		add_other(segment, segment->addr, segment->addr + info, MIMALLOC_AREA_META);
	uint32_t i;

	for (i = 0; !err && i < segment->entries; i++) {
		uint64_t start = segment->addr + (i ? (uint64_t)i << shift : info);
		uint64_t end = i + 1 == segment->entries
				       ? segment->addr + segment->bytes
				       : segment->addr + ((uint64_t)(i + 1) << shift);
		uint8_t flags = 0;

		if (ch_core_try_read(segment->mi->env.core, descriptor(segment, i) + PAGE_FLAGS,
				     &flags, 1) &&
		    !(flags & 1))
			err = add_other(segment, start, end, MIMALLOC_AREA_FREE);
		else
			err = add_page(segment, descriptor(segment, i), start, end);
	}
	return err;
}

/* ---- instances ---------------------------------------------------------------------- */

/* False: its head is not in the core. */
static bool open_segment(struct mimalloc *mi, const struct mimalloc_layout *layout, uint64_t addr,
			 uint16_t instance, struct segment *ret)
{
	const struct mimalloc_segment_layout *at = layout->segment;

	*ret = (struct segment){ .mi = mi, .layout = layout, .addr = addr, .instance = instance };
	if (!ch_core_try_read(mi->env.core, addr, ret->head, sizeof(ret->head)))
		return false;
	ret->owner = word_of(ret->head, at->thread_id);
	ret->bytes = at->slices ? word_of(ret->head, at->slices) * MIMALLOC_SLICE_BYTES
				: word_of(ret->head, at->size);
	ret->entries = (uint32_t)word_of(ret->head, at->slices ? at->entries : at->capacity);
	return true;
}

/* How many pages of a segment agree with a row, less those that do not. samples: how many pages may
 * be looked at. */
static int64_t judge_segment(const struct segment *segment, uint32_t *samples)
{
	const struct mimalloc_segment_layout *at = segment->layout->segment;
	uint32_t index = at->slices ? (uint32_t)word_of(segment->head, at->info) : 0;
	const uint64_t shift =
		at->slices ? MIMALLOC_SLICE_SHIFT : word_of(segment->head, at->page_shift);
	struct mimalloc_page page;
	uint32_t count;
	int64_t sum = 0;
	uint64_t first;

	for (; index < segment->entries && *samples; index += count) {
		uint64_t start = segment->addr + ((uint64_t)index << shift);

		count = at->slices ? slices_at(segment, index) : 1;
		if (!count)
			return sum - 1;
		if (!index && !at->slices)
			start += word_of(segment->head, at->info_size);
		if (!read_page(segment, descriptor(segment, index), start,
			       segment->addr + ((uint64_t)(index + count) << shift), &page,
			       &first) ||
		    !page.block_bytes || !page.capacity)
			continue;
		sum += mimalloc_judge(segment->mi->env.core, segment->layout, &page, first);
		--*samples;
	}
	return sum;
}

/*
 * The row that pages of the segments with a key agree with; NULL: none. Others of that shape count
 * where these alone do not tell: their keys may be damaged.
 */
static const struct mimalloc_layout *choose_layout(struct mimalloc *mi,
						   const struct ch_vec *candidates, uint64_t key)
{
	const struct candidate *items = candidates->items;
	const struct mimalloc_layout *best = NULL;
	int64_t best_sum = 0;
	size_t row, i;

	for (row = 0; row < mimalloc_layouts_count; row++) {
		const struct mimalloc_layout *layout = &mimalloc_layouts[row];
		uint32_t own = SAMPLES_MAX, others = SAMPLES_MAX;
		int64_t sum = 0;

		for (i = 0; i < candidates->count; i++) {
			const bool is_own = items[i].key == key;
			struct segment segment;

			if (!(is_own ? own : others) ||
			    &mimalloc_segment_layouts[items[i].segment] != layout->segment ||
			    !open_segment(mi, layout, items[i].addr, 0, &segment))
				continue;
			sum += judge_segment(&segment, is_own ? &own : &others) *
			       (is_own ? KEY_WEIGHT : 1);
		}
		if (sum > best_sum) {
			best_sum = sum;
			best = layout;
		}
	}
	return best;
}

static bool has_key(const struct mimalloc *mi, uint64_t key)
{
	const struct mimalloc_instance *items = mi->instances.items;
	size_t i;

	for (i = 0; i < mi->instances.count; i++)
		if (items[i].key == key)
			return true;
	return false;
}

static struct ch_error *add_instance(struct mimalloc *mi, const struct ch_module *module,
				     const struct ch_vec *candidates, uint64_t key)
{
	const struct mimalloc_layout *layout = choose_layout(mi, candidates, key);
	struct mimalloc_instance *slot = layout ? ch_vec_push(&mi->instances) : NULL;

	if (layout && !slot)
		return &ch_enomem;
	if (slot)
		*slot = (struct mimalloc_instance){ .module = module,
						    .layout = layout,
						    .key = key };
	return NULL;
}

/* Keys of candidates, each once, ascending. */
static struct ch_error *list_keys(const struct ch_vec *candidates, struct ch_vec *ret)
{
	const struct candidate *items = candidates->items;
	size_t i;

	for (i = 0; i < candidates->count; i++)
		if (items[i].key && !ch_addrs_push(ret, items[i].key))
			return &ch_enomem;
	ch_addrs_sort(ret);
	ch_addrs_unique(ret);
	return NULL;
}

/* Keys that lie in the data of a module, as _mi_heap_main.cookie does. */
static struct ch_error *find_instances(struct mimalloc *mi, const struct ch_vec *candidates,
				       const struct ch_vec *keys)
{
	const uint64_t *items = keys->items;
	const struct ch_module *modules;
	struct ch_data_run run = { 0 };
	struct ch_error *err = NULL;
	size_t count, i, k, found;
	uint32_t tries = 0;
	uint64_t at, word;

	modules = ch_sym_modules(mi->env.sym, &count);
	for (i = 0; keys->count && !err && i < count; i++) {
		at = modules[i].start;
		while (!err && chp_data_next(&mi->env, &modules[i], &at, &run))
			for (k = ch_align_up(run.addr, 8) - run.addr;
			     !err && k < run.len && run.len - k >= 8; k += 8) {
				word = ch_get64(run.bytes + k);
				found = ch_addrs_from(keys, word);
				if (found < keys->count && items[found] == word &&
				    !has_key(mi, word) && tries++ < KEYS_MAX &&
				    mi->instances.count < INSTANCES_MAX)
					err = add_instance(mi, &modules[i], candidates, word);
			}
	}
	return err;
}

/* ---- all segments ------------------------------------------------------------------- */

static bool add_range(struct ch_vec *ranges, uint64_t start, uint64_t end)
{
	struct mimalloc_range *slot = ch_vec_push(ranges);

	if (slot)
		*slot = (struct mimalloc_range){ .start = start, .end = end };
	return slot != NULL;
}

/* Read a segment of an instance; one without pages in use is free memory as a whole. */
static struct ch_error *take_segment(struct mimalloc *mi, uint64_t addr, uint16_t index,
				     bool in_use)
{
	const struct mimalloc_instance *instance =
		CH_VEC_AT(&mi->instances, struct mimalloc_instance, index);
	struct segment segment;

	if (!open_segment(mi, instance->layout, addr, index, &segment) ||
	    in_use != (word_of(segment.head, instance->layout->segment->used) > 0))
		return NULL;
	if (!in_use) {
		segment.owner = 0;
		return add_other(&segment, addr, addr + segment.bytes, MIMALLOC_AREA_FREE);
	}
	if (!add_range(&mi->segments, addr, addr + segment.bytes))
		return &ch_enomem;
	return instance->layout->segment->slices ? add_slices(&segment) : add_pages(&segment);
}

/* Which instance a candidate is of, by its key; UINT16_MAX: none. */
static uint16_t instance_of(const struct mimalloc *mi, const struct candidate *candidate)
{
	const struct mimalloc_instance *items = mi->instances.items;
	uint16_t i, same_count = 0, same = UINT16_MAX;

	for (i = 0; i < mi->instances.count; i++) {
		if (items[i].layout->segment != &mimalloc_segment_layouts[candidate->segment])
			continue;
		if (items[i].key == candidate->key)
			return i;
		same = i;
		same_count++;
	}
	if (same_count != 1)
		return UINT16_MAX;
	chp_context_finding(mi->env.ctx, chp_blame(&mi->env), "mimalloc-segment",
			    "mimalloc: the segment at 0x%llx has another cookie than the others; "
			    "it was read all the same",
			    (unsigned long long)candidate->addr);
	return same;
}

/* Ascending: what lies in a segment is its block's contents. */
static struct ch_error *take_segments(struct mimalloc *mi, const struct ch_vec *candidates,
				      bool in_use)
{
	const struct candidate *items = candidates->items;
	struct ch_error *err = NULL;
	uint16_t instance;
	size_t i;

	for (i = 0; !err && i < candidates->count; i++) {
		const struct mimalloc_range *ranges = mi->segments.items;
		size_t at = ch_search(ranges, mi->segments.count, it, it->end <= items[i].addr);

		if (at < mi->segments.count && ranges[at].start <= items[i].addr)
			continue;
		instance = instance_of(mi, &items[i]);
		if (instance != UINT16_MAX)
			err = take_segment(mi, items[i].addr, instance, in_use);
	}
	return err;
}

struct ch_error *mimalloc_find_segments(struct mimalloc *mi)
{
	struct ch_vec candidates = CH_VEC(struct candidate), keys = CH_VEC(uint64_t);
	struct ch_error *err = find_candidates(mi, &candidates);
	uint16_t i;

	if (!err)
		err = list_keys(&candidates, &keys);
	if (!err)
		err = find_instances(mi, &candidates, &keys);
	if (!err && mi->instances.count)
		err = take_segments(mi, &candidates, true);
	for (i = 0; !err && i < mi->instances.count; i++)
		err = mimalloc_find_arenas(mi, i);
	if (!err && mi->instances.count)
		err = take_segments(mi, &candidates, false);
	ch_vec_deinit(&keys);
	ch_vec_deinit(&candidates);
	return err;
}
