/*
 * Paths of the dominator tree in the order of what they hold.
 */
#include "analysis/export.h"

#include "types/names.h"

static int compare_paths(const void *a, const void *b)
{
	const struct ch_export_path *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->track < y->track ? -1 : x->track > y->track;
}

static struct ch_error *list_paths(struct ch_export *of, uint64_t max)
{
	const struct ch_track *tracks = of->paths.tracks.items;
	struct ch_export_path *path;
	size_t i;

	for (i = 0; i < of->paths.tracks.count; i++) {
		if (!tracks[i].count)
			continue;
		path = ch_vec_push(&of->list);
		if (!path)
			return &ch_enomem;
		*path = (struct ch_export_path){ (uint32_t)i, tracks[i].count,
						 tracks[i].self_bytes };
	}
	ch_vec_sort(&of->list, compare_paths);
	while (max && of->list.count > max) {
		path = CH_VEC_AT(&of->list, struct ch_export_path, --of->list.count);
		of->rest_paths_count++;
		of->rest.count += path->count;
		of->rest.bytes += path->bytes;
	}
	return NULL;
}

static struct ch_error *find_paths(struct ch_session *session, uint32_t threads,
				   struct ch_export *ret)
{
	const struct ch_graph_options options = { .threads = threads };
	struct ch_retained *retained = NULL;
	struct ch_graph *graph = NULL;
	struct ch_error *err;

	err = ch_graph_create(session, &options, &graph);
	if (!err)
		err = ch_retained_make(graph, &retained);
	if (!err)
		err = chp_paths_find(graph, retained, &ret->paths);
	ch_retained_destroy(retained);
	ch_graph_destroy(graph);
	return err;
}

struct ch_error *chp_export_make(struct ch_session *session,
				 const struct ch_export_options *options, struct ch_export *ret)
{
	struct ch_heaps *heaps;
	struct ch_sym *sym;
	struct ch_error *err;

	*ret = (struct ch_export){ .list = CH_VEC(struct ch_export_path) };
	err = chp_session_named_heaps(session, &heaps);
	if (!err)
		err = ch_session_sym(session, &sym);
	if (err)
		return err;
	ret->modules = ch_sym_modules(sym, &ret->modules_count);
	err = find_paths(session, options->threads, ret);
	return err ? err : list_paths(ret, options->rows_max);
}

void chp_export_deinit(struct ch_export *of)
{
	chp_paths_deinit(&of->paths);
	ch_vec_deinit(&of->list);
}

static struct ch_error *add(struct ch_vec *frames, uint32_t frame)
{
	uint32_t *slot = ch_vec_push(frames);

	if (!slot)
		return &ch_enomem;
	*slot = frame;
	return NULL;
}

struct ch_error *chp_export_frames(const struct ch_export *of, uint32_t track, struct ch_vec *ret)
{
	const struct ch_track *tracks = of->paths.tracks.items;
	struct ch_error *err = NULL;

	ret->count = 0;
	for (; !err && track != CH_TRACK_ALL; track = tracks[track].parent) {
		if (tracks[track].type != CH_TYPE_NONE)
			err = add(ret, tracks[track].type);
		if (!err && tracks[track].field != CH_OFFSET_NONE)
			err = add(ret, (uint32_t)tracks[track].field);
	}
	return err;
}
