/*
 * Entries that have a weak key beside their value, as those of thread-locals and weak maps do: an
 * entry is named by its key, and the key by the static field that refers to it, which says whose
 * entry it is.
 */
#include "graph/key.h"

#include <string.h>

#include "graph/graph_priv.h"
#include "heap/inspect.h"
#include "util/cleanup.h"
#include "util/context.h"

struct fields {
	uint64_t key_addr, key_bytes;
	bool has_value;
};

static struct ch_error *take_field(void *arg, const struct ch_field *field)
{
	struct fields *fields = arg;

	if (field->kind != CH_VALUE_REFERENCE)
		return NULL;
	if (strcmp(field->name, "referent") == 0) {
		fields->key_addr = field->addr;
		fields->key_bytes = field->size_bytes;
	}
	fields->has_value |= strcmp(field->name, "value") == 0;
	return NULL;
}

/* The key of an object, as a node. */
static uint32_t find_key(struct ch_graph *graph, uint32_t id)
{
	struct ch_inspected inspected;
	struct fields fields = { .key_addr = 0 };
	struct ch_fields_query query;
	struct ch_object object;
	struct ch_error *err;
	uint32_t narrow;
	uint64_t word;

	if (!ch_graph_object(graph, id, &object) ||
	    !chp_heaps_span_inspector(graph->heaps, object.span, &inspected))
		return CH_ID_NONE;
	query = (struct ch_fields_query){ .key = object.key, .addr = object.addr };
	err = inspected.inspector->fields(inspected.state, &query, take_field, &fields);
	if (err) {
		chp_context_drop_take(graph->ctx, err);
		return CH_ID_NONE;
	}
	if (!fields.has_value || !fields.key_addr)
		return CH_ID_NONE;
	if (fields.key_bytes == 4) {
		if (!ch_core_read_u32(graph->core, fields.key_addr, &narrow))
			return CH_ID_NONE;
		word = narrow;
	} else if (!ch_core_read_u64(graph->core, fields.key_addr, &word)) {
		return CH_ID_NONE;
	}
	if (inspected.inspector->reference)
		word = inspected.inspector->reference(inspected.state, word,
						      (uint32_t)fields.key_bytes);
	return word ? ch_graph_node_at(graph, word) : CH_ID_NONE;
}

/* "static Shop.SESSION", where the key's way comes by the static field of a class that is no
 * root itself; false: it does not. */
static bool name_static(struct ch_graph *graph, uint32_t holder, uint32_t key, char *buf,
			size_t max)
{
	struct ch_edge edges[64];
	uint64_t offset = 0;
	size_t n, i;

	while ((n = ch_graph_edges(graph, holder, &offset, edges, CH_COUNT_OF(edges))) > 0)
		for (i = 0; i < n; i++)
			if (edges[i].target == key && !edges[i].interior)
				return ch_graph_place_name(graph, holder, edges[i].offset, buf,
							   max) &&
				       strncmp(buf, "static ", strlen("static ")) == 0;
	return false;
}

bool chp_key_text(const struct ch_trails *trails, uint32_t id, char *buf, size_t max)
{
	uint32_t key = find_key(trails->graph, id);
	const struct ch_root *root;
	struct ch_root_text text;
	struct ch_error *err;

	if (key != CH_ID_NONE && trails->holder[key] != CH_ID_NONE &&
	    name_static(trails->graph, trails->holder[key], key, buf, max))
		return true;
	root = key == CH_ID_NONE ? NULL : chp_trails_root(trails, key);
	if (!root)
		return false;
	err = ch_root_describe(trails->graph, root, &text);
	if (err) {
		chp_context_drop_take(trails->graph->ctx, err);
		return false;
	}
	snprintf(buf, max, "%.200s%s", text.where,
		 trails->holder[key] == CH_ID_NONE ? "" : " -> ...");
	return true;
}
