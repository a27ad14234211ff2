/*
 * Release 3: the page map, a table in two levels that leads from each slice of the address space
 * to the descriptor of its page. It is found by its shape: a pointer in the data of a module leads
 * to a table whose first entry leads to one whose first entry leads to a descriptor that says where
 * the slice is which the two entries stand for.
 *
 * From 3.6 on there is none: each 256 MiB of addresses that mimalloc has begin with a table of
 * their slices. It is one if most of what it leads to are descriptors that say where they lie.
 */
#include "walkers/mimalloc/mimalloc_priv.h"

#include "heap/signs.h"
#include "util/cleanup.h"
#include "util/context.h"

/* internal.h: MI_PAGE_MAP_SUB_SHIFT; and MI_PAGE_MAP_SHIFT with MI_MAX_VABITS 48 at most. */
#define SUB_SHIFT     13U
#define SUB_BYTES     (8ULL << SUB_SHIFT)
#define MAP_BYTES_MAX (8ULL << (48 - SUB_SHIFT - MIMALLOC_SLICE_SHIFT))
/* From 3.6 on: of a table. */
#define SLOT_BYTES    128U
#define OWN_PAGES     8U
#define REGION_SLICES (MIMALLOC_REGION_BYTES / MIMALLOC_SLICE_BYTES)
/* What may be looked through for a map. */
#define LOOKED_BYTES_MAX (256ULL << 20)
/* Pages that a row is judged by; instances in one process. */
#define SAMPLES_MAX   256U
#define TRIES_MAX     64U
#define INSTANCES_MAX 16U

/* One who looks at the entries of a map, in order of addresses; false: no more. */
struct visit {
	struct mimalloc *mi;
	const struct mimalloc_layout *layout;
	uint16_t instance;
	bool (*fn)(struct visit *visit, uint64_t slice, uint64_t page);
	/* The last descriptor. */
	uint64_t last;
	uint64_t looked_bytes;
	uint32_t samples;
	int64_t sum;
	struct ch_error *err;
	/* of uint64_t: arenas that pages lie in */
	struct ch_vec arenas;
};

/* Slices of a page that its descriptor says, and its first block. */
static const char *check_page(const struct mimalloc_page *page, uint64_t slice)
{
	uint64_t bytes;

	if (page->block_bytes < 8 || page->block_bytes % 8)
		return "its blocks have no size";
	if (page->capacity > page->reserved)
		return "it has more blocks than there is room for";
	if (slice < page->area_start || slice >= page->area_end || page->start < page->area_start ||
	    page->start >= page->area_end || !ch_mul(page->block_bytes, page->reserved, &bytes) ||
	    !ch_inside(page->start, bytes, page->area_end))
		return "its blocks do not fit it";
	return NULL;
}

static bool is_page(const struct ch_core *core, const struct mimalloc_layout *layout, uint64_t addr,
		    uint64_t slice, struct mimalloc_page *ret)
{
	return mimalloc_read_page(core, layout, addr, ret) && !check_page(ret, slice);
}

static void visit_sub(struct visit *visit, uint64_t sub, uint64_t first_slice, bool *more)
{
	uint64_t at = sub, end = sub + SUB_BYTES, page;
	const uint8_t *bytes;
	size_t len, i;

	while (*more && (bytes = ch_core_next_data(visit->mi->env.core, &at, end, &len))) {
		len = ch_min(len, end - at) / 8 * 8;
		if (!len)
			return;
		visit->looked_bytes += len;
		for (i = 0; *more && i < len; i += 8) {
			page = ch_get64(bytes + i);
			if (!page || page == visit->last)
				continue;
			visit->last = page;
			*more = visit->fn(visit,
					  first_slice + (at + i - sub) / 8 * MIMALLOC_SLICE_BYTES,
					  page);
		}
		at += len;
	}
}

/* page-map.c, _mi_page_map_init(): the first entry of a map leads to its end, where the table for
 * the lowest addresses is. 0: it is no map. */
static uint64_t map_bytes(const struct ch_core *core, uint64_t map)
{
	uint64_t first, bytes;

	if (!ch_core_read_u64(core, map, &first) || first <= map)
		return 0;
	bytes = first - map;
	return bytes >= CH_PAGE_BYTES && bytes <= MAP_BYTES_MAX && (bytes & (bytes - 1)) == 0
		       ? bytes
		       : 0;
}

/* From 3.6 on: a table of the slices of so many bytes, which begins them; a page may have its
 * descriptor in there, too. */
static void visit_region(struct visit *visit, uint64_t base)
{
	uint64_t at = base, end = base + REGION_SLICES * SLOT_BYTES, page;
	const uint8_t *bytes;
	bool more = true;
	size_t len, i;

	while (more && (bytes = ch_core_next_data(visit->mi->env.core, &at, end, &len))) {
		len = ch_min(len, end - at) / SLOT_BYTES * SLOT_BYTES;
		if (!len || at % SLOT_BYTES)
			return;
		visit->looked_bytes += len;
		for (i = 0; more && i < len; i += SLOT_BYTES) {
			page = ch_get64(bytes + i);
			if (!page || page == visit->last)
				continue;
			visit->last = page;
			more = visit->fn(visit,
					 base + (at + i - base) / SLOT_BYTES * MIMALLOC_SLICE_BYTES,
					 page);
		}
		at += len;
	}
}

/* Call fn with each descriptor that a map leads to, once for each run of its slices. */
static void visit_map(struct visit *visit, uint64_t map)
{
	uint64_t at = map + 8, end = map + map_bytes(visit->mi->env.core, map), sub;
	bool more = end > at;
	const uint8_t *bytes;
	size_t len, i;

	while (more && visit->looked_bytes < LOOKED_BYTES_MAX &&
	       (bytes = ch_core_next_data(visit->mi->env.core, &at, end, &len))) {
		len = ch_min(len, end - at) / 8 * 8;
		if (!len)
			return;
		visit->looked_bytes += len;
		for (i = 0; more && i < len && visit->looked_bytes < LOOKED_BYTES_MAX; i += 8) {
			sub = ch_get64(bytes + i);
			/* A table is whole pages. */
			if (sub && sub % CH_PAGE_BYTES == 0 && sub < 1ULL << 47)
				visit_sub(visit, sub,
					  (at + i - map) / 8 << (SUB_SHIFT + MIMALLOC_SLICE_SHIFT),
					  &more);
		}
		at += len;
	}
}

/* ---- finding it -------------------------------------------------------------------- */

static bool look(struct visit *visit, uint64_t slice, uint64_t addr)
{
	const struct ch_core *core = visit->mi->env.core;
	struct mimalloc_page page;

	visit->samples++;
	visit->looked_bytes += 64;
	if (is_page(core, visit->layout, addr, slice, &page)) {
		visit->looked_bytes += 8ULL * page.capacity;
		visit->sum += mimalloc_judge(core, visit->layout, &page, page.start);
	} else
		visit->sum--;
	/* Most of the first ones must be right, or it is no map; 3.0.1 forgets to take out some of
	 * what it gave back to the system. */
	return visit->samples < SAMPLES_MAX &&
	       (visit->samples > TRIES_MAX || visit->sum >= -1 - (int64_t)TRIES_MAX / 2);
}

static const struct mimalloc_layout *choose_layout(struct mimalloc *mi, uint64_t map,
						   uint64_t *looked_bytes)
{
	const struct mimalloc_layout *best = NULL;
	int64_t best_sum = 0;
	size_t i;

	for (i = 0; i < mimalloc_layouts_count; i++) {
		struct visit visit = { .mi = mi,
				       .layout = &mimalloc_layouts[i],
				       .fn = look,
				       .looked_bytes = *looked_bytes };

		if (visit.layout->kind != MIMALLOC_MAP)
			continue;
		visit_map(&visit, map);
		*looked_bytes = visit.looked_bytes;
		if (visit.sum > best_sum) {
			best_sum = visit.sum;
			best = visit.layout;
		}
	}
	return best;
}

static bool is_known(const struct mimalloc *mi, uint64_t map)
{
	const struct mimalloc_instance *items = mi->instances.items;
	size_t i;

	for (i = 0; i < mi->instances.count; i++)
		if (items[i].map == map)
			return true;
	return mi->instances.count >= INSTANCES_MAX;
}

static struct ch_error *look_at_word(struct mimalloc *mi, const struct ch_module *module,
				     uint64_t word, uint64_t *looked_bytes)
{
	const struct mimalloc_layout *layout;
	struct mimalloc_instance *slot;

	if (!word || word % CH_PAGE_BYTES || word > 1ULL << 47 || !map_bytes(mi->env.core, word) ||
	    is_known(mi, word) || *looked_bytes >= LOOKED_BYTES_MAX)
		return NULL;
	layout = choose_layout(mi, word, looked_bytes);
	if (!layout)
		return NULL;
	slot = ch_vec_push(&mi->instances);
	if (!slot)
		return &ch_enomem;
	*slot = (struct mimalloc_instance){ .module = module, .layout = layout, .map = word };
	return NULL;
}

static struct ch_error *find_maps(struct mimalloc *mi)
{
	const struct ch_module *modules;
	struct ch_data_run run = { 0 };
	struct ch_error *err = NULL;
	uint64_t at, looked_bytes = 0;
	size_t count, i, k;

	modules = ch_sym_modules(mi->env.sym, &count);
	for (i = 0; !err && i < count; i++) {
		at = modules[i].start;
		while (!err && chp_data_next(&mi->env, &modules[i], &at, &run))
			for (k = ch_align_up(run.addr, 8) - run.addr;
			     !err && k < run.len && run.len - k >= 8; k += 8)
				err = look_at_word(mi, &modules[i], ch_get64(run.bytes + k),
						   &looked_bytes);
	}
	return err;
}

/* ---- all pages --------------------------------------------------------------------- */

static bool note_arena(struct visit *visit, uint64_t arena)
{
	uint64_t *items = visit->arenas.items, *slot;
	size_t i;

	for (i = visit->arenas.count; i-- > 0;)
		if (items[i] == arena)
			return true;
	if (visit->arenas.count >= INSTANCES_MAX * 16)
		return true;
	slot = ch_vec_push(&visit->arenas);
	if (slot)
		*slot = arena;
	return slot != NULL;
}

static bool is_mapped(struct ch_map *map, uint64_t addr)
{
	const struct ch_region *region = ch_map_region_at(map, addr);

	return region && region->state != CH_STATE_FREE;
}

/* Tables keep what is no page any more. */
static bool is_given_back(const struct visit *visit, const struct mimalloc_page *page)
{
	return visit->layout->kind == MIMALLOC_REGIONS && page->addr && !page->block_bytes;
}

/* Pages that mimalloc has its own structures in, such as heaps of threads. */
static bool is_own(const struct visit *visit, const struct mimalloc_page *page)
{
	return visit->layout->kind == MIMALLOC_REGIONS && page->owner == OWN_PAGES;
}

static bool take(struct visit *visit, uint64_t slice, uint64_t addr)
{
	struct mimalloc *mi = visit->mi;
	struct mimalloc_page page = { .used = 1 };
	struct mimalloc_area area = { .page = addr, .instance = visit->instance };
	struct mimalloc_range *last =
		mi->segments.count
			? CH_VEC_AT(&mi->segments, struct mimalloc_range, mi->segments.count - 1)
			: NULL;
	const char *why = "its descriptor is not in the core or damaged";
	uint64_t blocks_end = 0;

	/* A descriptor that lies in its page is in the page's first slice; 3.0.1 forgets to take
	 * out others of what it gave back. */
	if (visit->layout->kind == MIMALLOC_MAP && addr % MIMALLOC_SLICE_BYTES == 0 &&
	    slice != addr)
		return true;
	/* A page that slices in between were damaged of. */
	if (last && last->start <= slice && slice < last->end)
		return true;
	if (mimalloc_read_page(mi->env.core, visit->layout, addr, &page))
		why = check_page(&page, slice);
	/* What nobody owns and nothing is used of was given back to its arena. */
	if (!page.owner && !page.used && (!why || is_given_back(visit, &page)))
		return true;
	/* What was given back to the system is no page any more. */
	if (why && !is_mapped(mi->env.map, slice))
		return true;
	if (why) {
		chp_context_finding(mi->env.ctx, chp_blame(&mi->env), "mimalloc-page",
				    "mimalloc: the page at 0x%llx: %s; its blocks are not counted",
				    (unsigned long long)slice, why);
		area.start = slice;
		area.end = slice + MIMALLOC_SLICE_BYTES;
		area.kind = MIMALLOC_AREA_DAMAGED;
	} else {
		area.start = page.area_start;
		area.end = page.area_end;
		area.first = page.start;
		area.owner = is_own(visit, &page) ? 0 : page.owner;
		area.kind = is_own(visit, &page) ? MIMALLOC_AREA_META : MIMALLOC_AREA_BLOCKS;
		blocks_end = page.start + page.block_bytes * page.reserved;
		if (page.arena && !note_arena(visit, page.arena))
			visit->err = &ch_enomem;
	}
	last = ch_vec_push(&mi->segments);
	if (!last)
		visit->err = &ch_enomem;
	else
		*last = (struct mimalloc_range){ .start = area.start, .end = area.end };
	if (!visit->err)
		visit->err = mimalloc_add_area(mi, &area, blocks_end);
	if (!visit->err)
		visit->err = chp_context_check(mi->env.ctx);
	return !visit->err;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct mimalloc_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Whether a table begins at base: most of what it leads to are pages. */
static bool is_region(struct mimalloc *mi, const struct mimalloc_layout *layout, uint64_t base,
		      uint64_t *looked_bytes)
{
	struct visit visit = {
		.mi = mi, .layout = layout, .fn = look, .looked_bytes = *looked_bytes
	};

	visit_region(&visit, base);
	*looked_bytes = visit.looked_bytes;
	return visit.sum > 0;
}

static const struct mimalloc_layout *region_layout(void)
{
	size_t i;

	for (i = 0; i < mimalloc_layouts_count; i++)
		if (mimalloc_layouts[i].kind == MIMALLOC_REGIONS)
			break;
	return &mimalloc_layouts[i];
}

/* The module that an instance is of: its main heap is a variable. */
static const struct ch_module *module_of(const struct mimalloc *mi)
{
	const struct ch_module *modules;
	size_t count, i;

	modules = ch_sym_modules(mi->env.sym, &count);
	for (i = 0; i < count; i++)
		if (strstr(modules[i].name, "mimalloc"))
			return &modules[i];
	return count ? &modules[0] : NULL;
}

/* Tables begin at multiples of what they describe. */
static struct ch_error *find_regions(struct mimalloc *mi, struct ch_vec *bases)
{
	const struct mimalloc_layout *layout = region_layout();
	const struct ch_region *regions;
	uint64_t base, looked_bytes = 0, *slot;
	size_t count, i;

	regions = ch_map_regions(mi->env.map, &count);
	for (i = 0; i < count && looked_bytes < LOOKED_BYTES_MAX; i++) {
		if (regions[i].state != CH_STATE_COMMIT)
			continue;
		/* at the end of the address space it would begin again */
		for (base = ch_align_up(regions[i].start, MIMALLOC_REGION_BYTES);
		     base >= regions[i].start && base < regions[i].end &&
		     looked_bytes < LOOKED_BYTES_MAX;
		     base += MIMALLOC_REGION_BYTES) {
			if (!is_region(mi, layout, base, &looked_bytes))
				continue;
			slot = ch_vec_push(bases);
			if (!slot)
				return &ch_enomem;
			*slot = base;
		}
	}
	return NULL;
}

/* All pages that an instance has in its map, or in tables at bases. */
static struct ch_error *take_pages(struct mimalloc *mi, uint16_t index, const struct ch_vec *bases)
{
	struct mimalloc_instance *instance =
		CH_VEC_AT(&mi->instances, struct mimalloc_instance, index);
	struct visit visit = { .mi = mi,
			       .layout = instance->layout,
			       .instance = index,
			       .fn = take,
			       .arenas = CH_VEC(uint64_t) };
	size_t i;

	if (instance->map)
		visit_map(&visit, instance->map);
	for (i = 0; !visit.err && i < bases->count; i++)
		visit_region(&visit, *CH_VEC_AT(bases, uint64_t, i));
	ch_vec_sort(&mi->segments, compare_ranges);
	for (i = 0; !visit.err && i < visit.arenas.count; i++)
		visit.err = mimalloc_add_arena(mi, index, *CH_VEC_AT(&visit.arenas, uint64_t, i));
	ch_vec_deinit(&visit.arenas);
	return visit.err;
}

static struct ch_error *take_regions(struct mimalloc *mi)
{
	struct ch_vec bases = CH_VEC(uint64_t);
	struct ch_error *err = find_regions(mi, &bases);
	struct mimalloc_instance *slot;

	if (!err && bases.count) {
		slot = ch_vec_push(&mi->instances);
		err = slot ? NULL : &ch_enomem;
		if (slot)
			*slot = (struct mimalloc_instance){ .module = module_of(mi),
							    .layout = region_layout() };
		if (!err)
			err = take_pages(mi, (uint16_t)(mi->instances.count - 1), &bases);
	}
	ch_vec_deinit(&bases);
	return err;
}

struct ch_error *mimalloc_find_map(struct mimalloc *mi)
{
	const struct ch_vec none = CH_VEC(uint64_t);
	const size_t first = mi->instances.count;
	struct ch_error *err = find_maps(mi);
	const size_t end = mi->instances.count;
	size_t i;

	for (i = first; !err && i < end; i++)
		err = take_pages(mi, (uint16_t)i, &none);
	return err || mi->instances.count ? err : take_regions(mi);
}
