/*
 * The shortest chains from roots to one node: searched from the node against the edges, and for
 * each node on the way the next one is kept, so that chains share their ends. A time limit cuts
 * the search.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "graph/offsets.h"
#include "graph/reverse.h"
#include "util/context.h"

/* Nodes between two looks at the clock. */
#define PACE 4096

struct ch_chains {
	struct ch_graph *graph;
	struct ch_chains_options options;
	uint64_t started_ms;
	/** By id: the next node, CH_ID_NONE for targets; steps + 1, 0 where no
	 * target is reached. */
	uint32_t *next, *steps;
	/* Bits by id of nodes that reach a target by pointers to first bytes alone. */
	uint64_t *surely;
	uint32_t reaching_count;
	/** of struct ch_chain; of struct ch_root */
	struct ch_vec list, weak;
	const char *cut;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_late(struct ch_chains *chains)
{
	if (!chains->options.time_ms || now_ms() - chains->started_ms < chains->options.time_ms)
		return false;
	chains->cut = "time";
	return true;
}

/* A search: nodes whose sources are looked at, by steps. */
struct search {
	struct ch_chains *chains;
	const struct ch_reverse *reverse;
	bool exact;
	/* of uint32_t: nodes that had a way before, and those that are found; next of both. */
	struct ch_vec *queue;
	size_t known, at_known, at_found;
};

/* The node with fewest steps of those that wait; CH_ID_NONE: none does. */
static uint32_t next_node(struct search *search)
{
	const uint32_t *items = search->queue->items, *steps = search->chains->steps;
	bool known = search->at_known < search->known;
	bool found = search->at_found < search->queue->count;

	if (!known && !found)
		return CH_ID_NONE;
	if (known && (!found || steps[items[search->at_known]] <= steps[items[search->at_found]]))
		return items[search->at_known++];
	return items[search->at_found++];
}

static struct ch_error *take_sources(struct search *search, uint32_t id)
{
	const struct ch_reverse *reverse = search->reverse;
	struct ch_chains *chains = search->chains;
	uint32_t k, source, *slot;

	for (k = reverse->start[id]; k < reverse->start[id + 1]; k++) {
		source = reverse->sources[k];
		if (chains->steps[source] || (search->exact && chp_reverse_inner(reverse, k)))
			continue;
		chains->steps[source] = chains->steps[id] + 1;
		chains->next[source] = id;
		slot = ch_vec_push(search->queue);
		if (!slot)
			return &ch_enomem;
		*slot = source;
	}
	return NULL;
}

/* Against the edges, breadth first: the first way found is a shortest one, and of
 * equally short ones that of the target and the sources that come first. What has a way
 * before keeps it. */
static struct ch_error *search_from(struct ch_chains *chains, const struct ch_reverse *reverse,
				    bool exact, struct ch_vec *queue)
{
	struct search search = { .chains = chains,
				 .reverse = reverse,
				 .exact = exact,
				 .queue = queue,
				 .known = queue->count,
				 .at_found = queue->count };
	struct ch_error *err = NULL;
	uint64_t done = 0;
	uint32_t id;

	while (!err && (id = next_node(&search)) != CH_ID_NONE) {
		if (done++ % PACE == 0) {
			chp_context_progress(chains->graph->ctx, "looking for roots", done,
					     chains->graph->index->nodes_count);
			err = chp_context_check(chains->graph->ctx);
			if (err || is_late(chains))
				break;
		}
		if (chains->options.depth_max && chains->steps[id] > chains->options.depth_max) {
			if (reverse->start[id] != reverse->start[id + 1])
				chains->cut = "depth";
			continue;
		}
		err = take_sources(&search, id);
	}
	chains->reaching_count = (uint32_t)queue->count;
	return err;
}

/* Whether the root, or a step of its way, points into a block. */
static bool is_inner(const struct ch_chains *chains, const struct ch_root *root)
{
	return (root->interior && !chp_offsets_known(chains->graph, root->target, root->value)) ||
	       !(chains->surely[root->target / 64] >> (root->target % 64) & 1);
}

static struct ch_error *take_roots(void *arg, const struct ch_root *roots, size_t n)
{
	struct ch_chains *chains = arg;
	struct ch_chain *slot;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!chains->steps[roots[i].target] || (chains->options.exact && roots[i].interior))
			continue;
		slot = ch_vec_push(&chains->list);
		if (!slot)
			return &ch_enomem;
		*slot = (struct ch_chain){ .root = roots[i],
					   .steps = chains->steps[roots[i].target] - 1,
					   .inner = is_inner(chains, &roots[i]) };
	}
	return NULL;
}

/* Weak handles of targets alone: what they lead on to, they do not hold either. */
static struct ch_error *take_weak(void *arg, const struct ch_root *roots, size_t n)
{
	struct ch_chains *chains = arg;
	struct ch_root *slot;
	size_t i;

	for (i = 0; i < n; i++) {
		if (chains->steps[roots[i].target] != 1)
			continue;
		slot = ch_vec_push(&chains->weak);
		if (!slot)
			return &ch_enomem;
		*slot = roots[i];
	}
	return NULL;
}

/* What lasts first: see ch_chains_list(). */
static int rank_of(const struct ch_root *root)
{
	switch (root->kind) {
	case CH_ROOT_HANDLE:
	case CH_ROOT_STATIC:
	case CH_ROOT_THREAD_STATIC:
	case CH_ROOT_FINALIZER:
	case CH_ROOT_FROZEN:
		return 0;
	case CH_ROOT_DATA:
		return 1;
	case CH_ROOT_TLS:
		return 2;
	case CH_ROOT_MEMORY:
		return 3;
	default:
		return 4;
	}
}

static int compare_chains(const void *a, const void *b)
{
	const struct ch_chain *x = a, *y = b;

	if (x->root.stale != y->root.stale)
		return x->root.stale ? 1 : -1;
	if (x->inner != y->inner)
		return x->inner ? 1 : -1;
	if (x->steps != y->steps)
		return x->steps < y->steps ? -1 : 1;
	if (rank_of(&x->root) != rank_of(&y->root))
		return rank_of(&x->root) - rank_of(&y->root);
	if (x->root.addr != y->root.addr)
		return x->root.addr < y->root.addr ? -1 : 1;
	if (x->root.thread != y->root.thread)
		return x->root.thread < y->root.thread ? -1 : 1;
	return x->root.reg < y->root.reg ? -1 : x->root.reg > y->root.reg;
}

static struct ch_error *add_targets(struct ch_chains *chains, const uint32_t *targets, size_t count,
				    struct ch_vec *queue)
{
	uint32_t *slot;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!ch_graph_is_node(chains->graph, targets[i]) || chains->steps[targets[i]])
			continue;
		slot = ch_vec_push(queue);
		if (!slot)
			return &ch_enomem;
		*slot = targets[i];
		chains->steps[targets[i]] = 1;
	}
	return NULL;
}

/* By pointers to first bytes, then by all: what the former reach keeps its way, as a word
 * that leads into a block may do so by chance. */
static struct ch_error *search_edges(struct ch_chains *chains, struct ch_vec *queue)
{
	struct ch_reverse reverse;
	struct ch_error *err;
	uint32_t id;
	size_t i;

	chains->surely = calloc(chains->graph->index->objects_count / 64 + 1ULL, sizeof(uint64_t));
	if (!chains->surely)
		return &ch_enomem;
	err = chp_reverse_borrow_for(chains->graph, queue->items, queue->count, &reverse);
	if (err)
		return err;
	err = search_from(chains, &reverse, true, queue);
	for (i = 0; i < queue->count; i++) {
		id = *CH_VEC_AT(queue, uint32_t, i);
		chains->surely[id / 64] |= 1ULL << (id % 64);
	}
	if (!err && !chains->options.exact)
		err = search_from(chains, &reverse, false, queue);
	chp_reverse_return(chains->graph, &reverse);
	return err;
}

static struct ch_error *find(struct ch_chains *chains, const uint32_t *targets, size_t count)
{
	size_t ids = chains->graph->index->objects_count + 1ULL;
	struct ch_vec queue = CH_VEC(uint32_t);
	struct ch_error *err;

	chains->next = malloc(ids * sizeof(uint32_t));
	chains->steps = calloc(ids, sizeof(uint32_t));
	if (!chains->next || !chains->steps)
		return &ch_enomem;
	memset(chains->next, 0xff, ids * sizeof(uint32_t));
	err = add_targets(chains, targets, count, &queue);
	if (!err)
		err = search_edges(chains, &queue);
	ch_vec_deinit(&queue);
	if (!err)
		err = ch_graph_visit_roots(chains->graph, CH_ROOTS_LIVE, take_roots, chains);
	if (!err)
		err = ch_graph_visit_roots(chains->graph, 1U << CH_ROOT_WEAK, take_weak, chains);
	ch_vec_sort(&chains->list, compare_chains);
	return err;
}

struct ch_error *ch_chains_find(struct ch_graph *graph, const uint32_t *targets,
				size_t targets_count, const struct ch_chains_options *options,
				struct ch_chains **ret)
{
	struct ch_chains *chains = calloc(1, sizeof(*chains));
	struct ch_error *err;

	if (!chains)
		return &ch_enomem;
	chains->graph = graph;
	chains->started_ms = now_ms();
	chains->list = CH_VEC(struct ch_chain);
	chains->weak = CH_VEC(struct ch_root);
	if (options)
		chains->options = *options;
	err = find(chains, targets, targets_count);
	if (err) {
		ch_chains_destroy(chains);
		return err;
	}
	*ret = chains;
	return NULL;
}

void ch_chains_destroy(struct ch_chains *chains)
{
	if (!chains)
		return;
	free(chains->next);
	free(chains->steps);
	free(chains->surely);
	ch_vec_deinit(&chains->list);
	ch_vec_deinit(&chains->weak);
	free(chains);
}

const struct ch_chain *ch_chains_list(const struct ch_chains *chains, size_t *count_ret)
{
	*count_ret = chains->list.count;
	return chains->list.items;
}

const struct ch_root *ch_chains_weak(const struct ch_chains *chains, size_t *count_ret)
{
	*count_ret = chains->weak.count;
	return chains->weak.items;
}

uint32_t ch_chains_next(const struct ch_chains *chains, uint32_t id)
{
	return chains->next[id];
}

uint32_t ch_chains_reaching_count(const struct ch_chains *chains)
{
	return chains->reaching_count;
}

const char *ch_chains_cut(const struct ch_chains *chains)
{
	return chains->cut;
}
