/*
 * Where memory comes together: from the heaviest root down the dominator tree to the block whose
 * children share it, which is what one would call its holder; and which types it is made of.
 */
#include "graph/holders.h"

#include <stdlib.h>

#include "graph/graph_priv.h"
#include "graph/retained.h"
#include "graph/tally.h"
#include "heap/inspect.h"
#include "util/cleanup.h"

/* A child that retains this many percent of what the way began with continues it. */
#define MOST_PERCENT 70
/* Blocks of one type in a row that make a list, and most steps of a way. */
#define LIST_STEPS 16
/* As many before it is asked whether they are the head of one. */
#define ROW_MIN      3
#define CHILDREN_MAX 64
#define STEPS_MAX    4096

/* ---- Where the memory spreads ------------------------------------------------- */

static uint32_t largest_child(const struct ch_retained *retained, uint32_t number)
{
	uint32_t child, best = 0;

	for (child = retained->child[number]; child; child = retained->next[child])
		if (!best || retained->bytes[child] > retained->bytes[best] ||
		    (retained->bytes[child] == retained->bytes[best] &&
		     retained->ids[child] < retained->ids[best]))
			best = child;
	return best;
}

static uint32_t type_of(struct ch_graph *graph, uint32_t id)
{
	struct ch_object object;

	return ch_graph_object(graph, id, &object) ? object.type : 0;
}

/* The only child of a type, among not too many; 0: there is none, or there are others. */
static uint32_t only_child(struct ch_graph *graph, const struct ch_retained *retained,
			   uint32_t number, uint32_t type)
{
	uint32_t child, found = 0, looked = 0;

	for (child = retained->child[number]; child; child = retained->next[child]) {
		if (++looked > CHILDREN_MAX)
			return 0;
		if (type_of(graph, retained->ids[child]) != type)
			continue;
		if (found)
			return 0;
		found = child;
	}
	return found;
}

/* Whether a row of blocks of one type that ends at number goes on behind what is most of
 * the memory: each holds the next one. */
static bool goes_on(struct ch_graph *graph, const struct ch_retained *retained, uint32_t number,
		    uint32_t type, uint32_t row)
{
	while (number && row < LIST_STEPS) {
		number = only_child(graph, retained, number, type);
		row++;
	}
	return number != 0;
}

/* Down from number; *list_ret: it ended at the head of a list. */
static uint32_t descend(struct ch_graph *graph, const struct ch_retained *retained, uint32_t number,
			bool *list_ret)
{
	uint64_t enough = retained->bytes[number] / 100 * MOST_PERCENT;
	uint32_t type = type_of(graph, retained->ids[number]), next_type;
	uint32_t head = number, child, steps, row = 1;

	*list_ret = false;
	for (steps = 0; steps < STEPS_MAX; steps++) {
		child = largest_child(retained, number);
		if (!child || retained->bytes[child] < enough) {
			*list_ret = row >= ROW_MIN && goes_on(graph, retained, number, type, row);
			return *list_ret ? head : number;
		}
		next_type = type_of(graph, retained->ids[child]);
		if (next_type != type) {
			head = child;
			row = 0;
		}
		type = next_type;
		number = child;
		if (++row < LIST_STEPS)
			continue;
		*list_ret = true;
		return head;
	}
	return number;
}

static uint64_t count_children(const struct ch_retained *retained, uint32_t number)
{
	uint64_t count = 0;
	uint32_t child;

	for (child = retained->child[number]; child; child = retained->next[child])
		count++;
	return count;
}

/* Whether an object has fields, not elements: what they lead to are matters of their own. */
static bool has_fields(struct ch_graph *graph, uint32_t id)
{
	struct ch_inspected inspected;
	struct ch_object_shape shape;
	struct ch_object object;

	if (!ch_graph_object(graph, id, &object) ||
	    !chp_heaps_span_inspector(graph->heaps, object.span, &inspected))
		return false;
	inspected.inspector->shape(inspected.state, object.addr, object.key, &shape);
	return shape.kind == CH_SHAPE_OBJECT;
}

/* The heavy children of a holder, if there are several and they are most of it; returns how
 * many were written. */
static size_t take_apart(struct ch_graph *graph, const struct ch_retained *retained,
			 uint32_t number, uint64_t bytes_min, uint32_t *ret, size_t max)
{
	uint64_t bytes = 0;
	size_t count = 0;
	uint32_t child;

	for (child = retained->child[number]; child; child = retained->next[child]) {
		if (retained->bytes[child] < bytes_min)
			continue;
		if (count == max)
			return 0;
		ret[count++] = child;
		bytes += retained->bytes[child];
	}
	return count > 1 && bytes >= retained->bytes[number] / 100 * MOST_PERCENT &&
			       has_fields(graph, retained->ids[number])
		       ? count
		       : 0;
}

static void put_holder(const struct ch_retained *retained, uint32_t number, uint32_t top, bool list,
		       struct ch_holders *ret)
{
	struct ch_holder *holder;

	if (ret->count == CH_HOLDERS_MAX)
		return;
	holder = &ret->items[ret->count++];
	holder->list = list;
	holder->id = retained->ids[number];
	holder->top = retained->ids[top];
	holder->children_count = count_children(retained, number);
	holder->types = CH_VEC(struct ch_held_type);
}

/* From a block that roots alone dominate on. */
static void add_holders(struct ch_graph *graph, const struct ch_retained *retained, uint32_t top,
			uint64_t bytes_min, struct ch_holders *ret)
{
	uint32_t waiting[2 * CH_HOLDERS_MAX] = { top }, number;
	size_t count = 1, apart;
	bool list;

	while (count) {
		number = descend(graph, retained, waiting[--count], &list);
		apart = list ? 0
			     : take_apart(graph, retained, number, bytes_min, waiting + count,
					  CH_COUNT_OF(waiting) - count);
		if (!apart)
			put_holder(retained, number, top, list, ret);
		count += apart;
	}
}

/* ---- What of ------------------------------------------------------------------ */

/* Colour of what is under no holder. */
#define LOOSE CH_HOLDERS_MAX
/* Of what a track leads to; and of that what is under no holder. */
#define ALIKE (LOOSE + 1)
#define REST  (ALIKE + CH_ALIKE_MAX)

struct survey {
	struct ch_graph *graph;
	const struct ch_retained *retained;
	const struct ch_leaks *leaks;
	struct ch_holders *holders;
	/* By id: holder + 1; 0: none. */
	uint8_t *painted;
	/* Of what tracks lead to: by track, its place + 1. */
	const struct ch_trails *trails;
	const uint8_t *colours;
	/* By number: of what a node retains, what tracks lead to; NULL: none does. */
	uint64_t *behind;
	uint32_t next_id;
	struct ch_tallies tallies;
};

/* Down and up the dominator tree below a holder. */
static void paint(const struct ch_retained *retained, uint32_t top, uint8_t colour,
		  uint8_t *painted)
{
	uint32_t w = top;

	for (;;) {
		painted[retained->ids[w]] = colour;
		if (retained->child[w]) {
			w = retained->child[w];
			continue;
		}
		while (w != top && !retained->next[w])
			w = retained->idom[w];
		if (w == top)
			return;
		w = retained->next[w];
	}
}

/* Whether the way to a holder leads through id: what it retains is told there. */
static bool is_above(const struct ch_holders *holders, uint32_t id)
{
	size_t i;

	for (i = 0; i < holders->count; i++)
		if (holders->items[i].top == id)
			return true;
	return false;
}

static struct ch_error *add_to(struct survey *survey, uint32_t group, uint32_t type, uint64_t bytes)
{
	struct ch_tally *tally = chp_tally_of(&survey->tallies, group, type);

	if (!tally)
		return &ch_enomem;
	tally->count++;
	tally->bytes += bytes;
	return NULL;
}

/* The same by the track that it lies on. */
static struct ch_error *add_alike(struct survey *survey, uint32_t id,
				  const struct ch_object *object)
{
	uint32_t colour = survey->colours[survey->trails->track[id]];
	uint32_t type = object->type;
	uint64_t touched;
	struct ch_alike_sum *sum;
	struct ch_error *err;

	if (!colour)
		return NULL;
	sum = &survey->holders->alike[colour - 1];
	touched = chp_object_weight(survey->graph, object);
	sum->total_count++;
	sum->total_bytes += touched;
	err = add_to(survey, ALIKE + colour - 1, type, touched);
	if (!err && !survey->painted[id])
		return add_to(survey, REST + colour - 1, type, touched);
	if (!err)
		sum->held_bytes[survey->painted[id] - 1] += touched;
	return err;
}

static bool sum_behind(struct survey *survey)
{
	const struct ch_retained *retained = survey->retained;
	uint32_t w, child;

	survey->behind = calloc(retained->count + 1ULL, sizeof(*survey->behind));
	if (!survey->behind)
		return false;
	/* a dominator's number is below those of all that it dominates */
	for (w = retained->count; w > 0; w--) {
		if (survey->colours[survey->trails->track[retained->ids[w]]]) {
			survey->behind[w] += retained->bytes[w];
			for (child = retained->child[w]; child; child = retained->next[child])
				survey->behind[w] -= retained->bytes[child];
		}
		survey->behind[retained->idom[w]] += survey->behind[w];
	}
	return true;
}

/* A node of the walk: below a holder, or dominated by roots alone. */
static struct ch_error *add_node(struct survey *survey, uint32_t id, const struct ch_object *object)
{
	uint32_t number = survey->retained->number[id], holder = LOOSE;
	uint64_t bytes;

	if (survey->painted[id]) {
		holder = survey->painted[id] - 1U;
		bytes = chp_object_weight(survey->graph, object);
		survey->holders->items[holder].total_count++;
		survey->holders->items[holder].total_bytes += bytes;
	} else if (!number || survey->retained->idom[number] != CH_DOMINATOR_ROOT ||
		   survey->colours[survey->trails->track[id]] || is_above(survey->holders, id)) {
		return NULL;
	} else {
		bytes = survey->retained->bytes[number];
		if (survey->behind)
			bytes -= survey->behind[number];
	}
	return add_to(survey, holder, object->type, bytes);
}

/* A managed object that nothing holds. */
static void add_dead(const struct survey *survey, const struct ch_heap *heap,
		     const struct ch_object *object)
{
	struct ch_holders *holders = survey->holders;

	holders->managed_dead_bytes += object->chunk_bytes;
	holders->managed_dead_touched_bytes +=
		chp_heaps_touched_bytes(survey->graph->heaps, object);
	holders->dead_bytes += chp_object_weight(survey->graph, object);
	if (chp_heap_is_young(survey->graph->heaps, heap))
		return;
	holders->old_dead_count++;
	holders->old_dead_bytes += chp_object_weight(survey->graph, object);
}

static struct ch_error *take_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct survey *survey = arg;
	const struct ch_graph *graph = survey->graph;
	struct ch_error *err = NULL;
	const struct ch_heap *heaps;
	const struct ch_span *spans;
	struct ch_traced traced;
	size_t count, i;
	uint32_t id;
	bool managed;

	if (!n)
		return NULL;
	spans = ch_heaps_spans(graph->heaps, &count);
	heaps = ch_heaps_list(graph->heaps, &count);
	managed = chp_heaps_span_tracer(graph->heaps, objects[0].span, &traced);
	for (i = 0; !err && i < n; i++) {
		id = survey->next_id++;
		if (graph->index->gaps)
			id = ch_graph_node_at(graph, objects[i].addr);
		if (id >= graph->index->objects_count || !chp_is_node(graph->index, id))
			continue;
		if (managed && ch_leaks_reach(survey->leaks, id) >= CH_REACH_DEAD)
			add_dead(survey, &heaps[spans[objects[i].span].heap], &objects[i]);
		err = add_node(survey, id, &objects[i]);
		if (!err)
			err = survey->behind ? add_alike(survey, id, &objects[i]) : NULL;
	}
	return err;
}

static int compare_types(const void *a, const void *b)
{
	const struct ch_held_type *x = a, *y = b;

	if (x->total_bytes != y->total_bytes)
		return x->total_bytes > y->total_bytes ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

static struct ch_vec *list_of(struct ch_holders *holders, uint32_t group)
{
	if (group < LOOSE)
		return &holders->items[group].types;
	if (group == LOOSE)
		return &holders->loose;
	return group < REST ? &holders->alike[group - ALIKE].types
			    : &holders->alike[group - REST].rest;
}

static struct ch_error *hand_out(const struct survey *survey, struct ch_holders *holders)
{
	const struct ch_tally *tally;
	struct ch_held_type *slot;
	size_t i;

	for (i = 0; i < survey->tallies.rows.count; i++) {
		tally = CH_VEC_AT(&survey->tallies.rows, struct ch_tally, i);
		slot = ch_vec_push(list_of(holders, tally->group));
		if (!slot)
			return &ch_enomem;
		*slot = (struct ch_held_type){ (uint32_t)tally->what, tally->count, tally->bytes };
	}
	for (i = 0; i < holders->count; i++)
		ch_vec_sort(&holders->items[i].types, compare_types);
	for (i = 0; i < holders->alike_count; i++) {
		ch_vec_sort(&holders->alike[i].types, compare_types);
		ch_vec_sort(&holders->alike[i].rest, compare_types);
	}
	ch_vec_sort(&holders->loose, compare_types);
	return NULL;
}

struct ch_error *chp_holders_find(struct ch_graph *graph, const struct ch_retained *retained,
				  const struct ch_leaks *leaks, const struct ch_alikes *alikes,
				  uint64_t bytes_min, struct ch_holders *ret)
{
	_cleanup_free_ uint8_t *colours = chp_alike_colours(alikes);
	struct survey survey = { .graph = graph,
				 .retained = retained,
				 .leaks = leaks,
				 .holders = ret,
				 .trails = alikes->trails,
				 .colours = colours,
				 .tallies = CH_TALLIES(graph->heaps) };
	struct ch_retained_row tops[CH_HOLDERS_MAX];
	struct ch_error *err = &ch_enomem;
	uint64_t matched;
	size_t count, i;

	*ret = (struct ch_holders){ .loose = CH_VEC(struct ch_held_type),
				    .alike_count = alikes->count };
	for (i = 0; i < alikes->count; i++) {
		ret->alike[i].types = CH_VEC(struct ch_held_type);
		ret->alike[i].rest = CH_VEC(struct ch_held_type);
	}
	count = ch_retained_children(retained, CH_ID_NONE, tops, CH_HOLDERS_MAX, &matched);
	survey.painted = calloc(graph->index->objects_count + 1ULL, 1);
	if (survey.painted && colours && (!alikes->count || sum_behind(&survey))) {
		for (i = 0; i < count && tops[i].retained_bytes >= bytes_min; i++)
			add_holders(graph, retained, retained->number[tops[i].id], bytes_min, ret);
		for (i = 0; i < ret->count; i++)
			paint(retained, retained->number[ret->items[i].id], (uint8_t)(i + 1),
			      survey.painted);
		err = ch_heaps_walk(graph->heaps, 0, UINT64_MAX, take_objects, &survey);
	}
	if (!err)
		err = hand_out(&survey, ret);
	free(survey.painted);
	free(survey.behind);
	chp_tallies_deinit(&survey.tallies);
	return err;
}

void chp_holders_deinit(struct ch_holders *holders)
{
	size_t i;

	for (i = 0; i < holders->count; i++)
		ch_vec_deinit(&holders->items[i].types);
	for (i = 0; i < holders->alike_count; i++) {
		ch_vec_deinit(&holders->alike[i].types);
		ch_vec_deinit(&holders->alike[i].rest);
	}
	ch_vec_deinit(&holders->loose);
}
