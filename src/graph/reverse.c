#include "graph/reverse.h"

#include <stdlib.h>

#include "graph/pieces.h"
#include "util/context.h"
#include "util/error.h"

/* Words that wait for their index line. */
#define WORDS 16

/* Nodes between two looks at the rest of the world. */
#define PACE 4096

struct word {
	uint64_t value;
	const struct ch_index_span *span;
	uint32_t source;
};

struct visit {
	const struct ch_graph *graph;
	bool exact;
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
	if (id == CH_ID_NONE || visit->err || (visit->exact && word->value != start))
		return;
	visit->err = visit->fn(visit->arg, word->source, id);
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

static inline void take_traced(void *arg, uint64_t offset, uint64_t value, bool exact)
{
	struct visit *visit = arg;

	(void)offset;
	take_word(visit, visit->source, value, exact);
}

static void scan_traced(struct visit *visit, const struct ch_index_span *span, uint32_t id,
			uint64_t addr)
{
	visit->source = id;
	chp_pieces_begin(&visit->pieces, visit->graph, span, id, addr,
			 chp_index_size(visit->graph, span, id, addr));
	chp_pieces_visit(&visit->pieces, take_traced, visit);
}

CH_RANKING struct ch_error *chp_each_edge(const struct ch_graph *graph, uint32_t from, uint32_t to,
					  bool exact, const char *phase, chp_edge_fn fn, void *arg)
{
	struct visit visit = { .graph = graph, .exact = exact, .fn = fn, .arg = arg };
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
			chp_context_progress(graph->ctx, phase, id, to);
			if (!visit.err)
				visit.err = chp_context_check(graph->ctx);
		}
	}
	while (visit.count && !visit.err)
		resolve(&visit);
	return visit.err;
}

struct counting {
	uint32_t *start;
	uint64_t edges;
};

static struct ch_error *count_edge(void *arg, uint32_t source, uint32_t target)
{
	struct counting *counting = arg;

	(void)source;
	counting->start[target]++;
	counting->edges++;
	return NULL;
}

static struct ch_error *fill_edge(void *arg, uint32_t source, uint32_t target)
{
	struct ch_reverse *reverse = arg;

	/* start is the end of the target's part, and goes down. */
	reverse->sources[--reverse->start[target]] = source;
	return NULL;
}

struct ch_error *chp_reverse_init(const struct ch_graph *graph, bool exact, struct ch_reverse *ret)
{
	struct counting counting = { .edges = 0 };
	uint32_t count = graph->objects_count, sum = 0, i;
	struct ch_error *err;

	*ret = (struct ch_reverse){ .start = calloc(count + 1ULL, sizeof(uint32_t)) };
	if (!ret->start)
		return &ch_enomem;
	counting.start = ret->start;
	err = chp_each_edge(graph, 0, count, exact, "counting pointers", count_edge, &counting);
	if (!err && counting.edges >= UINT32_MAX)
		err = ch_error_create(CH_ERROR_LIMIT, "more than 4,294,967,294 pointers");
	if (!err) {
		for (i = 0; i < count; i++)
			ret->start[i] = sum += ret->start[i];
		ret->start[count] = sum;
		ret->sources = malloc((sum + 1ULL) * sizeof(uint32_t));
		if (!ret->sources)
			err = &ch_enomem;
	}
	if (!err)
		err = chp_each_edge(graph, 0, count, exact, "turning pointers round", fill_edge,
				    ret);
	if (err)
		chp_reverse_deinit(ret);
	return err;
}

void chp_reverse_deinit(struct ch_reverse *reverse)
{
	free(reverse->start);
	free(reverse->sources);
	*reverse = (struct ch_reverse){ .start = NULL };
}
