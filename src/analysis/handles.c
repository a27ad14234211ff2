/*
 * Handles and objects with finalizers, by kind and type.
 */
#include "analysis/handles.h"

#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

struct search {
	struct ch_heaps *heaps;
	const struct ch_handles_options *options;
	struct ch_handles *ret;
};

static struct ch_error *name_object(struct ch_heaps *heaps, const struct ch_object *object,
				    const char **ret)
{
	struct ch_error *err;
	struct ch_type type;

	if (!object->key)
		return NULL;
	err = ch_heaps_type(heaps, object->type, &type);
	*ret = !err && !type.unnamed ? type.name : NULL;
	return err;
}

static struct ch_error *take(void *arg, const struct ch_handle *handle)
{
	struct search *search = arg;
	struct ch_handles_row row = { .table = handle->table,
				      .kind = handle->kind,
				      .count = 1,
				      .sample_addr = handle->addr,
				      .object_addr = handle->object };
	struct ch_handles_row *slot;
	const struct ch_object_filter *filter = search->options->objects;
	struct ch_error *err = NULL;
	struct ch_object object, out;
	bool known;

	if (!(search->options->tables & 1U << handle->table) ||
	    (search->options->kind && !strstr(handle->kind, search->options->kind)))
		return NULL;
	known = ch_heaps_object_at(search->heaps, handle->object, &object) &&
		object.addr == handle->object;
	if (filter && (!known || chp_filter_batch(search->heaps, filter, &object, 1, &out) != 1))
		return NULL;
	if (known) {
		row.total_bytes = object.chunk_bytes;
		err = name_object(search->heaps, &object, &row.type);
	}
	if (err)
		return err;
	slot = ch_vec_push(&search->ret->rows);
	if (!slot)
		return &ch_enomem;
	*slot = row;
	search->ret->count++;
	return NULL;
}

static int compare_texts(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int compare_keys(const struct ch_handles_row *x, const struct ch_handles_row *y)
{
	int order = (x->table > y->table) - (x->table < y->table);

	if (!order)
		order = compare_texts(x->kind, y->kind);
	return order ? order : compare_texts(x->type, y->type);
}

static int compare_objects(const void *a, const void *b)
{
	const struct ch_handles_row *x = a, *y = b;
	int order = compare_keys(x, y);

	if (!order)
		order = (x->object_addr > y->object_addr) - (x->object_addr < y->object_addr);
	return order ? order
		     : (x->sample_addr > y->sample_addr) - (x->sample_addr < y->sample_addr);
}

static int compare_rows(const void *a, const void *b)
{
	const struct ch_handles_row *x = a, *y = b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->total_bytes != y->total_bytes)
		return x->total_bytes > y->total_bytes ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return compare_keys(x, y);
}

static int compare_bare(const void *a, const void *b)
{
	const struct ch_handles_row *x = a, *y = b;

	return x->object_addr < y->object_addr ? -1 : x->object_addr > y->object_addr;
}

/* Bytes of all objects, each once. */
static void sum_up(struct ch_handles *ret)
{
	const struct ch_handles_row *rows;
	uint64_t last = 0;
	size_t i;

	ch_vec_sort(&ret->rows, compare_bare);
	rows = ret->rows.items;
	for (i = 0; i < ret->rows.count; i++) {
		if (!i || rows[i].object_addr != last)
			ret->total_bytes += rows[i].total_bytes;
		last = rows[i].object_addr;
	}
}

static void join(struct ch_handles *ret)
{
	struct ch_handles_row *rows = ret->rows.items;
	uint64_t last = 0;
	size_t i, kept;

	ch_vec_sort(&ret->rows, compare_objects);
	for (i = kept = 0; i < ret->rows.count; i++) {
		if (!kept || compare_keys(&rows[kept - 1], &rows[i]) != 0) {
			last = rows[i].object_addr;
			rows[kept++] = rows[i];
			continue;
		}
		rows[kept - 1].count++;
		if (rows[i].object_addr != last)
			rows[kept - 1].total_bytes += rows[i].total_bytes;
		last = rows[i].object_addr;
	}
	ret->rows.count = kept;
	ch_vec_sort(&ret->rows, compare_rows);
}

struct ch_error *chp_handles_find(struct ch_heaps *heaps, const struct ch_handles_options *options,
				  struct ch_handles *ret)
{
	struct search search = { heaps, options, ret };
	struct ch_error *err;

	*ret = (struct ch_handles){ .rows = CH_VEC(struct ch_handles_row) };
	err = chp_heaps_handles(heaps, take, &search, &ret->known);
	sum_up(ret);
	if (options->each)
		ch_vec_sort(&ret->rows, compare_objects);
	else
		join(ret);
	return err;
}

void chp_handles_deinit(struct ch_handles *handles)
{
	ch_vec_deinit(&handles->rows);
}
