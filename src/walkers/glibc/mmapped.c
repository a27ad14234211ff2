#include "walkers/glibc/glibc_priv.h"

#include <stdlib.h>

#include "util/context.h"

/* sysmalloc maps whole pages; alignments of memalign are powers of two. */
#define ALIGN_MIN 32U
#define ALIGN_MAX (1ULL << 32)
/* 2.43: lowest bit of prev_size of a chunk backed by huge pages */
#define HUGE_PAGE_BIT 1U

/* End of the contiguous private memory that a chunk may lie in. */
static uint64_t usable_end(struct ch_map *map, uint64_t addr)
{
	const struct ch_region *region = ch_map_region_at(map, addr);
	uint64_t end = addr;

	while (region && region->state == CH_STATE_COMMIT &&
	       (region->type == CH_MEMTYPE_PRIVATE || region->usage == CH_USAGE_SHM) &&
	       (region->usage == CH_USAGE_ANON || region->usage == CH_USAGE_HEAP ||
		region->usage == CH_USAGE_SHM) &&
	       (region->prot & CH_SEGMENT_WRITE)) {
		end = region->end;
		region = ch_map_region_at(map, end);
	}
	return end;
}

/*
 * A chunk at start + lead, whose header says so: prev_size holds lead, size
 * what is left of the mapping. Returns the mapping's length, 0 if it is none.
 */
static uint64_t mapping_bytes(const struct glibc *glibc, uint64_t start, uint64_t lead,
			      uint64_t limit)
{
	uint64_t head, prev, size, tail = glibc->layout->mmapped_243 ? CHUNK_HEADER_BYTES : 0, len;

	if (!ch_core_read_u64(glibc->env.core, start + lead, &prev) ||
	    !ch_core_read_u64(glibc->env.core, start + lead + 8, &head) ||
	    (head & CHUNK_FLAGS) != CHUNK_IS_MMAPPED)
		return 0;
	if (glibc->layout->mmapped_243)
		prev &= ~(uint64_t)HUGE_PAGE_BIT;
	size = head & ~(uint64_t)CHUNK_FLAGS;
	if (prev != lead || size < CHUNK_BYTES_MIN || !ch_add(lead + tail, size, &len) ||
	    len % CH_PAGE_BYTES || len > limit - start)
		return 0;
	return len;
}

/*
 * memalign moves the header up to the first aligned place and leaves the one
 * at the start of the mapping behind; the true one is found by trying every
 * alignment.
 */
static uint64_t find_moved(const struct glibc *glibc, uint64_t start, uint64_t stale_bytes,
			   uint64_t limit, uint64_t *len_ret)
{
	uint64_t align, lead, len;

	for (align = ALIGN_MIN; align <= ALIGN_MAX && align < limit - start; align *= 2) {
		lead = ch_align_up(start + CHUNK_HEADER_BYTES, align) - CHUNK_HEADER_BYTES - start;
		if (lead < CHUNK_BYTES_MIN)
			lead += align;
		if (lead >= limit - start)
			break;
		len = mapping_bytes(glibc, start, lead, limit);
		if (len && (!stale_bytes || len == stale_bytes)) {
			*len_ret = len;
			return lead;
		}
	}
	return 0;
}

/* The chunk whose mapping begins at page start, if there is one. */
static bool read_mmapped(const struct glibc *glibc, uint64_t start, uint64_t limit,
			 struct glibc_mmapped *ret)
{
	uint64_t len = mapping_bytes(glibc, start, 0, limit), lead = 0, moved, moved_len = 0;

	if (!len && !glibc->layout->mmapped_243)
		return false;
	moved = find_moved(glibc, start, len, limit, &moved_len);
	if (moved) {
		lead = moved;
		len = moved_len;
	}
	if (!len)
		return false;
	ret->start = start;
	ret->end = start + len;
	ret->chunk = start + lead;
	/* 2.43 gives the tail to the program and takes 8 bytes for the size */
	ret->usable_bytes = len - lead - CHUNK_HEADER_BYTES - (glibc->layout->mmapped_243 ? 8 : 0);
	return true;
}

/* Try every page of [start, end), skipping what was found. */
static struct ch_error *scan(struct glibc *glibc, uint64_t start, uint64_t end)
{
	uint64_t at = ch_align_up(start, CH_PAGE_BYTES);
	struct glibc_mmapped found, *slot;
	size_t piece, len;

	while (at < end) {
		piece = glibc_piece_at(glibc, at);
		if (piece < glibc->pieces.count) {
			at = ch_align_up(
				CH_VEC_AT(&glibc->pieces, struct glibc_piece, piece)->reserved_end,
				CH_PAGE_BYTES);
			continue;
		}
		if (!ch_core_span_recorded(glibc->env.core, at, &len)) {
			const struct ch_segment *segment = ch_core_segment_at(glibc->env.core, at);

			at = segment ? ch_align_up(segment->end, CH_PAGE_BYTES)
				     : at + CH_PAGE_BYTES;
			continue;
		}
		if (read_mmapped(glibc, at, end, &found)) {
			slot = ch_vec_push(&glibc->mmapped);
			if (!slot)
				return &ch_enomem;
			*slot = found;
			glibc->mmapped_bytes += found.end - found.start;
			at = found.end;
			continue;
		}
		at += CH_PAGE_BYTES;
	}
	return NULL;
}

/* malloc_par counts mmapped chunks: say where it disagrees. */
static void check_counters(const struct glibc *glibc)
{
	if (!glibc->par ||
	    (glibc->n_mmaps == glibc->mmapped.count && glibc->mmapped_mem == glibc->mmapped_bytes))
		return;
	chp_context_finding(
		glibc->env.ctx, CH_SEVERITY_INCOMPLETE, "glibc-mmapped",
		"mmapped chunks: malloc counts %llu with %llu bytes, %zu with %llu bytes "
		"were found",
		(unsigned long long)glibc->n_mmaps, (unsigned long long)glibc->mmapped_mem,
		glibc->mmapped.count, (unsigned long long)glibc->mmapped_bytes);
}

struct ch_error *glibc_find_mmapped(struct glibc *glibc)
{
	const struct ch_region *regions;
	uint64_t at = 0, end;
	struct ch_error *err;
	size_t count, i;

	regions = ch_map_regions(glibc->env.map, &count);
	for (i = 0; i < count; i++) {
		if (regions[i].start < at)
			continue;
		end = usable_end(glibc->env.map, regions[i].start);
		if (end <= regions[i].start)
			continue;
		err = scan(glibc, regions[i].start, end);
		if (err)
			return err;
		at = end;
	}
	check_counters(glibc);
	return NULL;
}
