/*
 * pooled.h - what libraries of runtimes manage themselves: limits, pools, buffers.
 */
#ifndef COREHEAP_ANALYSIS_POOLED_H
#define COREHEAP_ANALYSIS_POOLED_H

#include <coreheap/heap.h>
#include <coreheap/pools.h>

/** What is known of them. Borrowed from the heaps, but for the array of names. */
struct ch_pooled {
	const struct ch_quota *quotas;
	size_t quotas_count;
	/** NULL: there are none, or they were not asked for. */
	const struct ch_pools *pools;
	/** Of each type of the pools: escaped, borrowed; NULL where its size is all that is known.
	 * The array is owned. */
	const char **type_names;
	/** All of them: rows say by index whose they are. */
	const struct ch_runtime *runtimes;
};
/** walk: ask for pools, too. The caller's to end with chp_pooled_deinit() also on failure.
 * Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_pooled_find(struct ch_heaps *heaps, bool walk,
					       struct ch_pooled *ret);

void chp_pooled_deinit(struct ch_pooled *pooled);

/** Whether a limit is near: the next allocation does not fit, or 90 % are used. */
bool chp_quota_is_near(const struct ch_quota *quota);
/** "direct memory of Netty: 490.00 MiB, 96 % of its limit of 512.00 MiB: 8.00 MiB left, a chunk of
 * its pool takes 16.00 MiB: the next one fails". Returns buf. */
#define CH_QUOTA_TEXT_MAX 400
char *chp_quota_text(const struct ch_quota *quota, char buf[CH_QUOTA_TEXT_MAX]);

#endif /* COREHEAP_ANALYSIS_POOLED_H */
