/*
 * Ways from roots that are alike by names, fields and types, laid over each other: where many
 * blocks hold a little each, this finds what they have in common and where their memory spreads.
 */
#include "graph/alike.h"

#include <stdlib.h>
#include <string.h>

#include "graph/graph_priv.h"
#include "util/cleanup.h"
#include "util/context.h"

/* What leads to this many percent of it goes on the way. */
#define MOST_PERCENT 70
/* One way becomes many where there are this many times more blocks than before. */
#define FAN_OUT 8
/* And this many, so that it needs no other: segments of a queue are a few, what is in them many. */
#define CLEAR_FAN_OUT 64

static const struct ch_track *track_at(const struct ch_trails *trails, uint32_t index)
{
	return CH_VEC_AT(&trails->tracks, struct ch_track, index);
}

/* ---- Where it spreads --------------------------------------------------------- */

static uint32_t heaviest_behind(const struct ch_trails *trails, uint32_t track)
{
	uint32_t child, best = 0;

	for (child = track_at(trails, track)->child; child; child = track_at(trails, child)->next)
		if (!best || track_at(trails, child)->bytes > track_at(trails, best)->bytes)
			best = child;
	return best;
}

static uint32_t descend(const struct ch_trails *trails, uint32_t track)
{
	uint64_t enough = track_at(trails, track)->bytes / 100 * MOST_PERCENT;
	uint32_t next;

	while ((next = heaviest_behind(trails, track)) && track_at(trails, next)->bytes >= enough)
		track = next;
	return track;
}

/* Whether a track is that of one object whose fields lead to several things of weight, which are
 * most of it: each is a matter of its own. */
static bool comes_apart(const struct ch_trails *trails, uint32_t track, uint64_t bytes_min)
{
	uint64_t bytes = 0;
	uint32_t child;
	size_t count = 0;

	if (track_at(trails, track)->count > 1 || track_at(trails, track)->type == CH_TYPE_NONE)
		return false;
	for (child = track_at(trails, track)->child; child; child = track_at(trails, child)->next) {
		if (track_at(trails, child)->bytes < bytes_min ||
		    (track_at(trails, child)->field == CH_OFFSET_NONE &&
		     !track_at(trails, child)->row))
			continue;
		count++;
		bytes += track_at(trails, child)->bytes;
	}
	return count > 1 && bytes >= track_at(trails, track)->bytes / 100 * MOST_PERCENT;
}

static struct ch_error *push_behind(const struct ch_trails *trails, uint32_t track,
				    uint64_t bytes_min, struct ch_vec *waiting)
{
	uint32_t child, *slot;

	for (child = track_at(trails, track)->child; child; child = track_at(trails, child)->next) {
		if (track_at(trails, child)->bytes < bytes_min)
			continue;
		slot = ch_vec_push(waiting);
		if (!slot)
			return &ch_enomem;
		*slot = child;
	}
	return NULL;
}

/* Among the heaviest. */
static void keep(uint32_t track, struct ch_alikes *alikes)
{
	uint64_t bytes = track_at(alikes->trails, track)->bytes;
	struct ch_alike *list = alikes->items;
	size_t i = alikes->count;

	if (i < CH_ALIKE_MAX)
		alikes->count++;
	else if (bytes <= list[--i].bytes)
		return;
	for (; i && bytes > list[i - 1].bytes; i--)
		list[i] = list[i - 1];
	list[i] = (struct ch_alike){ .track = track, .bytes = bytes };
}

/* ---- How it is held ----------------------------------------------------------- */

/* The tracks from the root's, [0], to one, and how many blocks of each ways lead through. */
struct way {
	struct ch_vec tracks;
	uint64_t *counts;
	/* By track: its place + 1. */
	uint32_t *place_of;
	uint64_t roots;
};

static struct ch_error *list_tracks(const struct ch_trails *trails, uint32_t track, struct way *way)
{
	uint32_t at, *slot, length = 0;

	for (at = track; at != CH_TRACK_ALL; at = track_at(trails, at)->parent)
		length++;
	way->place_of = calloc(trails->tracks.count, sizeof(*way->place_of));
	way->counts = calloc(length + 1ULL, sizeof(*way->counts));
	if (!way->place_of || !way->counts || !ch_vec_reserve(&way->tracks, length + 1ULL))
		return &ch_enomem;
	way->tracks.count = length;
	for (at = track; length-- > 0; at = track_at(trails, at)->parent) {
		slot = CH_VEC_AT(&way->tracks, uint32_t, length);
		*slot = at;
		way->place_of[at] = length + 1;
	}
	return NULL;
}

/* Back from each block of the track, each other block once. */
static struct ch_error *count_blocks(const struct ch_trails *trails, uint32_t track,
				     struct way *way)
{
	uint32_t ids = trails->graph->index->objects_count, id, at, place;
	_cleanup_free_ uint64_t *seen = calloc(ids / 64 + 1ULL, sizeof(*seen));

	if (!seen)
		return &ch_enomem;
	for (id = 0; id < ids; id++) {
		if (trails->track[id] != track)
			continue;
		for (at = id; at != CH_ID_NONE && !(seen[at / 64] >> (at % 64) & 1);
		     at = trails->holder[at]) {
			seen[at / 64] |= 1ULL << (at % 64);
			place = way->place_of[trails->track[at]];
			if (place)
				way->counts[place - 1]++;
			way->roots += trails->holder[at] == CH_ID_NONE;
		}
	}
	return NULL;
}

/* The first block of a kind that lies on the way to id. */
static uint32_t on_way_to(const struct ch_trails *trails, uint32_t id, uint32_t track)
{
	uint32_t found = CH_ID_NONE;

	for (; id != CH_ID_NONE; id = trails->holder[id])
		if (trails->track[id] == track)
			found = id;
	return found;
}

enum type_kind {
	/* Sizes, arrays, words of the language. */
	TYPE_PLAIN,
	/* Of a library, or of the program. */
	TYPE_LIBRARY,
	TYPE_OWN,
};

static enum type_kind kind_of(const struct ch_trails *trails, uint32_t track)
{
	const struct ch_tally *row =
		CH_VEC_AT(&trails->types.rows, struct ch_tally, track_at(trails, track)->type);
	struct ch_error *err;
	struct ch_type type;
	size_t len;

	err = ch_heaps_type(trails->graph->heaps, (uint32_t)row->what, &type);
	if (err) {
		chp_context_drop_take(trails->graph->ctx, err);
		return TYPE_PLAIN;
	}
	len = strlen(type.name);
	if (len >= 2 && strcmp(type.name + len - 2, "[]") == 0)
		return TYPE_PLAIN;
	if (chp_heaps_is_library(trails->graph->heaps, type.name))
		return TYPE_LIBRARY;
	return strchr(type.name, '.') || (type.name[0] >= 'A' && type.name[0] <= 'Z') ? TYPE_OWN
										      : TYPE_PLAIN;
}

/* Of steps with about as many blocks as the one at place, the first one of a type of the
 * program's own, for a node of a library's map says nothing; if there is none, the last one that
 * is no array. */
static size_t named_element(const struct ch_trails *trails, const struct way *way, size_t place)
{
	const uint32_t *tracks = way->tracks.items;
	size_t i, found = place;

	for (i = place; i < way->tracks.count && way->counts[i] / 2 <= way->counts[place] &&
			way->counts[place] / 2 <= way->counts[i];
	     i++)
		switch (kind_of(trails, tracks[i])) {
		case TYPE_OWN:
			return i;
		case TYPE_LIBRARY:
			found = i;
			break;
		default:
			break;
		}
	return found;
}

static void find_fan_out(const struct ch_trails *trails, const struct way *way,
			 struct ch_alike *alike)
{
	const uint32_t *tracks = way->tracks.items;
	size_t i, last = way->tracks.count - 1, first = last, found = last, place;

	for (i = 1; i < last && found == last; i++) {
		if (first == last && way->counts[i + 1] >= FAN_OUT * way->counts[i])
			first = i;
		if (way->counts[i + 1] >= CLEAR_FAN_OUT * way->counts[i])
			found = i;
	}
	if (found == last)
		found = first;
	/* at the roots, or a list that begins there */
	if (first == last && (way->roots >= FAN_OUT || way->counts[1] >= FAN_OUT * way->roots) &&
	    last > 0)
		first = found = 0;
	/* all that is behind the holders, not only where most of it is */
	alike->track = tracks[ch_max(first, 1)];
	alike->bytes = track_at(trails, alike->track)->bytes;
	alike->holders_count = found ? way->counts[found] : 0;
	alike->holder = found ? on_way_to(trails, alike->sample, tracks[found]) : CH_ID_NONE;
	alike->element = CH_ID_NONE;
	if (found == last)
		return;
	place = named_element(trails, way, found + 1);
	alike->elements_count = way->counts[place];
	alike->element = on_way_to(trails, alike->sample, tracks[place]);
}

/* Where it spreads at once: a table in a variable of a module, blocks of all kinds behind it. */
static struct ch_alike of_roots(const struct ch_trails *trails, uint32_t track)
{
	const struct ch_track *root = track_at(trails, track);
	uint32_t sample = chp_alike_sample(trails, heaviest_behind(trails, track));

	return (struct ch_alike){ .track = track,
				  .bytes = root->bytes,
				  .roots_count = root->count,
				  .name = root->name,
				  .holder = CH_ID_NONE,
				  .element = CH_ID_NONE,
				  .sample = sample };
}

/* Whether roots of a name are more than a kind. */
static bool is_place(const struct ch_trails *trails, uint32_t track)
{
	const struct ch_root *root;
	uint32_t first = track_at(trails, track)->child
				 ? track_at(trails, track_at(trails, track)->child)->first
				 : CH_ID_NONE;

	root = first == CH_ID_NONE ? NULL : chp_trails_root(trails, first);
	return root && root->kind != CH_ROOT_MEMORY && root->kind != CH_ROOT_REGISTER;
}

static struct ch_error *describe(const struct ch_trails *trails, struct ch_alike *alike)
{
	struct way way = { .tracks = CH_VEC(uint32_t) };
	struct ch_error *err;

	if (track_at(trails, alike->track)->type == CH_TYPE_NONE) {
		*alike = of_roots(trails, alike->track);
		return NULL;
	}
	alike->sample = chp_alike_sample(trails, alike->track);
	err = list_tracks(trails, alike->track, &way);
	if (!err)
		err = count_blocks(trails, alike->track, &way);
	if (!err) {
		alike->roots_count = way.roots;
		alike->name = track_at(trails, *CH_VEC_AT(&way.tracks, uint32_t, 0))->name;
		find_fan_out(trails, &way, alike);
	}
	ch_vec_deinit(&way.tracks);
	free(way.counts);
	free(way.place_of);
	return err;
}

/* ---- All ---------------------------------------------------------------------- */

struct ch_error *chp_alike_find(const struct ch_trails *trails, uint64_t bytes_min,
				struct ch_alikes *ret)
{
	struct ch_vec waiting = CH_VEC(uint32_t);
	struct ch_error *err;
	uint32_t track;
	size_t i;

	*ret = (struct ch_alikes){ .trails = trails };
	err = push_behind(trails, CH_TRACK_ALL, bytes_min, &waiting);
	while (!err && waiting.count) {
		track = descend(trails, *CH_VEC_AT(&waiting, uint32_t, --waiting.count));
		if (comes_apart(trails, track, bytes_min))
			err = push_behind(trails, track, bytes_min, &waiting);
		else if (track_at(trails, track)->type != CH_TYPE_NONE || is_place(trails, track))
			keep(track, ret);
	}
	ch_vec_deinit(&waiting);
	for (i = 0; !err && i < ret->count; i++)
		err = describe(trails, &ret->items[i]);
	return err;
}

uint8_t *chp_alike_colours(const struct ch_alikes *alikes)
{
	const struct ch_trails *trails = alikes->trails;
	uint8_t *colours = calloc(trails->tracks.count, 1);
	uint32_t i;
	size_t k;

	for (k = 0; colours && k < alikes->count; k++)
		colours[alikes->items[k].track] = (uint8_t)(k + 1);
	/* a track comes behind its parent */
	for (i = 1; colours && i < trails->tracks.count; i++)
		if (!colours[i])
			colours[i] = colours[track_at(trails, i)->parent];
	return colours;
}

uint32_t chp_alike_sample(const struct ch_trails *trails, uint32_t track)
{
	uint32_t next = heaviest_behind(trails, track);

	return next ? on_way_to(trails, track_at(trails, next)->first, track)
		    : track_at(trails, track)->first;
}
