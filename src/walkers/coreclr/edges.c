/*
 * The pointers in objects.
 *
 * dotnet/runtime, release/9.0, src/coreclr/gc/gcdesc.h: in front of a method table
 * that has pointers lies a count; a positive one of series (bytes to add to the
 * object's size, where they begin), a negative one of an array's structures: where
 * the first one begins, then pairs of pointers and of bytes to skip.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdlib.h>

#include "util/bytes.h"

enum {
	/* Bytes of the object's header that size counts behind the elements. */
	HEADER_BYTES = 8,
	ELEMENTS_AT = 16,
};

#define SERIES_MAX 4096

const struct clr_type *clr_edges_type(const struct clr *clr, uint64_t mt)
{
	uint32_t i = ch_table_find(&clr->types_by_mt, mt);

	return i == CH_TABLE_NONE ? NULL : CH_VEC_AT(&clr->types, struct clr_type, i);
}

static bool add_series(struct clr *clr, struct clr_type *type, uint64_t offset, int64_t delta)
{
	struct clr_series *series = ch_vec_push(&clr->series);

	if (!series)
		return false;
	*series = (struct clr_series){ offset, delta };
	type->series_count++;
	return true;
}

static int compare_series(const void *a, const void *b)
{
	const struct clr_series *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Series of the whole object. */
static bool learn_object(struct clr *clr, struct clr_type *type, uint64_t count)
{
	uint64_t at, offset, delta, i;

	for (i = 0; i < count; i++) {
		at = type->mt - 8 - 16 * (i + 1);
		if (!clr_read_ptr(clr, at, &delta) || !clr_read_ptr(clr, at + 8, &offset) ||
		    offset % 8 || offset < 8 || offset > 1U << 30)
			continue;
		if (!add_series(clr, type, offset, (int64_t)delta))
			return false;
	}
	return true;
}

/* Series of one element; they begin where the first element does. */
static bool learn_elements(struct clr *clr, struct clr_type *type, uint64_t count)
{
	uint64_t first, at, offset, i;
	uint32_t words, skip;

	if (!clr_read_ptr(clr, type->mt - 16, &first) || first < ELEMENTS_AT || first % 8 ||
	    first > 1U << 20)
		return true;
	for (offset = first, i = 0; i < count; i++) {
		at = type->mt - 24 - 8 * i;
		if (!ch_core_read_u32(clr->core, at, &words) ||
		    !ch_core_read_u32(clr->core, at + 4, &skip))
			break;
		if (words && !add_series(clr, type, offset, words))
			return false;
		offset += 8ULL * words + skip;
		if (offset > 1U << 30)
			break;
	}
	type->element_bytes = offset > first && offset <= 1U << 30 ? (uint32_t)(offset - first) : 0;
	if (!type->element_bytes || type->element_bytes % 8)
		type->series_count = type->element_bytes = 0;
	return true;
}

/* The managed object of the LoaderAllocator that a collectible type belongs to. */
static uint64_t find_allocator(struct clr *clr, uint64_t mt)
{
	uint64_t module, allocator, handle, object;

	if (!clr->allocator_handle || !clr_type_module(clr, mt, &module) ||
	    !clr_module_allocator(clr, module, &allocator) ||
	    !clr_read_ptr(clr, allocator + clr->allocator_handle, &handle) ||
	    !clr_read_ptr(clr, handle & ~3ULL, &object))
		return 0;
	return object;
}

struct ch_error *clr_edges_learn(void *state, uint64_t mt)
{
	struct clr *clr = state;
	struct clr_type type = { .mt = mt, .series_first = (uint32_t)clr->series.count };
	struct clr_shape shape;
	struct clr_type *slot;
	uint32_t flags;
	uint64_t word;
	int64_t count;

	if (mt <= CLR_TYPE_UNUSED || clr_edges_type(clr, mt) || !clr_shape_read(clr, mt, &shape) ||
	    !ch_core_read_u32(clr->core, mt + clr->layout.mt_flags, &flags))
		return NULL;
	type.base_bytes = shape.base_bytes;
	type.component_bytes = shape.component_bytes;
	if (flags & CLR_MT_POINTERS && clr_read_ptr(clr, mt - 8, &word)) {
		count = (int64_t)word;
		if (count > 0 && count <= SERIES_MAX && !learn_object(clr, &type, (uint64_t)count))
			return &ch_enomem;
		if (count < 0 && count >= -SERIES_MAX &&
		    !learn_elements(clr, &type, (uint64_t)-count))
			return &ch_enomem;
	}
	if (type.series_count)
		qsort(CH_VEC_AT(&clr->series, struct clr_series, type.series_first),
		      type.series_count, sizeof(struct clr_series), compare_series);
	/* Text, bytes, small numbers: nothing that could be an address. */
	type.pure = flags & CLR_MT_COMPONENT && !(flags & CLR_MT_POINTERS) &&
		    type.component_bytes && type.component_bytes < 8;
	type.array = flags & CLR_MT_COMPONENT && flags & CLR_MT_POINTERS && !type.element_bytes;
	type.pure |= type.array;
	if (flags & clr->layout.flag_collectible)
		type.also = find_allocator(clr, mt);
	slot = ch_vec_push(&clr->types);
	if (!slot)
		return &ch_enomem;
	*slot = type;
	return ch_table_put(&clr->types_by_mt, mt, (uint32_t)clr->types.count - 1) ? NULL
										   : &ch_enomem;
}

static void put_run(struct ch_ref_query *query, uint64_t offset, uint64_t end)
{
	if (end > query->size_bytes)
		end = query->size_bytes & ~7ULL;
	if (end > offset && query->count < CH_REF_RUNS)
		query->runs[query->count++] =
			(struct ch_ref_run){ .offset = offset, .words = (end - offset) / 8 };
}

/* One run for each part of each element. */
static void put_elements(const struct clr *clr, const struct clr_type *type,
			 struct ch_ref_query *query)
{
	const struct clr_series *series =
		CH_VEC_AT(&clr->series, struct clr_series, type->series_first);
	uint64_t end = query->size_bytes - HEADER_BYTES, element, at;
	uint32_t i;

	for (;; query->resume++) {
		element = query->resume / type->series_count * type->element_bytes;
		i = (uint32_t)(query->resume % type->series_count);
		at = element + series[i].offset;
		if (at >= end)
			return;
		if (query->count == CH_REF_RUNS) {
			query->more = true;
			return;
		}
		put_run(query, at, ch_min(at + 8ULL * (uint64_t)series[i].delta, end));
	}
}

/* The words of a statics' array that have no name of their own: those with one are
 * roots themselves. */
static void put_unnamed(const struct clr *clr, struct ch_ref_query *query)
{
	const struct clr_slot *slots = clr->slots.items;
	uint64_t at = ch_max(query->resume, (uint64_t)ELEMENTS_AT), end = query->size_bytes;
	size_t i;

	for (i = clr_slot_from(clr, query->addr + at); at < end; i++) {
		if (query->count == CH_REF_RUNS) {
			query->resume = at;
			query->more = true;
			return;
		}
		if (i >= clr->slots.count || slots[i].addr >= query->addr + end) {
			put_run(query, at, end);
			return;
		}
		if (slots[i].collectible)
			continue;
		put_run(query, at, slots[i].addr - query->addr);
		at = slots[i].addr - query->addr + 8;
	}
}

/* Series of the object, from the first on that was not given. */
static void put_series(const struct clr *clr, const struct clr_type *type,
		       struct ch_ref_query *query)
{
	const struct clr_series *series =
		CH_VEC_AT(&clr->series, struct clr_series, type->series_first);
	/* As the collector counts: what the object's size is, padding excluded. */
	uint64_t size = type->base_bytes, end;
	uint32_t components = 0;

	if (type->component_bytes && query->bytes)
		components = ch_get32(query->bytes + 8);
	else if (type->component_bytes)
		ch_core_read_u32(clr->core, query->addr + 8, &components);
	size += (uint64_t)type->component_bytes * components;
	for (; query->resume < type->series_count; query->resume++) {
		if (query->count == CH_REF_RUNS) {
			query->more = true;
			return;
		}
		end = series[query->resume].offset + size + (uint64_t)series[query->resume].delta;
		put_run(query, series[query->resume].offset, end);
	}
}

void clr_edges_refs(void *state, struct ch_ref_query *query)
{
	const struct clr *clr = state;
	const struct clr_type *type = query->shape;
	uint64_t mt;

	query->count = 0;
	query->more = false;
	if (query->bytes && query->size_bytes >= 16)
		mt = ch_get64(query->bytes);
	else if (!clr_read_ptr(clr, query->addr, &mt))
		mt = 0;
	mt &= ~7ULL;
	if (!type || query->key != mt) {
		type = clr_edges_type(clr, mt);
		query->shape = type;
		query->key = mt;
	}
	query->pure = type && type->pure;
	if (!type)
		return;
	query->also = type->also;
	if (type->element_bytes)
		put_elements(clr, type, query);
	else if (type->array && query->addr < clr->slots_high && query->addr >= clr->slots_low)
		put_unnamed(clr, query);
	else
		put_series(clr, type, query);
}
