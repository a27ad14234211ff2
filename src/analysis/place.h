/*
 * place.h - where an address lies, in words.
 */
#ifndef COREHEAP_ANALYSIS_PLACE_H
#define COREHEAP_ANALYSIS_PLACE_H

#include <coreheap/coreheap.h>
#include <coreheap/graph.h>

/** What is looked through for places; borrowed all of it. */
struct ch_places {
	struct ch_graph *graph;
	struct ch_heaps *heaps;
	struct ch_sym *sym;
};

struct ch_place_row {
	uint64_t addr;
	/** Static. */
	const char *kind;
	/** In words. */
	struct ch_root_text text;
	/** The block that it lies in, and where in it; the name of its type, borrowed until the
	 * heaps are closed. */
	bool has_owner, has_offset;
	uint64_t owner_addr, offset;
	const char *type;
};

/** Name what ch_graph_place() or ch_graph_refs() found. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_place_describe(const struct ch_places *places,
						  const struct ch_ref *ref,
						  struct ch_place_row *ret);

#endif /* COREHEAP_ANALYSIS_PLACE_H */
