/*
 * Class loaders of a runtime: what they keep, and alike ones in one row.
 */
#include "analysis/loaders.h"

#include <coreheap/coreheap.h>

#include "heap/type_table.h"

static struct ch_loaders_row row_of(const struct ch_retained *retained, struct ch_graph *graph,
				    const struct ch_loader *loader)
{
	struct ch_loaders_row row = { .hidden = loader->hidden,
				      .always = loader->always,
				      .live = loader->always,
				      .count = 1,
				      .classes_count = loader->classes_count,
				      .sample_addr = loader->addr };
	struct ch_retained_row found = { .id = CH_ID_NONE };
	uint32_t id;

	if (loader->chunks_known) {
		row.chunks = loader->chunks[CH_METASPACE_NON_CLASS];
		row.class_chunks = loader->chunks[CH_METASPACE_CLASS];
		ch_metachunks_add(&row.chunks, &row.class_chunks);
		row.chunks_known_count = 1;
	}
	id = loader->addr ? ch_graph_node_at(graph, loader->addr) : CH_ID_NONE;
	if (id == CH_ID_NONE || !ch_retained_row(retained, id, &found))
		return row;
	row.live = true;
	row.retained_bytes = found.retained_bytes;
	return row;
}

static int compare_alike(const void *a, const void *b)
{
	const struct ch_loaders_row *x = a, *y = b;

	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	if (x->hidden != y->hidden)
		return x->hidden ? 1 : -1;
	if (x->live != y->live)
		return x->live ? -1 : 1;
	return 0;
}

static int compare_rows(const void *a, const void *b)
{
	const struct ch_loaders_row *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	if (x->classes_count != y->classes_count)
		return x->classes_count > y->classes_count ? -1 : 1;
	return compare_alike(a, b);
}

/* Alike ones in one row, most first. */
static void group(struct ch_vec *list)
{
	struct ch_loaders_row *rows = list->items;
	size_t i, kept;

	ch_vec_sort(list, compare_alike);
	for (i = kept = 0; i < list->count; i++) {
		if (kept && !compare_alike(&rows[kept - 1], &rows[i])) {
			rows[kept - 1].count += rows[i].count;
			rows[kept - 1].classes_count += rows[i].classes_count;
			rows[kept - 1].retained_bytes += rows[i].retained_bytes;
			rows[kept - 1].chunks_known_count += rows[i].chunks_known_count;
			ch_metachunks_add(&rows[kept - 1].chunks, &rows[i].chunks);
			ch_metachunks_add(&rows[kept - 1].class_chunks, &rows[i].class_chunks);
		} else {
			rows[kept++] = rows[i];
		}
	}
	list->count = kept;
	ch_vec_sort(list, compare_rows);
}

static struct ch_error *collect(struct ch_heaps *heaps, const struct ch_retained *retained,
				struct ch_graph *graph, const struct ch_loader *loaders,
				size_t count, struct ch_vec *ret)
{
	struct ch_loaders_row *slot;
	size_t i;

	for (i = 0; i < count; i++) {
		slot = ch_vec_push(ret);
		if (!slot)
			return &ch_enomem;
		*slot = row_of(retained, graph, &loaders[i]);
		if (loaders[i].hidden || !loaders[i].key)
			continue;
		slot->type = chp_type_of(heaps, loaders[i].walker, loaders[i].key);
		if (!slot->type)
			return &ch_enomem;
	}
	group(ret);
	return NULL;
}

static struct ch_error *name_rows(struct ch_heaps *heaps, struct ch_vec *rows)
{
	struct ch_loaders_row *row;
	struct ch_error *err = NULL;
	struct ch_type type;
	size_t i;

	for (i = 0; !err && i < rows->count; i++) {
		row = CH_VEC_AT(rows, struct ch_loaders_row, i);
		row->name = row->hidden ? "(hidden classes)" : "(boot loader)";
		if (row->hidden || !row->type)
			continue;
		err = ch_heaps_type(heaps, row->type, &type);
		if (!err)
			row->name = type.name;
	}
	return err;
}

struct ch_error *chp_loaders_make(struct ch_session *session, uint32_t threads,
				  struct ch_loaders_result *ret)
{
	const struct ch_graph_options options = { .threads = threads };
	struct ch_retained *retained = NULL;
	const struct ch_loader *loaders;
	struct ch_graph *graph = NULL;
	struct ch_heaps *heaps;
	struct ch_error *err;
	size_t count = 0, i;

	*ret = (struct ch_loaders_result){ .rows = CH_VEC(struct ch_loaders_row) };
	err = ch_session_heaps(session, &heaps);
	if (!err)
		err = ch_heaps_loaders(heaps, &loaders, &count);
	if (!err && count)
		err = ch_graph_create(session, &options, &graph);
	if (!err && count)
		err = ch_retained_make(graph, &retained);
	if (!err && count)
		err = collect(heaps, retained, graph, loaders, count, &ret->rows);
	if (!err)
		err = name_rows(heaps, &ret->rows);
	for (i = 0; !err && i < count; i++)
		ret->classes_count += loaders[i].classes_count;
	ret->count = count;
	ch_retained_destroy(retained);
	ch_graph_destroy(graph);
	return err;
}

void chp_loaders_deinit(struct ch_loaders_result *result)
{
	ch_vec_deinit(&result->rows);
}
