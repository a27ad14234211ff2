/*
 * measure.h - the sums of a dump that several questions begin with, and the verdict on them.
 */
#ifndef COREHEAP_ANALYSIS_MEASURE_H
#define COREHEAP_ANALYSIS_MEASURE_H

#include <coreheap/graph.h>

#include "analysis/account.h"
#include "analysis/coverage.h"
#include "analysis/verdict.h"
#include "heap/type_table.h"
#include "heap/walker.h"

struct ch_measured {
	/** Whether the heaps were walked to the end. */
	bool walked;
	struct ch_account account;
	struct ch_verdict_input input;
	struct ch_verdict verdict;
	struct ch_coverage coverage;
	uint64_t threads_count, stack_bytes, stack_used_bytes, stack_touched_bytes;
	/** Zeros in native used blocks, and whether they count as what these take: a runtime says
	 * that it wrote most of them. It does not say which, so it is all or none. */
	uint64_t zero_bytes;
	bool zeros_count;
	/** Touched used bytes of all heaps, managed ones included, and zeros that count: what
	 * shares of types are of. */
	uint64_t used_bytes;
};

/**
 * Look at pages by at most so many threads, walk the heaps, and judge. An interrupted walk
 * leaves the heap in one row, and is a finding. This is the one place where a verdict is made:
 * commands that tell it, tell the same. Errors: those of the session, NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_measure(struct ch_session *session, uint32_t threads,
					   struct ch_measured *ret);

/** Whether a region is a file that is mapped to be read: pages of its own of such a mapping the
 * process has none. The archive of a runtime may be mapped for writing all the same. */
bool chp_region_is_only_read(const struct ch_heaps *heaps, const struct ch_region *region);

static inline uint64_t chp_zeros_that_count(const struct ch_measured *sums)
{
	return sums->zeros_count ? sums->zero_bytes : 0;
}

/** Bytes of a type's blocks: those on touched pages, and zeros that a runtime wrote. */
static inline uint64_t chp_touched_of(const struct ch_measured *sums, const struct ch_heaps *heaps,
				      const struct ch_type_stat *stat)
{
	return sums->zeros_count || chp_heaps_clears(heaps, chp_type_walker(heaps, stat->type))
		       ? stat->total_bytes
		       : stat->total_bytes - stat->untouched_bytes;
}

/**
 * Whether segments share the bytes of the file, so that roots are many times what the file
 * has, and each question looks at all of them: no honest core is so. Then it is a finding.
 */
bool chp_graph_is_bloated(struct ch_session *session, const struct ch_graph *graph);

#endif /* COREHEAP_ANALYSIS_MEASURE_H */
