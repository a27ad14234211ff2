/*
 * retention.h - "leak or retention?", answered from the sums of the heaps.
 *
 * Every committed byte of all heaps is in one part. What the program holds is
 * used, in arenas or in mappings of its own: if such bytes grow, something
 * leaks or is kept. What the allocator holds is free, in bins, fast bins,
 * thread caches or top: the program has given it up, the process has not. The
 * class is made by the rules of verdict.c, of heaps alone: the verdict is that of measure.h.
 */
#ifndef COREHEAP_ANALYSIS_RETENTION_H
#define COREHEAP_ANALYSIS_RETENTION_H

#include <coreheap/heap.h>

#include "analysis/verdict.h"

enum ch_part_id {
	CH_PART_USED,
	CH_PART_MMAPPED,
	CH_PART_BINS,
	CH_PART_FAST,
	CH_PART_CACHED,
	CH_PART_TOP,
	CH_PART_OVERHEAD,
	CH_PART_UNWALKED,
	CH_PART_MANAGED,
};
#define CH_PARTS (CH_PART_MANAGED + 1)

/** What an allocator's own call could give back at most. */
struct ch_trim_call {
	const char *name;
	uint64_t pages_bytes, top_bytes;
};
#define CH_TRIM_CALLS_MAX 4U

static inline uint64_t chp_trim_call_bytes(const struct ch_trim_call *call)
{
	return call->pages_bytes + call->top_bytes;
}

struct ch_retention {
	/** Indexed by enum ch_part_id; their sum is verdict.total_bytes. */
	uint64_t parts[CH_PARTS];
	struct ch_verdict verdict;
	/** The largest part. */
	enum ch_part_id largest;
	/** What the class means here: one sentence. Static. */
	const char *meaning;
	/** Calls that give memory back, one an allocator, the one that gives most first. */
	struct ch_trim_call trims[CH_TRIM_CALLS_MAX];
	size_t trims_count;
	/** Sums over all heaps. */
	struct ch_heap_free free;
};

/** Judge heaps that were measured, by what ctx has heard of them. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_retention_make(const struct ch_heaps *heaps,
						  const struct ch_context *ctx,
						  struct ch_retention *ret);

/** "used in arenas" for people, "used" for programs. Static. */
const char *chp_part_title(enum ch_part_id id);
const char *chp_part_name(enum ch_part_id id);

#endif /* COREHEAP_ANALYSIS_RETENTION_H */
