/*
 * Objects of Go's heap, span by span: which are allocated is said by freeindex and a bitmap, as
 * the sweeper left it (mheap.go, mspan). Pages between spans are free.
 */
#include <stdio.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "walkers/go/go_priv.h"

/* As many as a span can have objects: spans.c. */
#define BITS_BYTES 8192U

struct walk {
	const struct go *go;
	uint64_t from, end;
	struct ch_object_batch batch;
	uint8_t bits[BITS_BYTES];
};

static struct ch_error *put(struct walk *walk, uint64_t start, uint64_t end, uint64_t key,
			    enum ch_object_state state, uint16_t flags)
{
	const struct ch_object object = { .addr = start,
					  .size_bytes = end - start,
					  .chunk_bytes = end - start,
					  .key = key,
					  .state = (uint8_t)state,
					  .flags = flags };

	return end > start && end > walk->from ? ch_object_batch_put(&walk->batch, &object) : NULL;
}

static struct ch_error *put_pages(struct walk *walk, uint64_t start, uint64_t end,
				  enum go_page kind)
{
	switch (kind) {
	case GO_PAGE_FREE:
		return put(walk, start, end, GO_KEY_FREE_PAGES, CH_OBJECT_FREE, CH_OBJECT_PAGES);
	case GO_PAGE_RELEASED:
		return put(walk, start, end, GO_KEY_RELEASED_PAGES, CH_OBJECT_FREE, 0);
	case GO_PAGE_TAKEN:
		return put(walk, start, end, GO_KEY_KEPT_PAGES, CH_OBJECT_FREE, CH_OBJECT_CACHED);
	default:
		return NULL;
	}
}

/* Pages that no span has, those of one kind together. */
static struct ch_error *walk_pages(struct walk *walk, uint64_t start, uint64_t end)
{
	enum go_page kind = GO_PAGE_UNKNOWN, next;
	struct ch_error *err = NULL;
	uint64_t at;

	for (at = start; !err && at < end; at += GO_PAGE_BYTES) {
		next = go_page_at(walk->go, at);
		if (next == kind)
			continue;
		err = put_pages(walk, start, at, kind);
		start = at;
		kind = next;
	}
	return err ? err : put_pages(walk, start, end, kind);
}

/* What is known of an object's type, or its class. */
static uint64_t key_of(const struct go *go, const struct go_span *span, uint32_t index)
{
	uint32_t number = go->types ? go->types[span->first + index] : 0;

	return number ? GO_KEY_NAMED + number - 1ULL : GO_KEY_CLASS + (uint64_t)span->class;
}

static struct ch_error *walk_span(struct walk *walk, const struct go_span *span)
{
	uint64_t at = span->start, step = span->elem_bytes;
	uint8_t header = (uint8_t)go_span_header(walk->go, span);
	struct ch_error *err = NULL;
	struct ch_object object;
	uint32_t i = 0;
	bool used;

	go_span_bits(walk->go, span->alloc_bits, span->elems, walk->bits);
	if (walk->from > at)
		i = (uint32_t)ch_min((walk->from - at) / step, span->elems);
	for (at += i * step; !err && i < span->elems; i++, at += step) {
		used = i < span->free_index || walk->bits[i / 8] >> i % 8 & 1;
		object = (struct ch_object){ .addr = at + header,
					     .size_bytes = step - header,
					     .chunk_bytes = step,
					     .header_bytes = header,
					     .key = used ? key_of(walk->go, span, i)
							 : GO_KEY_CLASS + (uint64_t)span->class,
					     .state = used ? CH_OBJECT_USED : CH_OBJECT_FREE };
		err = ch_object_batch_put(&walk->batch, &object);
	}
	return err ? err
		   : put(walk, at, span->start + span->bytes, GO_KEY_TAIL, CH_OBJECT_OVERHEAD, 0);
}

static struct ch_error *walk_all(struct walk *walk, uint64_t at)
{
	const struct go_span *spans = walk->go->spans_known.items;
	size_t i = go_span_index(walk->go, at), count = walk->go->spans_known.count;
	struct ch_error *err = NULL;
	uint64_t start;

	while (!err && at < walk->end) {
		start = i < count ? ch_min(spans[i].start, walk->end) : walk->end;
		if (at < start) {
			err = walk_pages(walk, at, start);
			at = start;
			continue;
		}
		if (spans[i].state == GO_SPAN_HEAP)
			err = walk_span(walk, &spans[i]);
		at = spans[i].start + spans[i].bytes;
		i++;
	}
	return err;
}

struct ch_error *go_walk(void *state, const struct ch_span *span, uint64_t from,
			 struct ch_object_sink *sink)
{
	struct walk *walk = malloc(sizeof(*walk));
	struct ch_error *err;

	if (!walk)
		return &ch_enomem;
	walk->go = state;
	walk->from = from;
	walk->end = span->committed_end;
	walk->batch.sink = sink;
	walk->batch.count = 0;
	err = walk_all(walk, ch_max(span->start, ch_align_down(from, GO_PAGE_BYTES)));
	if (!err)
		err = ch_object_batch_flush(&walk->batch);
	free(walk);
	return err;
}

struct ch_error *go_type(void *state, uint64_t key, struct ch_type *ret)
{
	static const char *const names[] = {
		[GO_KEY_FREE_PAGES] = "free pages",
		[GO_KEY_RELEASED_PAGES] = "free pages, given back to the system",
		[GO_KEY_KEPT_PAGES] = "pages that a processor keeps for its next span",
		[GO_KEY_TAIL] = "ends of spans",
	};
	struct go *go = state;
	uint64_t class = key - GO_KEY_CLASS;
	const char *what;

	if (key >= GO_KEY_NAMED)
		return go_named_type(go, key - GO_KEY_NAMED, ret);
	ret->basis = CH_BASIS_DERIVED;
	if (key < CH_COUNT_OF(names))
		ret->name = names[key];
	if (key < GO_KEY_CLASS || class >= GO_SPAN_CLASSES)
		return NULL;
	what = class % 2 ? "without pointers" : "with pointers";
	if (class < 2)
		snprintf(go->class_names[class], sizeof(go->class_names[class]), "large objects %s",
			 what);
	else
		snprintf(go->class_names[class], sizeof(go->class_names[class]),
			 "%llu-byte objects %s", (unsigned long long)go->class_bytes[class], what);
	ret->name = go->class_names[class];
	ret->unnamed = true;
	return NULL;
}
