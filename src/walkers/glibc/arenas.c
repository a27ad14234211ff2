#include "walkers/glibc/glibc_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"

/* malloc/arena.c: a heap is aligned to HEAP_MAX_SIZE, 64 MiB by default,
 * 4 huge pages with glibc.malloc.hugetlb=2 (2.35-2.41); never below 1 MiB. */
#define HEAP_ALIGN_MIN (1ULL << 20)
#define HEAP_BYTES_MAX (64ULL << 20)
#define HEAP_ALIGN_MAX (4ULL << 30)
#define ARENAS_MAX     65536
#define HEADS_RUN_MIN  8
/* Nonempty bins that may fail the test of their links in a damaged heap. */
#define BAD_BINS_MAX 4

/* A bin's list head is the chunk 16 bytes below its pair of pointers. */
static bool is_bin(const struct ch_core *core, uint64_t pair, const uint8_t *links)
{
	uint64_t head = pair - CHUNK_HEADER_BYTES, fd = ch_get64(links), bk = ch_get64(links + 8);
	uint64_t back;

	if (fd == head || bk == head)
		return fd == bk;
	return fd % 16 == 0 && bk % 16 == 0 && ch_core_read_u64(core, fd + 24, &back) &&
	       back == head && ch_core_read_u64(core, bk + 16, &back) && back == head;
}

/* Arenas but the main one lie just above an aligned heap_info. */
static bool is_heap_place(uint64_t addr)
{
	uint64_t low = addr % HEAP_ALIGN_MIN;

	return addr >= HEAP_ALIGN_MIN && (low == 0x20 || low == 0x30);
}

/*
 * The ring of arenas leads back, or to one that is not in the core. Only the
 * main arena, in a module's data, is in no heap.
 */
static bool is_ring(const struct ch_heap_env *env, const struct glibc_layout *layout, uint64_t addr)
{
	uint64_t at = addr;
	size_t i;

	for (i = 0; i < ARENAS_MAX; i++) {
		if (!ch_core_read_u64(env->core, at + layout->next, &at))
			return i > 0;
		if (at == addr)
			return true;
		if (!is_heap_place(at) &&
		    (at % 8 || !is_heap_place(addr) || !ch_sym_module_at(env->sym, at)))
			return false;
	}
	return false;
}

/* Counters that any arena has: top unused means no memory, and the reverse. */
static bool are_sane_counters(const struct ch_core *core, const struct glibc_layout *layout,
			      uint64_t addr)
{
	uint64_t top, now, most, unused = addr + layout->bins - CHUNK_HEADER_BYTES;

	return ch_core_read_u64(core, addr + layout->top, &top) &&
	       top % 16 == (top == unused ? unused % 16 : 0) &&
	       ch_core_read_u64(core, addr + layout->system_mem, &now) &&
	       ch_core_read_u64(core, addr + layout->max_system_mem, &most) && now <= most &&
	       most < 1ULL << 48 && now % 16 == 0 && (top == unused) == (now == 0);
}

bool glibc_is_arena(const struct ch_heap_env *env, const struct glibc_layout *layout, uint64_t addr,
		    unsigned int bad_max)
{
	uint8_t bins[BINS_COUNT * 16];
	unsigned int i, bad = 0;

	if (addr > UINT64_MAX - layout->state_bytes ||
	    !are_sane_counters(env->core, layout, addr) || !is_ring(env, layout, addr) ||
	    !ch_core_try_read(env->core, addr + layout->bins, bins, sizeof(bins)))
		return false;
	for (i = 0; i < BINS_COUNT && bad <= bad_max; i++)
		bad += !is_bin(env->core, addr + layout->bins + 16 * (uint64_t)i,
			       bins + 16 * (size_t)i);
	return bad <= bad_max;
}

/* Try every arena that could have its bin index at head. */
static bool arena_around(const struct ch_heap_env *env, uint64_t head, unsigned int bad_max,
			 const struct glibc_layout **layout_ret, uint64_t *addr_ret)
{
	uint64_t addr;
	size_t row;
	uint64_t i;

	for (row = 0; row < glibc_layouts_count; row++) {
		const struct glibc_layout *layout = &glibc_layouts[row];

		for (i = 0; i < BINS_COUNT; i++) {
			addr = head - layout->bins - 16 * i;
			if (addr % 8 || !glibc_is_arena(env, layout, addr, bad_max))
				continue;
			*layout_ret = layout;
			*addr_ret = addr;
			return true;
		}
	}
	return false;
}

/* Look for a run of empty list heads in [start, end): bins point at themselves. */
static bool scan_data(const struct ch_heap_env *env, uint64_t start, uint64_t end,
		      const struct glibc_layout **layout_ret, uint64_t *addr_ret)
{
	uint64_t at = ch_align_up(start, 8), run = 0, last = 0;
	const uint8_t *p;
	size_t len = 0, i;

	while (at < end) {
		p = ch_core_span(env->core, at, &len);
		if (!p) {
			at = ch_align_up(at + 1, CH_PAGE_BYTES);
			continue;
		}
		len = ch_min(len, end - at);
		for (i = 0; i + 16 <= len; i += 8) {
			if (ch_get64(p + i) != at + i - 16 || ch_get64(p + i + 8) != at + i - 16)
				continue;
			run = last + 16 == at + i ? run + 1 : 1;
			last = at + i;
			/* whole first: an arena read one bin off has one bad bin */
			if (run == HEADS_RUN_MIN &&
			    (arena_around(env, last, 0, layout_ret, addr_ret) ||
			     arena_around(env, last, BAD_BINS_MAX, layout_ret, addr_ret)))
				return true;
		}
		at += len < 16 ? 16 : len - len % 8;
	}
	return false;
}

static bool scan_module(const struct ch_heap_env *env, const struct ch_module *module,
			const struct glibc_layout **layout_ret, uint64_t *addr_ret)
{
	const struct ch_region *region;
	uint64_t at = module->start;

	while (at < module->end) {
		region = ch_map_region_at(env->map, at);
		if (!region)
			return false;
		if ((region->prot & CH_SEGMENT_WRITE) && region->in_core_bytes &&
		    scan_data(env, ch_max(region->start, module->start),
			      ch_min(region->end, module->end), layout_ret, addr_ret))
			return true;
		at = region->end;
	}
	return false;
}

static bool is_libc(const struct ch_module *module)
{
	return strncmp(module->name, "libc.so.6", 9) == 0 ||
	       strncmp(module->name, "libc-2.", 7) == 0;
}

bool glibc_find_main_arena(const struct ch_heap_env *env, const struct glibc_layout **layout_ret,
			   uint64_t *addr_ret)
{
	const struct ch_module *modules;
	size_t count, i;
	int pass;

	modules = ch_sym_modules(env->sym, &count);
	/* libc first; a static executable has it inside */
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < count; i++)
			if ((pass == 0 ? is_libc(&modules[i]) : modules[i].kind == CH_MODULE_EXE) &&
			    scan_module(env, &modules[i], layout_ret, addr_ret))
				return true;
	return false;
}

static struct glibc_arena *add_arena(struct glibc *glibc, uint64_t addr, bool is_main)
{
	const struct glibc_layout *layout = glibc->layout;
	const struct ch_core *core = glibc->env.core;
	struct glibc_arena *arena = ch_vec_push(&glibc->arenas);

	if (!arena)
		return NULL;
	arena->addr = addr;
	arena->is_main = is_main;
	arena->facts = CH_VEC(struct ch_fact);
	if (is_main)
		snprintf(arena->name, sizeof(arena->name), "main arena");
	else
		snprintf(arena->name, sizeof(arena->name), "arena %zu",
			 glibc->arenas.count -
				 CH_VEC_AT(&glibc->arenas, struct glibc_arena, 0)->is_main);
	if (!ch_core_read_u64(core, addr + layout->top, &arena->top))
		arena->top = 0;
	if (!ch_core_read_u64(core, addr + layout->system_mem, &arena->system_mem))
		arena->system_mem = 0;
	if (!ch_core_read_u64(core, addr + layout->max_system_mem, &arena->max_system_mem))
		arena->max_system_mem = 0;
	if (!layout->attached || !ch_core_read_u64(core, addr + layout->attached, &arena->attached))
		arena->attached = UINT64_MAX;
	return arena;
}

static size_t find_arena(const struct glibc *glibc, uint64_t addr)
{
	const struct glibc_arena *arenas = glibc->arenas.items;
	size_t i;

	for (i = 0; i < glibc->arenas.count; i++)
		if (arenas[i].addr == addr)
			break;
	return i;
}

/* heap_info: ar_ptr, prev, size, mprotect_size */
struct heap_info {
	uint64_t ar_ptr, prev, size, mprotect_size;
};

static bool read_heap_info(const struct ch_core *core, uint64_t addr, struct heap_info *ret)
{
	uint8_t bytes[32];

	if (!ch_core_try_read(core, addr, bytes, sizeof(bytes)))
		return false;
	ret->ar_ptr = ch_get64(bytes);
	ret->prev = ch_get64(bytes + 8);
	ret->size = ch_get64(bytes + 16);
	ret->mprotect_size = ch_get64(bytes + 24);
	return ret->ar_ptr % 16 == 0 && ret->size && ret->size % CH_PAGE_BYTES == 0 &&
	       ret->size <= HEAP_ALIGN_MAX && ret->mprotect_size % CH_PAGE_BYTES == 0 &&
	       ret->mprotect_size <= HEAP_ALIGN_MAX;
}

static bool is_candidate(const struct ch_region *region)
{
	return region->type == CH_MEMTYPE_PRIVATE || region->usage == CH_USAGE_SHM;
}

/* Call fn for each aligned address in memory that could be an arena's heap. */
static struct ch_error *each_heap(struct glibc *glibc,
				  struct ch_error *(*fn)(struct glibc *, uint64_t,
							 const struct heap_info *))
{
	const struct ch_region *regions;
	struct heap_info info;
	struct ch_error *err;
	size_t count, i;
	uint64_t at;

	regions = ch_map_regions(glibc->env.map, &count);
	for (i = 0; i < count; i++) {
		if (!is_candidate(&regions[i]) || !regions[i].in_core_bytes ||
		    regions[i].state != CH_STATE_COMMIT)
			continue;
		for (at = ch_align_up(regions[i].start, HEAP_ALIGN_MIN); at < regions[i].end;
		     at += HEAP_ALIGN_MIN) {
			if (!read_heap_info(glibc->env.core, at, &info))
				continue;
			err = fn(glibc, at, &info);
			if (err)
				return err;
		}
	}
	return NULL;
}

static bool is_same_state(const struct glibc_layout *a, const struct glibc_layout *b)
{
	return a->top == b->top && a->bins == b->bins && a->next == b->next &&
	       a->state_bytes == b->state_bytes;
}

/* The first heap of an arena holds the arena itself. */
static struct ch_error *take_arena(struct glibc *glibc, uint64_t heap, const struct heap_info *info)
{
	size_t row;

	for (row = 0; row < glibc_layouts_count; row++) {
		const struct glibc_layout *layout = &glibc_layouts[row];

		/* Rows that differ in heap_info only are told apart here. */
		if (glibc->layout && (glibc->row_fixed ? layout != glibc->layout
						       : !is_same_state(layout, glibc->layout)))
			continue;
		if (info->ar_ptr != heap + layout->heap_info_bytes ||
		    !glibc_is_arena(&glibc->env, layout, info->ar_ptr, BAD_BINS_MAX))
			continue;
		glibc->layout = layout;
		glibc->row_fixed = true;
		if (glibc->arenas.count >= ARENAS_MAX ||
		    find_arena(glibc, info->ar_ptr) < glibc->arenas.count)
			return NULL;
		return add_arena(glibc, info->ar_ptr, false) ? NULL : &ch_enomem;
	}
	return NULL;
}

static struct glibc_piece *add_piece(struct glibc *glibc, uint32_t arena)
{
	struct glibc_piece *piece = ch_vec_push(&glibc->pieces);

	if (piece) {
		piece->arena = arena;
		CH_VEC_AT(&glibc->arenas, struct glibc_arena, arena)->pieces_count++;
	}
	return piece;
}

/* End of the mapped range from start, at most limit: a reservation that the
 * dumper recorded, or what is known to be mapped. */
static uint64_t reserved_end(const struct glibc *glibc, uint64_t start, uint64_t limit)
{
	const struct ch_region *region;
	uint64_t at = start;

	while (at < limit) {
		region = ch_map_region_at(glibc->env.map, at);
		if (!region || region->state != CH_STATE_RESERVE)
			break;
		at = region->end;
	}
	return ch_min(at, limit);
}

/* Every heap of a known arena is a piece. */
static struct ch_error *take_heap(struct glibc *glibc, uint64_t heap, const struct heap_info *info)
{
	size_t index = find_arena(glibc, info->ar_ptr);
	struct glibc_arena *arena;
	struct glibc_piece *piece;

	if (index >= glibc->arenas.count)
		return NULL;
	arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, index);
	if (arena->is_main)
		return NULL;
	piece = add_piece(glibc, (uint32_t)index);
	if (!piece)
		return &ch_enomem;
	piece->start = heap;
	piece->first = heap + glibc->layout->heap_info_bytes;
	if (info->ar_ptr == piece->first)
		piece->first = ch_align_up(piece->first + glibc->layout->state_bytes, 16);
	piece->end = heap + info->size;
	piece->committed_end = heap + ch_max(info->size, info->mprotect_size);
	/* With huge pages the heap is rounded up to one: then size says more. */
	piece->reserved_end = reserved_end(glibc, piece->committed_end,
					   ch_align_up(piece->committed_end, HEAP_BYTES_MAX));
	arena->found_bytes += info->size;
	return NULL;
}

/* malloc_par by its sbrk_base: a word of libc's data that points to where brk
 * memory begins, between members that make sense. */
static bool is_par(const struct ch_core *core, const struct glibc_layout *layout, uint64_t addr)
{
	uint64_t mmapped, max_mmapped, threshold;
	uint32_t n, n_max, max_n;

	return ch_core_read_u32(core, addr + layout->n_mmaps, &n) &&
	       ch_core_read_u32(core, addr + layout->n_mmaps + 4, &n_max) &&
	       ch_core_read_u32(core, addr + layout->n_mmaps + 8, &max_n) &&
	       ch_core_read_u64(core, addr + layout->mmapped_mem, &mmapped) &&
	       ch_core_read_u64(core, addr + layout->mmapped_mem + 8, &max_mmapped) &&
	       ch_core_read_u64(core, addr + 16, &threshold) && n <= max_n && n_max <= INT32_MAX &&
	       n <= n_max && mmapped % CH_PAGE_BYTES == 0 && mmapped <= max_mmapped &&
	       (n == 0) == (mmapped == 0) && threshold && threshold <= (1ULL << 40);
}

static bool take_par(struct glibc *glibc, const struct glibc_layout *layout, uint64_t addr)
{
	const struct ch_core *core = glibc->env.core;
	uint32_t n;

	if (!is_par(core, layout, addr) || !ch_core_read_u32(core, addr + layout->n_mmaps, &n) ||
	    !ch_core_read_u64(core, addr + layout->mmapped_mem, &glibc->mmapped_mem) ||
	    !ch_core_read_u64(core, addr + layout->sbrk_base, &glibc->sbrk_base))
		return false;
	glibc->layout = layout;
	glibc->row_fixed = true;
	glibc->par = addr;
	glibc->n_mmaps = n;
	return true;
}

/* The word at addr as malloc_par's sbrk_base, by each row that is possible. */
static bool try_par(struct glibc *glibc, uint64_t addr)
{
	const struct glibc_layout *known = glibc->layout;
	size_t row;

	for (row = 0; row < glibc_layouts_count; row++) {
		const struct glibc_layout *layout = &glibc_layouts[row];

		if (glibc->row_fixed ? layout != known : !is_same_state(layout, known))
			continue;
		if (take_par(glibc, layout, addr - layout->sbrk_base))
			return true;
	}
	return false;
}

/* Scan the module that holds main_arena for malloc_par. */
static void find_par(struct glibc *glibc, uint64_t main_arena, uint64_t brk_start, uint64_t brk_end)
{
	const struct ch_module *module = ch_sym_module_at(glibc->env.sym, main_arena);
	uint64_t at, end, word;

	if (!module)
		return;
	/* both are in .data: near each other */
	at = ch_max(module->start, ch_align_down(main_arena, 65536) - 65536);
	end = ch_min(module->end, main_arena + 2 * 65536ULL);
	for (; at < end; at += 8)
		if (ch_core_read_u64(glibc->env.core, at, &word) && word >= brk_start &&
		    word < brk_end && try_par(glibc, at))
			return;
}

/* Whether chunks from start lead to top, or to a fencepost. */
static bool leads_to(const struct glibc *glibc, uint64_t start, uint64_t end, uint64_t top,
		     uint64_t *stop_ret)
{
	struct glibc_view view = { .core = glibc->env.core };

	return glibc_follow(&view, start, end, top, SIZE_MAX, stop_ret);
}

/* Memory of the main arena that [start, end) holds: one piece up to top or to
 * a fencepost. */
static struct ch_error *add_main_piece(struct glibc *glibc, uint64_t start, uint64_t end,
				       bool guessed)
{
	struct glibc_arena *arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, 0);
	struct glibc_piece *piece = add_piece(glibc, 0);

	if (!piece)
		return &ch_enomem;
	piece->start = start;
	piece->first = ch_align_up(start, 16);
	piece->end = piece->committed_end = piece->reserved_end = end;
	piece->guessed = guessed;
	arena->found_bytes += end - start;
	return NULL;
}

/* End of the contiguous committed, writable, anonymous memory from start. */
static uint64_t writable_end(const struct glibc *glibc, uint64_t start)
{
	const struct ch_region *region;
	uint64_t at = start;

	for (;;) {
		region = ch_map_region_at(glibc->env.map, at);
		if (!region || !is_candidate(region) || region->state != CH_STATE_COMMIT ||
		    !(region->prot & CH_SEGMENT_WRITE))
			return at;
		at = region->end;
	}
}

static uint64_t writable_start(const struct glibc *glibc, uint64_t addr)
{
	const struct ch_region *region = ch_map_region_at(glibc->env.map, addr);
	uint64_t start = addr;

	while (region && is_candidate(region) && region->state == CH_STATE_COMMIT &&
	       (region->prot & CH_SEGMENT_WRITE)) {
		start = region->start;
		if (!start)
			break;
		region = ch_map_region_at(glibc->env.map, start - 1);
	}
	return start;
}

/* End of the top chunk, 0 when its header makes no sense. */
static uint64_t top_end(const struct glibc *glibc, uint64_t top)
{
	uint64_t size;

	if (!top || !ch_core_read_u64(glibc->env.core, top + 8, &size))
		return 0;
	size &= ~(uint64_t)CHUNK_FLAGS;
	if (size < CHUNK_HEADER_BYTES || size % 16 || size > writable_end(glibc, top) - top)
		return 0;
	return top + size;
}

/*
 * The stretch that ends in top: from sbrk_base if that leads there, else from
 * the lowest page (or, behind memory of others, 16 bytes) that does.
 */
static struct ch_error *add_top_piece(struct glibc *glibc, uint64_t top, uint64_t end)
{
	uint64_t low = writable_start(glibc, top), at = low, stop = 0;
	uint64_t step = CH_PAGE_BYTES;

	if (glibc->sbrk_base >= low && glibc->sbrk_base <= top &&
	    leads_to(glibc, ch_align_up(glibc->sbrk_base, 16), end, top, &stop) && stop == top)
		return add_main_piece(glibc, glibc->sbrk_base, end, false);
	for (; at <= top; at += step) {
		if (leads_to(glibc, at, end, top, &stop) && stop == top)
			return add_main_piece(glibc, at, end, at != glibc->sbrk_base);
		/* bounded: page steps over large memory, all 16 below 1 MiB */
		step = top - at <= (1ULL << 20) ? 16 : CH_PAGE_BYTES;
	}
	return NULL;
}

/* A heap with damage: what sbrk_base and top enclose is the arena's if no
 * one else called sbrk, and system_mem says so. */
static bool encloses(const struct glibc *glibc, const struct glibc_arena *arena, uint64_t end)
{
	return glibc->sbrk_base && glibc->sbrk_base < arena->top &&
	       end - glibc->sbrk_base == arena->system_mem &&
	       writable_end(glibc, glibc->sbrk_base) >= end;
}

/* Stretches without top end in two fenceposts of 16 bytes each. */
static struct ch_error *add_fenced_pieces(struct glibc *glibc, uint64_t low, uint64_t high)
{
	struct glibc_arena *arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, 0);
	uint64_t at = low, stop = 0;
	struct ch_error *err;

	while (at < high && arena->found_bytes < arena->system_mem) {
		if (glibc_piece_at(glibc, at) < glibc->pieces.count) {
			at = CH_VEC_AT(&glibc->pieces, struct glibc_piece,
				       glibc_piece_at(glibc, at))
				     ->end;
			continue;
		}
		if (leads_to(glibc, at, high, 0, &stop) && stop > at + 4 * CHUNK_BYTES_MIN &&
		    stop + 2 * CHUNK_HEADER_BYTES <= high &&
		    stop + 2 * CHUNK_HEADER_BYTES - at <= arena->system_mem - arena->found_bytes) {
			err = add_main_piece(glibc, at, stop + 2 * CHUNK_HEADER_BYTES,
					     at != glibc->sbrk_base);
			if (err)
				return err;
			at = ch_align_up(stop + 2 * CHUNK_HEADER_BYTES, 16);
			continue;
		}
		at = ch_align_down(at + CH_PAGE_BYTES, CH_PAGE_BYTES);
	}
	return NULL;
}

/* Look everywhere for what the main arena owns beside the stretch of its top. */
static struct ch_error *find_fenced(struct glibc *glibc)
{
	const struct ch_region *regions;
	struct ch_error *err;
	size_t count, i;

	if (glibc->sbrk_base) {
		err = add_fenced_pieces(glibc, ch_align_up(glibc->sbrk_base, 16),
					writable_end(glibc, glibc->sbrk_base));
		if (err)
			return err;
	}
	regions = ch_map_regions(glibc->env.map, &count);
	for (i = 0; i < count; i++) {
		if (!is_candidate(&regions[i]) || regions[i].state != CH_STATE_COMMIT ||
		    !(regions[i].prot & CH_SEGMENT_WRITE) || !regions[i].in_core_bytes)
			continue;
		err = add_fenced_pieces(glibc, regions[i].start, regions[i].end);
		if (err)
			return err;
	}
	return NULL;
}

static struct ch_error *find_main_pieces(struct glibc *glibc)
{
	struct glibc_arena *arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, 0);
	uint64_t end, initial_top = arena->addr + glibc->layout->bins - CHUNK_HEADER_BYTES;
	struct ch_error *err;

	if (arena->top == initial_top)
		return NULL;
	find_par(glibc, arena->addr, writable_start(glibc, arena->top),
		 writable_end(glibc, arena->top));
	end = top_end(glibc, arena->top);
	if (!end) {
		chp_context_finding(
			glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-top-damaged",
			"main arena: its top chunk at 0x%llx makes no sense or is not in "
			"the core; the main heap is not walked",
			(unsigned long long)arena->top);
		return NULL;
	}
	arena->top_bytes = end - arena->top;
	if (encloses(glibc, arena, end))
		return add_main_piece(glibc, glibc->sbrk_base, end, false);
	err = add_top_piece(glibc, arena->top, end);
	if (!err && arena->found_bytes < arena->system_mem)
		err = find_fenced(glibc);
	return err;
}

static int compare_pieces(const void *a, const void *b)
{
	const struct glibc_piece *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

size_t glibc_piece_at(const struct glibc *glibc, uint64_t addr)
{
	const struct glibc_piece *pieces = glibc->pieces.items;
	size_t i;

	for (i = 0; i < glibc->pieces.count; i++)
		if (addr >= pieces[i].start && addr < pieces[i].end)
			break;
	return i;
}

/* Say where counters and findings differ. */
static void check_arenas(struct glibc *glibc)
{
	struct glibc_arena *arenas = glibc->arenas.items;
	size_t i;

	for (i = 0; i < glibc->arenas.count; i++) {
		if (!arenas[i].is_main && arenas[i].top) {
			uint64_t size;

			if (ch_core_read_u64(glibc->env.core, arenas[i].top + 8, &size))
				arenas[i].top_bytes = size & ~(uint64_t)CHUNK_FLAGS;
		}
		if (arenas[i].found_bytes != arenas[i].system_mem)
			chp_context_finding(
				glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-system-mem",
				"%s: system_mem says %llu bytes, %llu were found", arenas[i].name,
				(unsigned long long)arenas[i].system_mem,
				(unsigned long long)arenas[i].found_bytes);
	}
}

/* Arenas that the ring names and memory does not show: absent from the core. */
static void check_ring(struct glibc *glibc)
{
	const struct glibc_arena *first;
	uint64_t at;
	size_t i;

	if (!glibc->arenas.count)
		return;
	first = CH_VEC_AT(&glibc->arenas, struct glibc_arena, 0);
	at = first->addr;
	for (i = 0; i < ARENAS_MAX; i++) {
		if (!ch_core_read_u64(glibc->env.core, at + glibc->layout->next, &at)) {
			chp_context_finding(glibc->env.ctx, CH_SEVERITY_INCOMPLETE,
					    "glibc-arena-absent",
					    "the arena at 0x%llx is not in the core; its heaps are "
					    "not walked",
					    (unsigned long long)at);
			return;
		}
		if (at == first->addr)
			return;
		if (find_arena(glibc, at) == glibc->arenas.count)
			chp_context_finding(glibc->env.ctx, CH_SEVERITY_INCOMPLETE,
					    "glibc-arena-absent",
					    "the arena at 0x%llx is damaged or not in the core; "
					    "its heaps are not walked",
					    (unsigned long long)at);
	}
}

struct ch_error *glibc_find_arenas(struct glibc *glibc)
{
	struct ch_error *err = NULL;
	uint64_t addr;

	if (glibc_find_main_arena(&glibc->env, &glibc->layout, &addr)) {
		glibc->arena_basis = "bins that point at themselves in writable module data";
		if (!add_arena(glibc, addr, true))
			return &ch_enomem;
	}
	err = each_heap(glibc, take_arena);
	if (!err && glibc->layout)
		err = each_heap(glibc, take_heap);
	if (!err && glibc->arenas.count &&
	    CH_VEC_AT(&glibc->arenas, struct glibc_arena, 0)->is_main)
		err = find_main_pieces(glibc);
	if (err)
		return err;
	ch_vec_sort(&glibc->pieces, compare_pieces);
	check_arenas(glibc);
	check_ring(glibc);
	return NULL;
}
