#include "graph/reverse.h"

#include <pthread.h>
#include <stdlib.h>

#include "graph/offsets.h"
#include "graph/pieces.h"
#include "util/context.h"
#include "util/error.h"

/* Words that wait for their index line. */
#define WORDS 16

/* Nodes between two looks at the rest of the world. */
#define PACE 4096

/* Threads that share the work: each needs four bytes an object. */
#define SHARES_MAX 4

struct word {
	uint64_t value;
	const struct ch_index_span *span;
	uint32_t source;
};

struct visit {
	const struct ch_graph *graph;
	chp_edge_fn fn;
	void *arg;
	struct ch_cursor cursor;
	struct word words[WORDS];
	uint32_t head, count;
	/* The node under way. */
	uint32_t source;
	struct ch_pieces pieces;
	struct ch_error *err;
};

CH_INLINE void resolve(struct visit *visit)
{
	const struct word *word = &visit->words[visit->head++ % WORDS];
	uint64_t start;
	uint32_t id = chp_index_node(visit->graph, word->span, word->value, &start);

	visit->count--;
	if (id != CH_ID_NONE && !visit->err)
		visit->err =
			visit->fn(visit->arg, word->source, id,
				  chp_is_inner(visit->graph, word->span, id, start, word->value) &&
					  !chp_offsets_known(visit->graph, id, word->value));
}

CH_INLINE void take_word(struct visit *visit, uint32_t source, uint64_t value, bool exact)
{
	struct word *slot;

	if (exact ? !chp_may_point(visit->graph, value) : !chp_may_point_plain(visit->graph, value))
		return;
	if (visit->count == WORDS)
		resolve(visit);
	slot = &visit->words[(visit->head + visit->count) % WORDS];
	slot->span = chp_index_span(visit->graph, value);
	if (!slot->span || (!exact && slot->span->traced))
		return;
	slot->value = value;
	slot->source = source;
	chp_index_prefetch(slot->span, value);
	visit->count++;
}

CH_INLINE void scan(struct visit *visit, uint32_t id, uint64_t addr, uint64_t size)
{
	uint64_t at = ch_align_up(addr, 8), end = addr + size, value;
	const uint8_t *bytes;
	size_t len;

	while (at + 8 <= end) {
		bytes = chp_cursor_at(visit->graph->core, &visit->cursor, at, &len);
		if (!bytes) {
			at = ch_align_up(ch_core_next_present(visit->graph->core, at, end), 8);
			continue;
		}
		if (len < 8) {
			if (ch_core_read_u64(visit->graph->core, at, &value))
				take_word(visit, id, value, false);
			at += 8;
			continue;
		}
		for (; len >= 8 && at + 8 <= end; at += 8, bytes += 8, len -= 8)
			take_word(visit, id, ch_get64(bytes), false);
	}
}

CH_INLINE void take_traced(void *arg, uint64_t offset, uint64_t value, bool exact)
{
	struct visit *visit = arg;

	(void)offset;
	take_word(visit, visit->source, value, exact);
}

CH_RANKING static void scan_traced(struct visit *visit, const struct ch_index_span *span,
				   uint32_t id, uint64_t addr)
{
	visit->source = id;
	chp_pieces_begin(&visit->pieces, visit->graph, span, id, addr,
			 chp_index_size(visit->graph, span, id, addr));
	chp_pieces_visit(&visit->pieces, take_traced, visit);
}

CH_RANKING struct ch_error *chp_each_edge(const struct ch_graph *graph, uint32_t from, uint32_t to,
					  const char *phase, chp_edge_fn fn, void *arg)
{
	struct visit visit = { .graph = graph, .fn = fn, .arg = arg };
	const struct ch_index_span *span = NULL;
	uint64_t addr = 0;
	uint32_t id;

	for (id = from; id < to && !visit.err; id++) {
		if (!span || id >= span->first_id + span->count) {
			span = chp_index_span_of(graph, id);
			addr = ch_graph_addr(graph, id);
		}
		if (chp_is_node(graph, id) && span->traced)
			scan_traced(&visit, span, id, addr);
		else if (chp_is_node(graph, id))
			scan(&visit, id, addr, chp_index_size(graph, span, id, addr));
		addr = chp_index_next(span, id, addr);
		if (id % PACE == 0) {
			if (phase)
				chp_context_progress(graph->ctx, phase, id - from, to - from);
			if (!visit.err)
				visit.err = chp_context_check(graph->ctx);
		}
	}
	while (visit.count && !visit.err)
		resolve(&visit);
	return visit.err;
}

/*
 * Several threads count and fill, each the edges of its share of the sources. Where
 * an edge goes does not depend on how many there are: a target's sources descend, so
 * those of the last share come first.
 */
struct share {
	const struct ch_graph *graph;
	/* Ids of sources: [from, to). */
	uint32_t from, to;
	const char *phase;
	/* By target: edges of this share; then the end of its part, going down. */
	uint32_t *places;
	/* What all of them fill. */
	struct ch_reverse *reverse;
	uint64_t edges;
	pthread_t thread;
	struct ch_error *err;
};

static struct ch_error *count_edge(void *arg, uint32_t source, uint32_t target, bool inner)
{
	struct share *share = arg;

	(void)source;
	(void)inner;
	share->places[target]++;
	share->edges++;
	return NULL;
}

static struct ch_error *fill_edge(void *arg, uint32_t source, uint32_t target, bool inner)
{
	struct share *share = arg;
	uint32_t place = --share->places[target];

	share->reverse->sources[place] = source;
	if (inner)
		__atomic_fetch_or(&share->reverse->inner[place / 64], 1ULL << (place % 64),
				  __ATOMIC_RELAXED);
	return NULL;
}

static void *count_share(void *arg)
{
	struct share *share = arg;

	share->err = chp_each_edge(share->graph, share->from, share->to, share->phase, count_edge,
				   share);
	return NULL;
}

static void *fill_share(void *arg)
{
	struct share *share = arg;

	share->err =
		chp_each_edge(share->graph, share->from, share->to, share->phase, fill_edge, share);
	return NULL;
}

/* Run all shares, the first one here; those that get no thread after it. */
static struct ch_error *run_shares(struct share *shares, uint32_t count, const char *phase,
				   void *(*work)(void *))
{
	bool started[SHARES_MAX] = { false };
	struct ch_error *err = NULL;
	uint32_t i;

	shares[0].phase = phase;
	for (i = 1; i < count; i++)
		started[i] = !pthread_create(&shares[i].thread, NULL, work, &shares[i]);
	for (i = 0; i < count; i++)
		if (!started[i])
			work(&shares[i]);
	for (i = 0; i < count; i++) {
		if (started[i])
			pthread_join(shares[i].thread, NULL);
		if (!err)
			err = shares[i].err;
		else
			ch_error_destroy(shares[i].err);
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

static struct ch_error *build(struct share *shares, uint32_t shares_count, struct ch_reverse *ret)
{
	uint32_t targets = shares[0].graph->objects_count, sum, i;
	struct ch_error *err;
	uint64_t edges = 0;

	err = run_shares(shares, shares_count, "counting pointers", count_share);
	for (i = 0; i < shares_count; i++)
		edges += shares[i].edges;
	if (!err && edges >= UINT32_MAX)
		err = ch_error_create(CH_ERROR_LIMIT, "more than 4,294,967,294 pointers");
	if (err)
		return err;
	sum = make_places(shares, shares_count, targets);
	ret->sources = malloc((sum + 1ULL) * sizeof(uint32_t));
	ret->inner = calloc(sum / 64 + 1ULL, sizeof(uint64_t));
	if (!ret->sources || !ret->inner)
		return &ch_enomem;
	for (i = 0; i < shares_count; i++)
		shares[i].reverse = ret;
	err = run_shares(shares, shares_count, "turning pointers round", fill_share);
	/* The last share's parts begin where the targets' do. */
	ret->start = shares[shares_count - 1].places;
	ret->start[targets] = sum;
	shares[shares_count - 1].places = NULL;
	return err;
}

struct ch_error *chp_reverse_borrow(const struct ch_graph *graph, struct ch_reverse *ret)
{
	uint32_t count = (uint32_t)ch_min(graph->threads, SHARES_MAX), i;
	struct share shares[SHARES_MAX] = { { .graph = NULL } };
	struct ch_error *err = NULL;

	*ret = graph->reverse;
	if (ret->start)
		return NULL;
	for (i = 0; i < count; i++) {
		shares[i] = (struct share){
			.graph = graph,
			.from = (uint32_t)((uint64_t)graph->objects_count * i / count),
			.to = (uint32_t)((uint64_t)graph->objects_count * (i + 1) / count),
			.places = calloc(graph->objects_count + 1ULL, sizeof(uint32_t)),
		};
		if (!shares[i].places)
			err = &ch_enomem;
	}
	if (!err)
		err = build(shares, count, ret);
	for (i = 0; i < count; i++)
		free(shares[i].places);
	if (err)
		chp_reverse_deinit(ret);
	return err;
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
