/*
 * Count and bytes by type, as a whole or by generation.
 */
#include "analysis/types.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/heaps_view.h"
#include "analysis/presence.h"
#include "util/cleanup.h"
#include "util/number.h"

static struct ch_error *add_rows(struct ch_heaps *heaps, const struct ch_type_stat *stats,
				 size_t count, const char *group, struct ch_vec *rows)
{
	struct ch_error *err = NULL;
	struct ch_types_row *row;
	size_t i;

	for (i = 0; !err && i < count; i++) {
		row = ch_vec_push(rows);
		if (!row)
			return &ch_enomem;
		*row = (struct ch_types_row){ .group = group, .order = rows->count };
		err = chp_named_type_make(heaps, &stats[i], &row->type);
		if (!err)
			row->id = chp_named_type_id(&row->type);
	}
	return err;
}

static struct ch_error *add_where(struct ch_heaps *heaps, const struct ch_object_filter *filter,
				  const char *group, struct ch_vec *rows)
{
	struct ch_vec stats = CH_VEC(struct ch_type_stat);
	struct ch_error *err = chp_heaps_types_where(heaps, filter, &stats);

	if (!err)
		err = add_rows(heaps, stats.items, stats.count, group, rows);
	ch_vec_deinit(&stats);
	return err;
}

/* Those of ch_heaps_types() need no second walk. */
static struct ch_error *add_all(struct ch_heaps *heaps, struct ch_vec *rows)
{
	const struct ch_type_stat *stats;
	struct ch_error *err;
	size_t count;

	err = ch_heaps_types(heaps, &stats, &count);
	return err ? err : add_rows(heaps, stats, count, NULL, rows);
}

/* ---- By generation ----------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
	const struct ch_types_row *x = a, *y = b;

	if (x->type.stat.total_bytes != y->type.stat.total_bytes)
		return x->type.stat.total_bytes > y->type.stat.total_bytes ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Rows of the heaps that have a name in common with the one at index. */
static struct ch_error *add_group(struct ch_heaps *heaps, const struct ch_object_filter *filter,
				  size_t index, bool *done, struct ch_vec *rows)
{
	struct ch_object_filter part = { .heaps = NULL };
	_cleanup_free_ bool *wanted = NULL;
	const struct ch_heap *list;
	size_t count, i;

	list = ch_heaps_list(heaps, &count);
	wanted = calloc(count, sizeof(bool));
	if (!wanted)
		return &ch_enomem;
	if (filter)
		part = *filter;
	for (i = index; i < count; i++) {
		if (strcmp(chp_generation_name(&list[i]), chp_generation_name(&list[index])) != 0)
			continue;
		done[i] = true;
		wanted[i] = !part.heaps || part.heaps[i];
	}
	part.heaps = wanted;
	return add_where(heaps, &part, chp_generation_name(&list[index]), rows);
}

static struct ch_error *add_groups(struct ch_heaps *heaps, const struct ch_object_filter *filter,
				   struct ch_vec *rows)
{
	_cleanup_free_ bool *done = NULL;
	struct ch_error *err = NULL;
	size_t count, i;

	ch_heaps_list(heaps, &count);
	done = calloc(count + 1, sizeof(bool));
	if (!done)
		return &ch_enomem;
	for (i = 0; !err && i < count; i++)
		if (!done[i])
			err = add_group(heaps, filter, i, done, rows);
	ch_vec_sort(rows, compare_rows);
	return err;
}

/* ---- All of it ---------------------------------------------------------------- */

struct ch_error *chp_types_make(struct ch_session *session, const struct ch_object_filter *filter,
				bool by_generation, struct ch_types_result *ret)
{
	struct ch_heaps *heaps;
	struct ch_types_row *rows;
	struct ch_error *err;
	size_t i;

	*ret = (struct ch_types_result){ .rows = CH_VEC(struct ch_types_row),
					 .named = chp_type_groups(CH_GROUP_BASIS),
					 .filtered = filter && !chp_filter_is_open(filter),
					 .by_generation = by_generation };
	err = ch_session_heaps(session, &heaps);
	if (err)
		return err;
	ret->runtimes = ch_heaps_runtimes(heaps, &ret->runtimes_count);
	chp_heaps_tell_none(heaps, ch_session_context(session));
	if (by_generation)
		err = add_groups(heaps, filter, &ret->rows);
	else if (ret->filtered)
		err = add_where(heaps, filter, NULL, &ret->rows);
	else
		err = add_all(heaps, &ret->rows);
	rows = ret->rows.items;
	for (i = 0; !err && i < ret->rows.count; i++) {
		ret->total_count += rows[i].type.stat.count;
		ret->total_bytes += rows[i].type.stat.total_bytes;
		err = chp_type_groups_add(&ret->named, heaps, &rows[i].type.stat);
	}
	for (i = 0; !err && i < ret->rows.count; i++)
		rows[i].share = chp_percent(rows[i].type.stat.total_bytes, ret->total_bytes);
	if (!err)
		chp_type_groups_end(&ret->named, session);
	return err;
}

static int compare_by(const void *a, const void *b, void *arg)
{
	const struct ch_types_row *x = a, *y = b;
	const struct ch_type_stat *of_x = &x->type.stat, *of_y = &y->type.stat;
	const struct ch_order_key x_key = { of_x->total_bytes, of_x->count, x->type.name };
	const struct ch_order_key y_key = { of_y->total_bytes, of_y->count, y->type.name };
	int by = chp_order_compare(*(const enum ch_order *)arg, x_key, y_key);

	return by ? by : compare_rows(a, b);
}

void chp_types_sort(struct ch_types_result *result, enum ch_order order)
{
	if (result->rows.count)
		qsort_r(result->rows.items, result->rows.count, sizeof(struct ch_types_row),
			compare_by, &order);
}

void chp_types_deinit(struct ch_types_result *result)
{
	ch_vec_deinit(&result->rows);
	chp_type_groups_deinit(&result->named);
}
