/*
 * Heaps, spans and claims out of what Go's page allocator has in use: one heap of objects and free
 * pages, cut where runs of pages are the runtime's own: stacks of goroutines, buffers of the
 * collector.
 */
#include "util/error.h"
#include "util/search.h"
#include "walkers/go/go_priv.h"

static const char stacks_label[] = "goroutine stacks";
static const char buffers_label[] = "garbage collector's buffers";

static struct ch_error *add_span(struct go *go, uint64_t start, uint64_t end)
{
	struct ch_span *span;

	if (start >= end)
		return NULL;
	span = ch_vec_push(&go->out.spans);
	if (!span)
		return &ch_enomem;
	*span = (struct ch_span){ .start = start,
				  .end = end,
				  .committed_end = end,
				  .kind = "pages",
				  .usage = CH_USAGE_MANAGED_HEAP,
				  .basis = CH_BASIS_DERIVED };
	return NULL;
}

/* Neighbours for the same are claimed together. */
static struct ch_error *add_claim(struct go *go, const struct go_span *span)
{
	/* mheap.go: what stacks are cut from has a size of its pieces, as stack.go sets it */
	const char *label = span->elem_bytes ? stacks_label : buffers_label;
	struct ch_walker_claim *last =
		go->claims.count
			? CH_VEC_AT(&go->claims, struct ch_walker_claim, go->claims.count - 1)
			: NULL;

	if (last && last->end == span->start && last->label == label) {
		last->end += span->bytes;
		return NULL;
	}
	last = ch_vec_push(&go->claims);
	if (!last)
		return &ch_enomem;
	*last = (struct ch_walker_claim){ .start = span->start,
					  .end = span->start + span->bytes,
					  .usage = span->elem_bytes ? CH_USAGE_STACK
								    : CH_USAGE_MANAGED_OTHER,
					  .basis = CH_BASIS_DERIVED,
					  .label = label };
	return NULL;
}

/* Objects of a span that was not swept yet and that the last collection did not mark: garbage
 * that still counts as allocated. mheap.go: a span is not swept while its sweepgen is that of the
 * heap less 2, or less 1 while somebody sweeps it, or plus 1 in a processor's cache. */
static bool is_unswept(const struct go *go, const struct go_span *span)
{
	return span->sweepgen == go->sweepgen - 2 || span->sweepgen == go->sweepgen - 1 ||
	       span->sweepgen == go->sweepgen + 1;
}

static void count_span(struct go *go, const struct go_span *span)
{
	go->sums.spans_count++;
	if (span->state == GO_SPAN_MANUAL) {
		go->sums.manual_bytes += span->bytes;
		if (span->elem_bytes)
			go->sums.stack_bytes += span->bytes;
		return;
	}
	go->sums.heap_bytes += span->bytes;
	go->sums.objects_count += span->alloc_count;
	go->sums.objects_bytes += span->alloc_count * span->elem_bytes;
	if (span->class > 1)
		go->class_bytes[span->class] = span->elem_bytes;
	if (is_unswept(go, span)) {
		go->sums.unswept_count++;
		go->sums.unswept_bytes += span->bytes;
	}
}

/* One range of pages, in which spans from index *at on lie. */
static struct ch_error *add_range(struct go *go, const struct go_pages *range, size_t *at)
{
	const struct go_span *spans = go->spans_known.items;
	uint64_t from = range->start;
	struct ch_error *err = NULL;

	go->sums.pages_bytes += range->end - range->start;
	for (; !err && *at < go->spans_known.count && spans[*at].start < range->end; (*at)++) {
		count_span(go, &spans[*at]);
		if (spans[*at].state != GO_SPAN_MANUAL)
			continue;
		err = add_span(go, from, spans[*at].start);
		if (!err)
			err = add_claim(go, &spans[*at]);
		from = spans[*at].start + spans[*at].bytes;
	}
	return err ? err : add_span(go, from, range->end);
}

struct ch_error *go_heap_make(struct go *go)
{
	const struct go_pages *ranges = go->in_use.items;
	struct ch_heap_desc *heap = ch_vec_push(&go->out.heaps);
	struct ch_error *err = NULL;
	size_t i, at = 0;

	if (!heap)
		return &ch_enomem;
	*heap = (struct ch_heap_desc){ .kind = "heap", .name = "Go heap" };
	for (i = 0; !err && i < go->in_use.count; i++)
		err = add_range(go, &ranges[i], &at);
	return err;
}
