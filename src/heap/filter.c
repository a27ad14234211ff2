/*
 * Walks with a filter: only the objects of given types, sizes, states or addresses are handed on.
 */
#include "heap/filter.h"

#include "heap/heap_priv.h"
#include "util/bytes.h"

static bool type_passes(const struct ch_object_filter *filter, const struct ch_object *object)
{
	size_t i;

	for (i = 0; i < filter->types_count; i++)
		if (filter->types[i].type == object->type &&
		    filter->types[i].kind == chp_object_kind(object))
			return true;
	return false;
}

size_t chp_filter_batch(const struct ch_heaps *heaps, const struct ch_object_filter *filter,
			const struct ch_object *objects, size_t n, struct ch_object *out)
{
	const struct ch_span *span = CH_VEC_AT(&heaps->spans, struct ch_span, objects[0].span);
	uint64_t max = filter->max_bytes ? filter->max_bytes : UINT64_MAX;
	uint32_t states = filter->states ? filter->states : UINT32_MAX;
	bool wanted[CH_BATCH_MAX];
	size_t i, kept = 0;

	if (filter->heaps && !filter->heaps[span->heap])
		return 0;
	if (filter->keep)
		filter->keep(filter->keep_arg, objects, n, wanted);
	for (i = 0; i < n; i++) {
		if (!(states >> objects[i].state & 1) || objects[i].size_bytes > max ||
		    objects[i].size_bytes < filter->min_bytes)
			continue;
		if (filter->types_count && !type_passes(filter, &objects[i]))
			continue;
		if (filter->keep && !wanted[i])
			continue;
		out[kept++] = objects[i];
	}
	return kept;
}

/* A walk whose batches go through a filter. */
struct where {
	struct ch_heaps *heaps;
	const struct ch_object_filter *filter;
	ch_objects_fn fn;
	void *arg;
};

static struct ch_error *pass_on(void *arg, const struct ch_object *objects, size_t n)
{
	struct where *where = arg;
	struct ch_object out[CH_BATCH_MAX];
	struct ch_error *err = NULL;
	size_t part, kept;

	for (; !err && n; n -= part, objects += part) {
		part = n < CH_BATCH_MAX ? n : CH_BATCH_MAX;
		kept = chp_filter_batch(where->heaps, where->filter, objects, part, out);
		if (kept)
			err = where->fn(where->arg, out, kept);
	}
	return err;
}

struct ch_error *chp_heaps_walk_where(struct ch_heaps *heaps, const struct ch_object_filter *filter,
				      ch_objects_fn fn, void *arg)
{
	struct where where = { .heaps = heaps, .filter = filter, .fn = fn, .arg = arg };
	uint64_t end = filter->end ? filter->end : UINT64_MAX, from, to;
	const struct ch_span *spans = heaps->spans.items;
	struct ch_error *err = NULL;
	size_t i;

	if (chp_filter_is_open(filter))
		return ch_heaps_walk(heaps, 0, UINT64_MAX, fn, arg);
	if (!filter->heaps)
		return ch_heaps_walk(heaps, filter->start, end, pass_on, &where);
	/* Spans of other heaps need not be walked at all. */
	for (i = 0; !err && i < heaps->spans.count; i++) {
		from = ch_max(spans[i].start, filter->start);
		to = ch_min(spans[i].end, end);
		if (filter->heaps[spans[i].heap] && from < to)
			err = ch_heaps_walk(heaps, from, to, pass_on, &where);
	}
	return err;
}
