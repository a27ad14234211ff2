/*
 * The dominator tree as a picture has it: laid over itself by names, its largest branches, and what
 * is too small together.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/picture_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/number.h"

/* What a branch needs to be seen: hundredths of a percent of the whole (two columns of 1,200); and
 * how many can be looked at. */
#define SHARE_MIN    20
#define BRANCHES_MAX 1000
/* Levels; what is below counts with what is there. */
#define LEVELS_MAX 40

struct tree {
	struct ch_picture *picture;
	const struct ch_track *tracks;
	size_t count;
	/* With what is behind each: blocks. */
	uint64_t *blocks;
	/* Tracks by what is before them, the largest first; where those of each begin. */
	uint32_t *order, *first;
	uint64_t least_bytes;
};

static int compare_tracks(const void *a, const void *b, void *arg)
{
	const struct ch_track *tracks = ((const struct tree *)arg)->tracks;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	if (tracks[x].parent != tracks[y].parent)
		return tracks[x].parent < tracks[y].parent ? -1 : 1;
	if (tracks[x].bytes != tracks[y].bytes)
		return tracks[x].bytes > tracks[y].bytes ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int compare_bytes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x > y ? -1 : x < y;
}

/* A share of the whole, or more where that many branches have more. */
static struct ch_error *find_least(struct tree *tree)
{
	_cleanup_free_ uint64_t *bytes = calloc(tree->count, sizeof(*bytes));
	size_t i;

	if (!bytes)
		return &ch_enomem;
	for (i = 0; i < tree->count; i++)
		bytes[i] = tree->tracks[i].bytes;
	qsort(bytes, tree->count, sizeof(*bytes), compare_bytes);
	tree->least_bytes = ch_max(tree->tracks[0].bytes / 10000 * SHARE_MIN, UINT64_C(1));
	if (tree->count > BRANCHES_MAX)
		tree->least_bytes = ch_max(tree->least_bytes, bytes[BRANCHES_MAX - 1]);
	return NULL;
}

static struct ch_error *sort_tracks(struct tree *tree)
{
	size_t i;

	tree->blocks = calloc(tree->count, sizeof(uint64_t));
	tree->order = calloc(tree->count, sizeof(uint32_t));
	tree->first = calloc(tree->count + 1, sizeof(uint32_t));
	if (!tree->blocks || !tree->order || !tree->first)
		return &ch_enomem;
	/* a track comes behind its parent; the first, of all, is its own */
	for (i = tree->count; i-- > 1;) {
		tree->blocks[i] += tree->tracks[i].count;
		tree->blocks[tree->tracks[i].parent] += tree->blocks[i];
		tree->order[i - 1] = (uint32_t)i;
		tree->first[tree->tracks[i].parent + 1]++;
	}
	for (i = 0; i < tree->count; i++)
		tree->first[i + 1] += tree->first[i];
	qsort_r(tree->order, tree->count - 1, sizeof(uint32_t), compare_tracks, tree);
	return NULL;
}

static struct ch_error *push(struct tree *tree, const struct ch_branch *branch)
{
	struct ch_branch *pushed = ch_vec_push(&tree->picture->branches);

	if (!pushed)
		return &ch_enomem;
	*pushed = *branch;
	pushed->share = chp_percent(branch->retained_bytes, tree->picture->held_bytes);
	return NULL;
}

static struct ch_error *add_branch(struct tree *tree, uint32_t index, uint32_t level)
{
	const struct ch_texts *frames = &tree->picture->paths.frames;
	const struct ch_track *track = &tree->tracks[index];
	const char *field =
		track->field != CH_OFFSET_NONE ? ch_texts_at(frames, (uint32_t)track->field) : NULL;
	bool is_place = track->type == CH_TYPE_NONE;

	return push(tree, &(struct ch_branch){
				  .level = level,
				  .name = is_place ? field : ch_texts_at(frames, track->type),
				  .field = is_place ? NULL : field,
				  .self_count = track->count,
				  .self_bytes = track->self_bytes,
				  .retained_count = tree->blocks[index],
				  .retained_bytes = track->bytes,
				  .is_lost = is_place && strcmp(field, CH_PATHS_LOST) == 0 });
}

/* What is too small, of those below one: [at, end) in order. */
static struct ch_error *add_others(struct tree *tree, uint32_t at, uint32_t end, uint32_t level)
{
	struct ch_branch others = { .level = level, .others_count = end - at };

	for (; at < end; at++) {
		others.retained_count += tree->blocks[tree->order[at]];
		others.retained_bytes += tree->tracks[tree->order[at]].bytes;
	}
	/* their blocks are all that they have */
	others.self_count = others.retained_count;
	others.self_bytes = others.retained_bytes;
	return others.retained_bytes ? push(tree, &others) : NULL;
}

static struct ch_error *go_down(struct tree *tree)
{
	struct {
		uint32_t at, end;
	} levels[LEVELS_MAX + 1] = { { tree->first[0], tree->first[1] } };
	struct ch_error *err = NULL;
	uint32_t level = 0, index;

	for (;;) {
		bool is_end = levels[level].at == levels[level].end;

		index = is_end ? 0 : tree->order[levels[level].at];
		if (is_end || tree->tracks[index].bytes < tree->least_bytes) {
			err = add_others(tree, levels[level].at, levels[level].end, level);
			if (err || !level--)
				return err;
			continue;
		}
		levels[level].at++;
		err = add_branch(tree, index, level);
		if (err)
			return err;
		if (level == LEVELS_MAX)
			continue;
		level++;
		levels[level].at = tree->first[index];
		levels[level].end = tree->first[index + 1];
	}
}

static struct ch_error *make_branches(struct tree *tree)
{
	struct ch_error *err;

	tree->tracks = tree->picture->paths.tracks.items;
	tree->count = tree->picture->paths.tracks.count;
	tree->picture->has_branches = true;
	tree->picture->held_bytes = tree->tracks[0].bytes;
	err = find_least(tree);
	if (!err)
		err = sort_tracks(tree);
	if (!err)
		err = go_down(tree);
	free(tree->blocks);
	free(tree->order);
	free(tree->first);
	return err;
}

struct ch_error *chp_picture_branches(struct ch_session *session, uint32_t threads,
				      struct ch_picture *picture)
{
	/* as suspects count */
	const struct ch_graph_options options = { .threads = threads,
						  .touched_only =
							  !picture->summary.sums.zeros_count };
	struct tree tree = { .picture = picture };
	struct ch_retained *retained = NULL;
	struct ch_graph *graph = NULL;
	struct ch_error *err;

	err = ch_graph_create(session, &options, &graph);
	if (err || chp_graph_is_bloated(session, graph)) {
		ch_graph_destroy(graph);
		return err;
	}
	err = ch_retained_make(graph, &retained);
	if (!err)
		err = chp_paths_find(graph, retained, &picture->paths);
	ch_retained_destroy(retained);
	ch_graph_destroy(graph);
	return err ? err : make_branches(&tree);
}
