#include "graph/pieces.h"

#include <coreheap/leaks.h>

#include <stdlib.h>
#include <unistd.h>

#include "graph/reverse.h"
#include "util/error.h"

/* More helps nobody. */
#define THREADS_MAX 64

static uint32_t count_threads(const struct ch_graph_options *options)
{
	long processors;

	if (options && options->threads)
		return (uint32_t)ch_min(options->threads, THREADS_MAX);
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	return processors < 1 ? 1 : (uint32_t)ch_min((uint64_t)processors, THREADS_MAX);
}

/* The tracers, which are told what counts as a pointer before they learn types. */
static void find_tracers(struct ch_graph *graph)
{
	const struct ch_traced *traced = graph->traced;
	uint32_t i;

	graph->traced_count =
		(uint32_t)chp_heaps_tracers(graph->heaps, graph->traced, CH_TRACERS_MAX);
	for (i = 0; i < graph->traced_count; i++) {
		if (traced[i].tracer->follow)
			traced[i].tracer->follow(traced[i].state,
						 ch_session_strengths(graph->session));
		if (traced[i].tracer->header_bytes && !graph->header_bytes) {
			graph->header_bytes = traced[i].tracer->header_bytes(traced[i].state);
			graph->headed_by = &traced[i];
		}
	}
}

static struct ch_error *build(struct ch_graph *graph)
{
	struct ch_error *err;

	err = ch_session_heaps(graph->session, &graph->heaps);
	if (!err)
		err = ch_session_sym(graph->session, &graph->sym);
	if (!err)
		err = ch_session_map(graph->session, &graph->map);
	if (!err) {
		find_tracers(graph);
		err = chp_index_build(graph);
	}
	if (!err)
		err = chp_roots_collect(graph);
	if (!err)
		err = chp_traced_collect(graph);
	return err;
}

struct ch_error *ch_graph_create(struct ch_session *session, const struct ch_graph_options *options,
				 struct ch_graph **ret)
{
	struct ch_graph *graph = calloc(1, sizeof(*graph));
	struct ch_error *err;

	if (!graph)
		return &ch_enomem;
	graph->session = session;
	graph->core = ch_session_core(session);
	graph->ctx = ch_session_context(session);
	graph->threads = count_threads(options);
	graph->offset_rules = CH_VEC(struct ch_offset_rule);
	graph->keep_edges = options && options->keep_edges;
	graph->touched_only = options && options->touched_only;
	err = build(graph);
	if (err) {
		ch_graph_destroy(graph);
		return err;
	}
	*ret = graph;
	return NULL;
}

void ch_graph_destroy(struct ch_graph *graph)
{
	if (!graph)
		return;
	chp_reverse_deinit(&graph->reverse);
	chp_index_deinit(graph);
	chp_rootnames_deinit(graph);
	chp_traced_deinit(graph);
	ch_vec_deinit(&graph->ranges);
	ch_vec_deinit(&graph->offset_rules);
	free(graph);
}

uint32_t ch_graph_objects_count(const struct ch_graph *graph)
{
	return graph->objects_count;
}

uint32_t ch_graph_nodes_count(const struct ch_graph *graph)
{
	return graph->nodes_count;
}

bool ch_graph_is_node(const struct ch_graph *graph, uint32_t id)
{
	return id < graph->objects_count && chp_is_node(graph, id);
}

bool ch_graph_object(struct ch_graph *graph, uint32_t id, struct ch_object *ret)
{
	return ch_heaps_object_at(graph->heaps, ch_graph_addr(graph, id), ret);
}

/* One word of a node: whether it is an edge. */
static bool read_edge(const struct ch_graph *graph, uint64_t value, bool exact, struct ch_edge *ret)
{
	const struct ch_index_span *span;
	uint64_t start = 0;

	if (!chp_may_point(graph, value))
		return false;
	span = chp_index_span(graph, value);
	if (!span || (!exact && span->traced))
		return false;
	ret->exact = exact;
	ret->target = chp_index_node(graph, span, value, &start);
	ret->value = value;
	if (ret->target == CH_ID_NONE)
		return false;
	ret->interior = chp_is_inner(graph, span, ret->target, start, value);
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
	uint64_t addr = ch_graph_addr(graph, id), size = chp_index_size(graph, span, id, addr);
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
	const struct ch_index_span *span = chp_index_span_of(graph, id);
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
