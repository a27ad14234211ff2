/*
 * owners.h - native memory by the managed objects that own it: that have its address in a
 * field, a number to their runtime.
 */
#ifndef COREHEAP_GRAPH_OWNERS_H
#define COREHEAP_GRAPH_OWNERS_H

#include <coreheap/graph.h>

#include "util/vec.h"

/** All owners of a type that are live, or all that are dead. */
struct ch_owners_row {
	uint32_t type;
	/** Something holds them; the memory of others goes when they are collected. */
	bool live;
	uint64_t owners_count;
	/** Blocks of native heaps, with those that are held only through them; usable bytes. */
	uint64_t blocks_count, blocks_bytes;
	/** Mappings of files. */
	uint64_t mappings_count, mapped_bytes;
	/** The owner of the most, and what its runtime calls that memory; NULL: it has its
	 * address, no more is known. Static. */
	uint64_t sample_addr, sample_bytes;
	const char *label;
};

struct ch_owners {
	/** of struct ch_owners_row: by bytes, descending */
	struct ch_vec rows;
	/** Sums over the rows. */
	struct ch_owners_row total;
	/** Used blocks of native heaps, all of them. */
	uint64_t native_count, native_bytes;
};

/**
 * Each block counts once, and so does each mapping: for the owner that something holds, before
 * one that nothing does; for the one that its runtime knows to own it, if it says so; of several
 * for the one that its runtime says is no view, not only there to free it, and no number in a box.
 * The caller's to end with chp_owners_deinit() also on failure. Errors: NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *
chp_owners_find(struct ch_graph *graph, const struct ch_retained *retained, struct ch_owners *ret);
void chp_owners_deinit(struct ch_owners *owners);

#endif /* COREHEAP_GRAPH_OWNERS_H */
