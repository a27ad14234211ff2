/*
 * suspects_vectors.h - the rule about vectors of C++.
 */
#ifndef COREHEAP_ANALYSIS_SUSPECTS_VECTORS_H
#define COREHEAP_ANALYSIS_SUSPECTS_VECTORS_H

#include "analysis/suspects.h"

/** Live vectors that are nearly empty. types: by id, that of each node. Errors: those of the graph,
 * NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspects_vectors(struct ch_suspecting *suspecting,
						    struct ch_graph *graph,
						    const struct ch_retained *retained,
						    const uint32_t *types);

#endif /* COREHEAP_ANALYSIS_SUSPECTS_VECTORS_H */
