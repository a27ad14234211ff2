/*
 * Growth told once. The rows of a comparison are several views of the same bytes: what holds them,
 * what they are, the heap and the mapping they lie in. A growth is the place that holds more than
 * before, with the types that it holds more of; what grew of a type in other places; and what is no
 * object of a heap.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/account.h"
#include "analysis/compare.h"
#include "util/cleanup.h"
#include "util/search.h"

struct folding {
	struct ch_diff *diff;
	/* By row: what growths before have told of it. */
	int64_t *told_bytes, *told_count;
	/* Rows of types, by id: of size_t. */
	struct ch_vec types;
};

static struct ch_diff_row *row_at(const struct ch_diff *diff, size_t index)
{
	return CH_VEC_AT(&diff->rows, struct ch_diff_row, index);
}

/* Mapped memory of objects, of which rows of types tell. */
static bool is_told_by_types(const char *name)
{
	static const enum ch_account_id ids[] = {
		CH_ACCOUNT_HEAP_USED,    CH_ACCOUNT_HEAP_MMAPPED, CH_ACCOUNT_MANAGED_LIVE,
		CH_ACCOUNT_MANAGED_DEAD, CH_ACCOUNT_MANAGED_USED, CH_ACCOUNT_IMAGE,
		CH_ACCOUNT_BSS,
	};
	size_t i;

	for (i = 0; i < CH_COUNT_OF(ids); i++)
		if (strcmp(name, chp_account_name(ids[i])) == 0)
			return true;
	return false;
}

static struct ch_growth *add_growth(struct folding *folding, size_t index)
{
	struct ch_growth *growth = ch_vec_push(&folding->diff->growths);
	const struct ch_diff_row *row = row_at(folding->diff, index);

	if (growth)
		*growth = (struct ch_growth){
			.row = row,
			.delta_bytes = row->delta_bytes - folding->told_bytes[index],
			.delta_count = row->delta_count - folding->told_count[index],
		};
	return growth;
}

static int compare_ids(const void *a, const void *b, void *arg)
{
	const struct ch_diff_row *rows = arg;
	uint64_t x = rows[*(const size_t *)a].id, y = rows[*(const size_t *)b].id;

	return x < y ? -1 : x > y;
}

/* The row of a type; rows.count: none. */
static size_t type_row(const struct folding *folding, uint64_t id)
{
	const size_t *types = folding->types.items;
	size_t low = 0, high = folding->types.count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (row_at(folding->diff, types[middle])->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < folding->types.count && row_at(folding->diff, types[low])->id == id)
		return types[low];
	return folding->diff->rows.count;
}

/* Keep it if it is among the largest. */
static void keep_part(struct ch_growth *growth, const struct ch_growth_part *part)
{
	size_t i = growth->parts_count;

	if (part->delta_bytes <= 0)
		return;
	growth->parts_total++;
	if (i < CH_GROWTH_PARTS)
		growth->parts_count++;
	else if (growth->parts[--i].delta_bytes >= part->delta_bytes)
		return;
	for (; i && growth->parts[i - 1].delta_bytes < part->delta_bytes; i--)
		growth->parts[i] = growth->parts[i - 1];
	growth->parts[i] = *part;
}

/* What a path held of a type before and after. */
static void fold_part(struct folding *folding, struct ch_growth *growth, uint64_t type,
		      const struct ch_snapshot_part *before, const struct ch_snapshot_part *after)
{
	size_t index = type_row(folding, type);
	struct ch_growth_part part = {
		.delta_bytes = (int64_t)(after->bytes - before->bytes),
		.delta_count = (int64_t)(after->count - before->count),
	};

	if (index == folding->diff->rows.count)
		return;
	part.row = row_at(folding->diff, index);
	folding->told_bytes[index] += part.delta_bytes;
	folding->told_count[index] += part.delta_count;
	growth->delta_bytes += part.delta_bytes;
	growth->delta_count += part.delta_count;
	keep_part(growth, &part);
}

/* Parts of a path in one dump: [*first_ret, end). */
static size_t find_parts(const struct ch_snapshot *dump, uint64_t path, size_t *first_ret)
{
	const struct ch_snapshot_part *parts = dump->parts.items;
	size_t low = ch_search(parts, dump->parts.count, it, it->path < path);

	*first_ret = low;
	while (low < dump->parts.count && parts[low].path == path)
		low++;
	return low;
}

static void fold_types(struct folding *folding, struct ch_growth *growth)
{
	const struct ch_snapshot *first = &folding->diff->dumps[0];
	const struct ch_snapshot *last = &folding->diff->dumps[folding->diff->dumps_count - 1];
	const struct ch_snapshot_part *a = first->parts.items, *b = last->parts.items;
	size_t x, y, x_end = find_parts(first, growth->row->id, &x);
	size_t y_end = find_parts(last, growth->row->id, &y);
	static const struct ch_snapshot_part none = { .count = 0 };
	bool before, after;

	/* of one dump there were too many to tell apart */
	if (!first->parts.count || !last->parts.count)
		return;
	/* in chunks, as types are counted: a part is no more than the whole */
	if (x < x_end || y < y_end)
		growth->delta_bytes = growth->delta_count = 0;
	while (x < x_end || y < y_end) {
		before = x < x_end && (y == y_end || a[x].type <= b[y].type);
		after = y < y_end && (x == x_end || b[y].type <= a[x].type);
		fold_part(folding, growth, before ? a[x].type : b[y].type, before ? &a[x] : &none,
			  after ? &b[y] : &none);
		x += before;
		y += after;
	}
}

static bool is_growth(const struct ch_diff_row *row)
{
	return row->significant && (row->delta_bytes > 0 || row->delta_count > 0);
}

static struct ch_error *find_paths(struct folding *folding)
{
	const struct ch_diff_row *row;
	struct ch_growth *growth;
	size_t i;

	for (i = 0; i < folding->diff->rows.count; i++) {
		row = row_at(folding->diff, i);
		if (row->axis != CH_AXIS_ROOT_PATHS || !is_growth(row))
			continue;
		growth = add_growth(folding, i);
		if (!growth)
			return &ch_enomem;
		fold_types(folding, growth);
	}
	return NULL;
}

/* What is left of a type has to be growth, too. */
static bool is_left(const struct folding *folding, size_t index)
{
	const struct ch_diff_row *row = row_at(folding->diff, index);
	int64_t left = row->delta_bytes - folding->told_bytes[index];

	return is_growth(row) && left > 0 && (uint64_t)left >= row->least_bytes;
}

static struct ch_error *find_others(struct folding *folding)
{
	const struct ch_diff_row *row;
	bool is;
	size_t i;

	for (i = 0; i < folding->diff->rows.count; i++) {
		row = row_at(folding->diff, i);
		if (row->axis == CH_AXIS_TYPES)
			is = is_left(folding, i);
		else if (row->axis == CH_AXIS_TOTALS)
			is = is_growth(row) && !is_told_by_types(row->name);
		else
			is = is_growth(row) &&
			     (row->axis == CH_AXIS_THREAD_GROUPS || row->axis == CH_AXIS_MODULES);
		if (is && !add_growth(folding, i))
			return &ch_enomem;
	}
	return NULL;
}

static struct ch_error *list_types(struct folding *folding)
{
	size_t i, *slot;

	for (i = 0; i < folding->diff->rows.count; i++) {
		if (row_at(folding->diff, i)->axis != CH_AXIS_TYPES)
			continue;
		slot = ch_vec_push(&folding->types);
		if (!slot)
			return &ch_enomem;
		*slot = i;
	}
	if (folding->types.count)
		qsort_r(folding->types.items, folding->types.count, sizeof(size_t), compare_ids,
			folding->diff->rows.items);
	return NULL;
}

static int compare_growths(const void *a, const void *b)
{
	const struct ch_growth *x = a, *y = b;

	if (x->delta_bytes != y->delta_bytes)
		return x->delta_bytes > y->delta_bytes ? -1 : 1;
	if (x->row->axis != y->row->axis)
		return x->row->axis < y->row->axis ? -1 : 1;
	return x->row->id < y->row->id ? -1 : x->row->id > y->row->id;
}

struct ch_error *chp_growths_find(struct ch_diff *diff)
{
	_cleanup_free_ int64_t *bytes = calloc(diff->rows.count + 1, sizeof(*bytes));
	_cleanup_free_ int64_t *counts = calloc(diff->rows.count + 1, sizeof(*counts));
	struct folding folding = {
		.diff = diff, .told_bytes = bytes, .told_count = counts, .types = CH_VEC(size_t)
	};
	struct ch_error *err = bytes && counts ? list_types(&folding) : &ch_enomem;

	if (!err)
		err = find_paths(&folding);
	if (!err)
		err = find_others(&folding);
	ch_vec_deinit(&folding.types);
	ch_vec_sort(&diff->growths, compare_growths);
	return err;
}
