/*
 * summary.h - one screen: what died, where its memory is, and the verdict.
 */
#ifndef COREHEAP_ANALYSIS_SUMMARY_H
#define COREHEAP_ANALYSIS_SUMMARY_H

#include "analysis/account.h"
#include "analysis/coverage.h"
#include "analysis/death.h"
#include "analysis/pooled.h"
#include "analysis/suspect.h"
#include "analysis/thread_rows.h"
#include "analysis/verdict.h"
#include "heap/walker.h"
#include "util/vec.h"

/** Types shown. */
#define CH_SUMMARY_TYPES 10

struct ch_summary {
	struct ch_death death;
	/** The thread that died; NULL: none did. Borrowed. */
	const struct ch_thread_row *crash;
	struct ch_heaps *heaps;
	/** Whether the heaps were walked to the end. */
	bool walked;
	/** Rules that need the graph were left out. */
	bool quick;
	/** TEXT: all of it, not what fits on a screen. */
	bool all;
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
	/** Types of used objects by bytes, descending. Borrowed. */
	const struct ch_type_stat *types[CH_SUMMARY_TYPES];
	size_t types_count;
	/** of struct ch_suspect: by bytes, descending */
	struct ch_vec suspects;
	/** Of the native used bytes those that are a runtime's own; NULL: not known. */
	const struct ch_tracking *tracking;
	/** Limits; pools but with quick. */
	struct ch_pooled pooled;
	/** "native used 12 + native free 3 + ... = 15; native used is 80.00 %". Owned. */
	char *arithmetic;
};

static inline uint64_t chp_zeros_that_count(const struct ch_summary *summary)
{
	return summary->zeros_count ? summary->zero_bytes : 0;
}

/** Bytes of a type's blocks: those on touched pages, and zeros that a runtime wrote. */
static inline uint64_t chp_touched_of(const struct ch_summary *summary,
				      const struct ch_type_stat *stat)
{
	return summary->zeros_count || chp_heaps_clears(summary->heaps, stat->walker)
		       ? stat->total_bytes
		       : stat->total_bytes - stat->untouched_bytes;
}

#endif /* COREHEAP_ANALYSIS_SUMMARY_H */
