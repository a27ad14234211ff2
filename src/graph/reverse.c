/*
 * All edges turned round, as one array of sources by target: chains and dominators go against the
 * edges. Two passes by several threads, one to count and one to fill.
 */
#include "graph/reverse.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "graph/offsets.h"
#include "graph/pieces.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* Words that wait for their index line. */
#define WORDS 16

/* Nodes between two looks at the rest of the world. */
#define PACE 4096

/* Threads that share the work: each needs four bytes an object. */
#define SHARES_MAX 4

/* How often logs are gone through for what leads to a node: a list of a million nodes may take
 * as many times, and all edges are turned round instead. */
#define ROUNDS_MAX 24

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
	uint32_t id = chp_index_node(visit->graph->index, word->span, word->value, &start);

	visit->count--;
	if (id != CH_ID_NONE && !visit->err)
		visit->err = visit->fn(
			visit->arg, word->source, id,
			chp_is_inner(visit->graph->index, word->span, id, start, word->value) &&
				!chp_offsets_known(visit->graph, id, word->value));
}

CH_INLINE void take_word(struct visit *visit, uint32_t source, uint64_t value, bool exact)
{
	struct word *slot;

	if (exact ? !chp_may_point(visit->graph->index, value)
		  : !chp_may_point_plain(visit->graph->index, value))
		return;
	if (visit->count == WORDS)
		resolve(visit);
	slot = &visit->words[(visit->head + visit->count) % WORDS];
	slot->span = chp_index_span(visit->graph->index, value);
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
			 chp_index_size(visit->graph->index, span, id, addr));
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
			span = chp_index_span_of(graph->index, id);
			addr = ch_graph_addr(graph, id);
		}
		if (chp_is_node(graph->index, id) && span->traced)
			scan_traced(&visit, span, id, addr);
		else if (chp_is_node(graph->index, id))
			scan(&visit, id, addr, chp_index_size(graph->index, span, id, addr));
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
 * What the count met is written down, so that the heap is gone through once: targets in the order
 * of their sources, and by source where its part ends. A log that would be too long is dropped, and
 * the heap gone through again.
 */
struct log {
	uint32_t *targets;
	/* Bits by place in targets: the pointer leads into its target. */
	uint64_t *inner;
	size_t count, room;
	/* By source of the share. */
	uint32_t *ends;
	/* Sources whose ends are known: the share's first ones. */
	uint32_t sources;
	bool dropped;
};

/* Targets of one log: a GiB of them. */
#define LOG_MAX (1U << 28)
#define LOG_MIN (1U << 16)

static void log_free(struct log *log)
{
	free(log->targets);
	free(log->inner);
	free(log->ends);
	*log = (struct log){ .dropped = true };
}

static bool log_grow(struct log *log)
{
	size_t room = log->room ? log->room * 2 : LOG_MIN;
	uint32_t *targets = NULL;
	uint64_t *inner = NULL;

	if (room <= LOG_MAX)
		targets = realloc(log->targets, room * sizeof(*targets));
	if (targets)
		log->targets = targets;
	if (targets)
		inner = realloc(log->inner, room / 64 * sizeof(*inner));
	if (!inner) {
		log_free(log);
		return false;
	}
	log->inner = inner;
	log->room = room;
	return true;
}

/* Edges come with ascending sources; source counts from the share's first one. */
CH_INLINE void log_put(struct log *log, uint32_t source, uint32_t target, bool inner)
{
	if (log->dropped || (log->count == log->room && !log_grow(log)))
		return;
	while (log->sources < source)
		log->ends[log->sources++] = (uint32_t)log->count;
	if (log->count % 64 == 0)
		log->inner[log->count / 64] = 0;
	log->inner[log->count / 64] |= (uint64_t)inner << (log->count % 64);
	log->targets[log->count++] = target;
}

static void log_end(struct log *log, uint32_t sources)
{
	while (!log->dropped && log->sources < sources)
		log->ends[log->sources++] = (uint32_t)log->count;
}

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
	struct log log;
	/* Edges are only written down, not counted. */
	bool logs_only;
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

	share->places[target]++;
	share->edges++;
	log_put(&share->log, source - share->from, target, inner);
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

static struct ch_error *log_edge(void *arg, uint32_t source, uint32_t target, bool inner)
{
	struct share *share = arg;

	log_put(&share->log, source - share->from, target, inner);
	return NULL;
}

static void *count_share(void *arg)
{
	struct share *share = arg;

	share->log.ends = malloc((share->to - share->from + 1ULL) * sizeof(uint32_t));
	share->log.dropped = !share->log.ends;
	share->err = chp_each_edge(share->graph, share->from, share->to, share->phase,
				   share->logs_only ? log_edge : count_edge, share);
	log_end(&share->log, share->to - share->from);
	return NULL;
}

/* The edges of a share's log whose ends are both among some, NULL: all; those of one source come
 * together. */
static struct ch_error *each_logged(struct share *share, const uint64_t *among, chp_edge_fn fn,
				    void *arg)
{
	const struct log *log = &share->log;
	uint32_t source, at = 0, end;
	struct ch_error *err = NULL;

	for (source = share->from; source < share->to && !err; source++) {
		end = log->ends[source - share->from];
		if (!is_among(among, source))
			at = end;
		for (; at < end && !err; at++)
			if (is_among(among, log->targets[at]))
				err = fn(arg, source, log->targets[at],
					 log->inner[at / 64] >> (at % 64) & 1);
		if (source % PACE == 0 && !err)
			err = chp_context_check(share->graph->ctx);
	}
	return err;
}

static void *fill_share(void *arg)
{
	struct share *share = arg;

	if (share->log.dropped)
		share->err = chp_each_edge(share->graph, share->from, share->to, share->phase,
					   fill_edge, share);
	else
		share->err = each_logged(share, NULL, fill_edge, share);
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

static struct ch_error *too_many(void)
{
	return ch_error_create(CH_ERROR_LIMIT, "more than 4,294,967,294 pointers");
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

/* Of the nodes of a share those that lead to one that is known; whether there were any. Higher
 * ids first: most pointers lead to what was made before. */
static bool reach_more(const struct share *share, uint64_t *known)
{
	const struct log *log = &share->log;
	uint32_t source = share->to, at, end = (uint32_t)log->count;
	bool found = false;

	for (; source > share->from; source--, end = at) {
		at = source - 1 > share->from ? log->ends[source - 2 - share->from] : 0;
		if (is_among(known, source - 1))
			continue;
		while (end > at && !is_among(known, log->targets[end - 1]))
			end--;
		if (end == at)
			continue;
		known[(source - 1) / 64] |= 1ULL << ((source - 1) % 64);
		found = true;
	}
	return found;
}

/* What leads to targets, by going through the logs as often as it takes; NULL: that would be too
 * often, or there is no log. */
static uint64_t *find_reaching(const struct share *shares, uint32_t shares_count,
			       const uint32_t *targets, size_t targets_count)
{
	uint64_t *known =
		calloc(shares[0].graph->index->objects_count / 64 + 1ULL, sizeof(uint64_t));
	bool found = true;
	uint32_t round, i;
	size_t k;

	for (i = 0; known && i < shares_count; i++)
		if (shares[i].log.dropped)
			found = false;
	for (k = 0; known && k < targets_count; k++)
		known[targets[k] / 64] |= 1ULL << (targets[k] % 64);
	for (round = 0; known && found && round < ROUNDS_MAX; round++)
		for (found = false, i = shares_count; i > 0; i--)
			found |= reach_more(&shares[i - 1], known);
	if (round && !found)
		return known;
	free(known);
	return NULL;
}

/* Edges between some nodes alone, turned round: few, so one after the other. */
struct some {
	struct ch_reverse *reverse;
	uint64_t edges;
};

static struct ch_error *count_some(void *arg, uint32_t source, uint32_t target, bool inner)
{
	struct some *some = arg;

	(void)source;
	(void)inner;
	some->reverse->start[target]++;
	some->edges++;
	return NULL;
}

static struct ch_error *fill_some(void *arg, uint32_t source, uint32_t target, bool inner)
{
	struct ch_reverse *reverse = ((struct some *)arg)->reverse;
	uint32_t place = --reverse->start[target];

	reverse->sources[place] = source;
	reverse->inner[place / 64] |= (uint64_t)inner << (place % 64);
	return NULL;
}

static struct ch_error *each_some(struct share *shares, uint32_t shares_count,
				  const uint64_t *among, chp_edge_fn fn, struct some *some)
{
	struct ch_error *err = NULL;
	uint32_t i;

	for (i = 0; i < shares_count && !err; i++)
		err = each_logged(&shares[i], among, fn, some);
	return err;
}

static struct ch_error *build_some(struct share *shares, uint32_t shares_count,
				   const uint64_t *among, struct ch_reverse *ret)
{
	uint32_t targets = shares[0].graph->index->objects_count, sum = 0, target;
	struct some some = { .reverse = ret };
	struct ch_error *err;

	ret->start = calloc(targets + 1ULL, sizeof(uint32_t));
	if (!ret->start)
		return &ch_enomem;
	err = each_some(shares, shares_count, among, count_some, &some);
	if (!err && some.edges >= UINT32_MAX)
		err = too_many();
	if (err)
		return err;
	for (target = 0; target < targets; target++)
		ret->start[target] = sum += ret->start[target];
	ret->start[targets] = sum;
	ret->sources = malloc((sum + 1ULL) * sizeof(uint32_t));
	ret->inner = calloc(sum / 64 + 1ULL, sizeof(uint64_t));
	if (!ret->sources || !ret->inner)
		return &ch_enomem;
	return each_some(shares, shares_count, among, fill_some, &some);
}

static struct ch_error *build(struct share *shares, uint32_t shares_count, struct ch_reverse *ret)
{
	uint32_t targets = shares[0].graph->index->objects_count, sum, i;
	struct ch_error *err;
	uint64_t edges = 0;

	err = run_shares(shares, shares_count, "counting pointers", count_share);
	for (i = 0; i < shares_count; i++)
		edges += shares[i].edges;
	if (!err && edges >= UINT32_MAX)
		err = too_many();
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

/* Write all edges down, and turn those round that lead to targets; *done_ret: that was
 * possible. */
static struct ch_error *build_for(struct share *shares, uint32_t shares_count,
				  const uint32_t *targets, size_t targets_count,
				  struct ch_reverse *ret, bool *done_ret)
{
	_cleanup_free_ uint64_t *among = NULL;
	struct ch_error *err;
	uint32_t i;

	for (i = 0; i < shares_count; i++)
		shares[i].logs_only = true;
	err = run_shares(shares, shares_count, "counting pointers", count_share);
	if (!err)
		among = find_reaching(shares, shares_count, targets, targets_count);
	*done_ret = err || among;
	if (among)
		err = build_some(shares, shares_count, among, ret);
	for (i = 0; i < shares_count; i++) {
		shares[i].logs_only = false;
		log_free(&shares[i].log);
		shares[i].log = (struct log){ .count = 0 };
	}
	return err;
}

static struct ch_error *borrow(const struct ch_graph *graph, const uint32_t *wanted,
			       size_t wanted_count, struct ch_reverse *ret)
{
	uint32_t count = (uint32_t)ch_min(graph->threads, SHARES_MAX), i;
	struct share shares[SHARES_MAX] = { { .graph = NULL } };
	struct ch_error *err = NULL;
	bool done = false;

	*ret = graph->reverse;
	if (ret->start)
		return NULL;
	for (i = 0; i < count; i++) {
		shares[i] = (struct share){
			.graph = graph,
			.from = (uint32_t)((uint64_t)graph->index->objects_count * i / count),
			.to = (uint32_t)((uint64_t)graph->index->objects_count * (i + 1) / count),
			.places = calloc(graph->index->objects_count + 1ULL, sizeof(uint32_t)),
		};
		if (!shares[i].places)
			err = &ch_enomem;
	}
	if (!err)
		err = wanted ? build_for(shares, count, wanted, wanted_count, ret, &done) : NULL;
	if (!err && !done)
		err = build(shares, count, ret);
	for (i = 0; i < count; i++) {
		free(shares[i].places);
		log_free(&shares[i].log);
	}
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
