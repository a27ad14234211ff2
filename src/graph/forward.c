/*
 * All edges written down, by several threads, each the edges of its share of the nodes. Words wait
 * in a ring until what the index knows of them has come.
 */
#include "graph/forward.h"

#include <stdlib.h>

#include "graph/offsets.h"
#include "graph/pieces.h"
#include "util/context.h"
#include "util/error.h"

/* Words that wait for their index line. */
#define WORDS 16
/* Nodes between two looks at the rest of the world. */
#define PACE 4096
/* Edges that there is room for at first. */
#define ROOM_MIN (1U << 16)

struct word {
	uint64_t value;
	const struct ch_index_span *span;
	uint32_t source;
	uint16_t place;
};

struct visit {
	const struct ch_graph *graph;
	struct ch_edge_part *part;
	/* Sources whose edges begin is known: the part's first ones. */
	uint32_t sources;
	struct ch_cursor cursor;
	struct word words[WORDS];
	uint32_t head, count;
	/* The node under way. */
	uint32_t source;
	struct ch_pieces pieces;
	struct ch_error *err;
};

/* One thread's work. */
struct share {
	const struct ch_graph *graph;
	struct ch_edge_part *part;
	/* For progress; NULL: none is told. */
	const char *phase;
};

static struct ch_error *too_many(void)
{
	return ch_error_create(CH_ERROR_LIMIT, "more than 4,294,967,294 pointers");
}

static struct ch_error *grow(struct ch_edge_part *part, bool placed)
{
	size_t room = part->room ? part->room * 2 : ROOM_MIN;
	uint32_t *targets;
	uint64_t *inner;
	uint16_t *places;

	if (part->count >= UINT32_MAX - 1)
		return too_many();
	targets = realloc(part->targets, room * sizeof(*targets));
	if (targets)
		part->targets = targets;
	inner = targets ? realloc(part->inner, room / 64 * sizeof(*inner)) : NULL;
	if (!inner)
		return &ch_enomem;
	part->inner = inner;
	if (placed) {
		places = realloc(part->places, room * sizeof(*places));
		if (!places)
			return &ch_enomem;
		part->places = places;
	}
	part->room = room;
	return NULL;
}

CH_INLINE void set_odd(struct ch_edge_part *part, uint32_t id)
{
	part->odd[(id - part->from) / 64] |= 1ULL << ((id - part->from) % 64);
}

/* Edges come with ascending sources. */
CH_INLINE void put(struct visit *visit, const struct word *word, uint32_t target, bool inner)
{
	struct ch_edge_part *part = visit->part;
	uint32_t source = word->source - part->from;

	if (part->count == part->room) {
		visit->err = grow(part, visit->graph->index->traced_count != 0);
		if (visit->err)
			return;
	}
	while (visit->sources <= source)
		part->starts[visit->sources++] = (uint32_t)part->count;
	if (part->count % 64 == 0)
		part->inner[part->count / 64] = 0;
	part->inner[part->count / 64] |= (uint64_t)inner << (part->count % 64);
	if (inner)
		set_odd(part, word->source);
	if (part->places)
		part->places[part->count] = word->place;
	part->targets[part->count++] = target;
}

CH_INLINE void resolve(struct visit *visit)
{
	const struct word *word = &visit->words[visit->head++ % WORDS];
	const struct ch_graph *graph = visit->graph;
	uint64_t start;
	uint32_t id = chp_index_node(graph->index, word->span, word->value, &start);

	visit->count--;
	if (id != CH_ID_NONE && !visit->err)
		put(visit, word, id,
		    chp_is_inner(graph->index, word->span, id, start, word->value) &&
			    !chp_offsets_known(graph, id, word->value));
}

CH_INLINE void take_word(struct visit *visit, uint64_t value, bool exact, uint16_t place)
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
	slot->source = visit->source;
	slot->place = place;
	chp_index_prefetch(slot->span, value);
	visit->count++;
}

CH_INLINE void scan(struct visit *visit, uint64_t addr, uint64_t size)
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
				take_word(visit, value, false, CH_PLACE_PLAIN);
			at += 8;
			continue;
		}
		for (; len >= 8 && at + 8 <= end; at += 8, bytes += 8, len -= 8)
			take_word(visit, ch_get64(bytes), false, CH_PLACE_PLAIN);
	}
}

CH_INLINE uint16_t place_of(uint64_t offset)
{
	if (offset == UINT64_MAX)
		return CH_PLACE_WORDLESS;
	if (offset % 4 || offset / 4 >= CH_PLACE_FAR - CH_PLACE_FIRST)
		return CH_PLACE_FAR;
	return (uint16_t)(CH_PLACE_FIRST + offset / 4);
}

CH_INLINE void take_traced(void *arg, uint64_t offset, uint64_t value, bool exact)
{
	take_word(arg, value, exact, place_of(offset));
}

CH_RANKING static void scan_traced(struct visit *visit, const struct ch_index_span *span,
				   uint64_t addr, uint64_t size)
{
	chp_pieces_begin(&visit->pieces, visit->graph, span, visit->source, addr, size);
	chp_pieces_visit(&visit->pieces, take_traced, visit);
}

/* The edges of a node that begins at addr. */
CH_INLINE void visit_node(struct visit *visit, const struct ch_index_span *span, uint64_t addr)
{
	const struct ch_graph *graph = visit->graph;
	uint64_t size;

	if (!chp_is_node(graph->index, visit->source))
		return;
	size = chp_index_size(graph->index, span, visit->source, addr);
	if (addr + size > span->bytes_end)
		set_odd(visit->part, visit->source);
	if (span->traced)
		scan_traced(visit, span, addr, size);
	else
		scan(visit, addr, size);
}

static struct ch_error *end_visit(struct visit *visit)
{
	struct ch_edge_part *part = visit->part;

	while (visit->count && !visit->err)
		resolve(visit);
	while (!visit->err && visit->sources <= part->to - part->from)
		part->starts[visit->sources++] = (uint32_t)part->count;
	return visit->err;
}

CH_RANKING static struct ch_error *each_edge(struct visit *visit, const char *phase)
{
	const struct ch_graph *graph = visit->graph;
	uint32_t from = visit->part->from, to = visit->part->to, id;
	const struct ch_index_span *span = NULL;
	uint64_t addr = 0;

	for (id = from; id < to && !visit->err; id++) {
		if (!span || id >= span->first_id + span->count) {
			span = chp_index_span_of(graph->index, id);
			addr = ch_graph_addr(graph, id);
		}
		visit->source = id;
		visit_node(visit, span, addr);
		addr = chp_index_next(span, id, addr);
		if (id % PACE == 0) {
			if (phase)
				chp_context_progress(graph->ctx, phase, id - from, to - from);
			if (!visit->err)
				visit->err = chp_context_check(graph->ctx);
		}
	}
	return end_visit(visit);
}

static bool make_room(struct ch_edge_part *part)
{
	uint64_t sources = part->to - part->from;

	part->starts = malloc((sources + 1) * sizeof(*part->starts));
	part->odd = calloc(sources / 64 + 1, sizeof(*part->odd));
	return part->starts && part->odd;
}

static struct ch_error *write_share(void *arg)
{
	struct share *share = arg;
	struct visit visit = { .graph = share->graph, .part = share->part };

	return make_room(share->part) ? each_edge(&visit, share->phase) : &ch_enomem;
}

struct ch_error *chp_forward_make(const struct ch_graph *graph, struct ch_forward *ret)
{
	uint32_t count = (uint32_t)ch_min(graph->threads, CH_EDGE_PARTS_MAX), i;
	uint64_t objects = graph->index->objects_count, edges = 0;
	struct share shares[CH_EDGE_PARTS_MAX];
	struct ch_error *err;

	*ret = (struct ch_forward){ .parts_count = count };
	for (i = 0; i < count; i++) {
		ret->parts[i].from = (uint32_t)(objects * i / count);
		ret->parts[i].to = (uint32_t)(objects * (i + 1) / count);
		shares[i] = (struct share){ .graph = graph,
					    .part = &ret->parts[i],
					    .phase = i ? NULL : "counting pointers" };
	}
	err = chp_parts_run(shares, sizeof(*shares), count, write_share);
	for (i = 0; i < count; i++)
		edges += ret->parts[i].count;
	return !err && edges >= UINT32_MAX ? too_many() : err;
}

static void end_part(struct ch_edge_part *part)
{
	free(part->targets);
	free(part->inner);
	free(part->places);
	free(part->starts);
	free(part->odd);
}

void chp_forward_deinit(struct ch_forward *forward)
{
	uint32_t i;

	for (i = 0; i < forward->parts_count; i++)
		end_part(&forward->parts[i]);
	*forward = (struct ch_forward){ .parts_count = 0 };
}

struct ch_error *chp_forward_keep(struct ch_graph *graph)
{
	struct ch_error *err;

	if (graph->forward.parts_count)
		return NULL;
	err = chp_forward_make(graph, &graph->forward);
	if (err)
		chp_forward_deinit(&graph->forward);
	return err;
}

static void set_inner(struct ch_edge_part *part, uint32_t at, bool inner)
{
	part->inner[at / 64] &= ~(1ULL << (at % 64));
	part->inner[at / 64] |= (uint64_t)inner << (at % 64);
}

/* Go over one node again. */
static struct ch_error *visit_again(const struct ch_graph *graph, struct ch_edge_part *part,
				    struct ch_edge_part *again, uint32_t id)
{
	const struct ch_index_span *span = chp_index_span_of(graph->index, id);
	struct visit visit = { .graph = graph, .part = again, .source = id };
	uint32_t first = part->starts[id - part->from];
	uint32_t end = part->starts[id + 1 - part->from], at;
	struct ch_error *err;

	again->from = id;
	again->to = id + 1;
	again->count = 0;
	visit_node(&visit, span, chp_index_addr_in(graph->index, span, id));
	err = end_visit(&visit);
	for (at = first; !err && at < end && at - first < again->count; at++)
		set_inner(part, at, chp_edge_inner(again, at - first));
	return err;
}

struct ch_error *chp_forward_use_rules(struct ch_graph *graph)
{
	struct ch_edge_part again = { .to = 1 }, *part;
	struct ch_error *err = NULL;
	uint32_t i, id;

	if (!graph->offset_rules.count)
		return NULL;
	if (!make_room(&again))
		err = &ch_enomem;
	for (i = 0; !err && i < graph->forward.parts_count; i++) {
		part = &graph->forward.parts[i];
		for (id = part->from; !err && id < part->to; id++) {
			if (chp_edge_odd(part, id))
				err = visit_again(graph, part, &again, id);
			if (!err && id % PACE == 0)
				err = chp_context_check(graph->ctx);
		}
	}
	end_part(&again);
	return err;
}

void chp_forward_drop(struct ch_graph *graph)
{
	chp_forward_deinit(&graph->forward);
}
