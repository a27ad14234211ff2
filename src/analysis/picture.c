/*
 * All numbers of the pictures: the summary first, then what needs a walk or the graph, and the
 * address space.
 */
#include "analysis/picture_priv.h"

#include "util/bytes.h"
#include "util/context.h"
#include "util/number.h"

/* Stretches that a strip has room for: each is then wide enough to be pointed at. */
#define STRETCHES_MAX 240

static void unite(struct ch_stretch *stretch, const struct ch_stretch *next, bool takes_over)
{
	stretch->end = next->end;
	stretch->regions_count += next->regions_count;
	stretch->mapped_bytes += next->mapped_bytes;
	stretch->touched_bytes += next->touched_bytes;
	if (takes_over) {
		stretch->group = next->group;
		stretch->usage = next->usage;
	}
}

/* Neighbours for the same are one stretch. */
static struct ch_error *add_region(struct ch_vec *list, const struct ch_region *region)
{
	enum ch_memory_group group = chp_region_group(region);
	const struct ch_stretch next = { .start = region->start,
					 .end = region->end,
					 .group = group,
					 .usage = chp_memory_group_title(group),
					 .regions_count = 1,
					 .mapped_bytes = region->end - region->start,
					 .touched_bytes = region->touched_bytes };
	struct ch_stretch *last =
		list->count ? CH_VEC_AT(list, struct ch_stretch, list->count - 1) : NULL;

	if (last && last->group == group) {
		unite(last, &next, false);
		return NULL;
	}
	last = ch_vec_push(list);
	if (!last)
		return &ch_enomem;
	*last = next;
	return NULL;
}

/* Those that are too small to be seen, one beside the other, are one, called as the largest. */
static void unite_small(struct ch_vec *list, uint64_t whole)
{
	struct ch_stretch *stretches = list->items;
	uint64_t largest = 0, least = whole / STRETCHES_MAX;
	size_t i, kept = 0;
	bool small = false;

	for (i = 0; i < list->count; i++) {
		if (stretches[i].mapped_bytes >= least) {
			small = false;
		} else if (small && stretches[kept - 1].mapped_bytes < least) {
			unite(&stretches[kept - 1], &stretches[i],
			      stretches[i].mapped_bytes > largest);
			largest = ch_max(largest, stretches[i].mapped_bytes);
			continue;
		} else {
			small = true;
			largest = stretches[i].mapped_bytes;
		}
		stretches[kept++] = stretches[i];
	}
	list->count = kept;
}

static struct ch_error *find_stretches(struct ch_map *map, struct ch_picture *picture)
{
	const struct ch_region *regions;
	struct ch_stretch *stretches;
	struct ch_error *err = NULL;
	uint64_t whole;
	size_t count, i;

	regions = ch_map_regions(map, &count);
	for (i = 0; !err && i < count; i++) {
		if (regions[i].state == CH_STATE_COMMIT)
			err = add_region(&picture->stretches, &regions[i]);
		else if (regions[i].state == CH_STATE_RESERVE)
			picture->reserved_bytes += regions[i].end - regions[i].start;
	}
	whole = picture->mapped_bytes - picture->reserved_bytes;
	unite_small(&picture->stretches, whole);
	stretches = picture->stretches.items;
	for (i = 0; i < picture->stretches.count; i++)
		stretches[i].share = chp_percent(stretches[i].mapped_bytes, whole);
	return err;
}

/* A graph that is too large to be asked leaves a picture out, not all of them. */
static struct ch_error *find_branches(struct ch_session *session, uint32_t threads,
				      struct ch_picture *picture)
{
	struct ch_error *err = chp_picture_branches(session, threads, picture);

	if (!err || (err->code != CH_ERROR_LIMIT && err->code != CH_ERROR_STOP))
		return err;
	if (err->code == CH_ERROR_LIMIT)
		chp_context_finding(ch_session_context(session), CH_SEVERITY_INCOMPLETE,
				    "graph-too-large", "%s", err->message);
	ch_error_destroy(err);
	return NULL;
}

struct ch_error *chp_picture_make(struct ch_session *session, uint32_t threads,
				  struct ch_picture *ret)
{
	const struct ch_summary_options options = { .threads = threads };
	struct ch_heaps *heaps;
	struct ch_error *err;
	struct ch_map *map;

	*ret = (struct ch_picture){ .tiles = CH_VEC(struct ch_tile),
				    .branches = CH_VEC(struct ch_branch),
				    .stretches = CH_VEC(struct ch_stretch),
				    .sizes = CH_VEC(struct ch_size_class) };
	err = chp_summary_make(session, &options, &ret->summary);
	if (!err)
		err = ch_session_heaps(session, &heaps);
	if (!err)
		err = ch_session_map(session, &map);
	if (err)
		return err;
	ret->touched_bytes = ret->summary.sums.account.touched_bytes;
	ret->mapped_bytes = ret->summary.sums.account.busy_bytes;
	err = chp_picture_tiles(heaps, map, ret);
	if (!err)
		err = find_stretches(map, ret);
	if (!err)
		err = chp_thread_rows_make(session, CH_FRAMES_DEFAULT, &ret->threads);
	if (!err && ret->summary.sums.walked)
		err = find_branches(session, threads, ret);
	return err;
}

void chp_picture_deinit(struct ch_picture *picture)
{
	chp_thread_rows_deinit(&picture->threads);
	ch_vec_deinit(&picture->sizes);
	ch_vec_deinit(&picture->stretches);
	ch_vec_deinit(&picture->branches);
	chp_paths_deinit(&picture->paths);
	ch_vec_deinit(&picture->tiles);
	chp_summary_deinit(&picture->summary);
}
