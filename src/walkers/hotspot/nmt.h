/*
 * nmt.h - the JVM's Native Memory Tracking: nmt.c reads its counters, blocks.c looks for
 * the headers that it puts into blocks of malloc.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_NMT_H
#define COREHEAP_WALKERS_HOTSPOT_NMT_H

#include "walkers/hotspot/hotspot_priv.h"

/* 25 has 28; a category is one byte of a header, and bounds what may be one. */
#define NMT_CATEGORIES_MAX 64
#define NMT_NAME_MAX       48

/** Blocks with headers of one category: how many, bytes that were asked for, and what
 * they cost. */
struct nmt_blocks {
	uint64_t count, asked_bytes, bytes;
};

struct hs_nmt {
	struct ch_tracking result;
	/** NULL: nothing is tracked. */
	struct ch_tracking *answer;
	/** Categories; 0: their names are not at hand. */
	uint32_t count;
	char names[NMT_CATEGORIES_MAX][NMT_NAME_MAX];
	struct nmt_blocks blocks[NMT_CATEGORIES_MAX];
	struct ch_tracked rows[NMT_CATEGORIES_MAX];
};

/** blocks.c: fill blocks[] and others of the result. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *hs_nmt_blocks(const struct hs *hs, struct ch_heaps *heaps,
					     struct hs_nmt *nmt);

#endif /* COREHEAP_WALKERS_HOTSPOT_NMT_H */
