/*
 * leaks.h - used blocks that nothing holds, and how the others are held.
 */
#ifndef COREHEAP_ANALYSIS_LEAKS_H
#define COREHEAP_ANALYSIS_LEAKS_H

#include <coreheap/leaks.h>

#include "analysis/coverage.h"
#include "analysis/order.h"
#include "heap/filter.h"
#include "util/vec.h"

/** Lost blocks that are alike, with names. */
struct ch_leaks_row {
	struct ch_leak_group group;
	/** Borrowed until the heaps are closed; static. */
	const char *type, *runtime;
	/** The type is a size: bytes of each. */
	bool of_one_size;
	uint64_t size_bytes;
	/** "vtable for Order+0x10 in orders", "null", "a lost block". Escaped, owned. */
	char *signature;
	/** In all used blocks, in hundredths of a percent. */
	uint64_t share;
};

/** What blocks are listed from; private to leaks.c. */
struct ch_leaks_source;

struct ch_leaks_options {
	/** Threads to work with; 0: as many as there are processors. */
	uint32_t threads;
	/** Which blocks; NULL: all. Borrowed as long as the result is. */
	const struct ch_object_filter *filter;
	/** Of the rows. */
	enum ch_order order;
};

struct ch_leaks_result {
	struct ch_coverage coverage;
	/** Not all blocks were asked for. */
	bool filtered;
	/** Used blocks but the allocators' own that were not. */
	struct ch_leak_sum left_out;
	/** Of the blocks that were asked for, by enum ch_reach; what is lost, directly or not; the
	 * allocators' own blocks, all of them; of what is reachable, what is so by a constant inner
	 * offset. */
	struct ch_leak_sum sums[CH_REACHES], lost, allocator, by_offset;
	/** Of everything that has a row: garbage, too; and of all used blocks but the allocators'
	 * own, whether they were asked for or not. */
	uint64_t rows_bytes, used_bytes;
	/** Borrowed from the source. */
	const struct ch_offset_rule *rules;
	size_t rules_count;
	/** of struct ch_leaks_row: by chunk bytes, descending, or as was asked for */
	struct ch_vec rows;
	/** What leaves the question of leaks open; "": nothing that is known. */
	char open[CH_COVERAGE_TEXT_MAX];
	/** Bytes of live roots and of held blocks that the core does not hold. */
	uint64_t absent_root_bytes, absent_block_bytes;
	struct ch_leaks_source *source;
};

/** The caller's to end with chp_leaks_deinit() also on failure. Errors: those of the session and of
 * the graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_leaks_make(struct ch_session *session,
					      const struct ch_leaks_options *options,
					      struct ch_leaks_result *ret);
void chp_leaks_deinit(struct ch_leaks_result *result);

struct ch_leaks_block {
	uint64_t addr, size_bytes, chunk_bytes;
	/** NULL: its size is all that is known. */
	const char *type;
	const char *runtime, *heap;
	enum ch_reach reach;
};

/** Called with each block. Non-NULL stops. */
typedef struct ch_error *(*ch_leaks_block_fn)(void *arg, const struct ch_leaks_block *block);

/** The blocks that were asked for and are held as reaches says (bits of enum ch_reach), ascending.
 * Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_leaks_blocks(const struct ch_leaks_result *result,
						uint32_t reaches, ch_leaks_block_fn fn, void *arg);

#endif /* COREHEAP_ANALYSIS_LEAKS_H */
