/*
 * measure.h - the sums of a dump that several commands begin with.
 */
#ifndef COREHEAP_ANALYSIS_MEASURE_H
#define COREHEAP_ANALYSIS_MEASURE_H

#include <coreheap/graph.h>

#include "analysis/summary.h"

/**
 * Look at pages by at most so many threads; fill heaps, walked, account, input, verdict and the
 * sums of stacks. An interrupted walk leaves the heap in one row, and is a finding. Errors: those
 * of the session, NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_summary_measure(struct ch_session *session, uint32_t threads,
						   struct ch_summary *summary);

/**
 * Whether segments share the bytes of the file, so that roots are many times what the file
 * has, and each question looks at all of them: no honest core is so. Then it is a finding.
 */
bool chp_graph_is_bloated(struct ch_session *session, const struct ch_graph *graph);

#endif /* COREHEAP_ANALYSIS_MEASURE_H */
