/*
 * coreheap/map.h - the memory map: every address has exactly one owner region.
 *
 * Built from the segments, NT_FILE, the modules, registers and the auxiliary
 * vector; heap walkers then claim the sub-ranges they know. A VMA is not an
 * allocation (the kernel merges neighbours), so usage belongs to sub-ranges.
 *
 * Vocabulary (WinDbg's !address terms):
 *   usage    what the range is for (heap, stack, image ...);
 *   type     image, mapped (file or shared memory) or private;
 *   state    commit, reserve (no access, no contents) or free (a gap);
 *   protect  access rights;
 *   basis    why we say so: recorded in the core, derived from recorded
 *            facts, or heuristic.
 *
 * Invariants: regions ascend, touch each other and together cover the address
 * space [0, space_end) without overlap, gaps being regions with state FREE;
 * the [vsyscall] page is listed apart and is in no denominator.
 * Free + busy = address space; the sums by usage, type and state over busy
 * regions are equal; the sum by protect equals committed bytes.
 */
#ifndef COREHEAP_MAP_H
#define COREHEAP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/core.h>
#include <coreheap/sym.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ch_map;

/** Order is the order of precedence when two claims meet: lower wins. */
enum ch_usage {
	CH_USAGE_MANAGED_HEAP,
	CH_USAGE_MANAGED_LOADER,
	CH_USAGE_MANAGED_OTHER,
	/** The same memory as a managed heap that is mapped elsewhere. */
	CH_USAGE_MANAGED_VIEW,
	CH_USAGE_JIT,
	CH_USAGE_TLS,
	CH_USAGE_STACK,
	CH_USAGE_GUARD,
	CH_USAGE_HEAP,
	CH_USAGE_ARENA,
	CH_USAGE_MMAP_CHUNK,
	CH_USAGE_EXE,
	CH_USAGE_LIB,
	CH_USAGE_BSS,
	CH_USAGE_FILE,
	CH_USAGE_SHM,
	CH_USAGE_MEMFD,
	CH_USAGE_VDSO,
	CH_USAGE_VVAR,
	CH_USAGE_VSYSCALL,
	CH_USAGE_OTHER,
	CH_USAGE_RESERVE,
	/** Writable and anonymous, but the dumper left its contents out: never
	 * touched, or excluded by madvise. */
	CH_USAGE_UNDUMPED,
	CH_USAGE_ANON,
	CH_USAGE_FREE,
};
#define CH_USAGE_COUNT (CH_USAGE_FREE + 1)

enum ch_memtype {
	CH_MEMTYPE_NONE,
	CH_MEMTYPE_IMAGE,
	CH_MEMTYPE_MAPPED,
	CH_MEMTYPE_PRIVATE,
};
#define CH_MEMTYPE_COUNT (CH_MEMTYPE_PRIVATE + 1)

enum ch_state {
	CH_STATE_FREE,
	CH_STATE_RESERVE,
	CH_STATE_COMMIT,
};
#define CH_STATE_COUNT (CH_STATE_COMMIT + 1)

enum ch_basis {
	CH_BASIS_RECORDED,
	CH_BASIS_DERIVED,
	CH_BASIS_HEURISTIC,
};

/** Access rights; values are those of enum ch_segment_flags. */
#define CH_PROT_NONE 0U
/** Rights not recorded (an NT_FILE piece without a segment or a file). */
#define CH_PROT_UNKNOWN 8U

enum ch_region_flags {
	/** Shared mapping (known only for files that are shared by nature). */
	CH_REGION_SHARED = 1 << 0,
	/** Guard: no access, directly below a stack. */
	CH_REGION_GUARD = 1 << 1,
	/** Mapped according to NT_FILE, but no segment records it. */
	CH_REGION_NO_SEGMENT = 1 << 2,
	/** Writable and private, but the dumper left its contents out:
	 * never touched, or excluded by madvise. */
	CH_REGION_UNDUMPED = 1 << 3,
	/** Backed by a private file mapping (so "p" is recorded). */
	CH_REGION_PRIVATE_FILE = 1 << 4,
	/** NT_FILE does not list every file mapping, or is missing: that this
	 * region is private and anonymous is a guess. */
	CH_REGION_TYPE_GUESSED = 1 << 5,
	/** State and rights are not those of the segment, but concluded. */
	CH_REGION_STATE_GUESSED = 1 << 6,
	/** touched_bytes is known: its pages were looked at. */
	CH_REGION_COUNTED = 1 << 7,
};

struct ch_region {
	/** Target range [start, end). */
	uint64_t start, end;
	/** Bytes of it that the core holds. */
	uint64_t in_core_bytes;
	/** Of those, bytes on pages with a byte other than zero: the least that was
	 * resident. Valid after ch_map_count_touched(). */
	uint64_t touched_bytes;
	/** Bytes of it that the dumper wrote, but the truncated file lost. */
	uint64_t lost_bytes;
	enum ch_usage usage;
	enum ch_memtype type;
	enum ch_state state;
	/** enum ch_segment_flags, CH_PROT_NONE or CH_PROT_UNKNOWN. */
	uint32_t prot;
	/** enum ch_region_flags. */
	uint32_t flags;
	/** Why usage is what it is. */
	enum ch_basis basis;
	/** Path of the mapped file, or NULL. Unescaped; borrowed. */
	const char *backing;
	/** Offset into backing. */
	uint64_t backing_off;
	/** Who it belongs to ("arena 2", "thread 812", "libc.so.6"), or NULL.
	 * Unescaped; borrowed. */
	const char *owner;
};

/** What a higher layer knows about a sub-range. */
struct ch_claim {
	/** Target range [start, end). */
	uint64_t start, end;
	enum ch_usage usage;
	enum ch_basis basis;
	/** Copied by the map; may be NULL. */
	const char *owner;
	/** The range is address space only (PROT_NONE tail): state RESERVE even
	 * where the dumper wrote zeros and flags "r". */
	bool reserved;
};

/**
 * Build the base map. core and sym must outlive it. Errors: NOMEM.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_map_create(struct ch_core *core, struct ch_sym *sym,
						       struct ch_map **ret);
CH_PUBLIC void ch_map_destroy(struct ch_map *map);

/**
 * Assign a sub-range to an owner. Parts of it that are free, image, file or
 * already claimed with a usage of higher precedence keep what they are; the
 * bytes so refused are returned in *refused_ret (may be NULL).
 * Errors: ARG (empty or wrapping range), NOMEM. Collect claims first: cost of
 * the next look-up after claims is O(regions + claims).
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_map_claim(struct ch_map *map, const struct ch_claim *claim, uint64_t *refused_ret);

/**
 * All regions in order, Free ones included, [vsyscall] excluded; coalesced:
 * neighbours differ in some attribute. Borrowed until the next claim.
 */
CH_PUBLIC const struct ch_region *ch_map_regions(struct ch_map *map, size_t *count_ret);

/**
 * Look at the pages that the core holds, once for the core and by at most so many threads, and
 * fill in touched_bytes of all regions, also of those that later claims make. A core of which
 * that cannot be known (see ch_core_look_at_pages()) is a finding: what it holds counts as
 * touched, as all but holes do after an interrupt. Errors: STOP.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_map_count_touched(struct ch_map *map, uint32_t threads);

/** The region of addr ([vsyscall] included), or NULL above the address space. */
CH_PUBLIC const struct ch_region *ch_map_region_at(struct ch_map *map, uint64_t addr);

/** End of the user address space: 0x7ffffffff000, 2^56 .. when larger. */
CH_PUBLIC uint64_t ch_map_space_end(const struct ch_map *map);

/** The [vsyscall] page as a region, or NULL when the core lists none. */
CH_PUBLIC const struct ch_region *ch_map_vsyscall(const struct ch_map *map);

/** A stack that a thread uses. */
struct ch_thread_stack {
	/** Index as in ch_core_threads(). */
	uint32_t thread;
	/** Its memory [start, end), guard not included; both 0 when that is not known. */
	uint64_t start, end;
	/** What lies from here on is in use; below start after an overflow. */
	uint64_t sp;
	/** The program set it for signals (sigaltstack). */
	bool for_signals;
	/** A signal came while the thread ran on it; now it runs elsewhere. */
	bool interrupted;
};

/** All stacks in use: each thread has one or more in a row, the first is what it runs on.
 * Borrowed. */
CH_PUBLIC const struct ch_thread_stack *ch_map_thread_stacks(const struct ch_map *map,
							     size_t *count_ret);
/** Those of one thread. */
CH_PUBLIC const struct ch_thread_stack *ch_map_stacks_of(const struct ch_map *map,
							 size_t thread_index, size_t *count_ret);
/** The stack in use that holds addr, or NULL; of several that a damaged core gives the
 * same memory the first. */
CH_PUBLIC const struct ch_thread_stack *ch_map_stack_at(const struct ch_map *map, uint64_t addr);

/** Stack that a thread runs on, its guard not included; its sp lies below start after an
 * overflow. False when its extent is not known: that of a coroutine, say. */
CH_PUBLIC bool ch_map_thread_stack(struct ch_map *map, size_t thread_index, uint64_t *start_ret,
				   uint64_t *end_ret);

/** Native name ("heap(brk)", "arena", "stack" ...) and WinDbg's name. */
CH_PUBLIC const char *ch_usage_name(enum ch_usage usage);
CH_PUBLIC const char *ch_usage_windbg_name(enum ch_usage usage);
CH_PUBLIC const char *ch_memtype_name(enum ch_memtype type);
CH_PUBLIC const char *ch_state_name(enum ch_state state);
CH_PUBLIC const char *ch_basis_name(enum ch_basis basis);

/** Access rights as WinDbg knows them. */
enum ch_protect {
	CH_PROTECT_NOACCESS,
	CH_PROTECT_READONLY,
	CH_PROTECT_READWRITE,
	CH_PROTECT_WRITECOPY,
	CH_PROTECT_EXECUTE,
	CH_PROTECT_EXECUTE_READ,
	CH_PROTECT_EXECUTE_READWRITE,
	CH_PROTECT_EXECUTE_WRITECOPY,
	CH_PROTECT_UNKNOWN,
};
#define CH_PROTECT_COUNT (CH_PROTECT_UNKNOWN + 1)

/**
 * Rights of a region; the two WRITECOPY are used only when windbg: for private
 * file mappings that can be written.
 */
CH_PUBLIC enum ch_protect ch_region_protect(const struct ch_region *region, bool windbg);
/** "PAGE_READWRITE"; "unknown" for UNKNOWN. Static. */
CH_PUBLIC const char *ch_protect_name(enum ch_protect protect);

/**
 * Rights as /proc/PID/maps writes them: "rw-p", "r--s", "---p"; "p?" at the end
 * where a core does not tell private from shared, "???" for unknown rights.
 * Static.
 */
CH_PUBLIC const char *ch_region_native_protect(const struct ch_region *region);

/** Why bytes of a region are not in the core. */
enum ch_missing {
	/** Written by the dumper, lost with the end of the file. */
	CH_MISSING_TRUNCATED,
	/** Pages of a file: the dumper left them to the file. */
	CH_MISSING_FILE,
	/** Mapped by NT_FILE, without a segment. */
	CH_MISSING_NO_SEGMENT,
	/** Private memory never touched, or excluded by madvise. */
	CH_MISSING_UNTOUCHED_OR_DONTDUMP,
	/** Shared memory that the dump filter left out. */
	CH_MISSING_SHARED,
	/** Memory of the kernel ([vvar]). */
	CH_MISSING_KERNEL,
	/** No contents to write: address space only. */
	CH_MISSING_RESERVED,
};
#define CH_MISSING_COUNT (CH_MISSING_RESERVED + 1)

/** Reason for the bytes of a busy region that are neither in the core nor lost. */
CH_PUBLIC enum ch_missing ch_region_missing(const struct ch_region *region);
/** "truncated", "file", "not-recorded", "untouched-or-dontdump", ... Static. */
CH_PUBLIC const char *ch_missing_name(enum ch_missing missing);

/** Which regions: an axis with no bit set takes all; axes are joined by AND. */
struct ch_region_filter {
	/** Bits of enum ch_usage, ch_memtype, ch_state. */
	uint32_t usage, type, state;
	/** Bits of enum ch_protect, and CH_FILTER_GUARD for guard pages. */
	uint32_t protect;
	/** Rights in WinDbg's sense: see ch_region_protect(). */
	bool windbg;
};
#define CH_FILTER_GUARD (1U << 30)
/** In any axis: a name that no region of a Linux process has (PEB, CSR ...). */
#define CH_FILTER_NEVER (1U << 31)

/**
 * Add the comma-separated names of text to a filter: WinDbg's (VAR, Heap,
 * MEM_PRIVATE, MEM_COMMIT, PAGE_READWRITE, in any case) and ours (usage names,
 * "rw-", "r-x"). Errors: ARG (a name nobody has, or none).
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_region_filter_add(struct ch_region_filter *filter,
							      const char *text);
/** Whether a filter lets a region pass. */
CH_PUBLIC bool ch_region_matches(const struct ch_region *region,
				 const struct ch_region_filter *filter);

/** What a set of regions adds up to. */
struct ch_map_sum {
	uint64_t regions_count, total_bytes, in_core_bytes;
	/** Bytes on pages with a byte other than zero; see ch_map_count_touched(). */
	uint64_t touched_bytes;
	/** Bytes that the core holds in pages of zeros; see ch_map_sum_up(). */
	uint64_t zero_bytes;
	/** Bytes by enum ch_basis of what the sum is about. */
	uint64_t basis_bytes[3];
	/** The largest region, the first of several. */
	uint64_t largest_start, largest_bytes;
};

/** Sums of each axis over one list of regions. */
struct ch_map_sums {
	/** Size of the user address space. */
	uint64_t space_bytes;
	/** All regions; those that are not free. */
	struct ch_map_sum all, busy;
	struct ch_map_sum usage[CH_USAGE_COUNT];
	/** Busy regions. */
	struct ch_map_sum type[CH_MEMTYPE_COUNT];
	struct ch_map_sum state[CH_STATE_COUNT];
	/** Committed regions. */
	struct ch_map_sum protect[CH_PROTECT_COUNT];
	/** Busy bytes that are not in the core, by reason. */
	uint64_t missing_bytes[CH_MISSING_COUNT];
	/** Whether touched_bytes were counted; zero_bytes, too. */
	bool has_touched, has_zero;
};

enum ch_sum_flags {
	/** Count pages of zeros; calls ch_map_count_touched(). */
	CH_SUM_ZERO = 1 << 0,
	/** Rights in WinDbg's sense. */
	CH_SUM_WINDBG = 1 << 1,
};

/**
 * Add up the regions that pass filter (NULL: all). flags are of enum
 * ch_sum_flags. Errors: STOP (cancelled, only with CH_SUM_ZERO).
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_map_sum_up(struct ch_map *map,
						       const struct ch_region_filter *filter,
						       uint32_t flags, struct ch_map_sums *ret);

/** One thing that must hold, and the two numbers that must be equal. */
struct ch_map_invariant {
	/** "free + busy = address space". Static. */
	const char *name;
	uint64_t left, right;
	bool ok;
};
#define CH_MAP_INVARIANTS 8

/**
 * Check that the sums over all regions close. One that does not is our fault:
 * it becomes a finding, too.
 */
CH_PUBLIC void ch_map_check(struct ch_map *map, const struct ch_map_sums *sums,
			    struct ch_map_invariant ret[CH_MAP_INVARIANTS]);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_MAP_H */
