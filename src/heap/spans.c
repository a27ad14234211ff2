/*
 * The table of spans: what walkers report is checked against the map and against each other, and
 * where one lies in another's block it is cut into pieces. Everything behind relies on ascending
 * spans that do not overlap.
 */
#include "heap/candidates.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/bytes.h"
#include "util/context.h"

static int compare_candidates(const void *a, const void *b)
{
	const struct ch_candidate *x = a, *y = b;

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

/* What is wrong with the spans of one walker. */
struct faults {
	struct ch_ranges senseless, unmapped, overlapping;
};

/* Whether the span makes sense; cuts off what is not mapped. */
static bool check_span(struct ch_heaps *heaps, const struct ch_opened *opened, struct ch_span *span,
		       struct faults *faults)
{
	uint64_t end;

	if (span->start >= span->end || span->committed_end < span->start ||
	    span->committed_end > span->end || span->heap >= opened->heaps_count ||
	    (unsigned int)span->usage >= CH_USAGE_COUNT) {
		chp_ranges_add(&faults->senseless, span->start, span->end, 0);
		return false;
	}
	end = mapped_end(heaps->env.map, span->start, span->end);
	if (end < span->committed_end) {
		chp_ranges_add(&faults->unmapped, span->start, span->end,
			       span->committed_end - end);
		span->committed_end = end;
	}
	/* A reservation that the dumper did not record is not counted. */
	span->end = end;
	return span->start < span->end;
}

static void tell_faults(struct ch_heaps *heaps, uint32_t opened, const struct faults *faults)
{
	char unmapped[96];

	snprintf(unmapped, sizeof(unmapped), ": %llu bytes are not mapped",
		 (unsigned long long)faults->unmapped.bytes);
	chp_ranges_tell(heaps, opened, &faults->senseless, CH_SEVERITY_INCOMPLETE, "span-dropped",
			": makes no sense; left out");
	chp_ranges_tell(heaps, opened, &faults->unmapped, CH_SEVERITY_INCOMPLETE, "span-unmapped",
			unmapped);
	chp_ranges_tell(heaps, opened, &faults->overlapping, chp_blame(&heaps->env), "span-dropped",
			": overlaps another; left out");
}

static struct ch_error *take_span(struct ch_heaps *heaps, uint32_t index,
				  const struct ch_span *given, const struct ch_span *checked,
				  struct ch_vec *ret)
{
	struct ch_origin *origin = ch_vec_push(&heaps->origins);
	struct ch_candidate *candidate = ch_vec_push(ret);

	if (!origin || !candidate || heaps->origins.count > UINT32_MAX)
		return &ch_enomem;
	*origin = (struct ch_origin){ .span = given,
				      .opened = index,
				      .last = CH_SPAN_NONE,
				      .checkpoints = CH_VEC(uint64_t) };
	*candidate = (struct ch_candidate){ .span = *checked,
					    .origin = (uint32_t)(heaps->origins.count - 1),
					    .opened = index };
	return NULL;
}

const struct ch_span *chp_opened_spans(const struct ch_opened *opened, size_t *count_ret)
{
	if (opened->allocator->spans)
		return opened->allocator->spans(opened->state, count_ret);
	*count_ret = chp_answers_of(opened)->spans.count;
	return chp_answers_of(opened)->spans.items;
}

static struct ch_error *take_spans(struct ch_heaps *heaps, uint32_t index, struct faults *faults,
				   struct ch_vec *ret)
{
	struct ch_opened *opened = CH_VEC_AT(&heaps->opened, struct ch_opened, index);
	struct ch_error *err = NULL;
	const struct ch_span *spans;
	struct ch_span span;
	size_t count = 0, i;

	spans = chp_opened_spans(opened, &count);
	for (i = 0; !err && i < count; i++) {
		span = spans[i];
		if (!span.kind)
			span.kind = "span";
		if (!check_span(heaps, opened, &span, faults))
			continue;
		span.heap += opened->heaps_base;
		err = take_span(heaps, index, &spans[i], &span, ret);
	}
	ch_vec_sort(ret, compare_candidates);
	return err;
}

/* Of spans of one walker that overlap, keep the first. */
static void drop_overlaps(struct ch_vec *candidates, struct ch_ranges *dropped)
{
	struct ch_candidate *items = candidates->items;
	size_t i, kept = 0;

	for (i = 0; i < candidates->count; i++) {
		if (kept && items[i].span.start < items[kept - 1].span.end)
			chp_ranges_add(dropped, items[i].span.start, items[i].span.end, 0);
		else
			items[kept++] = items[i];
	}
	candidates->count = kept;
}

/* The part [start, end) of a candidate, unless it is empty; nested: the rest are nested spans. */
static struct ch_error *add_piece(struct ch_vec *out, const struct ch_candidate *whole,
				  uint64_t start, uint64_t end, bool nested)
{
	bool partly = start != whole->span.start || end != whole->span.end;
	struct ch_candidate *piece;

	if (start >= end)
		return NULL;
	piece = ch_vec_push(out);
	if (!piece)
		return &ch_enomem;
	*piece = *whole;
	piece->cut |= partly && !nested;
	piece->holed |= partly && nested;
	piece->span.start = start;
	piece->span.end = end;
	piece->span.committed_end = ch_max(ch_min(whole->span.committed_end, end), start);
	return NULL;
}

/* What one walker loses to each of the others, by their indices in ch_heaps.opened. */
static void tell_lost(struct ch_heaps *heaps, uint32_t loser, const struct ch_ranges *lost)
{
	const char *name = runtime_name(heaps, loser), *winner;
	char many[96];
	uint32_t i;

	for (i = 0; i < loser; i++) {
		if (!lost[i].count)
			continue;
		winner = runtime_name(heaps, i);
		snprintf(many, sizeof(many), "range 0x%llx-0x%llx is",
			 (unsigned long long)lost[i].start, (unsigned long long)lost[i].end);
		if (lost[i].count > 1)
			snprintf(many, sizeof(many), "%llu ranges of %llu bytes from 0x%llx on are",
				 (unsigned long long)lost[i].count,
				 (unsigned long long)lost[i].bytes,
				 (unsigned long long)lost[i].start);
		chp_context_finding(heaps->env.ctx, CH_SEVERITY_NOTE, "span-overlap",
				    "%s: %s %s's; not counted for %s", name, many, winner, name);
	}
}

/* Add to out what of one candidate the accepted spans from *next_accepted on leave. What is lost
 * to each of the others goes to lost; NULL: they are nested, nothing is. */
static struct ch_error *subtract(const struct ch_candidate *candidate,
				 const struct ch_vec *accepted, size_t *next_accepted,
				 struct ch_ranges *lost, struct ch_vec *out)
{
	const struct ch_candidate *items = accepted->items;
	uint64_t at = candidate->span.start;
	struct ch_error *err;
	size_t i;

	while (*next_accepted < accepted->count && items[*next_accepted].span.end <= at)
		(*next_accepted)++;
	for (i = *next_accepted; i < accepted->count; i++) {
		if (items[i].span.start >= candidate->span.end)
			break;
		if (lost)
			chp_ranges_add(&lost[items[i].opened], items[i].span.start,
				       items[i].span.end,
				       ch_min(items[i].span.end, candidate->span.end) -
					       ch_max(items[i].span.start, candidate->span.start));
		err = add_piece(out, candidate, at, items[i].span.start, !lost);
		if (err)
			return err;
		at = items[i].span.end;
	}
	return add_piece(out, candidate, at, candidate->span.end, !lost);
}

static struct ch_error *append(struct ch_vec *to, const struct ch_vec *candidates)
{
	struct ch_candidate *slot;
	size_t i;

	for (i = 0; i < candidates->count; i++) {
		slot = ch_vec_push(to);
		if (!slot)
			return &ch_enomem;
		*slot = *CH_VEC_AT(candidates, struct ch_candidate, i);
	}
	return NULL;
}

/* Add the candidates of one walker to the accepted ones, which win. */
static struct ch_error *accept(struct ch_heaps *heaps, uint32_t opened, struct ch_vec *accepted,
			       const struct ch_vec *candidates)
{
	struct ch_ranges *lost = calloc(heaps->opened.count, sizeof(*lost));
	struct ch_vec pieces = CH_VEC(struct ch_candidate);
	struct ch_error *err = lost ? NULL : &ch_enomem;
	size_t i, next = 0;

	for (i = 0; !err && i < candidates->count; i++)
		err = subtract(CH_VEC_AT(candidates, struct ch_candidate, i), accepted, &next, lost,
			       &pieces);
	if (!err)
		err = append(accepted, &pieces);
	if (!err)
		tell_lost(heaps, opened, lost);
	free(lost);
	ch_vec_deinit(&pieces);
	ch_vec_sort(accepted, compare_candidates);
	return err;
}

/* Tell the origin of the span with this index, the last one of the table, that it has it. */
static void link_piece(struct ch_heaps *heaps, uint32_t index)
{
	struct ch_span_info *infos = heaps->infos.items;
	struct ch_origin *origin =
		CH_VEC_AT(&heaps->origins, struct ch_origin, infos[index].origin);

	if (origin->last == CH_SPAN_NONE)
		origin->first = index;
	else
		infos[origin->last].next = index;
	origin->last = index;
}

static void clear_tables(struct ch_heaps *heaps)
{
	struct ch_origin *origins = heaps->origins.items;
	struct ch_heap *list = heaps->heaps.items;
	size_t i;

	for (i = 0; i < heaps->origins.count; i++)
		origins[i].last = CH_SPAN_NONE;
	for (i = 0; i < heaps->heaps.count; i++)
		list[i].reserved_bytes = list[i].committed_bytes = 0;
	heaps->committed_bytes = 0;
	heaps->spans.count = heaps->infos.count = heaps->sums.count = 0;
}

/* Turn the accepted candidates into the tables of heaps. */
static struct ch_error *fill_tables(struct ch_heaps *heaps, const struct ch_vec *accepted)
{
	const struct ch_candidate *candidate;
	struct ch_span_info *info;
	struct ch_heap *heap;
	struct ch_span *span;
	uint32_t i;

	clear_tables(heaps);
	/* A span's index is 32 bits wide in struct ch_object. */
	if (accepted->count >= UINT32_MAX || !ch_vec_reserve(&heaps->spans, accepted->count) ||
	    !ch_vec_reserve(&heaps->infos, accepted->count) ||
	    !ch_vec_reserve(&heaps->sums, accepted->count))
		return &ch_enomem;
	for (i = 0; i < accepted->count; i++) {
		candidate = CH_VEC_AT(accepted, struct ch_candidate, i);
		span = ch_vec_push(&heaps->spans);
		info = ch_vec_push(&heaps->infos);
		if (!span || !info || !ch_vec_push(&heaps->sums))
			return &ch_enomem;
		*span = candidate->span;
		*info = (struct ch_span_info){ .origin = candidate->origin,
					       .opened = candidate->opened,
					       .next = CH_SPAN_NONE,
					       .cut = candidate->cut,
					       .holed = candidate->holed };
		link_piece(heaps, i);
		heap = CH_VEC_AT(&heaps->heaps, struct ch_heap, span->heap);
		heap->reserved_bytes += span->end - span->start;
		heap->committed_bytes += span->committed_end - span->start;
		heaps->committed_bytes += span->committed_end - span->start;
	}
	return NULL;
}

/* The spans that walkers opened from first on have, settled among themselves. */
static struct ch_error *collect_from(struct ch_heaps *heaps, uint32_t first, struct ch_vec *ret)
{
	struct ch_error *err = NULL;
	struct ch_vec candidates;
	struct faults faults;
	uint32_t i;

	for (i = first; !err && i < heaps->opened.count; i++) {
		candidates = CH_VEC(struct ch_candidate);
		faults = (struct faults){ 0 };
		err = take_spans(heaps, i, &faults, &candidates);
		drop_overlaps(&candidates, &faults.overlapping);
		tell_faults(heaps, i, &faults);
		if (!err)
			err = accept(heaps, i, ret, &candidates);
		ch_vec_deinit(&candidates);
	}
	return err;
}

/* Cut nested spans out of those in the table, and add the pieces to them. */
static struct ch_error *cut_table(const struct ch_heaps *heaps, struct ch_vec *nested)
{
	const struct ch_span_info *infos = heaps->infos.items;
	struct ch_vec pieces = CH_VEC(struct ch_candidate);
	struct ch_candidate candidate;
	struct ch_error *err = NULL;
	size_t i, next = 0;

	for (i = 0; !err && i < heaps->spans.count; i++) {
		candidate = (struct ch_candidate){
			.span = *CH_VEC_AT(&heaps->spans, struct ch_span, i),
			.origin = infos[i].origin,
			.opened = infos[i].opened,
			.cut = infos[i].cut,
			.holed = infos[i].holed,
		};
		err = subtract(&candidate, nested, &next, NULL, &pieces);
	}
	if (!err)
		err = append(nested, &pieces);
	ch_vec_deinit(&pieces);
	ch_vec_sort(nested, compare_candidates);
	return err;
}

struct ch_error *chp_spans_collect(struct ch_heaps *heaps, uint32_t first, bool nested)
{
	struct ch_vec accepted = CH_VEC(struct ch_candidate);
	struct ch_error *err = collect_from(heaps, first, &accepted);

	if (!err && nested)
		err = chp_nesting_place(heaps, &accepted);
	if (!err && nested)
		err = cut_table(heaps, &accepted);
	if (!err)
		err = fill_tables(heaps, &accepted);
	ch_vec_deinit(&accepted);
	return err;
}
