/*
 * The object of an address, by the page that it lies on.
 */
#include "util/error.h"
#include "util/search.h"
#include "walkers/go/go_priv.h"

static struct ch_error *index_pages(struct go *go)
{
	const struct go_pages *ranges = go->in_use.items;
	const struct go_span *spans = go->spans_known.items;
	size_t i, span = 0;
	uint32_t *slot;
	uint64_t at;

	if (!ch_vec_reserve(&go->page_spans, go->sums.pages_bytes / GO_PAGE_BYTES + 1))
		return &ch_enomem;
	for (i = 0; i < go->in_use.count; i++)
		for (at = ranges[i].start; at < ranges[i].end; at += GO_PAGE_BYTES) {
			while (span < go->spans_known.count &&
			       spans[span].start + spans[span].bytes <= at)
				span++;
			slot = ch_vec_push(&go->page_spans);
			if (!slot)
				return &ch_enomem;
			if (span < go->spans_known.count && spans[span].start <= at &&
			    spans[span].state == GO_SPAN_HEAP)
				*slot = (uint32_t)span + 1;
		}
	return NULL;
}

const struct go_span *go_span_of(const struct go *go, uint64_t addr)
{
	const struct go_pages *ranges = go->in_use.items;
	size_t i = ch_search(ranges, go->in_use.count, it, it->end <= addr);
	uint32_t number;

	if (i == go->in_use.count || ranges[i].start > addr)
		return NULL;
	number = *CH_VEC_AT(&go->page_spans, uint32_t,
			    ranges[i].first_page + (addr - ranges[i].start) / GO_PAGE_BYTES);
	return number ? CH_VEC_AT(&go->spans_known, struct go_span, number - 1) : NULL;
}

bool go_object_at(const struct go *go, uint64_t addr, struct go_spot *ret)
{
	const struct go_span *span = go_span_of(go, addr);
	uint32_t header;
	uint64_t index;
	uint8_t byte;

	if (!span)
		return false;
	index = (addr - span->start) / span->elem_bytes;
	if (index >= span->elems ||
	    (index >= span->free_index &&
	     (!ch_core_try_read(go->env.core, span->alloc_bits + index / 8, &byte, 1) ||
	      !(byte >> index % 8 & 1))))
		return false;
	header = go_span_header(go, span);
	*ret = (struct go_spot){ .span = span,
				 .index = (uint32_t)index,
				 .addr = span->start + index * span->elem_bytes + header,
				 .bytes = span->elem_bytes - header };
	return true;
}

struct ch_error *go_objects_index(struct go *go)
{
	struct go_pages *ranges = go->in_use.items;
	struct go_span *spans = go->spans_known.items;
	uint64_t pages = 0;
	size_t i;

	for (i = 0; i < go->in_use.count; i++) {
		ranges[i].first_page = pages;
		pages += (ranges[i].end - ranges[i].start) / GO_PAGE_BYTES;
	}
	for (i = 0; i < go->spans_known.count; i++) {
		spans[i].first = go->objects_max;
		if (spans[i].state == GO_SPAN_HEAP)
			go->objects_max += spans[i].elems;
	}
	return index_pages(go);
}
