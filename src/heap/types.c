#include "heap/heap_priv.h"

#include <stdlib.h>
#include <string.h>

#include "heap/filter.h"
#include "util/bytes.h"

/* Bounds of the table: ROWS_MAX rows of 64 bytes, their growing copy and the
 * hash of row numbers stay below 64 MiB. */
#define ROWS_MAX  (1U << 19)
#define HASH_BITS 20
/* Ids and sizes below these go through a plain array: nearly every object. */
#define DIRECT_SIZE_MAX 65536
#define RECENT_SLOTS    1024
#define DIRECT_SLOTS    (DIRECT_SIZE_MAX / 8)
#define KINDS           (CH_TYPE_ALLOCATOR + 1)

/* Row numbers are stored plus one, so that zeroed tables are empty. */
struct direct {
	/* by size in units of 8 bytes */
	uint32_t by_size[KINDS][DIRECT_SLOTS];
	/* by the walker's own id */
	uint32_t by_id[KINDS][DIRECT_SLOTS];
	/* what came lately of other ids, those being addresses of something */
	struct recent {
		uint64_t type;
		enum ch_type_kind kind;
		uint32_t number;
	} recent[RECENT_SLOTS];
};

struct types {
	struct ch_heaps *heaps;
	/* of struct ch_type_stat */
	struct ch_vec rows;
	/* Open addressing, for what direct does not cover. */
	uint32_t *hash;
	/* By registry index; NULL until the walker's first object. */
	struct direct **direct;
};

static struct ch_type_stat *add_row(struct types *types, const struct ch_type_stat *key)
{
	struct ch_type_stat *row = ch_vec_push(&types->rows);

	if (!row)
		return NULL;
	row->walker = key->walker;
	row->kind = key->kind;
	row->type = key->type;
	row->smallest_bytes = UINT64_MAX;
	row->sample_addr = key->sample_addr;
	return row;
}

static uint32_t hash_of(const struct ch_type_stat *key)
{
	uint64_t value = key->type ^ ((uint64_t)key->kind << 60) ^ ((uint64_t)key->walker << 52);

	value ^= value >> 29;
	return (uint32_t)((value * 0x9e3779b97f4a7c15ULL) >> (64 - HASH_BITS));
}

/* The slot of the hash that holds key, or the empty one where it belongs. */
static uint32_t *hash_slot(struct types *types, const struct ch_type_stat *key)
{
	const struct ch_type_stat *rows = types->rows.items, *row;
	uint32_t at = hash_of(key);

	for (;; at = (at + 1) & ((1U << HASH_BITS) - 1)) {
		if (!types->hash[at])
			return &types->hash[at];
		row = &rows[types->hash[at] - 1];
		if (row->type == key->type && row->kind == key->kind && row->walker == key->walker)
			return &types->hash[at];
	}
}

/* The number of the row of key, made if it is new; 0 when out of memory. */
static uint32_t find_row(struct types *types, struct ch_type_stat *key)
{
	uint32_t *slot;

	if (!types->hash) {
		types->hash = calloc(1U << HASH_BITS, sizeof(*types->hash));
		if (!types->hash)
			return 0;
	}
	slot = hash_slot(types, key);
	/* A few rows stay free for the kinds and walkers of "other sizes". */
	if (!*slot && types->rows.count >= ROWS_MAX - 1024) {
		key->type = CH_TYPE_ID_OTHER;
		slot = hash_slot(types, key);
	}
	if (!*slot) {
		if (types->rows.count >= ROWS_MAX || !add_row(types, key))
			return 0;
		*slot = (uint32_t)types->rows.count;
	}
	return *slot;
}

/* The slot of the direct table for a type, or NULL when it has none. */
static inline uint32_t *direct_slot(struct direct *direct, enum ch_type_kind kind, uint64_t type)
{
	uint64_t size = type & ~CH_TYPE_ID_ENGINE;

	if (type < DIRECT_SLOTS)
		return &direct->by_id[kind][type];
	if (type >= CH_TYPE_ID_ENGINE && size < DIRECT_SIZE_MAX && !(size & 7))
		return &direct->by_size[kind][size >> 3];
	return NULL;
}

/* The slot of what came lately: another one's if it holds 0. */
static inline uint32_t *recent_slot(struct direct *direct, enum ch_type_kind kind, uint64_t type)
{
	struct recent *recent = &direct->recent[(type >> 3 ^ type >> 12) % RECENT_SLOTS];

	if (recent->type != type || recent->kind != kind)
		*recent = (struct recent){ .type = type, .kind = kind };
	return &recent->number;
}

static struct ch_error *count_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct types *types = arg;
	const struct ch_span_info *info =
		CH_VEC_AT(&types->heaps->infos, struct ch_span_info, objects[0].span);
	uint32_t walker = CH_VEC_AT(&types->heaps->opened, struct ch_opened, info->opened)->index;
	struct direct *direct = types->direct[walker];
	struct ch_type_stat key = { .walker = walker }, *row;
	uint32_t *slot, number;
	size_t i;

	if (!direct) {
		direct = types->direct[walker] = calloc(1, sizeof(*direct));
		if (!direct)
			return &ch_enomem;
	}
	for (i = 0; i < n; i++) {
		key.type = chp_object_type_id(&objects[i]);
		key.kind = chp_object_kind(&objects[i]);
		slot = direct_slot(direct, key.kind, key.type);
		if (!slot)
			slot = recent_slot(direct, key.kind, key.type);
		number = *slot;
		if (__builtin_expect(!number, 0)) {
			key.sample_addr = objects[i].addr;
			number = find_row(types, &key);
			if (!number)
				return &ch_enomem;
			*slot = number;
		}
		row = CH_VEC_AT(&types->rows, struct ch_type_stat, number - 1);
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
	return !filter || ((!filter->states || filter->states >> CH_OBJECT_OVERHEAD & 1) &&
			   !filter->min_bytes && !filter->max_bytes && !filter->end &&
			   !filter->types_count && !filter->keep);
}

/* Add gaps to their row, key. */
static struct ch_error *count_row(struct types *types, const struct ch_gaps *gaps,
				  struct ch_type_stat *key)
{
	struct ch_type_stat *row;
	uint32_t number;

	if (!gaps->count)
		return NULL;
	key->sample_addr = gaps->first;
	number = find_row(types, key);
	if (!number)
		return &ch_enomem;
	row = CH_VEC_AT(&types->rows, struct ch_type_stat, number - 1);
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
	const struct ch_span_info *info;
	struct ch_error *err = NULL;
	struct ch_type_stat key;
	size_t i;

	for (i = 0; !err && i < heaps->gaps.count; i++) {
		if (filter && filter->heaps &&
		    !filter->heaps[CH_VEC_AT(&heaps->spans, struct ch_span, i)->heap])
			continue;
		info = CH_VEC_AT(&heaps->infos, struct ch_span_info, i);
		key = (struct ch_type_stat){
			.walker = CH_VEC_AT(&heaps->opened, struct ch_opened, info->opened)->index
		};
		key.kind = CH_TYPE_OVERHEAD;
		key.type = CH_TYPE_ID_UNWALKED;
		err = count_row(types, &gaps[i].present, &key);
		key.kind = CH_TYPE_ABSENT;
		key.type = CH_TYPE_ID_ABSENT;
		if (!err)
			err = count_row(types, &gaps[i].absent, &key);
	}
	return err;
}

/* Names of two rows of equal bytes. */
static int compare_names(struct ch_heaps *heaps, const struct ch_type_stat *x,
			 const struct ch_type_stat *y)
{
	struct ch_type name_x, name_y;
	struct ch_error *err;

	err = ch_heaps_type(heaps, x->walker, x->type, &name_x);
	if (!err)
		err = ch_heaps_type(heaps, y->walker, y->type, &name_y);
	if (err) {
		ch_error_destroy(err);
		return 0;
	}
	return strcmp(name_x.name, name_y.name);
}

/* By bytes, largest first; then by name, size classes by their size. */
static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct ch_type_stat *x = a, *y = b;
	int order = 0;

	if (x->total_bytes != y->total_bytes)
		return x->total_bytes > y->total_bytes ? -1 : 1;
	if (x->type < CH_TYPE_ID_ENGINE && y->type < CH_TYPE_ID_ENGINE)
		order = compare_names(arg, x, y);
	if (order)
		return order;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->walker < y->walker ? -1 : x->walker > y->walker;
}

static void types_deinit(struct types *types)
{
	size_t i;

	for (i = 0; types->direct && i < types->heaps->runtimes.count; i++)
		free(types->direct[i]);
	free(types->direct);
	free(types->hash);
	ch_vec_deinit(&types->rows);
}

/* Count the objects that pass filter, or all when it is NULL, into rows. */
static struct ch_error *count_into(struct ch_heaps *heaps, const struct ch_object_filter *filter,
				   struct ch_vec *rows)
{
	struct types types = { .heaps = heaps, .rows = CH_VEC(struct ch_type_stat) };
	struct ch_error *err;

	types.direct = calloc(heaps->runtimes.count + 1, sizeof(struct direct *));
	if (!types.direct)
		return &ch_enomem;
	err = filter ? chp_heaps_walk_where(heaps, filter, count_objects, &types)
		     : chp_walk_all(heaps, count_objects, &types);
	if (!err && wants_gaps(filter))
		err = count_gaps(&types, filter);
	if (!err && types.rows.count)
		qsort_r(types.rows.items, types.rows.count, sizeof(struct ch_type_stat),
			compare_rows, heaps);
	if (!err) {
		*rows = types.rows;
		types.rows = CH_VEC(struct ch_type_stat);
	}
	types_deinit(&types);
	return err;
}

struct ch_error *chp_heaps_types_where(struct ch_heaps *heaps,
				       const struct ch_object_filter *filter, struct ch_vec *rows)
{
	struct ch_error *err = NULL;

	/* Gaps are known once everything was walked. */
	if (wants_gaps(filter))
		err = ch_heaps_measure(heaps);
	return err ? err : count_into(heaps, filter, rows);
}

struct ch_error *ch_heaps_types(struct ch_heaps *heaps, const struct ch_type_stat **ret,
				size_t *count_ret)
{
	struct ch_error *err = heaps->typed ? NULL : count_into(heaps, NULL, &heaps->types);

	if (err)
		return err;
	heaps->typed = true;
	*ret = heaps->types.items;
	*count_ret = heaps->types.count;
	return NULL;
}
