#include "heap/heap_priv.h"

#include <stdlib.h>

#include "util/bytes.h"
#include "util/context.h"

/* A span of a general allocator that a better walker riddles with more holes
 * than this is not one: each piece costs a walk of the whole span. */
#define PIECES_MAX 64

/* A span on its way into the table. */
struct candidate {
	struct ch_span span;
	const struct ch_span *origin;
	uint32_t opened;
	bool cut;
};

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->span.start != y->span.start)
		return x->span.start < y->span.start ? -1 : 1;
	/* Of two spans at one place the larger is likelier the real one. */
	return x->span.end == y->span.end ? 0 : x->span.end > y->span.end ? -1 : 1;
}

static const char *runtime_name(const struct ch_heaps *heaps, uint32_t opened)
{
	return CH_VEC_AT(&heaps->opened, struct ch_opened, opened)->walker->name;
}

/* End of the mapped memory that begins at start, at most end. */
static uint64_t mapped_end(struct ch_map *map, uint64_t start, uint64_t end)
{
	const struct ch_region *region;
	uint64_t at = start;

	while (at < end) {
		region = ch_map_region_at(map, at);
		if (!region || region->state == CH_STATE_FREE || region->end <= at)
			break;
		at = region->end;
	}
	return ch_min(at, end);
}

/* Whether the span makes sense; cuts off what is not mapped. */
static bool check_span(struct ch_heaps *heaps, const struct ch_opened *opened, struct ch_span *span)
{
	const struct ch_core *core = heaps->env.core;
	struct ch_context *ctx = heaps->env.ctx;
	uint64_t end;

	if (span->start >= span->end || span->committed_end < span->start ||
	    span->committed_end > span->end || span->heap >= opened->heaps_count ||
	    (unsigned int)span->usage >= CH_USAGE_COUNT) {
		chp_context_finding(ctx, CH_SEVERITY_INCOMPLETE, "span-dropped",
				    "%s: range %s-%s makes no sense; left out",
				    opened->walker->name,
				    chp_core_word(core, span->start, CH_NO_ADDRESS).text,
				    chp_core_word(core, span->end, CH_NO_ADDRESS).text);
		return false;
	}
	end = mapped_end(heaps->env.map, span->start, span->end);
	if (end < span->committed_end) {
		chp_context_finding(ctx, CH_SEVERITY_INCOMPLETE, "span-unmapped",
				    "%s: range %s-%s is mapped only up to %s", opened->walker->name,
				    chp_core_addr(core, span->start, CH_NO_ADDRESS).text,
				    chp_core_addr(core, span->end, CH_NO_ADDRESS).text,
				    chp_core_addr(core, end, CH_NO_ADDRESS).text);
		span->committed_end = end;
	}
	/* A reservation that the dumper did not record is not counted. */
	span->end = end;
	return span->start < span->end;
}

static struct ch_error *take_spans(struct ch_heaps *heaps, uint32_t index, struct ch_vec *ret)
{
	struct ch_opened *opened = CH_VEC_AT(&heaps->opened, struct ch_opened, index);
	const struct ch_span *spans;
	struct candidate *candidate;
	struct ch_span span;
	size_t count = 0, i;

	spans = opened->walker->spans(opened->state, &count);
	for (i = 0; i < count; i++) {
		span = spans[i];
		if (!span.kind)
			span.kind = "span";
		if (!check_span(heaps, opened, &span))
			continue;
		candidate = ch_vec_push(ret);
		if (!candidate)
			return &ch_enomem;
		span.heap += opened->heaps_base;
		*candidate =
			(struct candidate){ .span = span, .origin = &spans[i], .opened = index };
	}
	ch_vec_sort(ret, compare_candidates);
	return NULL;
}

/* Of spans of one walker that overlap, keep the first. */
static void drop_overlaps(struct ch_heaps *heaps, struct ch_vec *candidates)
{
	struct candidate *items = candidates->items;
	size_t i, kept = 0;

	for (i = 0; i < candidates->count; i++) {
		if (kept && items[i].span.start < items[kept - 1].span.end) {
			chp_context_finding(heaps->env.ctx, chp_blame(&heaps->env), "span-dropped",
					    "%s: range 0x%llx-0x%llx overlaps another; left out",
					    runtime_name(heaps, items[i].opened),
					    (unsigned long long)items[i].span.start,
					    (unsigned long long)items[i].span.end);
			continue;
		}
		items[kept++] = items[i];
	}
	candidates->count = kept;
}

/* The part [start, end) of a candidate, unless it is empty. */
static struct ch_error *add_piece(struct ch_vec *out, const struct candidate *whole, uint64_t start,
				  uint64_t end)
{
	struct candidate *piece;

	if (start >= end)
		return NULL;
	piece = ch_vec_push(out);
	if (!piece)
		return &ch_enomem;
	*piece = *whole;
	piece->cut = start != whole->span.start || end != whole->span.end;
	piece->span.start = start;
	piece->span.end = end;
	piece->span.committed_end = ch_max(ch_min(whole->span.committed_end, end), start);
	return NULL;
}

/* Add to out what of one candidate the accepted spans from *next_accepted on leave. */
static struct ch_error *subtract(struct ch_heaps *heaps, const struct candidate *candidate,
				 const struct ch_vec *accepted, size_t *next_accepted,
				 struct ch_vec *out)
{
	const struct candidate *items = accepted->items;
	uint64_t at = candidate->span.start;
	size_t i, before = out->count;
	struct ch_error *err;

	while (*next_accepted < accepted->count && items[*next_accepted].span.end <= at)
		(*next_accepted)++;
	for (i = *next_accepted; i < accepted->count; i++) {
		if (items[i].span.start >= candidate->span.end)
			break;
		chp_context_finding(heaps->env.ctx, CH_SEVERITY_NOTE, "span-overlap",
				    "%s: range 0x%llx-0x%llx is %s's; not counted for %s",
				    runtime_name(heaps, candidate->opened),
				    (unsigned long long)items[i].span.start,
				    (unsigned long long)items[i].span.end,
				    runtime_name(heaps, items[i].opened),
				    runtime_name(heaps, candidate->opened));
		if (out->count - before >= PIECES_MAX)
			return NULL;
		err = add_piece(out, candidate, at, items[i].span.start);
		if (err)
			return err;
		at = items[i].span.end;
	}
	return add_piece(out, candidate, at, candidate->span.end);
}

/* Add the candidates of one walker to the accepted ones, which win. */
static struct ch_error *accept(struct ch_heaps *heaps, struct ch_vec *accepted,
			       struct ch_vec *candidates)
{
	struct ch_vec pieces = CH_VEC(struct candidate);
	struct ch_error *err = NULL;
	struct candidate *slot;
	size_t i, next = 0;

	for (i = 0; !err && i < candidates->count; i++)
		err = subtract(heaps, CH_VEC_AT(candidates, struct candidate, i), accepted, &next,
			       &pieces);
	for (i = 0; !err && i < pieces.count; i++) {
		slot = ch_vec_push(accepted);
		if (slot)
			*slot = *CH_VEC_AT(&pieces, struct candidate, i);
		else
			err = &ch_enomem;
	}
	ch_vec_deinit(&pieces);
	ch_vec_sort(accepted, compare_candidates);
	return err;
}

/* Turn the accepted candidates into the tables of heaps. */
static struct ch_error *fill_tables(struct ch_heaps *heaps, const struct ch_vec *accepted)
{
	const struct candidate *candidate;
	struct ch_span_info *info;
	struct ch_heap *heap;
	struct ch_span *span;
	size_t i;

	/* A span's index is 32 bits wide in struct ch_object. */
	if (accepted->count >= UINT32_MAX || !ch_vec_reserve(&heaps->spans, accepted->count) ||
	    !ch_vec_reserve(&heaps->infos, accepted->count) ||
	    !ch_vec_reserve(&heaps->sums, accepted->count) ||
	    !ch_vec_reserve(&heaps->gaps, accepted->count))
		return &ch_enomem;
	for (i = 0; i < accepted->count; i++) {
		candidate = CH_VEC_AT(accepted, struct candidate, i);
		span = ch_vec_push(&heaps->spans);
		info = ch_vec_push(&heaps->infos);
		if (!span || !info || !ch_vec_push(&heaps->sums) || !ch_vec_push(&heaps->gaps))
			return &ch_enomem;
		*span = candidate->span;
		*info = (struct ch_span_info){ .origin = candidate->origin,
					       .opened = candidate->opened,
					       .cut = candidate->cut,
					       .checkpoints = CH_VEC(uint64_t) };
		heap = CH_VEC_AT(&heaps->heaps, struct ch_heap, span->heap);
		heap->reserved_bytes += span->end - span->start;
		heap->committed_bytes += span->committed_end - span->start;
		heaps->committed_bytes += span->committed_end - span->start;
	}
	return NULL;
}

struct ch_error *chp_spans_collect(struct ch_heaps *heaps)
{
	struct ch_vec accepted = CH_VEC(struct candidate), candidates;
	struct ch_error *err = NULL;
	uint32_t i;

	for (i = 0; !err && i < heaps->opened.count; i++) {
		candidates = CH_VEC(struct candidate);
		err = take_spans(heaps, i, &candidates);
		drop_overlaps(heaps, &candidates);
		if (!err)
			err = accept(heaps, &accepted, &candidates);
		ch_vec_deinit(&candidates);
	}
	if (!err)
		err = fill_tables(heaps, &accepted);
	ch_vec_deinit(&accepted);
	return err;
}
