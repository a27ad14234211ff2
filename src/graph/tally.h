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
	/** As in struct ch_type_stat. */
	uint32_t walker;
	uint64_t type;
	uint64_t count, bytes;
	/** Of the object that the caller chose; 0 at first. */
	uint64_t most_bytes;
	uint32_t most_id;
};

struct ch_tallies {
	/** of struct ch_tally, in the order in which they came */
	struct ch_vec rows;
	/** Indexes + 1; 0: empty. */
	uint32_t *slots;
	uint32_t mask;
};
#define CH_TALLIES                                                                                 \
	{                                                                                          \
		.rows = CH_VEC(struct ch_tally)                                                    \
	}

/** The row of a group and a type, made if there is none; borrowed until the next call.
 * Beyond 65,536 rows the type is CH_TYPE_ID_OTHER. NULL: out of memory. */
struct ch_tally *chp_tally_of(struct ch_tallies *tallies, uint32_t group, uint32_t walker,
			      uint64_t type);
void chp_tallies_deinit(struct ch_tallies *tallies);

#endif /* COREHEAP_GRAPH_TALLY_H */
