/*
 * Roots with their names taken apart, as a tree: what a hundred thread-locals or the fields of
 * one static hold together is told once.
 */
#include "graph/rootpaths.h"

#include <stdlib.h>
#include <string.h>

#include "graph/graph_priv.h"
#include "graph/retained.h"
#include "graph/tally.h"
#include "util/cleanup.h"

/* Roots that are named; those behind them only by their kind. */
#define NAMED_MAX (1U << 20)

struct naming {
	struct ch_graph *graph;
	const struct ch_retained *retained;
	struct ch_root_places *ret;
	uint32_t named_count;
};

/* What blocks of a type and a place retain together. */
struct summing {
	const struct ch_graph *graph;
	const struct ch_retained *retained;
	const struct ch_root_places *places;
	/* As ch_root_paths has it. */
	uint32_t *row_of;
	uint32_t next_id;
	struct ch_tallies tallies;
};

/* Words that are addresses, or numbers of threads, are not the same next time. */
static void drop_numbers(const char *text, char *buf, size_t max)
{
	size_t used = 0, word;

	buf[0] = '\0';
	while (*text) {
		word = strcspn(text, " ");
		if (strncmp(text, "0x", 2) != 0 && strncmp(text, "+0x", 3) != 0 &&
		    strspn(text, "0123456789") < word && used + word + 2 < max)
			used += (size_t)snprintf(buf + used, max - used, "%s%.*s", used ? " " : "",
						 (int)word, text);
		text += word;
		text += strspn(text, " ");
	}
}

struct ch_error *chp_root_place(struct ch_graph *graph, const struct ch_root *root,
				uint32_t *named_count, char *buf, size_t max)
{
	struct ch_root_text text = { .where = "" };
	struct ch_error *err;

	if (root->kind == CH_ROOT_REGISTER || root->kind == CH_ROOT_MEMORY ||
	    (*named_count)++ >= NAMED_MAX) {
		snprintf(buf, max, "%s",
			 root->kind == CH_ROOT_MEMORY ? "anonymous memory"
						      : ch_root_kind_name(root->kind));
		return NULL;
	}
	err = ch_root_describe(graph, root, &text);
	if (err)
		return err;
	if (root->kind == CH_ROOT_STACK)
		snprintf(buf, max, "stack of %s", text.symbol[0] ? text.symbol : "unnamed code");
	else if (root->kind == CH_ROOT_TLS)
		snprintf(buf, max, "thread-local %s", text.symbol);
	else if (text.symbol[0] && root->kind == CH_ROOT_DATA)
		snprintf(buf, max, "%s", text.symbol);
	else
		drop_numbers(text.where, buf, max);
	return NULL;
}

static struct ch_error *take_roots(void *arg, const struct ch_root *roots, size_t n)
{
	struct naming *naming = arg;
	char name[sizeof(((struct ch_root_text *)NULL)->where)];
	struct ch_error *err;
	uint32_t number, index;
	size_t i;

	for (i = 0; i < n; i++) {
		number = naming->retained->number[roots[i].target];
		if (!number || naming->retained->idom[number] != CH_DOMINATOR_ROOT ||
		    naming->ret->place_of[number])
			continue;
		err = chp_root_place(naming->graph, &roots[i], &naming->named_count, name,
				     sizeof(name));
		if (err)
			return err;
		index = ch_texts_add(&naming->ret->names, name);
		if (index == CH_TABLE_NONE)
			return &ch_enomem;
		naming->ret->place_of[number] = index + 1;
	}
	return NULL;
}

/* Roots that last before those that pass, so that a block has the name of the former. */
static struct ch_error *name_roots(struct naming *naming)
{
	static const uint32_t passes[] = {
		1U << CH_ROOT_HANDLE | 1U << CH_ROOT_STATIC | 1U << CH_ROOT_THREAD_STATIC |
			1U << CH_ROOT_FINALIZER | 1U << CH_ROOT_FROZEN,
		1U << CH_ROOT_DATA,
		1U << CH_ROOT_TLS,
		1U << CH_ROOT_STACK | 1U << CH_ROOT_GOROUTINE,
		1U << CH_ROOT_MEMORY | 1U << CH_ROOT_REGISTER,
	};
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < sizeof(passes) / sizeof(passes[0]); i++)
		err = ch_graph_visit_roots(naming->graph, passes[i], take_roots, naming);
	return err;
}

struct ch_error *chp_root_places_find(struct ch_graph *graph, const struct ch_retained *retained,
				      struct ch_root_places *ret)
{
	struct naming naming = { .graph = graph, .retained = retained, .ret = ret };

	*ret = (struct ch_root_places){ .names = CH_TEXTS };
	ret->place_of = calloc(retained->count + 1ULL, sizeof(*ret->place_of));
	return ret->place_of ? name_roots(&naming) : &ch_enomem;
}

void chp_root_places_deinit(struct ch_root_places *places)
{
	ch_texts_deinit(&places->names);
	free(places->place_of);
}

static struct ch_error *take_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct summing *summing = arg;
	const struct ch_graph *graph = summing->graph;
	const struct ch_retained *retained = summing->retained;
	struct ch_tally *tally;
	uint32_t id, number;
	size_t i;

	for (i = 0; i < n; i++) {
		id = summing->next_id++;
		if (graph->index->gaps)
			id = ch_graph_node_at(graph, objects[i].addr);
		number = id < graph->index->objects_count ? retained->number[id] : 0;
		/* objects of pools may lie in one node */
		if (!number || retained->idom[number] != CH_DOMINATOR_ROOT ||
		    summing->row_of[number])
			continue;
		tally = chp_tally_of(&summing->tallies, summing->places->place_of[number],
				     objects[i].type);
		if (!tally)
			return &ch_enomem;
		tally->count++;
		tally->bytes += retained->bytes[number];
		summing->row_of[number] =
			(uint32_t)(tally - (struct ch_tally *)summing->tallies.rows.items) + 1;
		if (!tally->most_bytes || retained->bytes[number] > tally->most_bytes) {
			tally->most_bytes = retained->bytes[number];
			tally->most_id = id;
		}
	}
	return NULL;
}

static int compare_paths(const void *a, const void *b)
{
	const struct ch_root_path *x = a, *y = b;
	int order;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	order = strcmp(x->place, y->place);
	if (order)
		return order;
	return x->type < y->type ? -1 : x->type > y->type;
}

static struct ch_error *hand_out(const struct summing *summing, struct ch_root_paths *ret)
{
	const struct ch_tally *tally;
	struct ch_root_path *row;
	size_t i;

	for (i = 0; i < summing->tallies.rows.count; i++) {
		tally = CH_VEC_AT(&summing->tallies.rows, struct ch_tally, i);
		row = ch_vec_push(&ret->rows);
		if (!row)
			return &ch_enomem;
		*row = (struct ch_root_path){
			.place = tally->group ? ch_texts_at(&ret->places, tally->group - 1)
					      : "several ways",
			.type = (uint32_t)tally->what,
			.count = tally->count,
			.bytes = tally->bytes,
			.id = tally->most_id,
			.number = (uint32_t)i,
		};
	}
	ch_vec_sort(&ret->rows, compare_paths);
	return NULL;
}

struct ch_error *chp_root_paths_find(struct ch_graph *graph, const struct ch_retained *retained,
				     struct ch_root_paths *ret)
{
	struct ch_root_places places;
	struct summing summing = { .graph = graph,
				   .retained = retained,
				   .places = &places,
				   .tallies = CH_TALLIES(graph->heaps) };
	struct ch_error *err;

	*ret = (struct ch_root_paths){ .rows = CH_VEC(struct ch_root_path), .places = CH_TEXTS };
	ret->row_of = calloc(retained->count + 1ULL, sizeof(*ret->row_of));
	summing.row_of = ret->row_of;
	err = chp_root_places_find(graph, retained, &places);
	if (!err && !ret->row_of)
		err = &ch_enomem;
	if (!err)
		err = ch_heaps_walk(graph->heaps, 0, UINT64_MAX, take_objects, &summing);
	/* rows borrow the names */
	ret->places = places.names;
	places.names = CH_TEXTS;
	if (!err)
		err = hand_out(&summing, ret);
	chp_root_places_deinit(&places);
	chp_tallies_deinit(&summing.tallies);
	return err;
}

void chp_root_paths_deinit(struct ch_root_paths *paths)
{
	ch_texts_deinit(&paths->places);
	ch_vec_deinit(&paths->rows);
	free(paths->row_of);
}

/* ---- What of each type a row retains -------------------------------------------- */

/* Beyond so many tallies types are put together. */
#define PARTS_MAX 65536

struct parting {
	struct ch_graph *graph;
	const struct ch_retained *retained;
	/* By number in the dominator tree: index of the row + 1. */
	const uint32_t *row_of;
	struct ch_tallies tallies;
	uint32_t next_id;
};

/* From the rows' numbers to their places in order, and from blocks that roots dominate to all below
 * them: who dominates a block has a lower number. */
static struct ch_error *spread(const struct ch_retained *retained, struct ch_root_paths *paths)
{
	_cleanup_free_ uint32_t *index_of = calloc(paths->rows.count + 1, sizeof(*index_of));
	const struct ch_root_path *rows = paths->rows.items;
	uint32_t *row_of = paths->row_of, w;
	size_t i;

	if (!index_of)
		return &ch_enomem;
	for (i = 0; i < paths->rows.count; i++)
		index_of[rows[i].number] = (uint32_t)i + 1;
	for (w = 1; w <= retained->count; w++)
		if (retained->idom[w] != CH_DOMINATOR_ROOT)
			row_of[w] = row_of[retained->idom[w]];
		else if (row_of[w])
			row_of[w] = index_of[row_of[w] - 1];
	return NULL;
}

static struct ch_error *take_parts(void *arg, const struct ch_object *objects, size_t n)
{
	struct parting *parting = arg;
	const struct ch_graph *graph = parting->graph;
	struct ch_tally *tally;
	uint32_t id, number;
	size_t i;

	for (i = 0; i < n; i++) {
		id = parting->next_id++;
		if (graph->index->gaps)
			id = ch_graph_node_at(graph, objects[i].addr);
		number = id < graph->index->objects_count ? parting->retained->number[id] : 0;
		if (!number || !parting->row_of[number])
			continue;
		tally = chp_tally_of(&parting->tallies, parting->row_of[number], objects[i].type);
		if (!tally)
			return &ch_enomem;
		tally->count++;
		tally->bytes += objects[i].chunk_bytes;
	}
	return NULL;
}

static struct ch_error *hand_parts(const struct ch_tallies *tallies, struct ch_vec *ret)
{
	const struct ch_tally *tally;
	struct ch_root_part *part;
	size_t i;

	for (i = 0; i < tallies->rows.count && tallies->rows.count < PARTS_MAX; i++) {
		tally = CH_VEC_AT(&tallies->rows, struct ch_tally, i);
		part = ch_vec_push(ret);
		if (!part)
			return &ch_enomem;
		*part = (struct ch_root_part){ .row = tally->group - 1,
					       .type = (uint32_t)tally->what,
					       .count = tally->count,
					       .bytes = tally->bytes };
	}
	return NULL;
}

struct ch_error *chp_root_parts_find(struct ch_graph *graph, const struct ch_retained *retained,
				     struct ch_root_paths *paths, struct ch_vec *ret)
{
	struct parting parting = { .graph = graph,
				   .retained = retained,
				   .row_of = paths->row_of,
				   .tallies = CH_TALLIES(graph->heaps) };
	struct ch_error *err = spread(retained, paths);

	if (!err)
		err = ch_heaps_walk(graph->heaps, 0, UINT64_MAX, take_parts, &parting);
	if (!err)
		err = hand_parts(&parting.tallies, ret);
	chp_tallies_deinit(&parting.tallies);
	return err;
}

uint32_t chp_heaviest_child(const struct ch_retained *retained, uint32_t id, uint32_t percent)
{
	uint32_t number = retained->number[id], child, best = 0;

	for (child = retained->child[number]; child; child = retained->next[child])
		if (!best || retained->bytes[child] > retained->bytes[best])
			best = child;
	return best && retained->bytes[best] >= retained->bytes[number] / 100 * percent
		       ? retained->ids[best]
		       : CH_ID_NONE;
}
