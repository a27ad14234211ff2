/*
 * coverage.h - what is known to be missing, and which conclusions need it.
 *
 * A conclusion from an incomplete list is none: it says what is missing instead. What
 * each one needs, as bits of enum ch_need:
 *
 *   leaks: "No used block is lost."              heaps, stacks, memory
 *   leaks: "Lost: N blocks"; suspects: leaked    stacks, memory
 *   suspects: managed objects are garbage        stacks, memory
 *   accounting: live apart from garbage          stacks, memory
 *   heap, summary: the verdict                   heaps; else it says what it covers
 *
 * What holds a block that is held, the largest types, threads that are alike and sizes of
 * mappings are as true of a part as of the whole. A heap that is not walked takes nothing
 * from "lost": its memory is looked through for pointers like any other.
 */
#ifndef COREHEAP_ANALYSIS_COVERAGE_H
#define COREHEAP_ANALYSIS_COVERAGE_H

#include <coreheap/coreheap.h>

enum ch_need {
	/** All allocators and runtimes that are here were walked. */
	CH_NEED_HEAPS = 1,
	/** The stack of each thread is in the core. */
	CH_NEED_STACKS = 2,
	/** The file is whole, and writable data of modules is in it. */
	CH_NEED_MEMORY = 4,
};

/** What a sentence about coverage takes. */
#define CH_COVERAGE_TEXT_MAX 512

struct ch_coverage {
	const struct ch_runtime *runtimes;
	size_t runtimes_count;
	/** Of them: those that were walked; that are here and were not; what is known of the
	 * bytes of the latter. */
	size_t walked_count, unwalked_count;
	uint64_t unwalked_bytes;
	/** Committed bytes of all heaps that were walked. */
	uint64_t walked_bytes;
	size_t threads_count, stacks_lost;
	bool truncated;
	/** Bytes of writable data of modules that the dumper left out. */
	uint64_t data_absent_bytes;
};

/** Look, and report lost stacks as a finding. Opens the heaps. Errors: those of
 * ch_session_heaps(). */
CH_MUST_CHECK struct ch_error *chp_coverage_find(struct ch_session *session,
						 struct ch_coverage *ret);

/** Whether something of needs is missing; buf says what: "jemalloc's blocks are not walked;
 * the stacks of 3 of 4 threads are not in the core". */
bool chp_coverage_lacks(const struct ch_coverage *coverage, uint32_t needs,
			char buf[CH_COVERAGE_TEXT_MAX]);

/** What a verdict on the heaps is about, where that is not all: "of what glibc malloc has,
 * 827,392 bytes; Go's blocks are not walked, at least 75,497,472 bytes". False: it is all. */
bool chp_coverage_words(const struct ch_coverage *coverage, char buf[CH_COVERAGE_TEXT_MAX]);

#endif /* COREHEAP_ANALYSIS_COVERAGE_H */
