/*
 * account.h - every mapped byte in exactly one named row.
 *
 * The map says what each region is for; heaps say what their bytes are used
 * for. Rows are disjoint and their sum is the busy address space, to the byte;
 * what nobody claims is the last row.
 */
#ifndef COREHEAP_ANALYSIS_ACCOUNT_H
#define COREHEAP_ANALYSIS_ACCOUNT_H

#include <coreheap/heap.h>

enum ch_account_id {
	/** Used blocks that are not the allocator's own, in arenas. */
	CH_ACCOUNT_HEAP_USED,
	/** Used blocks in mappings of their own. */
	CH_ACCOUNT_HEAP_MMAPPED,
	/** Free blocks but the top chunks. */
	CH_ACCOUNT_HEAP_FREE,
	/** Top chunks: committed, never handed out or given back. */
	CH_ACCOUNT_HEAP_TOP,
	/** Headers, fenceposts, the allocator's own blocks, damaged stretches. */
	CH_ACCOUNT_HEAP_OVERHEAD,
	/** Heap according to the map, but no walker has walked it. */
	CH_ACCOUNT_HEAP_UNWALKED,
	/** Objects of managed runtimes: those that something holds, and garbage; all
	 * together where nobody has traced them. Free memory between and behind them;
	 * what else their heaps consist of. */
	CH_ACCOUNT_MANAGED_LIVE,
	CH_ACCOUNT_MANAGED_DEAD,
	CH_ACCOUNT_MANAGED_USED,
	CH_ACCOUNT_MANAGED_FREE,
	CH_ACCOUNT_MANAGED_HEAP,
	CH_ACCOUNT_MANAGED_LOADER,
	/** Other memory of managed runtimes, code they made. */
	CH_ACCOUNT_MANAGED_OTHER,
	/** A managed heap mapped once more: the same memory, other addresses. */
	CH_ACCOUNT_MANAGED_VIEWS,
	CH_ACCOUNT_STACKS,
	CH_ACCOUNT_GUARDS,
	CH_ACCOUNT_TLS,
	/** Executable and libraries. */
	CH_ACCOUNT_IMAGE,
	CH_ACCOUNT_BSS,
	CH_ACCOUNT_FILES,
	/** Shared memory and memfds. */
	CH_ACCOUNT_SHARED,
	/** vdso, vvar and what the dumper added. */
	CH_ACCOUNT_OTHER,
	/** Address space without access or contents, heap tails included. */
	CH_ACCOUNT_RESERVED,
	/** Anonymous memory that nobody claims and the dumper left out: never
	 * touched, or excluded by madvise. */
	CH_ACCOUNT_UNDUMPED,
	/** Anonymous memory that nobody claims. */
	CH_ACCOUNT_UNATTRIBUTED,
};
#define CH_ACCOUNT_ROWS (CH_ACCOUNT_UNATTRIBUTED + 1)

struct ch_account_row {
	/** Mapped bytes; of them those on pages with a byte other than zero. */
	uint64_t bytes, touched_bytes;
	/** Bytes of it that the core holds; valid when has_core. */
	uint64_t in_core_bytes;
	bool has_core;
	/** The weakest basis of what was added. */
	enum ch_basis basis;
};

struct ch_invariant {
	/** snake_case. Static. */
	const char *name;
	bool ok;
};
#define CH_ACCOUNT_INVARIANTS 8

struct ch_account {
	/** Indexed by enum ch_account_id. */
	struct ch_account_row rows[CH_ACCOUNT_ROWS];
	/** End of the address space; its mapped bytes; what the core holds of them. */
	uint64_t total_bytes, busy_bytes, in_core_bytes;
	/** The busy bytes once more: on pages with a byte other than zero, which is the
	 * least that was resident; committed, but zeros; writable and private, but left
	 * out by the dumper (never touched, or excluded by madvise); without access;
	 * the rest, which the core does not hold (pages of files, what was cut off). */
	uint64_t touched_bytes, untouched_bytes, undumped_bytes, reserved_bytes, absent_bytes;
	struct ch_invariant invariants[CH_ACCOUNT_INVARIANTS];
};

/** What heaps say, in bytes: parts of spans that are not of a managed runtime. */
struct ch_account_heaps {
	uint64_t used_bytes, mmapped_bytes, free_bytes, top_bytes, overhead_bytes;
	/** The same on touched pages. */
	uint64_t used_touched, mmapped_touched, free_touched, top_touched, overhead_touched;
	uint64_t managed_used_touched, managed_free_touched;
	/** Committed bytes of the spans. */
	uint64_t committed_bytes;
	/** The same of managed runtimes. */
	uint64_t managed_used_bytes, managed_free_bytes;
	/** For each heap used + free + overhead = committed. */
	bool sums_close;
	/** At least one span is known by no more than a heuristic. */
	bool heuristic;
};

/** Sum up spans and heaps. Call ch_heaps_types() before. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_account_heaps(struct ch_heaps *heaps,
						 struct ch_account_heaps *ret);

/**
 * Account for regions (as ch_map_regions() gives them) up to space_end.
 * heaps NULL: nothing was walked.
 */
void chp_account_make(const struct ch_region *regions, size_t regions_count, uint64_t space_end,
		      const struct ch_account_heaps *heaps, struct ch_account *ret);

/** Managed objects were traced: tell the live ones from dead_bytes of garbage, of which
 * dead_touched are on touched pages. */
void chp_account_split_live(struct ch_account *account, uint64_t dead_bytes, uint64_t dead_touched);

/** "heap used" for people, "heap_used" for programs. Static. */
const char *chp_account_title(enum ch_account_id id);
const char *chp_account_name(enum ch_account_id id);

/** Rows that are told as one where there is little room. */
enum ch_memory_group {
	CH_MEMORY_MALLOC,
	CH_MEMORY_MANAGED,
	/** What managed runtimes have beside their heaps. */
	CH_MEMORY_RUNTIME,
	CH_MEMORY_STACKS,
	CH_MEMORY_PROGRAMS,
	CH_MEMORY_FILES,
	CH_MEMORY_SHARED,
	CH_MEMORY_UNATTRIBUTED,
	CH_MEMORY_OTHER,
};
#define CH_MEMORY_GROUPS (CH_MEMORY_OTHER + 1)

/** The group of a row, and of the row that a region is counted in. */
enum ch_memory_group chp_account_group(enum ch_account_id id);
enum ch_memory_group chp_region_group(const struct ch_region *region);
/** "malloc", "managed heap", "stacks" ... Static. */
const char *chp_memory_group_title(enum ch_memory_group group);

/** A thread's stack [start, end) and its stack pointer. */
struct ch_stack_use {
	uint64_t start, end, sp;
};

struct ch_stack_sums {
	/** Bytes of the stacks; of them those from sp on; those on touched pages. */
	uint64_t bytes, used_bytes, touched_bytes;
};

/**
 * Add up stacks, each byte once: threads whose stacks the kernel merged into
 * one mapping have it in common. Sorts stacks.
 */
struct ch_stack_sums chp_stack_sum_up(const struct ch_core *core, struct ch_stack_use *stacks,
				      size_t count);

#endif /* COREHEAP_ANALYSIS_ACCOUNT_H */
