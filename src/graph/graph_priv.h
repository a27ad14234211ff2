/*
 * graph_priv.h - the inside of struct ch_graph, shared by the files of src/graph.
 */
#ifndef COREHEAP_GRAPH_GRAPH_PRIV_H
#define COREHEAP_GRAPH_GRAPH_PRIV_H

#include <coreheap/graph.h>

#include "graph/forward.h"
#include "graph/reverse.h"
#include "heap/walker.h"
#include "index/index.h"
#include "util/bytes.h"
#include "util/vec.h"

/** A root that a walker named. */
struct ch_traced_root {
	struct ch_walker_root root;
	/** Index into ch_index.traced. */
	uint32_t traced;
};

/** An edge without a word: ids. */
struct ch_link {
	uint32_t from, to;
};

/** Words of stacks, [start, end), that lead to no object of a runtime. */
struct ch_native_words {
	uint64_t start, end;
	const struct ch_traced *traced;
};

/** rootvisit.c: what it found. */
struct ch_kept_roots {
	enum {
		CH_KEPT_NOT,
		CH_KEPT_ALL,
		CH_KEPT_TOO_MANY,
	} state;
	/** of struct ch_root */
	struct ch_vec roots;
};

struct ch_graph {
	struct ch_session *session;
	struct ch_core *core;
	struct ch_sym *sym;
	struct ch_map *map;
	struct ch_heaps *heaps;
	struct ch_context *ctx;
	uint32_t threads;

	/** Ids; the session's. */
	const struct ch_index *index;
	/** of struct ch_root_range, ascending */
	struct ch_vec ranges;
	/** of struct ch_native_words, ascending */
	struct ch_vec native_words;
	/** Filled by the first visit; one thread at a time visits roots. */
	struct ch_kept_roots *kept_roots;

	/** of struct ch_traced_root, in the walkers' order */
	struct ch_vec traced_roots;
	/** of struct ch_link, ascending */
	struct ch_vec links;

	/** Inner offsets that count as first bytes, by size, then by offset, once leaks were
	 * looked for: of struct ch_offset_rule. */
	struct ch_vec offset_rules;

	/** All edges while somebody follows them: chp_forward_keep(). */
	struct ch_forward forward;
	/** All edges turned round, once they were asked for, in a graph that keeps them. */
	struct ch_reverse reverse;
	bool keep_edges, touched_only;

	/** By thread; NULL until a root on a stack is named. */
	struct ch_root_stack *stacks;
};

/** rootname.c: forget what names rest on. */
void chp_rootnames_deinit(struct ch_graph *graph);

/** roots.c: find the ranges. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_roots_collect(struct ch_graph *graph);

/** traced.c: ask walkers for roots and links. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_traced_collect(struct ch_graph *graph);
void chp_traced_deinit(struct ch_graph *graph);

/** Chunk bytes of an object that count: see chp_graph_weight(). */
CH_INLINE uint64_t chp_object_weight(const struct ch_graph *graph, const struct ch_object *object)
{
	return graph->touched_only ? chp_heaps_held_bytes(graph->heaps, object)
				   : object->chunk_bytes;
}

/** Bytes of the target in our memory, kept between reads: zero it to begin. */
struct ch_cursor {
	uint64_t start, end;
	const uint8_t *bytes;
};

/** The bytes at addr, at most *len_ret; NULL when they are absent. */
CH_INLINE const uint8_t *chp_cursor_at(const struct ch_core *core, struct ch_cursor *cursor,
				       uint64_t addr, size_t *len_ret)
{
	size_t len;

	if (addr - cursor->start >= cursor->end - cursor->start) {
		cursor->bytes = ch_core_span(core, addr, &len);
		if (!cursor->bytes) {
			cursor->start = cursor->end = 0;
			return NULL;
		}
		cursor->start = addr;
		cursor->end = addr + len;
	}
	*len_ret = cursor->end - addr;
	return cursor->bytes + (addr - cursor->start);
}

#endif /* COREHEAP_GRAPH_GRAPH_PRIV_H */
