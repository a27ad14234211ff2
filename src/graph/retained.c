/*
 * What would go with a node: the sums of the dominator tree by node and by type, each byte of a
 * type counted once, and the largest of them.
 */
#include "graph/retained.h"
#include "graph/graph_priv.h"
#include "graph/mark.h"

#include <stdlib.h>
#include <string.h>

/* ---- Rows -------------------------------------------------------------------- */

static struct ch_retained_row row_of(const struct ch_retained *retained, uint32_t number)
{
	uint64_t below = 0;
	uint32_t child;

	for (child = retained->child[number]; child; child = retained->next[child])
		below += retained->bytes[child];
	return (struct ch_retained_row){
		.id = retained->ids[number],
		.dominator = retained->ids[number ? retained->idom[number] : CH_DOMINATOR_ROOT],
		.self_bytes = retained->bytes[number] - below,
		.retained_bytes = retained->bytes[number],
		.retained_count = retained->counts[number],
	};
}

bool ch_retained_row(const struct ch_retained *retained, uint32_t id, struct ch_retained_row *ret)
{
	uint32_t number = id == CH_ID_NONE ? CH_DOMINATOR_ROOT : retained->number[id];

	if (id != CH_ID_NONE && !number)
		return false;
	*ret = row_of(retained, number);
	return true;
}

/* A heap of numbers, the one that retains least on top. */
struct best {
	const struct ch_retained *retained;
	uint32_t *numbers;
	size_t count, max;
};

/* Whether a belongs before b. */
static bool is_before(const struct ch_retained *retained, uint32_t a, uint32_t b)
{
	if (retained->bytes[a] != retained->bytes[b])
		return retained->bytes[a] > retained->bytes[b];
	return retained->ids[a] < retained->ids[b];
}

static void sink(struct best *best, size_t at)
{
	uint32_t *numbers = best->numbers, swap;
	size_t child;

	while ((child = 2 * at + 1) < best->count) {
		if (child + 1 < best->count &&
		    is_before(best->retained, numbers[child], numbers[child + 1]))
			child++;
		if (!is_before(best->retained, numbers[at], numbers[child]))
			return;
		swap = numbers[at];
		numbers[at] = numbers[child];
		numbers[child] = swap;
		at = child;
	}
}

static void offer(struct best *best, uint32_t number)
{
	size_t i;

	if (best->count < best->max) {
		best->numbers[best->count++] = number;
		if (best->count == best->max)
			for (i = best->count / 2; i > 0; i--)
				sink(best, i - 1);
	} else if (best->max && is_before(best->retained, number, best->numbers[0])) {
		best->numbers[0] = number;
		sink(best, 0);
	}
}

static int compare_rows(const void *a, const void *b)
{
	const struct ch_retained_row *x = a, *y = b;

	if (x->retained_bytes != y->retained_bytes)
		return x->retained_bytes > y->retained_bytes ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static size_t take_best(struct best *best, struct ch_retained_row *rows)
{
	size_t i;

	for (i = 0; i < best->count; i++)
		rows[i] = row_of(best->retained, best->numbers[i]);
	qsort(rows, best->count, sizeof(*rows), compare_rows);
	free(best->numbers);
	return best->count;
}

static bool is_chosen(const struct ch_retained *retained, uint32_t number)
{
	return !retained->chosen || chp_bit(retained->chosen, number);
}

/* The next one on a walk down from top that goes below no chosen one; 0: that was the last. */
static uint32_t next_below(const struct ch_retained *retained, uint32_t top, uint32_t w)
{
	if (retained->child[w] && (w == top || !is_chosen(retained, w)))
		return retained->child[w];
	while (w != top && !retained->next[w])
		w = retained->idom[w];
	return w == top ? 0 : retained->next[w];
}

struct ch_retained_row chp_retained_chosen(const struct ch_retained *retained, uint32_t id)
{
	struct ch_retained_row sum = { .id = CH_ID_NONE, .dominator = CH_ID_NONE };
	uint32_t top = id == CH_ID_NONE ? CH_DOMINATOR_ROOT : retained->number[id], w;

	for (w = next_below(retained, top, top); w; w = next_below(retained, top, w)) {
		if (!is_chosen(retained, w))
			continue;
		sum.retained_bytes += retained->bytes[w];
		sum.retained_count += retained->counts[w];
	}
	return sum;
}

size_t ch_retained_top(const struct ch_retained *retained, struct ch_retained_row *rows, size_t max,
		       uint64_t *count_ret)
{
	struct best best = { .retained = retained, .max = max };
	uint32_t w;

	*count_ret = retained->chosen ? retained->chosen_count : retained->count;
	best.numbers = calloc(max + 1, sizeof(uint32_t));
	if (!best.numbers)
		return 0;
	for (w = 1; w <= retained->count; w++)
		if (is_chosen(retained, w))
			offer(&best, w);
	return take_best(&best, rows);
}

size_t ch_retained_children(const struct ch_retained *retained, uint32_t id,
			    struct ch_retained_row *rows, size_t max, uint64_t *count_ret)
{
	struct best best = { .retained = retained, .max = max };
	uint32_t w = id == CH_ID_NONE ? CH_DOMINATOR_ROOT : retained->number[id], top;

	*count_ret = 0;
	best.numbers = calloc(max + 1, sizeof(uint32_t));
	if (!best.numbers || (!w && id != CH_ID_NONE)) {
		free(best.numbers);
		return 0;
	}
	top = w;
	for (w = next_below(retained, top, top); w; w = next_below(retained, top, w)) {
		if (!is_chosen(retained, w))
			continue;
		++*count_ret;
		offer(&best, w);
	}
	return take_best(&best, rows);
}

/* ---- Some of them -------------------------------------------------------------- */

static struct ch_error *walk_chosen(const struct ch_retained *retained, ch_objects_fn fn, void *arg)
{
	const struct ch_object_filter all = { .states = 0 };

	return chp_heaps_walk_where(retained->graph->heaps,
				    retained->filter ? retained->filter : &all, fn, arg);
}

static struct ch_error *choose_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct ch_retained *retained = arg;
	const struct ch_graph *graph = retained->graph;
	uint32_t id, number;
	size_t i;

	for (i = 0; i < n; i++) {
		id = ch_graph_node_at(graph, objects[i].addr);
		number = id < graph->index->objects_count ? retained->number[id] : 0;
		if (!number || chp_bit(retained->chosen, number))
			continue;
		retained->chosen[number / 64] |= 1ULL << (number % 64);
		retained->chosen_count++;
	}
	return NULL;
}

struct ch_error *chp_retained_choose(struct ch_retained *retained,
				     const struct ch_object_filter *filter)
{
	free(retained->chosen);
	retained->chosen = calloc(retained->count / 64 + 1ULL, sizeof(*retained->chosen));
	if (!retained->chosen)
		return &ch_enomem;
	retained->chosen_count = 0;
	retained->filter = filter;
	retained->typed = false;
	return walk_chosen(retained, choose_objects, retained);
}

/* ---- Chains ------------------------------------------------------------------ */

/* The one node of a type that a node dominates directly; 0: there is none, or several. */
static uint32_t only_child(const struct ch_retained *retained, uint32_t number, uint32_t type)
{
	struct ch_object object;
	uint32_t child, found = 0;

	for (child = retained->child[number]; child; child = retained->next[child]) {
		if (!ch_graph_object(retained->graph, retained->ids[child], &object) ||
		    object.type != type)
			continue;
		if (found)
			return 0;
		found = child;
	}
	return found;
}

uint64_t chp_retained_chain(const struct ch_retained *retained, uint32_t id, uint32_t *next_ret)
{
	uint32_t number = retained->number[id], next;
	struct ch_object object;
	uint64_t count = 1;

	*next_ret = CH_ID_NONE;
	if (!number || !ch_graph_object(retained->graph, id, &object))
		return count;
	for (; (next = only_child(retained, number, object.type)); number = next) {
		if (*next_ret == CH_ID_NONE)
			*next_ret = retained->ids[next];
		count++;
	}
	return count;
}

/* ---- Types ------------------------------------------------------------------- */

struct typing {
	struct ch_retained *retained;
	/* By number: index of its type + 1; 0: it is not chosen. */
	uint32_t *types;
	uint32_t next_id;
	/* By type: its index + 1; 0: it has none. */
	uint32_t *rows, rows_count;
};

/* Room for a type that came after the others. */
static bool grow(struct typing *typing, uint32_t type)
{
	uint32_t count = (uint32_t)ch_max(2ULL * typing->rows_count, type + 1024ULL);
	uint32_t *rows = realloc(typing->rows, count * sizeof(*rows));

	if (!rows)
		return false;
	memset(rows + typing->rows_count, 0, (count - typing->rows_count) * sizeof(*rows));
	typing->rows = rows;
	typing->rows_count = count;
	return true;
}

/* Index + 1 of a type; made if there is none. */
static struct ch_error *type_index(struct typing *typing, uint32_t type, uint32_t *ret)
{
	struct ch_vec *types = &typing->retained->types;
	struct ch_retained_type *entry;

	if (type >= typing->rows_count && !grow(typing, type))
		return &ch_enomem;
	if (!typing->rows[type]) {
		entry = ch_vec_push(types);
		if (!entry)
			return &ch_enomem;
		entry->type = type;
		typing->rows[type] = (uint32_t)types->count;
	}
	*ret = typing->rows[type];
	return NULL;
}

static struct ch_error *take_objects(void *arg, const struct ch_object *objects, size_t n)
{
	struct typing *typing = arg;
	const struct ch_graph *graph = typing->retained->graph;
	struct ch_retained_type *entry;
	struct ch_error *err = NULL;
	uint32_t id, number;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		id = typing->next_id++;
		if (graph->index->gaps || typing->retained->filter)
			id = ch_graph_node_at(graph, objects[i].addr);
		if (id >= graph->index->objects_count)
			continue;
		number = typing->retained->number[id];
		if (!number)
			continue;
		err = type_index(typing, objects[i].type, &typing->types[number]);
		if (err)
			break;
		entry = CH_VEC_AT(&typing->retained->types, struct ch_retained_type,
				  typing->types[number] - 1);
		entry->count++;
		entry->self_bytes += objects[i].size_bytes;
	}
	return err;
}

/* Down and up the dominator tree: an object adds what it retains to its type
 * unless one above it, of its type, has. */
static struct ch_error *sum_types(struct typing *typing)
{
	struct ch_retained *retained = typing->retained;
	uint32_t *open = calloc(retained->types.count + 1, sizeof(*open));
	struct ch_retained_type *types = retained->types.items;
	uint32_t w = retained->child[CH_DOMINATOR_ROOT];

	if (!open)
		return &ch_enomem;
	while (w) {
		if (!open[typing->types[w]]++ && typing->types[w])
			types[typing->types[w] - 1].retained_bytes += retained->bytes[w];
		if (retained->child[w]) {
			w = retained->child[w];
			continue;
		}
		open[typing->types[w]]--;
		while (w && !retained->next[w]) {
			w = retained->idom[w];
			if (w)
				open[typing->types[w]]--;
		}
		w = w ? retained->next[w] : CH_DOMINATOR_ROOT;
	}
	free(open);
	return NULL;
}

static int compare_types(const void *a, const void *b)
{
	const struct ch_retained_type *x = a, *y = b;

	if (x->retained_bytes != y->retained_bytes)
		return x->retained_bytes > y->retained_bytes ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

struct ch_error *ch_retained_types(struct ch_retained *retained,
				   const struct ch_retained_type **ret, size_t *count_ret)
{
	struct typing typing = { .retained = retained };
	struct ch_error *err = NULL;

	if (!retained->typed) {
		retained->types.count = 0;
		typing.types = calloc(retained->count + 1ULL, sizeof(uint32_t));
		err = typing.types ? walk_chosen(retained, take_objects, &typing) : &ch_enomem;
		if (!err)
			err = sum_types(&typing);
		free(typing.types);
		free(typing.rows);
		if (err)
			return err;
		ch_vec_sort(&retained->types, compare_types);
		retained->typed = true;
	}
	*ret = retained->types.items;
	*count_ret = retained->types.count;
	return NULL;
}
