/*
 * suspects_containers.h - rules about collections of managed runtimes.
 */
#ifndef COREHEAP_ANALYSIS_SUSPECTS_CONTAINERS_H
#define COREHEAP_ANALYSIS_SUSPECTS_CONTAINERS_H

#include "analysis/suspects.h"
#include "heap/containers.h"
#include "heap/locks.h"

/** Live collections that are nearly empty, and live maps with a long chain. types: by id, that of
 * each node. Errors: those of the graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspects_containers(struct ch_suspecting *suspecting,
						       struct ch_graph *graph,
						       const struct ch_retained *retained,
						       const uint32_t *types);

#endif /* COREHEAP_ANALYSIS_SUSPECTS_CONTAINERS_H */
