/*
 * Dominators of all nodes (semi-NCA, after a depth-first numbering with a stack of its own): the
 * one node without which another would not be reached. retained.c adds up by it.
 */
#include <stdlib.h>
#include <string.h>

#include "graph/graph_priv.h"
#include "graph/retained.h"
#include "graph/reverse.h"
#include "util/context.h"

/* Nodes between two looks at the rest of the world. */
#define PACE 8192
/* Edges of a node whose targets are asked for at once. */
#define AHEAD 16

/* ---- Depth-first search ------------------------------------------------------ */

struct pending {
	uint32_t id, parent;
};

struct search {
	struct ch_retained *retained;
	struct ch_graph *graph;
	/* By number. */
	uint32_t *parent;
	/* By id: a root points at it. */
	uint64_t *rooted;
	/* of struct pending */
	struct ch_vec stack;
};

static bool push(struct search *search, uint32_t id, uint32_t parent)
{
	const struct ch_edge_part *part = chp_forward_part(&search->graph->forward, id);
	struct pending *slot;

	if (search->stack.count == search->stack.capacity &&
	    !ch_vec_reserve(&search->stack, search->stack.count + 1))
		return false;
	slot = CH_VEC_AT(&search->stack, struct pending, search->stack.count++);
	*slot = (struct pending){ id, parent };
	__builtin_prefetch(&part->starts[id - part->from]);
	return true;
}

static struct ch_error *take_roots(void *arg, const struct ch_root *roots, size_t n)
{
	struct search *search = arg;
	uint32_t id;
	size_t i;

	for (i = 0; i < n; i++) {
		id = roots[i].target;
		if (search->rooted[id / 64] >> (id % 64) & 1)
			continue;
		search->rooted[id / 64] |= 1ULL << (id % 64);
		if (!push(search, id, CH_DOMINATOR_ROOT))
			return &ch_enomem;
	}
	return NULL;
}

/* Put what an edge leads to on the stack, if it was not reached yet. */
CH_INLINE bool follow(struct search *search, uint32_t id, uint32_t parent)
{
	return search->retained->number[id] || push(search, id, parent);
}

/* The edges of a node, last to first, so that the first edge is taken first; those that its walker
 * knows in their order. */
CH_INLINE bool expand(struct search *search, uint32_t id, uint32_t number)
{
	const struct ch_edge_part *part = chp_forward_part(&search->graph->forward, id);
	uint32_t from = part->starts[id - part->from], to = part->starts[id + 1 - part->from], at;
	bool more = true;

	for (at = from; at < to && at < from + AHEAD; at++)
		__builtin_prefetch(&search->retained->number[part->targets[at]]);
	if (part->places && from < to && part->places[from] != CH_PLACE_PLAIN)
		for (at = from; at < to && more; at++)
			more = follow(search, part->targets[at], number);
	else
		for (at = to; at > from && more; at--)
			more = follow(search, part->targets[at - 1], number);
	return more;
}

/* Bring the edges of what comes next, if nothing comes between. */
CH_INLINE void look_ahead(const struct search *search)
{
	const struct ch_edge_part *part;
	uint32_t id;

	if (!search->stack.count)
		return;
	id = CH_VEC_AT(&search->stack, struct pending, search->stack.count - 1)->id;
	part = chp_forward_part(&search->graph->forward, id);
	__builtin_prefetch(&part->targets[part->starts[id - part->from]]);
}

static struct ch_error *number_nodes(struct search *search)
{
	struct ch_retained *retained = search->retained;
	struct ch_error *err;
	struct pending node;
	uint32_t number;

	while (search->stack.count) {
		node = *CH_VEC_AT(&search->stack, struct pending, --search->stack.count);
		if (retained->number[node.id])
			continue;
		number = ++retained->count;
		retained->number[node.id] = number;
		retained->ids[number] = node.id;
		search->parent[number] = node.parent;
		look_ahead(search);
		if (!expand(search, node.id, number))
			return &ch_enomem;
		if (number % PACE == 0) {
			chp_context_progress(search->graph->ctx, "numbering blocks", number,
					     search->graph->index->nodes_count);
			err = chp_context_check(search->graph->ctx);
			if (err)
				return err;
		}
	}
	return NULL;
}

/* ---- Semi-NCA ---------------------------------------------------------------- */

struct nca {
	const struct ch_retained *retained;
	/* By number: next of a compressed path, least semidominator on it. */
	uint32_t *ancestor, *label, *semi;
	/* of uint32_t: a path being compressed */
	struct ch_vec path;
};

/* The least semidominator on the path from v up to what is linked: v itself if it
 * is not, as everything from last on is. */
CH_INLINE bool eval(struct nca *nca, uint32_t v, uint32_t last, uint32_t *ret)
{
	uint32_t *slot, at, up, i;

	if (v < last) {
		*ret = v;
		return true;
	}
	nca->path.count = 0;
	for (at = v; nca->ancestor[at] >= last; at = nca->ancestor[at]) {
		slot = ch_vec_push(&nca->path);
		if (!slot)
			return false;
		*slot = at;
	}
	for (i = (uint32_t)nca->path.count; i > 0; i--) {
		at = *CH_VEC_AT(&nca->path, uint32_t, i - 1);
		up = nca->ancestor[at];
		if (nca->label[up] < nca->label[at])
			nca->label[at] = nca->label[up];
		nca->ancestor[at] = nca->ancestor[up];
	}
	*ret = nca->label[v];
	return true;
}

static struct ch_error *find_semi(struct nca *nca, const struct search *search,
				  const struct ch_reverse *reverse)
{
	const struct ch_retained *retained = nca->retained;
	uint32_t w, id, k, v, semi, best;
	struct ch_error *err;

	for (w = retained->count; w > 0; w--) {
		id = retained->ids[w];
		best = search->rooted[id / 64] >> (id % 64) & 1 ? CH_DOMINATOR_ROOT
								: search->parent[w];
		for (k = reverse->start[id]; best && k < reverse->start[id + 1]; k++) {
			v = retained->number[reverse->sources[k]];
			/* No root reaches it. */
			if (!v)
				continue;
			if (!eval(nca, v, w + 1, &semi))
				return &ch_enomem;
			if (semi < best)
				best = semi;
		}
		nca->semi[w] = nca->label[w] = best;
		if (w % PACE == 0) {
			chp_context_progress(search->graph->ctx, "finding dominators",
					     retained->count - w, retained->count);
			err = chp_context_check(search->graph->ctx);
			if (err)
				return err;
		}
	}
	return NULL;
}

static struct ch_error *find_dominators(struct search *search, const struct ch_reverse *reverse)
{
	struct ch_retained *retained = search->retained;
	size_t bytes = (retained->count + 1ULL) * sizeof(uint32_t);
	struct nca nca = { .retained = retained, .path = CH_VEC(uint32_t) };
	struct ch_error *err = &ch_enomem;
	uint32_t w, at;

	nca.ancestor = malloc(bytes);
	nca.label = calloc(1, bytes);
	nca.semi = calloc(1, bytes);
	if (nca.ancestor && nca.label && nca.semi) {
		memcpy(nca.ancestor, search->parent, bytes);
		err = find_semi(&nca, search, reverse);
	}
	/* paths are no longer needed: dominators take their place */
	retained->idom = nca.ancestor;
	for (w = 1; !err && w <= retained->count; w++) {
		for (at = search->parent[w]; at > nca.semi[w];)
			at = retained->idom[at];
		retained->idom[w] = at;
	}
	if (!err)
		retained->idom[CH_DOMINATOR_ROOT] = CH_DOMINATOR_ROOT;
	/* the tree has as many places as they have */
	retained->child = nca.label;
	retained->next = nca.semi;
	ch_vec_deinit(&nca.path);
	return err;
}

/* ---- Sums -------------------------------------------------------------------- */

/* The same of a node of which it is known where it begins. */
static uint64_t weight_of(const struct ch_graph *graph, const struct ch_index_span *span,
			  uint64_t addr, uint64_t bytes)
{
	if (!graph->touched_only || (span->traced && span->traced->tracer->clears))
		return bytes;
	return ch_core_touched_bytes(graph->core, addr, addr + bytes);
}

uint64_t chp_graph_weight(const struct ch_graph *graph, uint32_t id)
{
	const struct ch_index_span *span = chp_index_span_of(graph->index, id);
	uint64_t addr;

	if (!chp_is_node(graph->index, id))
		return 0;
	addr = chp_index_addr_in(graph->index, span, id);
	return weight_of(graph, span, addr, chp_index_size(graph->index, span, id, addr));
}

/* What each node weighs by itself: by address, as what lies behind a node is known then. */
static void weigh(struct ch_retained *retained)
{
	const struct ch_graph *graph = retained->graph;
	const struct ch_index_span *span;
	uint64_t addr, next;
	uint32_t id, number;
	size_t i;

	for (i = 0; i < graph->index->spans.count; i++) {
		span = CH_VEC_AT(&graph->index->spans, struct ch_index_span, i);
		if (!span->count)
			continue;
		addr = chp_index_addr_in(graph->index, span, span->first_id);
		for (id = span->first_id; id - span->first_id < span->count; id++, addr = next) {
			next = chp_index_next(span, id, addr);
			number = retained->number[id];
			if (number)
				retained->bytes[number] = weight_of(
					graph, span, addr,
					chp_index_size_to(graph->index, span, id, addr, next));
		}
	}
}

/* What the search needed is filled anew: memory that is touched already costs less. */
static struct ch_error *sum_up(struct search *search)
{
	struct ch_retained *retained = search->retained;
	size_t count = retained->count + 1ULL;
	uint32_t w, up;

	retained->bytes = calloc(count, sizeof(uint64_t));
	if (!retained->bytes)
		return &ch_enomem;
	retained->counts = search->parent;
	search->parent = NULL;
	memset(retained->counts, 0, count * sizeof(uint32_t));
	memset(retained->child, 0, count * sizeof(uint32_t));
	retained->next[CH_DOMINATOR_ROOT] = 0;
	weigh(retained);
	/* A dominator's number is below those of all that it dominates. */
	for (w = retained->count; w > 0; w--) {
		retained->counts[w]++;
		up = retained->idom[w];
		retained->bytes[up] += retained->bytes[w];
		retained->counts[up] += retained->counts[w];
		retained->next[w] = retained->child[up];
		retained->child[up] = w;
	}
	return NULL;
}

static struct ch_error *build(struct search *search)
{
	struct ch_retained *retained = search->retained;
	const struct ch_graph *graph = search->graph;
	size_t ids = graph->index->objects_count + 1ULL;
	struct ch_reverse reverse;
	struct ch_error *err;

	retained->number = calloc(ids, sizeof(uint32_t));
	retained->ids = malloc((graph->index->nodes_count + 1ULL) * sizeof(uint32_t));
	search->parent = calloc(graph->index->nodes_count + 1ULL, sizeof(uint32_t));
	search->rooted = calloc(ids / 64 + 1, sizeof(uint64_t));
	if (!retained->number || !retained->ids || !search->parent || !search->rooted)
		return &ch_enomem;
	retained->ids[CH_DOMINATOR_ROOT] = CH_ID_NONE;
	err = chp_forward_keep(search->graph);
	if (!err)
		err = ch_graph_visit_roots(graph, CH_ROOTS_LIVE, take_roots, search);
	if (!err)
		err = number_nodes(search);
	ch_vec_deinit(&search->stack);
	if (!err)
		err = chp_reverse_borrow(graph, &reverse);
	if (!graph->keep_edges)
		chp_forward_drop(search->graph);
	if (err)
		return err;
	err = find_dominators(search, &reverse);
	chp_reverse_return(search->graph, &reverse);
	return err ? err : sum_up(search);
}

struct ch_error *ch_retained_make(struct ch_graph *graph, struct ch_retained **ret)
{
	struct ch_retained *retained = calloc(1, sizeof(*retained));
	struct search search = { .graph = graph, .stack = CH_VEC(struct pending) };
	struct ch_error *err;

	if (!retained)
		return &ch_enomem;
	retained->graph = graph;
	retained->types = CH_VEC(struct ch_retained_type);
	search.retained = retained;
	err = build(&search);
	free(search.parent);
	free(search.rooted);
	ch_vec_deinit(&search.stack);
	if (err) {
		ch_retained_destroy(retained);
		return err;
	}
	*ret = retained;
	return NULL;
}

void ch_retained_destroy(struct ch_retained *retained)
{
	if (!retained)
		return;
	free(retained->number);
	free(retained->ids);
	free(retained->idom);
	free(retained->child);
	free(retained->next);
	free(retained->bytes);
	free(retained->counts);
	free(retained->chosen);
	ch_vec_deinit(&retained->types);
	free(retained);
}
