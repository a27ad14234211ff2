/*
 * mapping_holders.h - who has the address of memory that is no heap: a mapped file.
 */
#ifndef COREHEAP_ANALYSIS_MAPPING_HOLDERS_H
#define COREHEAP_ANALYSIS_MAPPING_HOLDERS_H

#include <coreheap/graph.h>

#include "util/vec.h"

/** The mapping that addr lies in, of a file or of memory that nobody is known to have; NULL:
 * there is none. Errors: those of ch_session_map(). */
CH_MUST_CHECK struct ch_error *chp_mapping_at(struct ch_session *session, uint64_t addr,
					      const struct ch_region **ret);
/**
 * Ids of the used blocks that have its address, ascending, appended to ids (of uint32_t): those
 * with one of its first page, else with any. Objects of a runtime that collects its garbage go
 * before other blocks, whose words only look like addresses, and what uses the mapping before
 * what is there to unmap it. Errors: NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_mapping_holders(struct ch_graph *graph, struct ch_heaps *heaps,
						   const struct ch_region *mapping,
						   struct ch_vec *ids);

#endif /* COREHEAP_ANALYSIS_MAPPING_HOLDERS_H */
