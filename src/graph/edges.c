/*
 * The edges that leave a node: aligned words that point at or into a node, or, where the
 * node's walker has a tracer, exactly the pointers that it names. Roots and their names rest on
 * this as marks and chains do; graph.c only builds and destroys a graph.
 */
#include "graph/pieces.h"

#include "util/bytes.h"

/* One word of a node: whether it is an edge. */
static bool read_edge(const struct ch_graph *graph, uint64_t value, bool exact, struct ch_edge *ret)
{
	const struct ch_index_span *span;
	uint64_t start = 0;

	if (!chp_may_point(graph->index, value))
		return false;
	span = chp_index_span(graph->index, value);
	if (!span || (!exact && span->traced))
		return false;
	ret->exact = exact;
	ret->target = chp_index_node(graph->index, span, value, &start);
	ret->value = value;
	if (ret->target == CH_ID_NONE)
		return false;
	ret->interior = chp_is_inner(graph->index, span, ret->target, start, value);
	return true;
}

/* The word at at; *at moves to the last one that is absent. */
static bool read_word(const struct ch_graph *graph, struct ch_cursor *cursor, uint64_t *at,
		      uint64_t end, uint64_t *ret)
{
	const uint8_t *bytes;
	size_t len;

	bytes = chp_cursor_at(graph->core, cursor, *at, &len);
	if (!bytes) {
		*at = ch_align_up(ch_core_next_present(graph->core, *at, end), 8) - 8;
		return false;
	}
	if (len < 8)
		return ch_core_read_u64(graph->core, *at, ret);
	*ret = ch_get64(bytes);
	return true;
}

/* Edges of a node whose walker knows them, for one call. */
struct traced_edges {
	const struct ch_graph *graph;
	/* Where to begin: an offset, or behind the object the number of an edge
	 * without a word. */
	uint64_t from;
	uint64_t size_bytes, wordless;
	struct ch_edge *edges;
	size_t count, max;
	uint64_t next;
	bool full;
};

static void take_traced(void *arg, uint64_t offset, uint64_t value, bool exact)
{
	struct traced_edges *taking = arg;
	uint64_t place = offset;
	struct ch_edge *edge;

	if (offset == UINT64_MAX)
		place = taking->size_bytes + taking->wordless++;
	if (place < taking->from || taking->full)
		return;
	if (taking->count == taking->max) {
		taking->full = true;
		taking->next = place;
		return;
	}
	edge = &taking->edges[taking->count];
	if (!read_edge(taking->graph, value, exact, edge))
		return;
	edge->offset = offset == UINT64_MAX ? CH_OFFSET_NONE : offset;
	taking->count++;
}

static size_t traced_edges(const struct ch_graph *graph, const struct ch_index_span *span,
			   uint32_t id, uint64_t *offset, struct ch_edge *edges, size_t max)
{
	uint64_t addr = ch_graph_addr(graph, id),
		 size = chp_index_size(graph->index, span, id, addr);
	struct traced_edges taking = { .graph = graph,
				       .from = *offset,
				       .size_bytes = size,
				       .edges = edges,
				       .max = max,
				       .next = UINT64_MAX };
	struct ch_pieces pieces = { 0 };

	chp_pieces_begin(&pieces, graph, span, id, addr, size);
	chp_pieces_visit(&pieces, take_traced, &taking);
	*offset = taking.next;
	return taking.count;
}

size_t ch_graph_edges(const struct ch_graph *graph, uint32_t id, uint64_t *offset,
		      struct ch_edge *edges, size_t max)
{
	uint64_t addr = ch_graph_addr(graph, id), end = addr + ch_graph_size_bytes(graph, id);
	uint64_t at, value;
	const struct ch_index_span *span = chp_index_span_of(graph->index, id);
	struct ch_cursor cursor = { 0 };
	size_t count = 0;

	if (*offset == UINT64_MAX)
		return 0;
	if (span->traced)
		return ch_graph_is_node(graph, id)
			       ? traced_edges(graph, span, id, offset, edges, max)
			       : 0;
	for (at = ch_align_up(addr + *offset, 8); at + 8 <= end && count < max; at += 8)
		if (read_word(graph, &cursor, &at, end, &value) &&
		    read_edge(graph, value, false, &edges[count]))
			edges[count++].offset = at - addr;
	*offset = at - addr;
	return count;
}
