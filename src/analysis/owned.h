/*
 * owned.h - native memory by the managed objects that own it, with names.
 */
#ifndef COREHEAP_ANALYSIS_OWNED_H
#define COREHEAP_ANALYSIS_OWNED_H

#include <coreheap/coreheap.h>

#include "graph/owners.h"

struct ch_owned_row {
	struct ch_owners_row sums;
	/** Of the owners' type: borrowed until the heaps are closed; static. */
	const char *name, *runtime;
};

struct ch_owned {
	/** of struct ch_owned_row: by bytes, descending */
	struct ch_vec rows;
	/** Sums over the rows. */
	struct ch_owners_row total;
	/** Used blocks of native heaps, all of them. */
	uint64_t native_count, native_bytes;
};

/** threads: to work with; 0: as many as there are processors. The caller's to end with
 * chp_owned_deinit() also on failure. Errors: those of the session and the graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_owned_make(struct ch_session *session, uint32_t threads,
					      struct ch_owned *ret);
void chp_owned_deinit(struct ch_owned *owned);

#endif /* COREHEAP_ANALYSIS_OWNED_H */
