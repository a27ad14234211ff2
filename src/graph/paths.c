/*
 * The dominator tree by names. One walk over the heaps names the type of each block, one look
 * at the blocks that have fields finds the one through which each is held, and then the tree is
 * gone through in the order of its numbers, in which a dominator comes before what it dominates.
 */
#include "graph/paths.h"

#include <stdlib.h>
#include <string.h>

#include "graph/graph_priv.h"
#include "graph/rootpaths.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/text.h"

/* Nodes between two looks at the rest of the world. */
#define PACE 8192
/* What a key of the tables below has room for: tracks and frames. */
#define TRACK_BITS     20
#define FRAME_BITS     22
#define TRACKS_MAX     (1U << TRACK_BITS)
#define FRAMES_MAX     ((1U << FRAME_BITS) - 2)

#define NAME_BYTES_MAX 1024

/* What is known of a type's fields: below NAMELESS_MAX how many offsets have no name so far. One
 * may lie in a union or in padding, so it takes some to say that blocks of the type have none. */
enum {
	NAMELESS_MAX = 64,
	HAS_NONE = NAMELESS_MAX,
	HAS_FIELDS,
};

struct finding {
	struct ch_graph *graph;
	const struct ch_retained *retained;
	struct ch_root_places places;
	struct ch_paths *ret;
	/* By number in the dominator tree: the frame of the block's type. */
	uint32_t *type_of;
	/* By number: the frame of the field that leads to it + 1, 0: none is known; once it has
	 * one, its track. */
	uint32_t *way_of;
	/* From the id of a type to its frame, from a frame of a type and an offset in it to the
	 * frame of the field, and from parent, type and field to a track. */
	struct ch_table frame_of_type, frame_of_field, track_of;
	/* of uint8_t, by frame: what is known of the type's fields */
	struct ch_vec fields;
	uint32_t lost, next_id;
};

static struct ch_track *track_at(const struct ch_paths *paths, uint32_t index)
{
	return CH_VEC_AT(&paths->tracks, struct ch_track, index);
}

/* ---- Frames ------------------------------------------------------------------ */

static struct ch_error *frame_of(struct finding *finding, const char *name, uint32_t *ret)
{
	struct ch_vec *list = &finding->ret->frames.list;

	if (list->count >= FRAMES_MAX)
		name = "other names";
	*ret = ch_texts_add(&finding->ret->frames, name);
	while (*ret != CH_TABLE_NONE && finding->fields.count < list->count)
		if (!ch_vec_push(&finding->fields))
			return &ch_enomem;
	return *ret == CH_TABLE_NONE ? &ch_enomem : NULL;
}

static struct ch_error *frame_of_type(struct finding *finding, uint32_t id, uint32_t *ret)
{
	_cleanup_free_ char *name = NULL;
	struct ch_error *err;
	struct ch_type type;

	*ret = ch_table_find(&finding->frame_of_type, id);
	if (*ret != CH_TABLE_NONE)
		return NULL;
	err = ch_heaps_type(finding->graph->heaps, id, &type);
	if (err)
		return err;
	name = chp_text_escape(type.name, NAME_BYTES_MAX);
	if (!name)
		return &ch_enomem;
	err = frame_of(finding, name, ret);
	if (err)
		return err;
	return ch_table_put(&finding->frame_of_type, id, *ret) ? NULL : &ch_enomem;
}

/* ".clients[].next": which element it is says nothing that all have in common. */
static void drop_indexes(char *place)
{
	char *from = place, *to = place;

	while (*from) {
		*to++ = *from;
		if (*from++ == '[')
			from += strspn(from, "0123456789");
	}
	*to = '\0';
}

/* The frame of the field at offset of a block of type, in *ret + 1; 0: none is known. */
static struct ch_error *frame_of_field(struct finding *finding, uint32_t type, uint32_t id,
				       uint64_t offset, uint32_t *ret)
{
	uint64_t key = offset << FRAME_BITS | (type + 1);
	char place[160] = "", name[NAME_BYTES_MAX + sizeof(place)];
	struct ch_error *err;
	uint8_t *known;

	*ret = 0;
	if (offset >> (64 - FRAME_BITS))
		return NULL;
	*ret = ch_table_find(&finding->frame_of_field, key);
	if (*ret != CH_TABLE_NONE)
		return NULL;
	*ret = 0;
	if (ch_graph_place_name(finding->graph, id, offset, place, sizeof(place)) &&
	    place[0] != '[') {
		drop_indexes(place);
		snprintf(name, sizeof(name), "%s%s",
			 place[0] == '.' ? ch_texts_at(&finding->ret->frames, type) : "", place);
		err = frame_of(finding, name, ret);
		if (err)
			return err;
		++*ret;
	}
	known = CH_VEC_AT(&finding->fields, uint8_t, type);
	if (*known < NAMELESS_MAX)
		*known = *ret ? HAS_FIELDS : place[0] == '[' ? HAS_NONE : (uint8_t)(*known + 1);
	return ch_table_put(&finding->frame_of_field, key, *ret) ? NULL : &ch_enomem;
}

/* ---- Tracks ------------------------------------------------------------------ */

/* The track behind parent, made if there is none: CH_TRACK_ALL once there is no room. */
static struct ch_error *find_track(struct finding *finding, uint32_t parent, uint32_t type,
				   uint32_t field, uint32_t *ret)
{
	struct ch_vec *tracks = &finding->ret->tracks;
	/* CH_TYPE_NONE and CH_TABLE_NONE become 0 */
	uint64_t key = (uint64_t)parent << 2 * FRAME_BITS |
		       (uint64_t)(uint32_t)(type + 1) << FRAME_BITS | (uint32_t)(field + 1);
	struct ch_track *track;

	*ret = ch_table_find(&finding->track_of, key);
	if (*ret != CH_TABLE_NONE)
		return NULL;
	*ret = CH_TRACK_ALL;
	if (tracks->count >= TRACKS_MAX || (parent == CH_TRACK_ALL && type != CH_TYPE_NONE))
		return NULL;
	track = ch_vec_push(tracks);
	if (!track)
		return &ch_enomem;
	*track = (struct ch_track){ .parent = parent,
				    .type = type,
				    .field = field == CH_TABLE_NONE ? CH_OFFSET_NONE : field,
				    .first = CH_ID_NONE };
	*ret = (uint32_t)tracks->count - 1;
	return ch_table_put(&finding->track_of, key, *ret) ? NULL : &ch_enomem;
}

static struct ch_error *place_track(struct finding *finding, const char *name, uint32_t *ret)
{
	struct ch_error *err;
	uint32_t frame;

	err = frame_of(finding, name, &frame);
	return err ? err : find_track(finding, CH_TRACK_ALL, CH_TYPE_NONE, frame, ret);
}

static void add_to(struct ch_paths *paths, uint32_t index, uint32_t id, uint64_t bytes)
{
	struct ch_track *track = track_at(paths, index);

	track->count++;
	track->self_bytes += bytes;
	if (track->first == CH_ID_NONE)
		track->first = id;
}

/* ---- What blocks are --------------------------------------------------------- */

static struct ch_error *take_lost(struct finding *finding, uint32_t id, uint32_t type)
{
	uint64_t bytes = chp_graph_weight(finding->graph, id);
	struct ch_error *err;
	uint32_t track;

	err = find_track(finding, finding->lost, type, CH_TABLE_NONE, &track);
	if (err)
		return err;
	add_to(finding->ret, track, id, bytes);
	finding->ret->lost_count++;
	finding->ret->lost_bytes += bytes;
	return NULL;
}

static struct ch_error *take_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct finding *finding = arg;
	const struct ch_graph *graph = finding->graph;
	struct ch_error *err = NULL;
	uint32_t id, number, type;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		id = finding->next_id++;
		if (graph->index->gaps)
			id = ch_graph_node_at(graph, objects[i].addr);
		if (id >= graph->index->objects_count || !chp_is_node(graph->index, id))
			continue;
		number = finding->retained->number[id];
		err = frame_of_type(finding, objects[i].type, &type);
		if (!err && number)
			finding->type_of[number] = type;
		else if (!err)
			err = take_lost(finding, id, type);
	}
	return err;
}

/* Give what a block dominates the field that leads there. */
static struct ch_error *look_into(struct finding *finding, uint32_t number)
{
	const struct ch_retained *retained = finding->retained;
	uint32_t id = retained->ids[number], target;
	struct ch_error *err = NULL;
	struct ch_edge edges[64];
	uint64_t offset = 0;
	size_t n, i;

	while (!err && (n = ch_graph_edges(finding->graph, id, &offset, edges, 64)) > 0) {
		for (i = 0; !err && i < n; i++) {
			target = retained->number[edges[i].target];
			if (!target || retained->idom[target] != number ||
			    finding->way_of[target] || edges[i].offset == CH_OFFSET_NONE)
				continue;
			err = frame_of_field(finding, finding->type_of[number], id, edges[i].offset,
					     &finding->way_of[target]);
			if (*CH_VEC_AT(&finding->fields, uint8_t, finding->type_of[number]) ==
			    HAS_NONE)
				return err;
		}
	}
	return err;
}

static struct ch_error *look_into_all(struct finding *finding)
{
	const struct ch_retained *retained = finding->retained;
	struct ch_error *err = NULL;
	uint32_t w;

	for (w = 1; !err && w <= retained->count; w++) {
		if (retained->child[w] &&
		    *CH_VEC_AT(&finding->fields, uint8_t, finding->type_of[w]) != HAS_NONE)
			err = look_into(finding, w);
		if (!err && w % PACE == 0) {
			chp_context_progress(finding->graph->ctx, "naming fields", w,
					     retained->count);
			err = chp_context_check(finding->graph->ctx);
		}
	}
	return err;
}

/* ---- The tree ---------------------------------------------------------------- */

/* The track of a block whose dominator has one. */
static struct ch_error *step(struct finding *finding, uint32_t number, uint32_t *ret)
{
	uint32_t up = finding->retained->idom[number], place = finding->places.place_of[number];
	uint32_t parent, type = finding->type_of[number];
	struct ch_error *err;

	if (up == CH_DOMINATOR_ROOT) {
		err = place_track(finding,
				  place ? ch_texts_at(&finding->places.names, place - 1)
					: CH_PATHS_SEVERAL,
				  &parent);
		return err ? err : find_track(finding, parent, type, CH_TABLE_NONE, ret);
	}
	parent = finding->way_of[up];
	*ret = chp_track_repeated(&finding->ret->tracks, parent, type);
	return *ret != CH_TRACK_ALL
		       ? NULL
		       : find_track(finding, parent, type, finding->way_of[number] - 1, ret);
}

static struct ch_error *go_down(struct finding *finding)
{
	const struct ch_retained *retained = finding->retained;
	struct ch_error *err = NULL;
	uint32_t w, track;
	uint64_t bytes;

	for (w = 1; !err && w <= retained->count; w++) {
		err = step(finding, w, &track);
		if (err)
			break;
		finding->way_of[w] = track;
		bytes = chp_graph_weight(finding->graph, retained->ids[w]);
		add_to(finding->ret, track, retained->ids[w], bytes);
		finding->ret->held_count++;
		finding->ret->held_bytes += bytes;
		if (w % PACE == 0)
			err = chp_context_check(finding->graph->ctx);
	}
	return err;
}

/* Sums, and children by parent. */
static void add_up(struct ch_paths *paths)
{
	struct ch_track *track, *up;
	size_t i;

	/* a track comes behind its parent */
	for (i = paths->tracks.count; i-- > 0;) {
		track = track_at(paths, (uint32_t)i);
		track->bytes += track->self_bytes;
		if (i == CH_TRACK_ALL)
			break;
		up = track_at(paths, track->parent);
		up->bytes += track->bytes;
		track->next = up->child;
		up->child = (uint32_t)i;
	}
}

static struct ch_error *find(struct finding *finding)
{
	struct ch_track *all = ch_vec_push(&finding->ret->tracks);
	struct ch_error *err;

	if (!finding->type_of || !finding->way_of || !all)
		return &ch_enomem;
	*all = (struct ch_track){ .type = CH_TYPE_NONE, .field = CH_OFFSET_NONE };
	err = place_track(finding, CH_PATHS_LOST, &finding->lost);
	if (!err)
		err = ch_heaps_walk(finding->graph->heaps, 0, UINT64_MAX, take_objects, finding);
	if (!err)
		err = look_into_all(finding);
	if (!err)
		err = go_down(finding);
	if (!err)
		add_up(finding->ret);
	return err;
}

struct ch_error *chp_paths_find(struct ch_graph *graph, const struct ch_retained *retained,
				struct ch_paths *ret)
{
	struct finding finding = {
		.graph = graph, .retained = retained, .ret = ret, .fields = CH_VEC(uint8_t)
	};
	struct ch_error *err;

	*ret = (struct ch_paths){ .frames = CH_TEXTS, .tracks = CH_VEC(struct ch_track) };
	finding.type_of = calloc(retained->count + 1ULL, sizeof(*finding.type_of));
	finding.way_of = calloc(retained->count + 1ULL, sizeof(*finding.way_of));
	err = chp_root_places_find(graph, retained, &finding.places);
	if (!err)
		err = find(&finding);
	chp_root_places_deinit(&finding.places);
	free(finding.type_of);
	free(finding.way_of);
	ch_table_deinit(&finding.frame_of_type);
	ch_table_deinit(&finding.frame_of_field);
	ch_table_deinit(&finding.track_of);
	ch_vec_deinit(&finding.fields);
	return err;
}

void chp_paths_deinit(struct ch_paths *paths)
{
	ch_texts_deinit(&paths->frames);
	ch_vec_deinit(&paths->tracks);
}
