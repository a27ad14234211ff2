/*
 * The memory of the main arena: what it has of brk, with the holes of others in it, and what it
 * had to map elsewhere.
 *
 * The main arena grows by sbrk. Its memory is one stretch from
 * malloc_par.sbrk_base to the end of top; where somebody else called sbrk the
 * stretch has a hole behind two fenceposts, which system_mem counts as well
 * (malloc.c, sysmalloc: "Count foreign sbrk as system_mem"). Where sbrk failed
 * it goes on in regions of mmap, each closed by fenceposts when the next one
 * begins.
 */
#include "walkers/glibc/chunks.h"

#include "util/context.h"
#include "walkers/glibc/flight.h"

/* Damaged headers a stretch may have that is looked for a second time. */
#define DAMAGES_MAX 16

/* The search for what the main arena owns. */
struct hunt {
	struct glibc *glibc;
	struct glibc_arena *arena;
	/** End of the top chunk, 0 when its header makes no sense. */
	uint64_t top_end;
	/** Chunks that may still be followed: bounds the work on hostile memory. */
	uint64_t left;
};

/* Whether malloc_par and system_mem say that brk memory ends there. */
static bool is_counted_end(const struct hunt *hunt, uint64_t end)
{
	uint64_t base = hunt->glibc->par.sbrk_base, sum;

	return base && ch_add(base, hunt->arena->system_mem, &sum) && sum == end;
}

/* End of the top chunk, 0 when its header makes no sense. Its last pages may be absent. */
static uint64_t find_top_end(const struct hunt *hunt, uint64_t top)
{
	const struct glibc *glibc = hunt->glibc;
	uint64_t size = top ? glibc_chunk_size(glibc->env.core, top) : 0, end;

	if (size < CHUNK_HEADER_BYTES || size % 16 || !ch_add(top, size, &end))
		return 0;
	if (glibc_extent_end(glibc, top, end) < end &&
	    !(is_counted_end(hunt, end) && glibc_is_extent(glibc, top, end)))
		return 0;
	return end;
}

static struct ch_error *add_stretch(struct hunt *hunt, uint64_t start, uint64_t end, bool guessed)
{
	struct glibc_piece piece = { .start = start,
				     .first = ch_align_up(start, 16),
				     .end = end,
				     .committed_end = end,
				     .reserved_end = end,
				     .guessed = guessed };

	return glibc_add_heap(hunt->glibc, &piece);
}

/*
 * Where the stretch that begins at start ends: behind top, or behind its
 * fenceposts. 0 when chunks lead to neither, at most damages times resuming
 * behind a header that makes no sense.
 */
static uint64_t stretch_end(struct hunt *hunt, struct glibc_range *range, uint64_t start,
			    unsigned int damages)
{
	uint64_t at = ch_align_up(start, 16), end, prev;

	for (;;) {
		prev = at;
		switch (glibc_follow(range, at, &hunt->left, &at)) {
		case GLIBC_STOP_TOP:
			return hunt->top_end;
		case GLIBC_STOP_FENCE:
			end = glibc_fence_end(range, at);
			if (end)
				return end;
			break;
		case GLIBC_STOP_BROKEN:
		case GLIBC_STOP_ABSENT:
			break;
		default:
			return 0;
		}
		if (!damages-- || at < prev)
			return 0;
		at = glibc_resync(range, at + CHUNK_HEADER_BYTES, at);
		if (at >= range->end)
			return 0;
	}
}

/* What sbrk gave: one piece from sbrk_base to the last end found, with the
 * holes of others in it. */
static struct ch_error *take_brk(struct hunt *hunt)
{
	uint64_t base = hunt->glibc->par.sbrk_base, at = base, end = 0, next;
	struct glibc_range range = { .view.core = hunt->glibc->env.core, .top = hunt->arena->top };

	range.end = base ? glibc_writable_end(hunt->glibc, base) : 0;
	while (at < range.end) {
		next = stretch_end(hunt, &range, at, DAMAGES_MAX);
		if (next <= at)
			break;
		end = next;
		if (end == hunt->top_end || end - base >= hunt->arena->system_mem)
			break;
		at = glibc_next_stretch(&range, end);
	}
	return end ? add_stretch(hunt, base, end, false) : NULL;
}

/* Whether a stretch may begin at a page: fresh memory, one chunk after another. */
static bool may_begin(struct glibc_range *range, uint64_t at)
{
	const uint8_t *p = glibc_view_chunk(&range->view, at);
	uint64_t head;

	if (!p || ch_get64(p))
		return false;
	head = ch_get64(p + 8);
	return (head & CHUNK_FLAGS) == CHUNK_PREV_INUSE && head >= CHUNK_BYTES_MIN &&
	       (head & ~(uint64_t)CHUNK_FLAGS) % 16 == 0 && head <= range->end - at;
}

/* Try each page of [start, end) as the begin of a mapped stretch. */
static struct ch_error *scan_zone(struct hunt *hunt, uint64_t start, uint64_t end,
				  unsigned int damages)
{
	struct glibc_range range = { .view.core = hunt->glibc->env.core,
				     .end = end,
				     .top = hunt->arena->top };
	uint64_t at = ch_align_up(start, CH_PAGE_BYTES), stop;
	struct ch_error *err;

	while (at < end && hunt->left && hunt->arena->found_bytes < hunt->arena->system_mem) {
		at = glibc_next_page(hunt->glibc, at);
		if (at >= end)
			break;
		stop = may_begin(&range, at) ? stretch_end(hunt, &range, at, damages) : 0;
		/* of any size: 2.35 and later swap the arguments that say how much to
		 * map at least (sysmalloc_mmap_fallback, minsize and pagesize) */
		if (stop <= at || stop - at > hunt->arena->system_mem - hunt->arena->found_bytes) {
			at += CH_PAGE_BYTES;
			continue;
		}
		err = add_stretch(hunt, at, stop, true);
		if (err)
			return err;
		at = ch_align_up(stop, CH_PAGE_BYTES);
	}
	return NULL;
}

/* Look through all memory for stretches that were mapped. */
static struct ch_error *take_mapped(struct hunt *hunt, unsigned int damages)
{
	const struct ch_region *regions;
	struct ch_error *err;
	uint64_t end = 0;
	size_t count, i;

	regions = ch_map_regions(hunt->glibc->env.map, &count);
	for (i = 0; i < count; i++) {
		if (regions[i].start < end || !glibc_is_candidate(&regions[i]) ||
		    !regions[i].in_core_bytes)
			continue;
		end = glibc_writable_end(hunt->glibc, regions[i].start);
		err = scan_zone(hunt, regions[i].start, end, damages);
		if (err)
			return err;
	}
	return NULL;
}

/* Of all memory that may be malloc's, what the core holds. */
static uint64_t present_bytes(const struct glibc *glibc)
{
	const struct ch_region *regions;
	uint64_t sum = 0;
	size_t count, i;

	regions = ch_map_regions(glibc->env.map, &count);
	for (i = 0; i < count; i++)
		if (glibc_is_candidate(&regions[i]))
			sum += regions[i].in_core_bytes;
	return sum;
}

/* Whether the core has nothing of the first pages of [start, end). */
static bool is_absent_start(const struct glibc *glibc, uint64_t start, uint64_t end)
{
	const struct ch_region *region = ch_map_region_at(glibc->env.map, start);

	return region && region->state == CH_STATE_FREE && region->end < end &&
	       glibc_is_extent(glibc, region->end, end);
}

/*
 * The usual case: one stretch of brk, as long as system_mem says. Without
 * malloc_par its begin is where system_mem puts it. 0 when it is not so.
 */
static uint64_t whole_start(const struct hunt *hunt, uint64_t *end_ret)
{
	const struct glibc *glibc = hunt->glibc;
	uint64_t base = glibc->par.sbrk_base, end = hunt->top_end;
	uint64_t bytes = hunt->arena->system_mem;

	if (!end && base && ch_add(base, bytes, &end)) {
		/* top cannot be read: trust the counter if it fits */
		if (hunt->arena->top < base || hunt->arena->top >= end)
			return 0;
	} else if (!base && end > bytes) {
		base = end - bytes;
	}
	if (!base || end < base || end - base != bytes)
		return 0;
	/* the first pages may be absent, too, where top and the counters agree */
	if (!glibc_is_extent(glibc, base, end) &&
	    !(hunt->top_end == end && is_counted_end(hunt, end) &&
	      is_absent_start(glibc, base, end)))
		return 0;
	*end_ret = end;
	return base;
}

static void tell_top(const struct hunt *hunt)
{
	uint64_t top = hunt->arena->top, head;

	if (top < UINT64_MAX - 8 && !ch_core_read_u64(hunt->glibc->env.core, top + 8, &head)) {
		chp_context_finding(
			hunt->glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-top-absent",
			"main arena: the header of its top chunk at %s is not in the core",
			chp_core_word(hunt->glibc->env.core, top, CH_NO_ADDRESS).text);
		return;
	}
	glibc_tell(hunt->glibc, 0, chp_blame(&hunt->glibc->env), "glibc-top-damaged",
		   "main arena: its top chunk at %s makes no sense",
		   chp_core_word(hunt->glibc->env.core, top, CH_NO_ADDRESS).text);
}

struct ch_error *glibc_find_main_pieces(struct glibc *glibc)
{
	struct glibc_arena *arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, 0);
	struct hunt hunt = { .glibc = glibc, .arena = arena };
	uint64_t start, end = 0;
	struct ch_error *err;

	if (arena->top == arena->addr + glibc->layout->bins - CHUNK_HEADER_BYTES)
		return NULL; /* it never had memory */
	hunt.top_end = find_top_end(&hunt, arena->top);
	if (hunt.top_end)
		arena->top_bytes = hunt.top_end - arena->top;
	else
		tell_top(&hunt);
	start = whole_start(&hunt, &end);
	if (start)
		return add_stretch(&hunt, start, end, !glibc->par.addr);
	hunt.left = present_bytes(glibc) / CHUNK_BYTES_MIN * 4 + 65536;
	err = take_brk(&hunt);
	if (!err && arena->found_bytes < arena->system_mem)
		err = take_mapped(&hunt, 0);
	if (!err && arena->found_bytes < arena->system_mem)
		err = take_mapped(&hunt, DAMAGES_MAX);
	return err;
}
