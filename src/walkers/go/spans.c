/*
 * The spans of Go's heap: reading, checking, and choosing the row that they agree with.
 */
#include <string.h>

#include "util/context.h"
#include "util/error.h"
#include "util/search.h"
#include "walkers/go/go_priv.h"

/* Spans that a row is judged by. */
#define SAMPLES_MAX 512U
/* Of a span the most objects: nelems has 16 bits since 1.22, and pages are few before. */
#define ELEMS_MAX 65536U
/* mspan: startAddr and npages, all releases. */
#define START_AT 24U
#define PAGES_AT 32U

static uint32_t index_of(const struct go_span_layout *layout, const uint8_t *p)
{
	return layout->index_bytes == 2 ? ch_get16(p)
					: (uint32_t)ch_min(ch_get64(p), (uint64_t)ELEMS_MAX + 1);
}

/* mheap.go, initSpan(): objects lie one behind the other from the start. */
static bool is_heap_span(const struct go_span *span)
{
	uint64_t objects_bytes;

	return span->elem_bytes && span->elem_bytes % 8 == 0 && span->elems &&
	       span->elems <= ELEMS_MAX && span->class < GO_SPAN_CLASSES &&
	       ch_mul(span->elem_bytes, span->elems, &objects_bytes) &&
	       objects_bytes <= span->bytes && span->free_index <= span->elems &&
	       span->alloc_count <= span->elems && span->alloc_bits;
}

bool go_span_read(const struct ch_core *core, const struct go_span_layout *layout, uint64_t addr,
		  struct go_span *ret)
{
	uint64_t pages, end, limit;
	uint8_t p[160];

	if (!ch_core_try_read(core, addr, p, layout->bytes))
		return false;
	pages = ch_get64(p + PAGES_AT);
	*ret = (struct go_span){ .start = ch_get64(p + START_AT),
				 .addr = addr,
				 .state = p[layout->state],
				 .class = p[layout->spanclass],
				 .elem_bytes = ch_get64(p + layout->elemsize),
				 .alloc_bits = ch_get64(p + layout->alloc_bits),
				 .mark_bits = ch_get64(p + layout->mark_bits),
				 .specials = ch_get64(p + layout->specials),
				 .elems = index_of(layout, p + layout->nelems),
				 .free_index = index_of(layout, p + layout->freeindex),
				 .alloc_count = ch_get16(p + layout->alloc_count),
				 .sweepgen = ch_get32(p + layout->sweepgen) };
	if (layout->large_type)
		ret->large_type = ch_get64(p + layout->large_type);
	if (!ch_mul(pages, GO_PAGE_BYTES, &ret->bytes) || !ch_add(ret->start, ret->bytes, &end) ||
	    ret->start % GO_PAGE_BYTES || ret->state > GO_SPAN_MANUAL)
		return false;
	if (ret->state == GO_SPAN_DEAD)
		return true;
	limit = ch_get64(p + layout->limit);
	return ret->start && pages && limit > ret->start && limit <= end &&
	       (ret->state == GO_SPAN_MANUAL || is_heap_span(ret));
}

static bool span_at(const struct go *go, uint64_t index, uint64_t *ret)
{
	return ch_core_read_u64(go->env.core, go->allspans_addr + 8 * index, ret);
}

/* How many of the first spans a row makes sense of, less those it does not. */
static int64_t score(const struct go *go, const struct go_span_layout *layout)
{
	uint64_t i, addr, n = ch_min(go->allspans_count, SAMPLES_MAX);
	struct go_span span;
	int64_t sum = 0;

	for (i = 0; i < n; i++) {
		if (!span_at(go, i, &addr))
			continue;
		if (!go_span_read(go->env.core, layout, addr, &span))
			sum--;
		else if (span.state == GO_SPAN_HEAP)
			sum++;
	}
	return sum;
}

static bool choose_layout(struct go *go)
{
	int64_t best = 0, sum;
	size_t i;

	for (i = 0; i < go_span_layouts_count; i++) {
		sum = score(go, &go_span_layouts[i]);
		if (sum <= best)
			continue;
		best = sum;
		go->layout = &go_span_layouts[i];
	}
	return best > 0;
}

static int compare_spans(const void *a, const void *b)
{
	const struct go_span *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Whether a span lies in one of the ranges that the page allocator has. */
static bool in_use(const struct go *go, const struct go_span *span)
{
	const struct go_pages *ranges = go->in_use.items;
	size_t i = ch_search(ranges, go->in_use.count, it, it->end <= span->start);

	return i < go->in_use.count && ranges[i].start <= span->start &&
	       span->start + span->bytes <= ranges[i].end;
}

static void report_bad(const struct go *go)
{
	if (go->sums.bad_count)
		chp_context_finding(go->env.ctx, chp_blame(&go->env), "go-bad-spans",
				    "%llu spans of Go's heap make no sense, or overlap others: "
				    "their pages are counted as overhead",
				    (unsigned long long)go->sums.bad_count);
}

static struct ch_error *read_all(struct go *go)
{
	struct go_span span, *slot;
	struct ch_error *err;
	uint64_t i, addr;

	for (i = 0; i < go->allspans_count; i++) {
		if (i % 4096 == 0) {
			err = chp_context_check(go->env.ctx);
			if (err)
				return err;
		}
		/* What is not in the core ends the list: it is one array. */
		if (!span_at(go, i, &addr)) {
			go->sums.bad_count += go->allspans_count - i;
			return NULL;
		}
		if (!go_span_read(go->env.core, go->layout, addr, &span) ||
		    (span.state != GO_SPAN_DEAD && !in_use(go, &span))) {
			go->sums.bad_count++;
			continue;
		}
		if (span.state == GO_SPAN_DEAD)
			continue;
		slot = ch_vec_push(&go->spans_known);
		if (!slot)
			return &ch_enomem;
		*slot = span;
	}
	return NULL;
}

/* Sort, and drop those that begin inside of another one. */
static void put_in_order(struct go *go)
{
	struct go_span *spans;
	size_t i, kept = 0;

	ch_vec_sort(&go->spans_known, compare_spans);
	spans = go->spans_known.items;
	for (i = 0; i < go->spans_known.count; i++)
		if (kept && spans[i].start < spans[kept - 1].start + spans[kept - 1].bytes)
			go->sums.bad_count++;
		else
			spans[kept++] = spans[i];
	go->spans_known.count = kept;
}

struct ch_error *go_spans_find(struct go *go)
{
	struct ch_error *err;

	if (!choose_layout(go))
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "the spans of Go's heap agree with none of the layouts of "
				       "1.17 to 1.27 (%s)",
				       go->code.build.version[0] ? go->code.build.version
								 : "release not known");
	err = read_all(go);
	if (err)
		return err;
	put_in_order(go);
	report_bad(go);
	return NULL;
}

/* mgcmark_greenteagc.go: with mark bits of 128 bytes at the end, fewer objects fit. What the spans
 * say decides, as programs may be built without; of each size there are spans that tell. */
void go_spans_find_marks(struct go *go)
{
	const struct go_span *spans = go->spans_known.items;
	uint64_t room, count;
	int64_t sum = 0;
	size_t i;

	for (i = 0; i < go->spans_known.count; i++) {
		room = spans[i].bytes - spans[i].bytes / 64;
		if (spans[i].state != GO_SPAN_HEAP || spans[i].class % 2 || spans[i].class < 2 ||
		    spans[i].elem_bytes < 16 || spans[i].elem_bytes > 512 ||
		    spans[i].bytes != GO_PAGE_BYTES)
			continue;
		count = (room - 128) / spans[i].elem_bytes;
		if (count != room / spans[i].elem_bytes)
			sum += count == spans[i].elems ? 1 : -1;
	}
	go->inline_marks = sum > 0;
}

void go_span_bits(const struct go *go, uint64_t addr, uint32_t n, uint8_t *ret)
{
	uint32_t bytes = (n + 7) / 8;

	if (!ch_core_try_read(go->env.core, addr, ret, bytes))
		memset(ret, 0xff, bytes);
}

size_t go_span_index(const struct go *go, uint64_t addr)
{
	const struct go_span *spans = go->spans_known.items;

	return ch_search(spans, go->spans_known.count, it, it->start + it->bytes <= addr);
}

/* mbitmap.go, heapBitsInSpan(): larger ones with pointers begin with their type, since 1.22. */
uint32_t go_span_header(const struct go *go, const struct go_span *span)
{
	return go->layout->large_type && span->class > 1 && span->class % 2 == 0 &&
			       span->elem_bytes > 512
		       ? 8
		       : 0;
}
