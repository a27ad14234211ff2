/*
 * One step of a chain as a result: which node, of which type, by which word of it the next one is
 * reached.
 */
#include "analysis/chain.h"

#include <string.h>

#include "heap/type_table.h"
#include "util/cleanup.h"

static struct ch_error *name_node(struct ch_graph *graph, struct ch_heaps *heaps, uint32_t id,
				  bool whole, char **ret)
{
	struct ch_object object;
	struct ch_error *err;
	struct ch_type type;

	if (!ch_graph_object(graph, id, &object)) {
		*ret = strdup("?");
		return *ret ? NULL : &ch_enomem;
	}
	err = ch_heaps_type(heaps, object.type, &type);
	if (err)
		return err;
	*ret = strdup(whole ? type.name : chp_type_short(&type));
	return *ret ? NULL : &ch_enomem;
}

struct ch_error *chp_node_type_name(struct ch_graph *graph, struct ch_heaps *heaps, uint32_t id,
				    char **ret)
{
	return name_node(graph, heaps, id, false, ret);
}

struct ch_error *chp_node_whole_name(struct ch_graph *graph, struct ch_heaps *heaps, uint32_t id,
				     char **ret)
{
	return name_node(graph, heaps, id, true, ret);
}

/* The word of holder that leads to target: at its first byte, if there is one. */
static void find_word(const struct ch_graph *graph, uint32_t holder, uint32_t target,
		      struct ch_step *step)
{
	struct ch_edge edges[64];
	uint64_t offset = 0;
	bool found = false;
	size_t n, i;

	while ((n = ch_graph_edges(graph, holder, &offset, edges, CH_COUNT_OF(edges))) > 0) {
		for (i = 0; i < n; i++) {
			if (edges[i].target != target || (found && edges[i].interior))
				continue;
			step->offset = edges[i].offset;
			step->exact = edges[i].exact;
			step->into = edges[i].value - step->addr;
			if (!edges[i].interior)
				return;
			found = true;
		}
	}
}

struct ch_error *chp_step_make(struct ch_graph *graph, struct ch_heaps *heaps,
			       const struct ch_chain *chain, uint32_t holder, uint32_t id,
			       struct ch_step *ret)
{
	*ret = (struct ch_step){ .id = id, .addr = ch_graph_addr(graph, id) };
	if (holder == CH_ID_NONE) {
		ret->into = chain->root.value - ret->addr;
		ret->exact =
			chain->root.kind >= CH_ROOT_HANDLE && chain->root.kind <= CH_ROOT_FROZEN;
	} else {
		find_word(graph, holder, id, ret);
		if (!ch_graph_place_name(graph, holder, ret->offset, ret->place,
					 sizeof(ret->place)))
			ret->place[0] = '\0';
	}
	if (!ch_graph_detail(graph, id, ret->detail, sizeof(ret->detail)))
		ret->detail[0] = '\0';
	return chp_node_type_name(graph, heaps, id, &ret->type);
}
