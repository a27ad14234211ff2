/*
 * Groups of machines that are alike, and chains of what waits for what.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/async_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/search.h"

#define DEPTH_MAX 256
/* Places of nodes in all chains together. */
#define PLACES_MAX (1U << 24)

int64_t chp_async_node_at(const struct async_search *search, uint64_t addr)
{
	const struct async_node *nodes = search->nodes.items;
	size_t i = ch_search(nodes, search->nodes.count, it, it->addr < addr);

	return i < search->nodes.count && nodes[i].addr == addr ? (int64_t)i : -1;
}

static int compare_edges(const void *a, const void *b)
{
	const struct async_edge *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

static struct async_node *node_at(const struct async_search *search, size_t index)
{
	return CH_VEC_AT(&search->nodes, struct async_node, index);
}

/* Give each node its edges, turned from addresses into indexes of nodes. */
static void link_nodes(struct async_search *search)
{
	struct async_edge *edges = search->edges.items;
	int64_t from, to;
	size_t i, kept;

	ch_vec_sort(&search->edges, compare_edges);
	for (i = kept = 0; i < search->edges.count; i++) {
		from = chp_async_node_at(search, edges[i].from);
		to = chp_async_node_at(search, edges[i].to);
		if (from < 0 || to < 0 || from == to ||
		    (kept && edges[kept - 1].from == (uint64_t)from &&
		     edges[kept - 1].to == (uint64_t)to))
			continue;
		edges[kept] = (struct async_edge){ (uint64_t)from, (uint64_t)to };
		if (!node_at(search, (size_t)from)->edges_count++)
			node_at(search, (size_t)from)->edges_first = (uint32_t)kept;
		if (!node_at(search, (size_t)to)->awaits)
			node_at(search, (size_t)to)->awaits = (uint32_t)from + 1;
		kept++;
	}
	search->edges.count = kept;
}

/* ---- Groups ------------------------------------------------------------------ */

static const char *awaited_name(const struct async_search *search, const struct async_node *node)
{
	return node->awaits ? node_at(search, node->awaits - 1)->name : NULL;
}

static int compare_texts(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int compare_keys(const void *a, const void *b)
{
	const struct ch_async_group *x = a, *y = b;
	int order = compare_texts(x->type, y->type);

	if (!order && x->has_state != y->has_state)
		order = x->has_state ? 1 : -1;
	if (!order)
		order = (x->state > y->state) - (x->state < y->state);
	if (!order)
		order = compare_texts(x->awaits, y->awaits);
	return order ? order
		     : (x->sample_addr > y->sample_addr) - (x->sample_addr < y->sample_addr);
}

static int compare_groups(const void *a, const void *b)
{
	const struct ch_async_group *x = a, *y = b;

	if (x->total_bytes != y->total_bytes)
		return x->total_bytes > y->total_bytes ? -1 : 1;
	return compare_keys(a, b);
}

static bool same_group(const struct ch_async_group *a, const struct ch_async_group *b)
{
	return compare_texts(a->type, b->type) == 0 && a->has_state == b->has_state &&
	       a->state == b->state && compare_texts(a->awaits, b->awaits) == 0;
}

static struct ch_error *make_groups(struct async_search *search)
{
	struct ch_async *ret = search->ret;
	const struct async_node *node;
	struct ch_async_group *rows;
	size_t i, kept;

	for (i = 0; i < search->nodes.count; i++) {
		node = node_at(search, i);
		if (!node->is_box)
			continue;
		rows = ch_vec_push(&ret->groups);
		if (!rows)
			return &ch_enomem;
		*rows = (struct ch_async_group){ node->name,
						 awaited_name(search, node),
						 node->has_state,
						 node->state,
						 1,
						 node->bytes,
						 node->addr };
		ret->machines_count++;
		ret->machines_bytes += node->bytes;
	}
	ch_vec_sort(&ret->groups, compare_keys);
	rows = ret->groups.items;
	for (i = kept = 0; i < ret->groups.count; i++) {
		if (!kept || !same_group(&rows[kept - 1], &rows[i])) {
			rows[kept++] = rows[i];
			continue;
		}
		rows[kept - 1].count++;
		rows[kept - 1].total_bytes += rows[i].total_bytes;
	}
	ret->groups.count = kept;
	ch_vec_sort(&ret->groups, compare_groups);
	return NULL;
}

/* ---- Chains ------------------------------------------------------------------ */

/* Nodes that are alike and in one place: places first to first + count. */
struct pile {
	size_t first, count;
	uint32_t chain, depth;
};

struct chains {
	struct async_search *search;
	/* of uint32_t: nodes; of struct pile: what is to do, the next one last */
	struct ch_vec places, piles;
};

static int compare_alike(const struct async_node *x, const struct async_node *y)
{
	int order = strcmp(x->name, y->name);

	if (!order && x->has_state != y->has_state)
		order = x->has_state ? 1 : -1;
	return order ? order : (x->state > y->state) - (x->state < y->state);
}

static int compare_places(const void *a, const void *b, void *arg)
{
	const struct async_search *search = arg;
	const uint32_t *x = a, *y = b;
	int order = compare_alike(node_at(search, *x), node_at(search, *y));

	return order ? order : (*x > *y) - (*x < *y);
}

/* Part places from first on into piles of those that are alike, each node once. */
static struct ch_error *pile_up(struct chains *chains, size_t first, uint32_t chain, uint32_t depth)
{
	struct async_search *search = chains->search;
	uint32_t *nodes = (uint32_t *)chains->places.items;
	size_t i, kept = first, start, from = chains->piles.count;
	struct pile *slot, swap;

	if (chains->places.count == first)
		return NULL;
	qsort_r(nodes + first, chains->places.count - first, sizeof(*nodes), compare_places,
		search);
	for (i = first; i < chains->places.count; i++)
		if (kept == first || nodes[kept - 1] != nodes[i])
			nodes[kept++] = nodes[i];
	chains->places.count = kept;
	for (start = i = first; i < kept; i++) {
		if (i + 1 < kept &&
		    compare_alike(node_at(search, nodes[i]), node_at(search, nodes[i + 1])) == 0)
			continue;
		slot = ch_vec_push(&chains->piles);
		if (!slot)
			return &ch_enomem;
		*slot = (struct pile){ start, i + 1 - start, chain, depth };
		start = i + 1;
	}
	/* The last one is taken first. */
	slot = chains->piles.items;
	for (i = chains->piles.count; from + 1 < i; from++) {
		swap = slot[from];
		slot[from] = slot[--i];
		slot[i] = swap;
	}
	return NULL;
}

static struct ch_error *put_place(struct chains *chains, uint32_t node)
{
	uint32_t *slot;

	if (chains->places.count >= PLACES_MAX) {
		chains->search->ret->cut = true;
		return NULL;
	}
	slot = ch_vec_push(&chains->places);
	if (!slot)
		return &ch_enomem;
	*slot = node;
	return NULL;
}

/* What the nodes of a pile continue. */
static struct ch_error *put_next(struct chains *chains, const struct pile *pile)
{
	const struct async_search *search = chains->search;
	size_t first = chains->places.count, i, k;
	struct ch_error *err = NULL;
	const struct async_node *node;

	if (pile->depth + 1 >= DEPTH_MAX) {
		search->ret->cut = true;
		return NULL;
	}
	for (i = 0; i < pile->count; i++) {
		node = node_at(search, *CH_VEC_AT(&chains->places, uint32_t, pile->first + i));
		for (k = 0; !err && k < node->edges_count; k++)
			err = put_place(chains,
					(uint32_t)CH_VEC_AT(&search->edges, struct async_edge,
							    node->edges_first + k)
						->to);
	}
	return err ? err : pile_up(chains, first, pile->chain, pile->depth + 1);
}

static struct ch_error *put_step(struct chains *chains, struct pile *pile)
{
	struct ch_async *ret = chains->search->ret;
	struct ch_async_step *slot = ch_vec_push(&ret->steps);
	const struct async_node *node;

	if (!slot)
		return &ch_enomem;
	if (!pile->depth)
		pile->chain = (uint32_t)++ret->chains_count;
	node = node_at(chains->search, *CH_VEC_AT(&chains->places, uint32_t, pile->first));
	*slot = (struct ch_async_step){
		pile->chain, pile->depth, node->name, node->has_state,
		node->state, pile->count, node->addr,
	};
	return put_next(chains, pile);
}

/* Chains begin with what waits for nothing that is known. */
static struct ch_error *make_chains(struct async_search *search)
{
	struct chains chains = { .search = search,
				 .places = CH_VEC(uint32_t),
				 .piles = CH_VEC(struct pile) };
	struct ch_error *err = NULL;
	const struct async_node *node;
	struct pile pile;
	size_t i;

	for (i = 0; !err && i < search->nodes.count; i++) {
		node = node_at(search, i);
		if (!node->awaits && (node->is_box || node->edges_count))
			err = put_place(&chains, (uint32_t)i);
	}
	if (!err)
		err = pile_up(&chains, 0, 0, 0);
	while (!err && chains.piles.count) {
		pile = *CH_VEC_AT(&chains.piles, struct pile, --chains.piles.count);
		err = put_step(&chains, &pile);
	}
	ch_vec_deinit(&chains.places);
	ch_vec_deinit(&chains.piles);
	return err;
}

struct ch_error *chp_async_sum_up(struct async_search *search)
{
	struct ch_error *err;

	link_nodes(search);
	err = make_groups(search);
	return err ? err : make_chains(search);
}
