/*
 * tally.h - count and bytes by group and type.
 */
#ifndef COREHEAP_GRAPH_TALLY_H
#define COREHEAP_GRAPH_TALLY_H

#include <stdint.h>

#include "util/vec.h"

struct ch_tally {
	/** Whatever the caller groups by. */
	uint32_t group;
	/** A type of the session, or whatever else the caller counts by. */
	uint64_t what;
	uint64_t count, bytes;
	/** Of the object that the caller chose; 0 at first. */
	uint64_t most_bytes;
	uint32_t most_id;
};

struct ch_heaps;

struct ch_tallies {
	/** Whose types are counted; NULL: no types are. */
	struct ch_heaps *heaps;
	/** of struct ch_tally, in the order in which they came */
	struct ch_vec rows;
	/** Indexes + 1; 0: empty. */
	uint32_t *slots;
	uint32_t mask;
};
/** of: a struct ch_heaps, or NULL. */
#define CH_TALLIES(of)                                                                             \
	{                                                                                          \
		.heaps = (of), .rows = CH_VEC(struct ch_tally)                                     \
	}
/** What is counted of other things than types once there is no room. */
#define CH_TALLY_OTHER UINT64_MAX

/** The row of a group and what is counted in it, made if there is none; borrowed until the next
 * call. Beyond 65,536 rows types are those of chp_type_other(). NULL: out of memory. */
struct ch_tally *chp_tally_of(struct ch_tallies *tallies, uint32_t group, uint64_t what);
void chp_tallies_deinit(struct ch_tallies *tallies);

#endif /* COREHEAP_GRAPH_TALLY_H */
