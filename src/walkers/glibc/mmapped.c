/*
 * Chunks with a mapping of their own, which no list names: they are looked for in anonymous
 * memory, and compared with what malloc counts.
 *
 * A block above the threshold has a mapping of its own, with a header at its
 * start: prev_size 0, size the mapping's length. memalign puts a second header
 * right below the aligned block, whose prev_size is the distance from the
 * start, and leaves the first one behind (malloc.c, sysmalloc_mmap,
 * _int_memalign). The kernel merges neighbouring mappings, so every page may
 * be the start of one; malloc_par counts them, which tells when all are found.
 */
#include "walkers/glibc/glibc_priv.h"

#include "util/context.h"
#include "util/search.h"
#include "walkers/glibc/flight.h"

#define ALIGN_MIN 32U
/* 2.43: lowest bit of prev_size of a chunk backed by huge pages (MMAP_HP) */
#define HUGE_PAGE_BIT 1U

/* Whether a mmapped chunk may lie in a region, or go on into it. */
static bool is_usable(const struct ch_region *region)
{
	if (!glibc_is_candidate(region))
		return false;
	switch (region->usage) {
	case CH_USAGE_ANON:
	case CH_USAGE_HEAP:
	case CH_USAGE_SHM:
	case CH_USAGE_UNDUMPED:
		return true;
	case CH_USAGE_STACK:
		/* a coroutine's stack is a block like others */
		return region->basis == CH_BASIS_HEURISTIC;
	default:
		return false;
	}
}

/* Start of the contiguous memory that ends with region *index, which becomes
 * the first one of it. */
static uint64_t zone_start(const struct ch_region *regions, size_t *index)
{
	while (*index > 0 && regions[*index - 1].end == regions[*index].start &&
	       is_usable(&regions[*index - 1]))
		(*index)--;
	return regions[*index].start;
}

/*
 * Length of the mapping from start whose chunk is at start + lead, if there is
 * such a header; 0 if not.
 */
static uint64_t mapping_bytes(const struct glibc *glibc, uint64_t start, uint64_t lead)
{
	uint64_t prev, head, size, len, tail;
	uint8_t bytes[CHUNK_HEADER_BYTES];

	if (!ch_core_try_read(glibc->env.core, start + lead, bytes, sizeof(bytes)))
		return 0;
	prev = ch_get64(bytes);
	head = ch_get64(bytes + 8);
	/* 2.43 counts the header apart, so sizes are no multiples of pages */
	tail = glibc->layout->mmapped_243 ? CHUNK_HEADER_BYTES : 0;
	if (glibc->layout->mmapped_243)
		prev &= ~(uint64_t)HUGE_PAGE_BIT;
	size = head & ~(uint64_t)CHUNK_FLAGS;
	if (prev != lead || (head & CHUNK_FLAGS) != CHUNK_IS_MMAPPED || size < CHUNK_BYTES_MIN ||
	    !ch_add(lead + tail, size, &len) || len % CH_PAGE_BYTES)
		return 0;
	return len;
}

/* A mapping's start, the length its first header claims, the limit of both. */
struct claim {
	uint64_t start, stale_bytes, limit;
};

/* Whether a moved header is at lead; *len_ret is the mapping's length. */
static bool is_moved(const struct glibc *glibc, const struct claim *claim, uint64_t lead,
		     uint64_t *len_ret)
{
	uint64_t len = mapping_bytes(glibc, claim->start, lead);

	if (!len || len > claim->limit - claim->start)
		return false;
	*len_ret = len;
	return true;
}

/*
 * Where memalign moved the header to, relative to start: the first place that
 * is aligned. 0 when the header was not moved. deep tries every page: mremap
 * moves a mapping without caring for alignment.
 */
static uint64_t find_moved(const struct glibc *glibc, const struct claim *claim, bool deep,
			   uint64_t *len_ret)
{
	uint64_t end = ch_min(claim->stale_bytes, claim->limit - claim->start), align, lead;
	size_t len;

	for (align = ALIGN_MIN; align < end; align *= 2) {
		lead = ch_align_up(claim->start + CHUNK_HEADER_BYTES, align) - CHUNK_HEADER_BYTES -
		       claim->start;
		/* before 2.43 at least a chunk's least size was left in front */
		if (lead < CHUNK_BYTES_MIN && !glibc->layout->mmapped_243)
			lead += align;
		if (lead && lead < end && is_moved(glibc, claim, lead, len_ret))
			return lead;
	}
	for (lead = CH_PAGE_BYTES - CHUNK_HEADER_BYTES;
	     deep && lead < end &&
	     ch_core_span_recorded(glibc->env.core, claim->start + lead, &len);
	     lead += CH_PAGE_BYTES)
		if (is_moved(glibc, claim, lead, len_ret))
			return lead;
	return 0;
}

/* The chunk whose mapping begins at page start, if there is one. */
static bool read_mmapped(const struct glibc *glibc, uint64_t start, uint64_t limit, bool deep,
			 struct glibc_mmapped *ret)
{
	uint64_t len = mapping_bytes(glibc, start, 0), lead, moved = 0;
	struct claim claim = { .start = start, .stale_bytes = len, .limit = limit };

	if (!len)
		return false;
	lead = find_moved(glibc, &claim, deep, &moved);
	if (lead)
		len = moved;
	if (len > limit - start)
		return false;
	ret->start = start;
	ret->end = start + len;
	ret->chunk = start + lead;
	/* 2.43 gives the tail to the program and takes 8 bytes for the size */
	ret->usable_bytes = len - lead - CHUNK_HEADER_BYTES - (glibc->layout->mmapped_243 ? 8 : 0);
	return true;
}

/* Bytes that malloc_par counts. 2.43 counts 16 too many whenever it remaps a
 * chunk (mremap_chunk subtracts the old size without its header). */
static uint64_t counted_bytes(const struct glibc *glibc)
{
	if (glibc->layout->mmapped_243)
		return ch_align_down(glibc->counted_mem, CH_PAGE_BYTES);
	return glibc->counted_mem;
}

static bool is_counted(const struct glibc *glibc)
{
	return glibc->par.addr && glibc->counted_mmaps == glibc->mmapped.count &&
	       counted_bytes(glibc) == glibc->mmapped_bytes;
}

/* End of what may hold a chunk from start on: the next arena, or end. */
static uint64_t chunk_limit(const struct glibc *glibc, uint64_t start, uint64_t end)
{
	const struct glibc_piece *pieces = glibc->pieces.items;
	size_t low = ch_search(pieces, glibc->pieces.count, it, it->start < start);

	return low < glibc->pieces.count ? ch_min(end, pieces[low].start) : end;
}

/* Try every page of [start, end), skipping what was found. */
static struct ch_error *scan(struct glibc *glibc, uint64_t start, uint64_t end, bool deep)
{
	uint64_t at = ch_align_up(start, CH_PAGE_BYTES);
	struct glibc_mmapped found, *slot;

	while (at < end && !is_counted(glibc)) {
		at = glibc_next_page(glibc, at);
		if (at >= end)
			break;
		if (!read_mmapped(glibc, at, chunk_limit(glibc, at, end), deep, &found)) {
			at += CH_PAGE_BYTES;
			continue;
		}
		slot = ch_vec_push(&glibc->mmapped);
		if (!slot)
			return &ch_enomem;
		*slot = found;
		glibc->mmapped_bytes += found.end - found.start;
		at = found.end;
	}
	return NULL;
}

/* From the top of memory down: mappings of malloc are there, large heaps of
 * other runtimes often below, and the search ends when all are found. */
static struct ch_error *scan_all(struct glibc *glibc, bool deep)
{
	const struct ch_region *regions;
	struct ch_error *err;
	uint64_t end;
	size_t count;

	glibc->mmapped.count = 0;
	glibc->mmapped_bytes = 0;
	regions = ch_map_regions(glibc->env.map, &count);
	while (count-- > 0 && !is_counted(glibc)) {
		if (!is_usable(&regions[count]))
			continue;
		end = regions[count].end;
		err = scan(glibc, zone_start(regions, &count), end, deep);
		if (!err)
			err = chp_context_check(glibc->env.ctx);
		if (err)
			return err;
	}
	return NULL;
}

/* One chunk too many, without which the counters are met, is none: memory
 * that looks like one. */
static void drop_false(struct glibc *glibc)
{
	struct glibc_mmapped *mmapped = glibc->mmapped.items;
	size_t i, found = SIZE_MAX;

	if (glibc->mmapped.count != glibc->counted_mmaps + 1 ||
	    glibc->mmapped_bytes <= counted_bytes(glibc))
		return;
	for (i = 0; i < glibc->mmapped.count; i++)
		if (mmapped[i].end - mmapped[i].start ==
		    glibc->mmapped_bytes - counted_bytes(glibc)) {
			if (found != SIZE_MAX)
				return;
			found = i;
		}
	if (found == SIZE_MAX)
		return;
	for (i = found; i + 1 < glibc->mmapped.count; i++)
		mmapped[i] = mmapped[i + 1];
	glibc->mmapped.count--;
	glibc->mmapped_bytes = counted_bytes(glibc);
}

static int compare_mmapped(const void *a, const void *b)
{
	const struct glibc_mmapped *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* malloc maps, remaps and unmaps without a lock, and counts apart from that: one
 * chunk for each thread inside. */
static bool is_under_way(const struct glibc *glibc)
{
	uint64_t counted = glibc->counted_mmaps, found = glibc->mmapped.count;
	uint64_t apart = counted > found ? counted - found : found - counted;

	return apart <= UINT32_MAX && ch_max(apart, 1) <= glibc_threads_inside(glibc);
}

/* malloc_par counts mmapped chunks: say where it disagrees. */
static void tell_difference(const struct glibc *glibc)
{
	bool is = is_under_way(glibc);

	chp_context_finding(
		glibc->env.ctx, is ? CH_SEVERITY_NOTE : chp_blame(&glibc->env),
		is ? "glibc-under-way" : "glibc-mmapped",
		"mmapped chunks: malloc counts %llu with %llu bytes, %zu with %llu bytes "
		"were found%s",
		(unsigned long long)glibc->counted_mmaps, (unsigned long long)glibc->counted_mem,
		glibc->mmapped.count, (unsigned long long)glibc->mmapped_bytes,
		is ? "; a thread was inside malloc: that is no damage" : "");
}

struct ch_error *glibc_find_mmapped(struct glibc *glibc)
{
	struct ch_error *err = scan_all(glibc, false);

	if (!err && glibc->par.addr && !is_counted(glibc))
		err = scan_all(glibc, true);
	if (err)
		return err;
	ch_vec_sort(&glibc->mmapped, compare_mmapped);
	if (glibc->par.addr && !is_counted(glibc))
		drop_false(glibc);
	glibc->mmapped_counted = is_counted(glibc);
	if (glibc->par.addr && !glibc->mmapped_counted)
		tell_difference(glibc);
	return NULL;
}
