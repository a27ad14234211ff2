/*
 * The page heap as one heap of the engine: spans in use and normal ones that touch are one span,
 * returned ones are address space; the allocator's own structures are its metadata.
 */
#include "walkers/gperftools_tcmalloc/gperftools_tcmalloc_priv.h"

static bool is_space(const struct tcmalloc_span *span)
{
	return span->location == TCMALLOC_RETURNED;
}

static bool add_spans(struct tcmalloc *tc)
{
	const struct tcmalloc_span *spans = tc->spans.items;
	struct ch_span *last = NULL;
	size_t i;

	for (i = 0; i < tc->spans.count; i++) {
		const struct tcmalloc_span *span = &spans[i];

		if (last && last->end == span->start &&
		    is_space(span) == (last->committed_end == last->start)) {
			last->end = span->end;
			if (!is_space(span))
				last->committed_end = span->end;
			continue;
		}
		last = ch_vec_push(&tc->out.spans);
		if (!last)
			return false;
		*last = (struct ch_span){ .start = span->start,
					  .end = span->end,
					  .committed_end = is_space(span) ? span->start : span->end,
					  .kind = is_space(span) ? "returned" : "spans",
					  .usage = CH_USAGE_ARENA,
					  .basis = CH_BASIS_DERIVED };
	}
	return true;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct tcmalloc_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Whether a range lies in mapped memory that no span has. */
static bool is_free_range(const struct tcmalloc *tc, const struct tcmalloc_range *range)
{
	const struct ch_region *region = ch_map_region_at(tc->env.map, range->start);

	return region && region->state == CH_STATE_COMMIT && range->end <= region->end &&
	       !tcmalloc_span_at(tc, range->start) && !tcmalloc_span_at(tc, range->end - 1);
}

static bool add_meta(struct tcmalloc *tc)
{
	struct tcmalloc_range *ranges = tc->meta.items;
	struct ch_span *last = NULL;
	size_t i;

	ch_vec_sort(&tc->meta, compare_ranges);
	for (i = 0; i < tc->meta.count; i++) {
		if (!is_free_range(tc, &ranges[i]))
			continue;
		if (last && ranges[i].start <= last->end) {
			last->end = last->committed_end = ch_max(last->end, ranges[i].end);
			continue;
		}
		last = ch_vec_push(&tc->out.spans);
		if (!last)
			return false;
		*last = (struct ch_span){ .start = ranges[i].start,
					  .end = ranges[i].end,
					  .committed_end = ranges[i].end,
					  .kind = "metadata",
					  .usage = CH_USAGE_ARENA,
					  .basis = CH_BASIS_DERIVED,
					  .cookie = TCMALLOC_COOKIE_META };
	}
	return true;
}

static void add_sums(struct tcmalloc *tc)
{
	const struct tcmalloc_span *spans = tc->spans.items;
	size_t i;

	for (i = 0; i < tc->spans.count; i++) {
		const uint64_t bytes = spans[i].end - spans[i].start;

		if (spans[i].location == TCMALLOC_NORMAL)
			tc->normal_bytes += bytes;
		else if (spans[i].location == TCMALLOC_RETURNED)
			tc->returned_bytes += bytes;
		else
			tc->large_count += !spans[i].class;
	}
}

struct ch_error *tcmalloc_make_heaps(struct tcmalloc *tc)
{
	struct ch_vec *facts = &tc->out.heap_facts;
	struct ch_heap_desc *desc = ch_vec_push(&tc->out.heaps);

	if (!desc || !add_spans(tc) || !add_meta(tc))
		return &ch_enomem;
	add_sums(tc);
	if (chp_fact_add(facts, "large_count", tc->large_count, NULL) ||
	    chp_fact_add(facts, "thread_caches_count", tc->caches_count, NULL) ||
	    chp_fact_add(facts, "thread_cache_count", tc->cached.count, NULL) ||
	    chp_fact_add(facts, "thread_cache_bytes", tc->cached_bytes, NULL) ||
	    chp_fact_add(facts, "transfer_cache_count", tc->central.count, NULL) ||
	    chp_fact_add(facts, "transfer_cache_bytes", tc->central_bytes, NULL) ||
	    chp_fact_add(facts, "pageheap_free_bytes", tc->normal_bytes, NULL) ||
	    chp_fact_add(facts, "pageheap_unmapped_bytes", tc->returned_bytes, NULL))
		return &ch_enomem;
	*desc = (struct ch_heap_desc){ .kind = "page heap",
				       .name = "page heap",
				       .facts = facts->items,
				       .facts_count = facts->count };
	return NULL;
}
