/*
 * chain.h - what is known of each step of a chain, from a root to a block.
 */
#ifndef COREHEAP_ANALYSIS_CHAIN_H
#define COREHEAP_ANALYSIS_CHAIN_H

#include <coreheap/graph.h>

/** One step of a chain. */
struct ch_step {
	uint32_t id;
	uint64_t addr;
	/** Where in the holder the word lies, and where in the node it points. */
	uint64_t offset, into;
	/** What lies at offset, escaped; "" when that is not known. */
	char place[160];
	/** What else is known of the node, escaped; "" when nothing is. */
	char detail[256];
	/** The holder's runtime says that it is a pointer. */
	bool exact;
	/** Escaped, owned. */
	char *type;
};

/** Escaped name of a node's type, as it is shown beside what points at it; as `types` has it. Owned
 * by the caller. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_node_type_name(struct ch_graph *graph, struct ch_heaps *heaps,
						  uint32_t id, char **ret);
CH_MUST_CHECK struct ch_error *chp_node_whole_name(struct ch_graph *graph, struct ch_heaps *heaps,
						   uint32_t id, char **ret);
/** The step from holder (CH_ID_NONE: the chain's root) to id. Free ret->type. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_step_make(struct ch_graph *graph, struct ch_heaps *heaps,
					     const struct ch_chain *chain, uint32_t holder,
					     uint32_t id, struct ch_step *ret);

#endif /* COREHEAP_ANALYSIS_CHAIN_H */
