/*
 * The arenas beside the main one, with their heaps: by the ring that malloc keeps of them, and
 * where that is cut by looking for heap_info at the addresses that heaps are aligned to.
 */
#include "walkers/glibc/glibc_priv.h"

#include <stdio.h>

#include "util/context.h"
#include "walkers/glibc/flight.h"

/* Arenas there may be: eight a processor by default, malloc/arena.c. */
#define ARENAS_MAX 16384
/* Nonempty bins of an arena that may be damaged. */
#define BAD_BINS_MAX 4

static size_t find_arena(const struct glibc *glibc, uint64_t addr)
{
	const struct glibc_arena *arenas = glibc->arenas.items;
	size_t i;

	for (i = 0; i < glibc->arenas.count; i++)
		if (arenas[i].addr == addr)
			break;
	return i;
}

/* ---- pieces ---------------------------------------------------------------- */

/* ---- heaps of arenas but the main one -------------------------------------- */

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
	return true;
}

/* Whether memory that nothing points to may be a heap. */
static bool is_heap_like(const struct heap_info *info)
{
	return info->ar_ptr % 16 == 0 && info->size && info->size % CH_PAGE_BYTES == 0 &&
	       info->size <= HEAP_ALIGN_MAX && info->mprotect_size % CH_PAGE_BYTES == 0 &&
	       info->mprotect_size <= HEAP_ALIGN_MAX;
}

/* How long a heap may be: accessible memory says so, or its own word where the core
 * has nothing behind that. */
static uint64_t most_of(const struct glibc *glibc, uint64_t heap, uint64_t align,
			const struct heap_info *info)
{
	uint64_t end = glibc_extent_end(glibc, heap, heap + align), said;
	const struct ch_region *region = ch_map_region_at(glibc->env.map, end);

	if (!is_heap_like(info) || info->mprotect_size < info->size || info->mprotect_size > align)
		return end - heap;
	said = heap + info->mprotect_size;
	if (!region || region->state != CH_STATE_FREE || region->end < said || end > said)
		return end - heap;
	return info->mprotect_size;
}

/* Sizes that contradict the memory there, or top, are damaged: the accessible
 * memory says how long the heap is at most. */
static void check_heap_info(const struct glibc *glibc, const struct glibc_arena *arena,
			    uint64_t heap, uint64_t align, struct heap_info *info)
{
	uint64_t most = most_of(glibc, heap, align, info);
	bool has_top = arena->top >= heap && arena->top - heap < most;

	if (info->mprotect_size > most || info->mprotect_size % CH_PAGE_BYTES)
		info->mprotect_size = most;
	if (info->size && info->size % CH_PAGE_BYTES == 0 && info->size <= most &&
	    (!has_top || arena->top - heap < info->size))
		return;
	glibc_tell(glibc, (size_t)(arena - glibc_arena_at(glibc, 0)), chp_blame(&glibc->env),
		   "glibc-heap-damaged",
		   "%s: its heap at 0x%llx says that it is %s long; %llu bytes are accessible and "
		   "taken instead",
		   arena->name, (unsigned long long)heap,
		   chp_core_size(glibc->env.core, info->size, "impossibly").text,
		   (unsigned long long)most);
	info->size = most;
}

/* Memory without rights, as dumpers write it: gdb has it as read-only zeros. */
static bool is_reserved(const struct ch_region *region)
{
	return region->state == CH_STATE_RESERVE ||
	       (region->state == CH_STATE_COMMIT && region->prot == CH_SEGMENT_READ &&
		region->type == CH_MEMTYPE_PRIVATE);
}

/* End of the reservation that begins at start, at most limit: heap_info says where
 * accessible memory ends. */
static uint64_t reserved_end(const struct glibc *glibc, uint64_t start, uint64_t limit)
{
	const struct ch_region *region;
	uint64_t at = start;

	while (at < limit) {
		region = ch_map_region_at(glibc->env.map, at);
		if (!region || !is_reserved(region))
			break;
		at = region->end;
	}
	return ch_min(at, limit);
}

static struct ch_error *add_heap(struct glibc *glibc, size_t index, uint64_t heap,
				 const struct heap_info *info, bool guessed)
{
	struct glibc_piece piece = { .start = heap, .arena = (uint32_t)index, .guessed = guessed };

	piece.first = heap + glibc->layout->heap_info_bytes;
	if (info->ar_ptr == piece.first)
		piece.first = ch_align_up(piece.first + glibc->layout->state_bytes, 16);
	piece.end = heap + info->size;
	/* what a heap gave back stays accessible, without contents */
	piece.committed_end = heap + ch_max(info->size, info->mprotect_size);
	piece.reserved_end = reserved_end(glibc, piece.committed_end,
					  ch_align_up(piece.committed_end, HEAP_ALIGN_DEFAULT));
	return glibc_add_heap(glibc, &piece);
}

/* Whether there is a heap of the arena that should hold its top; trusting says
 * whether its size, which may be damaged, must agree. */
static bool holds_top(const struct glibc *glibc, const struct glibc_arena *arena, uint64_t heap,
		      bool trusting)
{
	struct heap_info info;

	return heap && read_heap_info(glibc->env.core, heap, &info) && info.ar_ptr == arena->addr &&
	       (!trusting || arena->top - heap < info.size);
}

/* The heap that holds an arena's top, and what it is aligned to; 0: none. */
static uint64_t newest_heap(const struct glibc *glibc, const struct glibc_arena *arena,
			    uint64_t *align_ret)
{
	uint64_t align, heap;
	int trusting;

	for (trusting = 1; trusting >= 0; trusting--) {
		for (align = HEAP_ALIGN_MAX; align >= HEAP_ALIGN_MIN; align /= 2) {
			heap = ch_align_down(arena->top, align);
			if (!holds_top(glibc, arena, heap, trusting))
				continue;
			*align_ret = align;
			return heap;
		}
	}
	return 0;
}

/* Follow the chain of an arena's heaps from the newest one back. */
static struct ch_error *take_chain(struct glibc *glibc, size_t index)
{
	const struct glibc_arena *arena = glibc_arena_at(glibc, index);
	uint64_t align = 0, heap = newest_heap(glibc, arena, &align), seen = 0, steps = 0;
	struct heap_info info;
	struct ch_error *err;

	while (heap && heap != seen) {
		if (heap % HEAP_ALIGN_MIN || !read_heap_info(glibc->env.core, heap, &info) ||
		    info.ar_ptr != arena->addr)
			break;
		/* Brent: a chain that leads back to where it was has no end */
		if ((steps & (steps - 1)) == 0)
			seen = heap;
		steps++;
		check_heap_info(glibc, arena, heap, align, &info);
		err = add_heap(glibc, index, heap, &info, false);
		if (err)
			return err;
		heap = info.prev;
	}
	return NULL;
}

/* The next address at or above at that may be a heap's, or end. */
static uint64_t next_heap(const struct ch_core *core, uint64_t at, uint64_t end)
{
	uint64_t present;

	for (at = ch_align_up(at, HEAP_ALIGN_MIN); at < end;
	     at = ch_align_up(present, HEAP_ALIGN_MIN)) {
		present = ch_core_next_present(core, at, end);
		if (present == at)
			return at;
	}
	return end;
}

/* Call fn for each aligned address in memory that could be an arena's heap. */
static struct ch_error *each_heap(struct glibc *glibc,
				  struct ch_error *(*fn)(struct glibc *, uint64_t,
							 const struct heap_info *))
{
	const struct ch_core *core = glibc->env.core;
	const struct ch_region *regions;
	struct heap_info info;
	struct ch_error *err;
	size_t count, i;
	uint64_t at;

	regions = ch_map_regions(glibc->env.map, &count);
	for (i = 0; i < count; i++) {
		if (!glibc_is_candidate(&regions[i]) || !regions[i].in_core_bytes)
			continue;
		for (at = next_heap(core, regions[i].start, regions[i].end); at < regions[i].end;
		     at = next_heap(core, at + 1, regions[i].end)) {
			if (!read_heap_info(core, at, &info) || !is_heap_like(&info))
				continue;
			err = fn(glibc, at, &info);
			if (err)
				return err;
		}
	}
	return NULL;
}

/* A heap that no chain led to, of an arena that misses memory. */
static struct ch_error *take_lost_heap(struct glibc *glibc, uint64_t heap,
				       const struct heap_info *info)
{
	size_t index = find_arena(glibc, info->ar_ptr);
	struct heap_info checked = *info;

	if (index >= glibc->arenas.count || glibc_arena_at(glibc, index)->is_main ||
	    glibc_arena_at(glibc, index)->found_bytes >= glibc_arena_at(glibc, index)->system_mem ||
	    glibc_piece_at(glibc, heap) < glibc->pieces.count)
		return NULL;
	check_heap_info(glibc, glibc_arena_at(glibc, index), heap, HEAP_ALIGN_DEFAULT, &checked);
	return add_heap(glibc, index, heap, &checked, true);
}

static struct ch_error *find_heaps(struct glibc *glibc)
{
	struct ch_error *err = NULL;
	bool lost = false;
	size_t i;

	for (i = 0; !err && i < glibc->arenas.count; i++) {
		if (glibc_arena_at(glibc, i)->is_main)
			continue;
		err = take_chain(glibc, i);
		lost |= glibc_arena_at(glibc, i)->found_bytes <
			glibc_arena_at(glibc, i)->system_mem;
	}
	return err || !lost ? err : each_heap(glibc, take_lost_heap);
}

/* ---- arenas ---------------------------------------------------------------- */

/* An arena in its own first heap: the place of it says which heap_info. */
static const struct glibc_layout *layout_of(const struct glibc *glibc, uint64_t addr)
{
	size_t row;

	for (row = 0; row < glibc_layouts_count; row++) {
		const struct glibc_layout *layout = &glibc_layouts[row];

		if (addr % HEAP_ALIGN_MIN != layout->heap_info_bytes)
			continue;
		/* rows that differ in heap_info only are told apart here */
		if (glibc->layout &&
		    (glibc->row_fixed ? layout != glibc->layout
				      : !glibc_is_same_state(layout, glibc->layout)))
			continue;
		/* behind the bins lie the counters: a damaged heap's first chunk may
		 * have run over them */
		if (glibc_is_arena(&glibc->env, layout, addr, BAD_BINS_MAX) ||
		    (glibc->row_fixed && glibc_has_bins(&glibc->env, layout, addr, 0)))
			return layout;
	}
	return NULL;
}

static struct ch_error *take_arena(struct glibc *glibc, uint64_t addr)
{
	const struct glibc_layout *layout;

	if (!glibc_is_heap_place(addr) || glibc->arenas.count >= ARENAS_MAX ||
	    find_arena(glibc, addr) < glibc->arenas.count)
		return NULL;
	layout = layout_of(glibc, addr);
	if (!layout)
		return NULL;
	/* 2.23 to 2.26 have one heap_info: malloc_par tells those apart */
	if (!glibc->layout || glibc->layout->heap_info_bytes != layout->heap_info_bytes)
		glibc->layout = layout;
	return glibc_add_arena(glibc, addr, false);
}

static struct ch_error *take_found_arena(struct glibc *glibc, uint64_t heap,
					 const struct heap_info *info)
{
	return info->ar_ptr - heap <= 0x40 ? take_arena(glibc, info->ar_ptr) : NULL;
}

static void tell_absent(const struct glibc *glibc, uint64_t addr, const char *why)
{
	chp_context_finding(glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-arena-absent",
			    "the arena at %s is %s; its heaps are not walked",
			    chp_core_word(glibc->env.core, addr, CH_NO_ADDRESS).text, why);
}

/*
 * Take the arenas on the ring, in its order, which is malloc_info's. False
 * when the ring does not lead back to where it began.
 */
static struct ch_error *take_ring(struct glibc *glibc, uint64_t first, bool *closed_ret)
{
	uint64_t at = first;
	struct ch_error *err;
	size_t i;

	*closed_ret = false;
	for (i = 0; i < ARENAS_MAX; i++) {
		if (!ch_core_read_u64(glibc->env.core, at + glibc->layout->next, &at)) {
			tell_absent(glibc, at, "not in the core");
			return NULL;
		}
		if (at == first) {
			*closed_ret = true;
			return NULL;
		}
		if (find_arena(glibc, at) < glibc->arenas.count)
			return NULL;
		err = take_arena(glibc, at);
		if (err)
			return err;
		if (find_arena(glibc, at) == glibc->arenas.count) {
			tell_absent(glibc, at, "damaged or not in the core");
			return NULL;
		}
	}
	return NULL;
}

/* The one arena on the ring that lies in no heap is the main one. */
static struct ch_error *main_from_ring(struct glibc *glibc)
{
	uint64_t at = glibc_arena_at(glibc, 0)->addr;
	size_t i;

	for (i = 0; i < ARENAS_MAX; i++) {
		if (!ch_core_read_u64(glibc->env.core, at + glibc->layout->next, &at) ||
		    at == glibc_arena_at(glibc, 0)->addr)
			return NULL;
		if (glibc_is_heap_place(at) && find_arena(glibc, at) < glibc->arenas.count)
			continue;
		if (glibc_is_heap_place(at) ||
		    !glibc_is_arena(&glibc->env, glibc->layout, at, BAD_BINS_MAX))
			return NULL;
		glibc->arena_basis = "the ring of arenas leads to it";
		return glibc_add_arena(glibc, at, true);
	}
	return NULL;
}

static struct ch_error *find_all(struct glibc *glibc)
{
	uint64_t main_arena = glibc->place.addr;
	struct ch_error *err = NULL;
	bool closed = false;

	if (main_arena) {
		glibc->layout = glibc->place.layout;
		glibc->arena_basis = glibc->place.basis;
		glibc_find_par(glibc, main_arena);
		err = glibc_add_arena(glibc, main_arena, true);
		if (!err)
			err = take_ring(glibc, main_arena, &closed);
	}
	/* arenas of another libc are on its ring */
	if (err || closed || glibc->number)
		return err;
	err = each_heap(glibc, take_found_arena);
	if (!err && glibc->arenas.count && !glibc_arena_at(glibc, 0)->is_main) {
		err = main_from_ring(glibc);
		if (!err && glibc_arena_at(glibc, 0)->is_main)
			glibc_find_par(glibc, glibc_arena_at(glibc, 0)->addr);
	}
	return err;
}

/* The memory of a main arena that is not in the core. */
static struct ch_error *find_without_main(struct glibc *glibc)
{
	bool found = false;
	struct ch_error *err = glibc_find_orphan(glibc, &found);

	if (!err && !found && glibc->arenas.count)
		chp_context_finding(glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-arena-absent",
				    "the main arena is not in the core; the main heap and mmapped "
				    "chunks cannot be told from other memory with certainty");
	return err;
}

static void name_arenas(struct glibc *glibc)
{
	struct glibc_arena *arenas = glibc->arenas.items;
	size_t i, number = 0;

	for (i = 0; i < glibc->arenas.count; i++) {
		if (arenas[i].is_main && glibc->number)
			snprintf(arenas[i].name, sizeof(arenas[i].name), "main arena %u",
				 glibc->number + 1);
		else if (arenas[i].is_main)
			snprintf(arenas[i].name, sizeof(arenas[i].name), "main arena");
		else if (glibc->number)
			snprintf(arenas[i].name, sizeof(arenas[i].name), "arena %u.%zu",
				 glibc->number + 1, ++number);
		else
			snprintf(arenas[i].name, sizeof(arenas[i].name), "arena %zu", ++number);
	}
}

/* Say where counters and findings differ. */
static void check_arenas(struct glibc *glibc)
{
	struct glibc_arena *arenas = glibc->arenas.items;
	size_t i;

	for (i = 0; i < glibc->arenas.count; i++) {
		if (!arenas[i].is_main && arenas[i].top)
			arenas[i].top_bytes = glibc_chunk_size(glibc->env.core, arenas[i].top);
		if (arenas[i].absent || arenas[i].found_bytes == arenas[i].system_mem)
			continue;
		glibc_tell(glibc, i, chp_blame(&glibc->env), "glibc-system-mem",
			   "%s: system_mem says %llu bytes, %llu were found", arenas[i].name,
			   (unsigned long long)arenas[i].system_mem,
			   (unsigned long long)arenas[i].found_bytes);
	}
}

struct ch_error *glibc_find_arenas(struct glibc *glibc)
{
	struct ch_error *err = find_all(glibc);

	if (!err && (!glibc->arenas.count || !glibc_arena_at(glibc, 0)->is_main))
		err = find_without_main(glibc);
	name_arenas(glibc);
	if (!err)
		err = find_heaps(glibc);
	if (!err && glibc->arenas.count && glibc_arena_at(glibc, 0)->is_main &&
	    !glibc_arena_at(glibc, 0)->absent)
		err = glibc_find_main_pieces(glibc);
	if (!err)
		check_arenas(glibc);
	return err;
}
