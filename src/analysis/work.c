/*
 * Rows of timers and of work that waits.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/work_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Rows are joined when there are this many more than after the last time. */
#define JOIN_AT 4096

struct ch_error *chp_work_field(const struct work_finder *finder, uint64_t key,
				const char *const *names, struct work_field *ret)
{
	struct ch_error *err = NULL;

	if (ret->key == key)
		return NULL;
	*ret = (struct work_field){ .key = key };
	for (; !err && *names && !ret->field.found; names++)
		err = chp_named_field(&finder->named, key, false, *names, &ret->field);
	return err;
}

struct ch_error *chp_work_calls(const struct work_finder *finder, uint64_t addr, char **ret)
{
	static const char prefix[] = "calls ";
	struct ch_object delegate;
	char text[1100];

	*ret = NULL;
	if (!chp_named_object(&finder->named, addr, &delegate) ||
	    !chp_named_detail(&finder->named, &delegate, text, sizeof(text)) ||
	    strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return NULL;
	*ret = strdup(text + sizeof(prefix) - 1);
	return *ret ? NULL : &ch_enomem;
}

struct ch_error *chp_work_type(const struct work_finder *finder, uint64_t addr, char **ret)
{
	struct ch_object object;
	struct ch_error *err;
	struct ch_type type;

	*ret = NULL;
	if (!chp_named_object(&finder->named, addr, &object))
		return NULL;
	err = ch_heaps_type(finder->named.heaps, object.type, &type);
	if (err)
		return err;
	*ret = strdup(type.name);
	return *ret ? NULL : &ch_enomem;
}

static void free_row(struct ch_work_row *row)
{
	free(row->type);
	free(row->calls);
}

static int compare_texts(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int compare_keys(const void *a, const void *b)
{
	const struct ch_work_row *x = a, *y = b;
	int order = compare_texts(x->queue, y->queue);

	if (!order)
		order = compare_texts(x->calls, y->calls);
	if (!order)
		order = compare_texts(x->type, y->type);
	if (!order)
		order = (x->due_ms > y->due_ms) - (x->due_ms < y->due_ms);
	return order ? order : (x->period_ms > y->period_ms) - (x->period_ms < y->period_ms);
}

static int compare_rows(const void *a, const void *b)
{
	const struct ch_work_row *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return compare_keys(a, b);
}

static void join(struct ch_work *work)
{
	struct ch_work_row *rows = work->rows.items;
	size_t i, kept;

	ch_vec_sort(&work->rows, compare_keys);
	for (i = kept = 0; i < work->rows.count; i++) {
		if (!kept || compare_keys(&rows[kept - 1], &rows[i]) != 0) {
			rows[kept++] = rows[i];
			continue;
		}
		rows[kept - 1].count += rows[i].count;
		rows[kept - 1].sample_addr =
			ch_min(rows[kept - 1].sample_addr, rows[i].sample_addr);
		free_row(&rows[i]);
	}
	work->rows.count = kept;
}

struct ch_error *chp_work_add_take(struct ch_work *work, struct ch_work_row *row)
{
	struct ch_work_row *slot = ch_vec_push(&work->rows);

	if (!slot) {
		free_row(row);
		return &ch_enomem;
	}
	*slot = *row;
	work->count += row->count;
	if (work->rows.count % JOIN_AT == 0)
		join(work);
	return NULL;
}

void chp_work_finish(struct ch_work *work)
{
	join(work);
	ch_vec_sort(&work->rows, compare_rows);
}

void chp_work_deinit(struct ch_work *work)
{
	size_t i;

	for (i = 0; i < work->rows.count; i++)
		free_row(CH_VEC_AT(&work->rows, struct ch_work_row, i));
	ch_vec_deinit(&work->rows);
}
