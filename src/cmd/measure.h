/*
 * measure.h - the sums of a dump that several commands begin with.
 */
#ifndef COREHEAP_CMD_MEASURE_H
#define COREHEAP_CMD_MEASURE_H

#include "report/summary.h"

/**
 * Fill heaps, walked, account, input, verdict and the sums of stacks. An interrupted walk
 * leaves the heap in one row, and is a finding. Errors: those of the session, NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_summary_measure(struct ch_session *session,
						   struct ch_summary *summary);

#endif /* COREHEAP_CMD_MEASURE_H */
