/*
 * alike.h - what ways that are alike lead to: the tracks behind which much memory lies.
 */
#ifndef COREHEAP_GRAPH_ALIKE_H
#define COREHEAP_GRAPH_ALIKE_H

#include "graph/trails.h"

#define CH_ALIKE_MAX 8

struct ch_alike {
	/** Down to here one track has most of it; behind it spreads. */
	uint32_t track;
	/** Weight of what is on the track and behind it. */
	uint64_t bytes;
	/** Roots from which ways lead there, alike all of them, and what they are called. */
	uint64_t roots_count;
	const char *name;
	/** The blocks from which one way becomes many, on the way to it, and those that come
	 * next; holders_count 0: that is so already at the roots. Where it is so nowhere, the
	 * holder is the last block and elements_count is 0. */
	uint64_t holders_count, elements_count;
	uint32_t holder, element;
	/** Where most of it is, the block with a shortest way: it stands for all. */
	uint32_t sample;
};

struct ch_alikes {
	const struct ch_trails *trails;
	struct ch_alike items[CH_ALIKE_MAX];
	size_t count;
};

/**
 * Find the tracks that lead to at least bytes_min, by bytes, descending; none is behind
 * another one. Errors: NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_alike_find(const struct ch_trails *trails, uint64_t bytes_min,
					      struct ch_alikes *ret);

/** By track: which item it is or lies behind, + 1; 0: none. Free it. NULL: out of memory. */
uint8_t *chp_alike_colours(const struct ch_alikes *alikes);

/** The block that stands for those on a track: where most of it goes on, with a shortest way.
 * CH_ID_NONE: there is none. */
uint32_t chp_alike_sample(const struct ch_trails *trails, uint32_t track);

#endif /* COREHEAP_GRAPH_ALIKE_H */
