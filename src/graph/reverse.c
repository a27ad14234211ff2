/*
 * All edges turned round, as one array of sources by target: chains and dominators go against the
 * edges. What forward.c wrote down is counted, and then filled in, by several threads.
 */
#include "graph/reverse.h"

#include <stdlib.h>
#include <string.h>

#include "graph/graph_priv.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* Nodes between two looks at the rest of the world. */
#define PACE 4096

/* How often edges are gone through for what leads to a node: a list of a million nodes may take
 * as many times, and all edges are turned round instead. */
#define ROUNDS_MAX 24

/* Edges whose targets are asked for before their turn. */
#define AHEAD 32

static bool is_among(const uint64_t *among, uint32_t id)
{
	return !among || among[id / 64] >> (id % 64) & 1;
}

/*
 * Several threads count and fill, each the edges of its share of the sources. Where
 * an edge goes does not depend on how many there are: a target's sources descend, so
 * those of the last share come first.
 */
struct share {
	const struct ch_graph *graph;
	const struct ch_edge_part *part;
	/* For progress while it is filled; NULL: none is told. */
	const char *phase;
	/* By target: edges of this share; then the end of its part, going down. */
	uint32_t *places;
	/* What all of them fill. */
	struct ch_reverse *reverse;
};

static struct ch_error *count_share(void *arg)
{
	struct share *share = arg;
	const struct ch_edge_part *part = share->part;
	struct ch_error *err = NULL;
	size_t at;

	for (at = 0; at < part->count && !err; at++) {
		if (at + AHEAD < part->count)
			__builtin_prefetch(&share->places[part->targets[at + AHEAD]], 1);
		share->places[part->targets[at]]++;
		if (at % PACE == 0)
			err = chp_context_check(share->graph->ctx);
	}
	return err;
}

CH_INLINE void fill_edge(struct share *share, uint32_t source, uint32_t at)
{
	const struct ch_edge_part *part = share->part;
	uint32_t place = --share->places[part->targets[at]];

	share->reverse->sources[place] = source;
	if (chp_edge_inner(part, at))
		__atomic_fetch_or(&share->reverse->inner[place / 64], 1ULL << (place % 64),
				  __ATOMIC_RELAXED);
}

static struct ch_error *fill_share(void *arg)
{
	struct share *share = arg;
	const struct ch_edge_part *part = share->part;
	struct ch_error *err = NULL;
	uint32_t count = (uint32_t)part->count, source, at = 0;

	for (source = part->from; source < part->to && !err; source++) {
		for (; at < part->starts[source + 1 - part->from]; at++) {
			if (count - at > AHEAD)
				__builtin_prefetch(&share->places[part->targets[at + AHEAD]], 1);
			if (count - at > AHEAD / 2)
				__builtin_prefetch(
					&share->reverse->sources
						 [share->places[part->targets[at + AHEAD / 2]]],
					1);
			fill_edge(share, source, at);
		}
		if (source % PACE)
			continue;
		if (share->phase)
			chp_context_progress(share->graph->ctx, share->phase, source - part->from,
					     part->to - part->from);
		err = chp_context_check(share->graph->ctx);
	}
	return err;
}

/* Turn counts into the ends of parts; returns how many edges there are. */
static uint32_t make_places(struct share *shares, uint32_t shares_count, uint32_t targets)
{
	uint32_t sum = 0, target, i;

	for (target = 0; target < targets; target++)
		for (i = shares_count; i > 0; i--)
			shares[i - 1].places[target] = sum += shares[i - 1].places[target];
	return sum;
}

/* Of the nodes of a part those that lead to one that is known; whether there were any. Higher
 * ids first: most pointers lead to what was made before. */
static bool reach_more(const struct ch_edge_part *part, uint64_t *known)
{
	uint32_t source = part->to, at, end = (uint32_t)part->count;
	bool found = false;

	for (; source > part->from; source--, end = at) {
		at = part->starts[source - 1 - part->from];
		if (is_among(known, source - 1))
			continue;
		while (end > at && !is_among(known, part->targets[end - 1]))
			end--;
		if (end == at)
			continue;
		known[(source - 1) / 64] |= 1ULL << ((source - 1) % 64);
		found = true;
	}
	return found;
}

/* What leads to targets, by going through the edges as often as it takes; NULL: that would be too
 * often. */
static uint64_t *find_reaching(const struct ch_graph *graph, const struct ch_forward *forward,
			       const uint32_t *targets, size_t targets_count)
{
	uint64_t *known = calloc(graph->index->objects_count / 64 + 1ULL, sizeof(uint64_t));
	bool found = true;
	uint32_t round, i;
	size_t k;

	for (k = 0; known && k < targets_count; k++)
		known[targets[k] / 64] |= 1ULL << (targets[k] % 64);
	for (round = 0; known && found && round < ROUNDS_MAX; round++)
		for (found = false, i = forward->parts_count; i > 0; i--)
			found |= reach_more(&forward->parts[i - 1], known);
	if (!found)
		return known;
	free(known);
	return NULL;
}

/* Edges between some nodes alone, turned round: few, so one after the other. */
static struct ch_error *each_some(const struct ch_graph *graph, const struct ch_forward *forward,
				  const uint64_t *among, struct ch_reverse *ret, bool fill)
{
	const struct ch_edge_part *part;
	uint32_t source, at, i, place;
	struct ch_error *err = NULL;

	for (i = 0; i < forward->parts_count; i++) {
		part = &forward->parts[i];
		for (source = part->from; source < part->to && !err; source++) {
			if (source % PACE == 0)
				err = chp_context_check(graph->ctx);
			if (!is_among(among, source))
				continue;
			at = part->starts[source - part->from];
			for (; at < part->starts[source + 1 - part->from]; at++) {
				if (!is_among(among, part->targets[at]))
					continue;
				if (!fill) {
					ret->start[part->targets[at]]++;
					continue;
				}
				place = --ret->start[part->targets[at]];
				ret->sources[place] = source;
				ret->inner[place / 64] |= (uint64_t)chp_edge_inner(part, at)
							  << (place % 64);
			}
		}
	}
	return err;
}

static struct ch_error *make_room(struct ch_reverse *ret, uint32_t edges)
{
	ret->sources = malloc((edges + 1ULL) * sizeof(uint32_t));
	ret->inner = calloc(edges / 64 + 1ULL, sizeof(uint64_t));
	return ret->sources && ret->inner ? NULL : &ch_enomem;
}

static struct ch_error *build_some(const struct ch_graph *graph, const struct ch_forward *forward,
				   const uint64_t *among, struct ch_reverse *ret)
{
	uint32_t targets = graph->index->objects_count, sum = 0, target;
	struct ch_error *err;

	ret->start = calloc(targets + 1ULL, sizeof(uint32_t));
	if (!ret->start)
		return &ch_enomem;
	err = each_some(graph, forward, among, ret, false);
	if (err)
		return err;
	for (target = 0; target < targets; target++)
		ret->start[target] = sum += ret->start[target];
	ret->start[targets] = sum;
	err = make_room(ret, sum);
	return err ? err : each_some(graph, forward, among, ret, true);
}

static struct ch_error *build_shares(struct share *shares, uint32_t shares_count,
				     struct ch_reverse *ret)
{
	uint32_t targets = shares[0].graph->index->objects_count, sum, i;
	struct ch_error *err;

	err = chp_parts_run(shares, sizeof(*shares), shares_count, count_share);
	if (err)
		return err;
	sum = make_places(shares, shares_count, targets);
	err = make_room(ret, sum);
	if (err)
		return err;
	for (i = 0; i < shares_count; i++)
		shares[i].reverse = ret;
	shares[0].phase = "turning pointers round";
	err = chp_parts_run(shares, sizeof(*shares), shares_count, fill_share);
	/* The last share's parts begin where the targets' do. */
	ret->start = shares[shares_count - 1].places;
	ret->start[targets] = sum;
	shares[shares_count - 1].places = NULL;
	return err;
}

static struct ch_error *build(const struct ch_graph *graph, const struct ch_forward *forward,
			      struct ch_reverse *ret)
{
	struct share shares[CH_EDGE_PARTS_MAX] = { { .graph = NULL } };
	uint32_t count = forward->parts_count, i;
	struct ch_error *err = NULL;

	for (i = 0; i < count; i++) {
		shares[i] = (struct share){
			.graph = graph,
			.part = &forward->parts[i],
			.places = calloc(graph->index->objects_count + 1ULL, sizeof(uint32_t)),
		};
		if (!shares[i].places)
			err = &ch_enomem;
	}
	if (!err)
		err = build_shares(shares, count, ret);
	for (i = 0; i < count; i++)
		free(shares[i].places);
	return err;
}

static struct ch_error *borrow(const struct ch_graph *graph, const uint32_t *wanted,
			       size_t wanted_count, struct ch_reverse *ret)
{
	struct ch_forward made = { .parts_count = 0 };
	const struct ch_forward *forward = &graph->forward;
	_cleanup_free_ uint64_t *among = NULL;
	struct ch_error *err = NULL;

	*ret = graph->reverse;
	if (ret->start)
		return NULL;
	if (!forward->parts_count) {
		err = chp_forward_make(graph, &made);
		forward = &made;
	}
	if (!err && wanted)
		among = find_reaching(graph, forward, wanted, wanted_count);
	if (!err)
		err = among ? build_some(graph, forward, among, ret) : build(graph, forward, ret);
	chp_forward_deinit(&made);
	if (err)
		chp_reverse_deinit(ret);
	return err;
}

struct ch_error *chp_reverse_borrow(const struct ch_graph *graph, struct ch_reverse *ret)
{
	return borrow(graph, NULL, 0, ret);
}

struct ch_error *chp_reverse_borrow_for(const struct ch_graph *graph, const uint32_t *targets,
					size_t count, struct ch_reverse *ret)
{
	/* What is kept serves other questions, too. */
	return graph->keep_edges ? borrow(graph, NULL, 0, ret) : borrow(graph, targets, count, ret);
}

void chp_reverse_return(struct ch_graph *graph, struct ch_reverse *reverse)
{
	if (graph->keep_edges)
		graph->reverse = *reverse;
	else
		chp_reverse_deinit(reverse);
}

void chp_reverse_deinit(struct ch_reverse *reverse)
{
	free(reverse->start);
	free(reverse->sources);
	free(reverse->inner);
	*reverse = (struct ch_reverse){ .start = NULL };
}
