/*
 * One walk over all objects; those of types that carry stack traces are put into a table by
 * type and a hash over their frames, which two different stacks share only by design.
 */
#include "heap/traces.h"

#include <stdlib.h>

#include "heap/heap_priv.h"
#include "util/bytes.h"
#include "util/hash.h"

#define ROWS_MAX (1U << 18)

struct counter {
	struct ch_heaps *heaps;
	struct ch_traces_stat *ret;
	/* Row numbers plus one; 0: empty. */
	uint32_t *slots;
	size_t mask;
};

static uint64_t hash_of(const struct ch_trace_stat *row)
{
	uint64_t hash = ch_hash_number(row->trace.hash, row->type);

	return ch_hash_number(hash, row->trace.count);
}

static bool is_same(const struct ch_trace_stat *a, const struct ch_trace_stat *b)
{
	return a->type == b->type && a->trace.hash == b->trace.hash &&
	       a->trace.count == b->trace.count;
}

static bool grow(struct counter *counter)
{
	size_t size = counter->slots ? 2 * (counter->mask + 1) : 1024, i, at;
	const struct ch_trace_stat *rows = counter->ret->rows.items;
	uint32_t *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return false;
	free(counter->slots);
	counter->slots = slots;
	counter->mask = size - 1;
	for (i = 0; i < counter->ret->rows.count; i++) {
		for (at = hash_of(&rows[i]) & counter->mask; slots[at];
		     at = (at + 1) & counter->mask)
			;
		slots[at] = (uint32_t)i + 1;
	}
	return true;
}

static struct ch_error *add(struct counter *counter, const struct ch_trace_stat *one)
{
	struct ch_traces_stat *ret = counter->ret;
	struct ch_trace_stat *row = NULL;
	size_t at;

	ret->count++;
	ret->total_bytes += one->total_bytes;
	ret->trace_bytes += one->trace_bytes;
	ret->bare_count += !one->trace.count;
	if ((!counter->slots || 2 * ret->rows.count >= counter->mask) && !grow(counter))
		return &ch_enomem;
	for (at = hash_of(one) & counter->mask; counter->slots[at]; at = (at + 1) & counter->mask) {
		row = CH_VEC_AT(&ret->rows, struct ch_trace_stat, counter->slots[at] - 1);
		if (is_same(row, one)) {
			row->count++;
			row->total_bytes += one->total_bytes;
			row->trace_bytes += one->trace_bytes;
			return NULL;
		}
	}
	if (ret->rows.count == ROWS_MAX) {
		ret->left_out_count++;
		return NULL;
	}
	row = ch_vec_push(&ret->rows);
	if (!row)
		return &ch_enomem;
	*row = *one;
	counter->slots[at] = (uint32_t)ret->rows.count;
	return NULL;
}

static struct ch_error *take(void *arg, const struct ch_object *objects, size_t n)
{
	struct counter *counter = arg;
	const struct ch_tracing *tracing;
	struct ch_inspected inspected;
	struct ch_trace_stat one;
	struct ch_error *err = NULL;
	size_t i;

	if (!n || !chp_heaps_span_inspector(counter->heaps, objects[0].span, &inspected) ||
	    !inspected.inspector->tracing)
		return NULL;
	tracing = inspected.inspector->tracing;
	for (i = 0; !err && i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || !objects[i].key ||
		    !tracing->carries(inspected.state, objects[i].key))
			continue;
		one = (struct ch_trace_stat){ .type = objects[i].type,
					      .count = 1,
					      .total_bytes = objects[i].chunk_bytes,
					      .sample_addr = objects[i].addr };
		tracing->read(inspected.state, objects[i].addr, objects[i].key, &one.trace);
		one.trace_bytes = one.trace.bytes;
		err = add(counter, &one);
	}
	return err;
}

static int compare_rows(const void *a, const void *b)
{
	const struct ch_trace_stat *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	if (x->total_bytes + x->trace_bytes != y->total_bytes + y->trace_bytes)
		return x->total_bytes + x->trace_bytes > y->total_bytes + y->trace_bytes ? -1 : 1;
	return x->sample_addr < y->sample_addr ? -1 : x->sample_addr > y->sample_addr;
}

struct ch_error *chp_traces_count(struct ch_heaps *heaps, const struct ch_object_filter *filter,
				  struct ch_traces_stat *ret)
{
	struct counter counter = { .heaps = heaps, .ret = ret };
	struct ch_inspected all[CH_INSPECTORS_MAX];
	size_t count = chp_heaps_inspectors(heaps, all, CH_INSPECTORS_MAX), i;
	struct ch_error *err;

	ret->rows = CH_VEC(struct ch_trace_stat);
	for (i = 0; i < count; i++)
		ret->readable |= all[i].inspector->tracing != NULL;
	err = ret->readable ? chp_heaps_walk_where(heaps, filter, take, &counter) : NULL;
	free(counter.slots);
	if (!err)
		ch_vec_sort(&ret->rows, compare_rows);
	return err;
}

void chp_traces_deinit(struct ch_traces_stat *traces)
{
	ch_vec_deinit(&traces->rows);
}

/* The object at addr, and who reads what it carries. NULL: it carries nothing. */
static const struct ch_tracing *tracing_of(struct ch_heaps *heaps, uint64_t addr,
					   struct ch_object *object, struct ch_inspected *inspected)
{
	if (!ch_heaps_object_at(heaps, addr, object) || object->addr != addr ||
	    object->state != CH_OBJECT_USED || !object->key ||
	    !chp_heaps_span_inspector(heaps, object->span, inspected) ||
	    !inspected->inspector->tracing ||
	    !inspected->inspector->tracing->carries(inspected->state, object->key))
		return NULL;
	return inspected->inspector->tracing;
}

bool chp_trace_read(struct ch_heaps *heaps, uint64_t addr, struct ch_trace *ret)
{
	struct ch_inspected inspected;
	struct ch_object object;
	const struct ch_tracing *tracing = tracing_of(heaps, addr, &object, &inspected);

	if (tracing)
		tracing->read(inspected.state, addr, object.key, ret);
	return tracing != NULL;
}

bool chp_trace_frame(struct ch_heaps *heaps, uint64_t addr, uint32_t index,
		     struct ch_trace_frame *ret)
{
	struct ch_inspected inspected;
	struct ch_object object;
	const struct ch_tracing *tracing = tracing_of(heaps, addr, &object, &inspected);

	return tracing && tracing->frame(inspected.state, addr, object.key, index, ret);
}
