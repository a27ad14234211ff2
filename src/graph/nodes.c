/*
 * Nodes: the session's index, as the public interface of a graph has it.
 */
#include "graph/graph_priv.h"

uint32_t ch_graph_objects_count(const struct ch_graph *graph)
{
	return graph->index->objects_count;
}

uint32_t ch_graph_nodes_count(const struct ch_graph *graph)
{
	return graph->index->nodes_count;
}

bool ch_graph_is_node(const struct ch_graph *graph, uint32_t id)
{
	return id < graph->index->objects_count && chp_is_node(graph->index, id);
}

bool ch_graph_object(struct ch_graph *graph, uint32_t id, struct ch_object *ret)
{
	return ch_heaps_object_at(graph->heaps, ch_graph_addr(graph, id), ret);
}

uint64_t ch_graph_addr(const struct ch_graph *graph, uint32_t id)
{
	return chp_index_addr(graph->index, id);
}

uint32_t ch_graph_node_at(const struct ch_graph *graph, uint64_t addr)
{
	const struct ch_index_span *span;
	uint64_t start;

	if (!chp_may_point(graph->index, addr))
		return CH_ID_NONE;
	span = chp_index_span(graph->index, addr);
	return span ? chp_index_node(graph->index, span, addr, &start) : CH_ID_NONE;
}

uint64_t ch_graph_size_bytes(const struct ch_graph *graph, uint32_t id)
{
	const struct ch_index_span *span = chp_index_span_of(graph->index, id);

	if (!chp_is_node(graph->index, id))
		return 0;
	return chp_index_size(graph->index, span, id, chp_index_addr_in(graph->index, span, id));
}
