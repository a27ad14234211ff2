/*
 * coreheap/heap.h - every heap of the process, whoever manages it.
 *
 * A walker (see docs/ADDING-A-WALKER.md) turns one allocator's or runtime's
 * own bookkeeping into spans and objects; the engine behind this header
 * checks what walkers say and hands it out.
 *
 * Vocabulary:
 *   runtime  name of the walker that speaks ("glibc", "coreclr");
 *   heap     an accounting unit: an arena, the mmapped chunks, a generation;
 *   span     an independent address range of one heap, walked front to back;
 *   object   a block in a span: used, free, or overhead of the allocator.
 *
 * Invariants checked by the engine: spans do not overlap; objects of a span
 * ascend, lie inside it and do not overlap; what breaks a rule is dropped,
 * counted and reported as a finding.
 */
#ifndef COREHEAP_HEAP_H
#define COREHEAP_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/core.h>
#include <coreheap/map.h>
#include <coreheap/sym.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ch_heaps;

enum ch_object_state {
	CH_OBJECT_USED,
	CH_OBJECT_FREE,
	/** Neither: fenceposts, headers, the unused rest of a segment. */
	CH_OBJECT_OVERHEAD,
};

enum ch_object_flags {
	/** The allocator's own block (a tcache structure): used, but no one's. */
	CH_OBJECT_ALLOCATOR = 1 << 0,
	/** Free, kept in a per-thread cache. */
	CH_OBJECT_CACHED = 1 << 1,
	/** Free, kept in a fast bin (looks used in its header). */
	CH_OBJECT_FASTBIN = 1 << 2,
	/** The top (wilderness) chunk of an arena. */
	CH_OBJECT_TOP = 1 << 3,
	/** In its own mapping. */
	CH_OBJECT_MMAPPED = 1 << 4,
};

struct ch_object {
	/** Address the program sees (malloc's return value). */
	uint64_t addr;
	/** Bytes the program may use (malloc_usable_size, instance size). */
	uint64_t size_bytes;
	/** Bytes it costs in the span, headers and padding included. */
	uint64_t chunk_bytes;
	/** Walker-local type id; 0 = none. Name it with ch_heaps_type(). */
	uint64_t type;
	/** enum ch_object_state. */
	uint16_t state;
	/** enum ch_object_flags. */
	uint16_t flags;
	/** Index of its span. */
	uint32_t span;
};

struct ch_span {
	/** Target range [start, end). */
	uint64_t start, end;
	/** "main", "heap", "mmapped chunk", "gen2" ... Static in the walker. */
	const char *kind;
	/** Index of the heap it belongs to in ch_heaps_list(). */
	uint32_t heap;
	/** Usage for the memory map. */
	enum ch_usage usage;
	/** End of committed bytes: [committed_end, end) is address space only. */
	uint64_t committed_end;
	/** Why we say so. */
	enum ch_basis basis;
	/** Private to the walker. */
	uint64_t cookie;
};

/** One named counter or fact; text NULL means it is a number. */
struct ch_fact {
	/** snake_case key; keys of sizes end in _bytes, counts in _count. */
	const char *key;
	uint64_t number;
	/** Escaped already. */
	const char *text;
};

struct ch_heap {
	/** Walker name. Static. */
	const char *runtime;
	/** "arena", "mmapped", "generation" ... Static. */
	const char *kind;
	/** "main arena", "arena 2", "mmapped chunks". Borrowed. */
	const char *name;
	/** Address of its descriptor (malloc_state), 0 if none. */
	uint64_t addr;
	/** Sums over its spans. */
	uint64_t reserved_bytes, committed_bytes;
	/** Sums over its objects, in chunk bytes; valid after ch_heaps_walk().
	 * used + free + overhead = committed, unless damage was reported. */
	uint64_t used_bytes, used_count, free_bytes, free_count, overhead_bytes;
	/** Walker's details (top_bytes, tcache_bytes, system_mem_bytes ...). */
	const struct ch_fact *facts;
	size_t facts_count;
};

enum ch_type_kind {
	CH_TYPE_OBJECT,
	CH_TYPE_FREE,
	CH_TYPE_OVERHEAD,
	/** The allocator's own blocks. */
	CH_TYPE_ALLOCATOR,
};

struct ch_type {
	/** Name shown to people; borrowed until ch_heaps_close(). */
	const char *name;
	/** Module that defines it, or NULL. */
	const char *module;
	/** Why the name is what it is. */
	enum ch_basis basis;
};

/** One row of `types`. */
struct ch_type_stat {
	/** Index into the walkers: ch_heaps_runtime(). */
	uint32_t walker;
	enum ch_type_kind kind;
	/** Walker-local id. */
	uint64_t type;
	uint64_t count;
	/** Sum of chunk_bytes. */
	uint64_t total_bytes;
	/** Extremes of chunk_bytes. */
	uint64_t smallest_bytes, largest_bytes;
	/** Lowest address of an instance. */
	uint64_t sample_addr;
};

/** A walker that looked at the core. */
struct ch_runtime {
	/** Walker name. */
	const char *name;
	/** 0: not here; above 0: present, more is surer. */
	uint32_t score;
	/** What gave it away, or why it was not opened; one line. */
	const char *evidence;
	/** Whether it was opened and takes part. */
	bool open;
};

/** Called with n objects of one span, ascending. Non-NULL stops the walk. */
typedef struct ch_error *(*ch_objects_fn)(void *arg, const struct ch_object *objects, size_t n);

/**
 * Probe every registered walker, open those that are present, collect and
 * check their spans and claim them in the map. core, sym and map must outlive
 * it. A walker that fails to open is a finding, not an error. Errors: NOMEM,
 * STOP (cancelled).
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_open(struct ch_core *core, struct ch_sym *sym,
						       struct ch_map *map, struct ch_heaps **ret);
CH_PUBLIC void ch_heaps_close(struct ch_heaps *heaps);

/** What each walker said, in the order of the registry. */
CH_PUBLIC const struct ch_runtime *ch_heaps_runtimes(const struct ch_heaps *heaps,
						     size_t *count_ret);
/** Spans in ascending order of address. */
CH_PUBLIC const struct ch_span *ch_heaps_spans(const struct ch_heaps *heaps, size_t *count_ret);
/** Heaps, walker by walker, in each walker's order. */
CH_PUBLIC const struct ch_heap *ch_heaps_list(const struct ch_heaps *heaps, size_t *count_ret);
/** Facts of the walker itself (version, layout row and its evidence). */
CH_PUBLIC const struct ch_fact *ch_heaps_facts(const struct ch_heaps *heaps, uint32_t walker,
					       size_t *count_ret);

/**
 * Walk all objects of all spans that meet [start, end), in ascending order of
 * address, batch by batch. Also fills the sums of ch_heaps_list() when the
 * range covers everything. Errors: STOP, whatever fn returned, NOMEM.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_walk(struct ch_heaps *heaps, uint64_t start,
						       uint64_t end, ch_objects_fn fn, void *arg);

/**
 * Count and bytes per type over everything; also fills the sums of
 * ch_heaps_list(). Rows by total bytes descending, then by name. The array is
 * borrowed until ch_heaps_close() and computed once.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_heaps_types(struct ch_heaps *heaps, const struct ch_type_stat **ret, size_t *count_ret);

/** Name a type of a walker. */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_type(struct ch_heaps *heaps, uint32_t walker,
						       uint64_t type, struct ch_type *ret);

/** The object whose chunk holds addr. False when no span has one there. */
CH_PUBLIC bool ch_heaps_object_at(struct ch_heaps *heaps, uint64_t addr, struct ch_object *ret);

CH_PUBLIC const char *ch_object_state_name(enum ch_object_state state);
CH_PUBLIC const char *ch_type_kind_name(enum ch_type_kind kind);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_HEAP_H */
