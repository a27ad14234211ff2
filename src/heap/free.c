/*
 * What is free in the native heaps: sums by size class, the longest stretch, and what the
 * allocator's own call would give back to the system. Collected during a walk, compared with the
 * allocator's lists behind it.
 */
#include "heap/heap_priv.h"

#include "util/bytes.h"

void chp_free_begin(struct ch_heaps *heaps, uint32_t span, struct ch_free_run *ret)
{
	const struct ch_span *place = CH_VEC_AT(&heaps->spans, struct ch_span, span);
	const struct ch_span_info *info = CH_VEC_AT(&heaps->infos, struct ch_span_info, span);
	const struct ch_opened *opened = CH_VEC_AT(&heaps->opened, struct ch_opened, info->opened);

	*ret = (struct ch_free_run){ .sums = CH_VEC_AT(&heaps->frees, struct ch_heap_free,
						       place->heap),
				     .trim = opened->allocator->trim,
				     .page_bytes = heaps->page_bytes,
				     .top_unit_bytes = info->cut ? 0 : place->top_unit_bytes };
	ret->sums->can_trim = ret->trim != NULL;
}

static void add_to(struct ch_free_sum *sum, uint64_t bytes)
{
	sum->count++;
	sum->bytes += bytes;
}

/* What the allocator's call would return of the chunk [start, end). */
static void trim_chunk(struct ch_free_run *run, uint64_t start, uint64_t end)
{
	uint64_t page, pages = 0;

	if (!run->trim)
		return;
	/* end is a checked address below the end of a span: no overflow */
	page = ch_align_up(start + run->trim->lead_bytes, run->page_bytes);
	if (page < end)
		pages = ch_align_down(end - page, run->page_bytes);
	run->sums->trim_pages_bytes += pages;
	if (!pages)
		run->sums->trapped_bytes += end - start;
}

void chp_free_end(struct ch_free_run *run)
{
	if (run->sums && run->end)
		trim_chunk(run, run->start, run->end);
	run->end = 0;
}

/* Free neighbours before top become part of it. */
static void take_top(struct ch_free_run *run, uint64_t start, uint64_t end)
{
	uint64_t bytes;

	add_to(&run->sums->top, end - start);
	if (run->end == start)
		start = run->start;
	else
		chp_free_end(run);
	run->end = 0;
	bytes = end - start;
	if (run->trim && run->top_unit_bytes && bytes > run->trim->top_keep_bytes)
		run->sums->trim_top_bytes +=
			ch_align_down(bytes - run->trim->top_keep_bytes, run->top_unit_bytes);
}

void chp_free_add(struct ch_free_run *run, const struct ch_object *object)
{
	uint64_t start = object->addr - object->header_bytes, bytes = object->chunk_bytes;
	struct ch_heap_free *sums = run->sums;

	if (object->flags & CH_OBJECT_TOP) {
		take_top(run, start, start + bytes);
		return;
	}
	add_to(&sums->classes[63 - __builtin_clzll(bytes | 1)], bytes);
	if (object->flags & CH_OBJECT_CACHED) {
		add_to(&sums->cached, bytes);
		return;
	}
	add_to(object->flags & CH_OBJECT_FASTBIN ? &sums->fast : &sums->bins, bytes);
	if (bytes > sums->largest_bytes) {
		sums->largest_bytes = bytes;
		sums->largest_addr = object->addr;
	}
	if (run->trim && run->trim->pages_only) {
		*(object->flags & CH_OBJECT_PAGES ? &sums->trim_pages_bytes
						  : &sums->trapped_bytes) += bytes;
		return;
	}
	if (run->end != start) {
		chp_free_end(run);
		run->start = start;
	}
	run->end = start + bytes;
}

/* Whether all spans of a walker are as it gave them. */
static bool are_whole(const struct ch_heaps *heaps, uint32_t opened)
{
	const struct ch_span_info *infos = heaps->infos.items;
	size_t i;

	for (i = 0; i < heaps->infos.count; i++)
		if (infos[i].opened == opened && infos[i].cut)
			return false;
	return true;
}

struct ch_error *chp_free_check(struct ch_heaps *heaps)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_error *err = NULL;
	uint32_t i;

	for (i = 0; !err && i < heaps->opened.count; i++)
		if (opened[i].allocator->check && opened[i].heaps_count && are_whole(heaps, i))
			err = opened[i].allocator->check(
				opened[i].state, CH_VEC_AT(&heaps->frees, struct ch_heap_free,
							   opened[i].heaps_base));
	return err;
}
