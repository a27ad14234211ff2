/*
 * gather.h - where some nodes come together: the nodes below which, in the dominator tree, most
 * of them lie.
 */
#ifndef COREHEAP_GRAPH_GATHER_H
#define COREHEAP_GRAPH_GATHER_H

#include <coreheap/graph.h>

#include "util/vec.h"

/** A node that is looked for, and what it weighs. */
struct ch_gather_item {
	uint32_t id;
	uint64_t bytes, touched_bytes;
	/** It counts also when no live root reaches it. */
	bool lasts;
};

/** Nodes of one way: everything leads through top, nearly all of them lie below holder. */
struct ch_gathered {
	/** holder is one of the items itself where nothing else has them together. */
	uint32_t top, holder;
	/** Items below top, it included. */
	uint64_t count, bytes, touched_bytes;
	/** One of them. */
	uint32_t sample;
};

struct ch_gathering {
	/** of struct ch_gathered: by touched bytes, descending, then by bytes */
	struct ch_vec rows;
	/** Items that live roots reach: those are in rows. */
	uint64_t count, bytes;
	/** Items that none does, and that last all the same. */
	uint64_t dead_count, dead_bytes, dead_touched_bytes;
};

/**
 * Find them; a node that is no item and has percent of those below top is nearer to them than
 * top. Takes memory for each dominator of an item. ret is the caller's to end with
 * chp_gathering_deinit() also on failure. Errors: NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_gather(const struct ch_retained *retained,
					  const struct ch_gather_item *items, size_t count,
					  uint32_t percent, struct ch_gathering *ret);
void chp_gathering_deinit(struct ch_gathering *gathering);

#endif /* COREHEAP_GRAPH_GATHER_H */
