/*
 * Counting by type: a row for each type and kind that the objects of a walk have.
 */
#include "heap/heap_priv.h"

#include <stdlib.h>
#include <string.h>

#include "heap/filter.h"
#include "util/bytes.h"
#include "util/context.h"

#define KINDS (CH_TYPE_ABSENT + 1)

struct types {
	struct ch_heaps *heaps;
	/* of struct ch_type_stat */
	struct ch_vec rows;
	/* By type: for each kind the number of its row plus one; 0: it has none. */
	struct kinds {
		uint32_t numbers[KINDS];
	} * by_type;
	uint32_t by_type_count;
};

/* Room for a type that came after the others. */
static bool grow(struct types *types, uint32_t type)
{
	uint32_t count = (uint32_t)ch_max(2ULL * types->by_type_count, type + 1024ULL);
	struct kinds *grown = realloc(types->by_type, count * sizeof(*grown));

	if (!grown)
		return false;
	memset(grown + types->by_type_count, 0, (count - types->by_type_count) * sizeof(*grown));
	types->by_type = grown;
	types->by_type_count = count;
	return true;
}

static struct ch_type_stat *add_row(struct types *types, uint32_t type, enum ch_type_kind kind,
				    uint64_t sample_addr)
{
	struct ch_type_stat *row = ch_vec_push(&types->rows);

	if (!row)
		return NULL;
	types->by_type[type].numbers[kind] = (uint32_t)types->rows.count;
	row->type = type;
	row->kind = kind;
	row->smallest_bytes = UINT64_MAX;
	row->sample_addr = sample_addr;
	return row;
}

/* The row of a type and a kind, made if there is none; NULL when out of memory. */
static inline struct ch_type_stat *row_of(struct types *types, uint32_t type,
					  enum ch_type_kind kind, uint64_t sample_addr)
{
	uint32_t number;

	if (type >= types->by_type_count && !grow(types, type))
		return NULL;
	number = types->by_type[type].numbers[kind];
	return number ? CH_VEC_AT(&types->rows, struct ch_type_stat, number - 1)
		      : add_row(types, type, kind, sample_addr);
}

static struct ch_error *count_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct types *types = arg;
	struct ch_type_stat *row;
	size_t i;

	for (i = 0; i < n; i++) {
		row = row_of(types, objects[i].type, chp_object_kind(&objects[i]), objects[i].addr);
		if (!row)
			return &ch_enomem;
		row->count++;
		row->total_bytes += objects[i].chunk_bytes;
		row->smallest_bytes = ch_min(row->smallest_bytes, objects[i].chunk_bytes);
		row->largest_bytes = ch_max(row->largest_bytes, objects[i].chunk_bytes);
		if (__builtin_expect(objects[i].flags & CH_OBJECT_UNTOUCHED, 0))
			row->untouched_bytes += objects[i].chunk_bytes -
						chp_heaps_touched_bytes(types->heaps, &objects[i]);
	}
	return NULL;
}

/* Whether bytes that no object covers are among what filter asks for. */
static bool wants_gaps(const struct ch_object_filter *filter)
{
	return (!filter->states || filter->states >> CH_OBJECT_OVERHEAD & 1) &&
	       !filter->min_bytes && !filter->max_bytes && !filter->end && !filter->types_count &&
	       !filter->keep;
}

/* Add gaps to the row of one of the engine's types. */
static struct ch_error *count_row(struct types *types, const struct ch_gaps *gaps, uint32_t walker,
				  uint64_t key, enum ch_type_kind kind)
{
	struct ch_type_stat *row;
	uint32_t type;

	if (!gaps->count)
		return NULL;
	type = chp_type_of(types->heaps, walker, key);
	row = type ? row_of(types, type, kind, gaps->first) : NULL;
	if (!row)
		return &ch_enomem;
	row->sample_addr = ch_min(row->sample_addr, gaps->first);
	row->count += gaps->count;
	row->total_bytes += gaps->bytes;
	row->smallest_bytes = ch_min(row->smallest_bytes, gaps->smallest);
	row->largest_bytes = ch_max(row->largest_bytes, gaps->largest);
	return NULL;
}

/* Rows for what no object covers, so that the total is the committed bytes. */
static struct ch_error *count_gaps(struct types *types, const struct ch_object_filter *filter)
{
	struct ch_heaps *heaps = types->heaps;
	const struct ch_uncovered *gaps = heaps->gaps.items;
	struct ch_error *err = NULL;
	uint32_t walker;
	size_t i;

	for (i = 0; !err && i < heaps->gaps.count; i++) {
		if (filter && filter->heaps && !filter->heaps[i])
			continue;
		walker = CH_VEC_AT(&heaps->heaps, struct ch_heap, i)->walker;
		err = count_row(types, &gaps[i].present, walker, CH_TYPE_KEY_UNWALKED,
				CH_TYPE_OVERHEAD);
		if (!err)
			err = count_row(types, &gaps[i].absent, walker, CH_TYPE_KEY_ABSENT,
					CH_TYPE_ABSENT);
	}
	return err;
}

/* Names of two rows of equal bytes, where walkers gave them. */
static int compare_names(struct ch_heaps *heaps, uint32_t x, uint32_t y)
{
	struct ch_type name_x, name_y;
	struct ch_error *err;

	if (chp_type_is_engine(heaps, x) || chp_type_is_engine(heaps, y))
		return 0;
	err = ch_heaps_type(heaps, x, &name_x);
	if (!err)
		err = ch_heaps_type(heaps, y, &name_y);
	if (err) {
		chp_context_drop_take(heaps->env.ctx, err);
		return 0;
	}
	return strcmp(name_x.name, name_y.name);
}

/* By bytes, largest first; then by name, size classes by their size. */
static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct ch_type_stat *x = a, *y = b;
	const struct ch_heaps *heaps = arg;
	uint64_t key_x, key_y;
	int order = 0;

	if (x->total_bytes != y->total_bytes)
		return x->total_bytes > y->total_bytes ? -1 : 1;
	order = compare_names(arg, x->type, y->type);
	if (order)
		return order;
	key_x = chp_type_key(heaps, x->type);
	key_y = chp_type_key(heaps, y->type);
	if (key_x != key_y)
		return key_x < key_y ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

/* Hand out what was counted, in order, if that went well. */
static struct ch_error *end(struct types *types, struct ch_error *err, struct ch_vec *rows)
{
	if (!err && types->rows.count)
		qsort_r(types->rows.items, types->rows.count, sizeof(struct ch_type_stat),
			compare_rows, types->heaps);
	if (!err) {
		ch_vec_deinit(rows);
		*rows = types->rows;
		types->rows = CH_VEC(struct ch_type_stat);
	}
	free(types->by_type);
	ch_vec_deinit(&types->rows);
	return err;
}

struct ch_error *chp_heaps_types_where(struct ch_heaps *heaps,
				       const struct ch_object_filter *filter, struct ch_vec *rows)
{
	struct types types = { .heaps = heaps, .rows = CH_VEC(struct ch_type_stat) };
	struct ch_error *err = NULL;

	/* Gaps are known once everything was walked. */
	if (wants_gaps(filter))
		err = ch_heaps_measure(heaps);
	if (!err)
		err = chp_heaps_walk_where(heaps, filter, count_objects, &types);
	if (!err && wants_gaps(filter))
		err = count_gaps(&types, filter);
	return end(&types, err, rows);
}

/* Beside the rows that are there, those of heaps that are to be counted again. */
static struct ch_error *count_again(struct ch_heaps *heaps)
{
	const struct ch_object_filter filter = { .heaps = heaps->recounted };
	struct types types = { .heaps = heaps, .rows = CH_VEC(struct ch_type_stat) };
	struct ch_error *err = NULL;

	if (heaps->types.count) {
		if (!ch_vec_reserve(&types.rows, heaps->types.count))
			return &ch_enomem;
		memcpy(types.rows.items, heaps->types.items,
		       heaps->types.count * sizeof(struct ch_type_stat));
		types.rows.count = heaps->types.count;
	}
	err = chp_walk_heaps(heaps, heaps->recounted, count_objects, &types);
	if (!err)
		err = count_gaps(&types, &filter);
	return end(&types, err, &heaps->types);
}

static struct ch_error *count_all(struct ch_heaps *heaps)
{
	struct types types = { .heaps = heaps, .rows = CH_VEC(struct ch_type_stat) };
	struct ch_error *err;

	err = chp_walk_all(heaps, count_objects, &types);
	if (!err)
		err = count_gaps(&types, NULL);
	return end(&types, err, &heaps->types);
}

struct ch_error *ch_heaps_types(struct ch_heaps *heaps, const struct ch_type_stat **ret,
				size_t *count_ret)
{
	struct ch_error *err = NULL;

	if (!heaps->typed)
		err = heaps->recounted ? count_again(heaps) : count_all(heaps);
	if (err)
		return err;
	heaps->typed = true;
	*ret = heaps->types.items;
	*count_ret = heaps->types.count;
	return NULL;
}
