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
 *   object   a block in a span: used, free, or overhead of the allocator;
 *   chunk    the bytes an object costs in its span, header included:
 *            [addr - header_bytes, addr - header_bytes + chunk_bytes);
 *   nested   a span that lies in a block of another heap, which carves it up: that block is no
 *            object any more, what is left of it around the span is overhead of its heap;
 *   unwalked committed bytes of a span that no object covers; absent: not in the core.
 *
 * Invariants checked by the engine: spans ascend and do not overlap; chunks of
 * a span ascend, lie inside its committed part and do not overlap; what breaks a rule is
 * dropped, counted and reported as a finding. Hence, for each span and each heap, used + free
 * + overhead = committed, unwalked bytes being part of overhead.
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

/** Of ids of objects, ranks by address (coreheap/graph.h): none. */
#define CH_ID_NONE UINT32_MAX

/** References of a runtime that hold what they refer to less than others do: bits. */
enum ch_strength {
	CH_STRENGTH_SOFT = 1,
	CH_STRENGTH_WEAK = 2,
	CH_STRENGTH_FINAL = 4,
	CH_STRENGTH_PHANTOM = 8,
	/** Those that a collector follows while there is memory. */
	CH_STRENGTHS_COLLECTOR = CH_STRENGTH_SOFT | CH_STRENGTH_FINAL,
};

enum ch_object_state {
	CH_OBJECT_USED,
	CH_OBJECT_FREE,
	/** Neither: fenceposts, headers, the unused rest of a segment. */
	CH_OBJECT_OVERHEAD,
};

enum ch_object_flags {
	/** The allocator's own block (a tcache structure): used, but no one's. */
	CH_OBJECT_ALLOCATOR = 1 << 0,
	CH_OBJECT_CACHED = 1 << 1, /**< free, kept in a per-thread cache */
	/** Free, kept in a fast bin (looks used in its header). */
	CH_OBJECT_FASTBIN = 1 << 2,
	CH_OBJECT_TOP = 1 << 3,     /**< the top (wilderness) chunk of an arena */
	CH_OBJECT_MMAPPED = 1 << 4, /**< in its own mapping */
	/** Overhead that is not the allocator's: another user of brk got it, and holds with it. */
	CH_OBJECT_FOREIGN = 1 << 5,
	CH_OBJECT_UNTOUCHED = 1 << 6, /**< set by the engine: partly not on touched pages */
	/** Set by the engine: overhead that nested spans leave of the block they lie in. */
	CH_OBJECT_CONTAINER = 1 << 7,
	CH_OBJECT_PAGES = 1 << 8, /**< free: whole pages that can be given back as they are */
};

struct ch_object {
	/** Address the program sees (malloc's return value). */
	uint64_t addr;
	/** Bytes the program may use (malloc_usable_size, instance size). */
	uint64_t size_bytes;
	/** Bytes it costs in the span, headers and padding included. */
	uint64_t chunk_bytes;
	/** What its walker calls its type; 0: it knows none. For the walker's own callbacks. */
	uint64_t key;
	/** enum ch_object_state. */
	uint8_t state;
	/** Bytes of the chunk before addr (16 in glibc, 0 without a header). */
	uint8_t header_bytes;
	/** enum ch_object_flags. */
	uint16_t flags;
	/** Index of its span in ch_heaps_spans(); set by the engine. */
	uint32_t span;
	/** Its type in this session, never 0; set by the engine. Name it with ch_heaps_type(). */
	uint32_t type;
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
	/** The allocator can give the end of the top chunk back to the kernel, in
	 * multiples of this; 0: it cannot. */
	uint64_t top_unit_bytes;
	/** Addresses of its objects are multiples of this power of two from the first; 0: of 8. */
	uint32_t align_bytes;
	/** Of a nested heap: the block of another heap that it lies in, by the address that the
	 * program sees; 0: it lies in none. */
	uint64_t block_addr;
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
	/** Index of the walker in ch_heaps_runtimes(). */
	uint32_t walker;
	/** Address of its descriptor (malloc_state), and its size; 0: none, not known. */
	uint64_t addr, addr_bytes;
	/** Sums over its spans. */
	uint64_t reserved_bytes, committed_bytes;
	/** Sums over its objects, in chunk bytes; valid after ch_heaps_measure().
	 * used + free + overhead = committed. */
	uint64_t used_bytes, used_count, free_bytes, free_count, overhead_bytes;
	/** Part of used: the allocator's own blocks. */
	uint64_t allocator_bytes, allocator_count;
	/** Part of overhead: bytes no object covers; and of these, what the core lacks. */
	uint64_t unwalked_bytes, absent_bytes;
	/** Walker's details (top_bytes, tcache_bytes, system_mem_bytes ...). */
	const struct ch_fact *facts;
	size_t facts_count;
	/** Kernel ids of the threads that allocate from it, ascending. Borrowed. */
	const uint32_t *tids;
	size_t tids_count;
	/** tids is complete; false where the walker cannot tell. */
	bool tids_known;
	/** What of them is known not to be on touched pages (ch_core_touched_bytes()). */
	uint64_t untouched_used_bytes, untouched_free_bytes, untouched_allocator_bytes;
};

struct ch_free_sum {
	uint64_t count, bytes;
};
/** Classes of chunk sizes: class i holds chunks of [2^i, 2^(i+1)) bytes. */
#define CH_SIZE_CLASSES 64

/**
 * Where the free bytes of a heap are, and what could be given back. All in
 * chunk bytes; bins + fast + cached + top = free_bytes of the heap.
 */
struct ch_heap_free {
	/** In the allocator's lists of free chunks. */
	struct ch_free_sum bins;
	/** In fast bins; in caches of threads. */
	struct ch_free_sum fast, cached;
	/** Top chunks. */
	struct ch_free_sum top;
	/** Free chunks but top, by size. */
	struct ch_free_sum classes[CH_SIZE_CLASSES];
	/** Largest chunk of bins and fast bins, and the address the program would
	 * get; 0 when there is none. */
	uint64_t largest_bytes, largest_addr;
	/** Whether the allocator has a call that gives memory back (malloc_trim):
	 * only then the rest is valid. */
	bool can_trim;
	/** Whole pages inside free chunks that the call would give back. */
	uint64_t trim_pages_bytes;
	/** What it would cut off the top chunk. */
	uint64_t trim_top_bytes;
	/** Of bins and fast bins in chunks without a whole page, neighbours as one: lost to trim.
	 */
	uint64_t trapped_bytes;
};

/** Sums over the objects of one span; see ch_heap for what they mean. */
struct ch_span_sums {
	uint64_t used_bytes, used_count, free_bytes, free_count, overhead_bytes, unwalked_bytes;
	uint64_t absent_bytes, untouched_used_bytes, untouched_free_bytes, untouched_overhead_bytes;
};

/*
 * Keys of the engine's own types, above those of any walker. An object whose walker gives no key
 * (0) belongs to the class of its size_bytes, or to what its state and flags say.
 */
#define CH_TYPE_KEY_ENGINE 0x8000000000000000ULL
/** Blocks of size_bytes (below 2^62) of usable bytes. */
#define CH_TYPE_KEY_SIZE(size_bytes) (CH_TYPE_KEY_ENGINE | (size_bytes))
/** Top (wilderness) chunks. */
#define CH_TYPE_KEY_TOP 0xc000000000000001ULL
/** Overhead without a type: headers, fenceposts. */
#define CH_TYPE_KEY_BOOKKEEPING 0xc000000000000002ULL
/** Unwalked bytes that the core holds; count is the number of gaps. */
#define CH_TYPE_KEY_UNWALKED 0xc000000000000003ULL
/** What came after the types table was full. */
#define CH_TYPE_KEY_OTHER 0xc000000000000004ULL
/** Absent bytes; count is the number of holes. */
#define CH_TYPE_KEY_ABSENT 0xc000000000000005ULL

enum ch_type_kind {
	CH_TYPE_OBJECT,
	CH_TYPE_FREE,
	CH_TYPE_OVERHEAD,
	/** The allocator's own blocks. */
	CH_TYPE_ALLOCATOR,
	/** Memory of heaps that the core lacks. */
	CH_TYPE_ABSENT,
};

/** A type of the session: what one walker calls key. Made once; texts are borrowed until
 * ch_heaps_close(). */
struct ch_type {
	/** Name shown to people; module that defines it, or NULL. */
	const char *name, *module;
	/** Why the name is what it is. */
	enum ch_basis basis;
	/** Whose it is: index into ch_heaps_runtimes(). */
	uint32_t walker;
	/** The walker's own, or one of CH_TYPE_KEY_*. */
	uint64_t key;
	/** Nobody gave it a name: it is made of a number, the key or a size. */
	bool unnamed;
	/** Who named it: "runtime", "pool" or a provider of names; NULL: nobody. Static. */
	const char *by;
	/** What its program has it for ("db 0 hash"), or NULL. */
	const char *purpose;
};

/** One row of `types`. */
struct ch_type_stat {
	/** Name it with ch_heaps_type(). */
	uint32_t type;
	enum ch_type_kind kind;
	uint64_t count;
	/** Sum of chunk_bytes, what of it is known not to be on touched pages; extremes. */
	uint64_t total_bytes, untouched_bytes, smallest_bytes, largest_bytes;
	/** Lowest address of an instance. */
	uint64_t sample_addr;
};

enum ch_runtime_kind {
	CH_RUNTIME_ALLOCATOR,
	/** Of a language, with a heap of its own. */
	CH_RUNTIME_LANGUAGE,
	/** Of a language, whose objects are blocks of malloc. */
	CH_RUNTIME_ON_MALLOC,
};

/** A walker that looked at the core. */
struct ch_runtime {
	/** Walker name; for people: "glibc malloc". Static. */
	const char *name, *title;
	enum ch_runtime_kind kind;
	/** A file of it is mapped. */
	bool mapped;
	/** 0: not here; above 0: present, more is surer. */
	uint32_t score;
	/** What gave it away, or why it was not opened; one line. */
	const char *evidence;
	/** Whether it was opened and takes part; it is here and was never used. */
	bool open, unused;
	/** Nobody can walk it yet: where it is present it is named, and its blocks
	 * are not counted. */
	bool named_only;
	/** Of named_only: bytes of anonymous memory in the core that are its heap's by
	 * their addresses; known only where bytes_known. It may have more. */
	uint64_t named_bytes;
	bool bytes_known;
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

/**
 * Only ask every walker whether its allocator or runtime is here: of what is
 * returned nothing but ch_heaps_runtimes() is filled. Close it all the same.
 * Errors: NOMEM, STOP.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_probe(struct ch_core *core, struct ch_sym *sym,
							struct ch_map *map, struct ch_heaps **ret);

/** What each walker said, in the order of the registry. */
CH_PUBLIC const struct ch_runtime *ch_heaps_runtimes(const struct ch_heaps *heaps,
						     size_t *count_ret);
/** Spans in ascending order of address. A span of a walker may be cut into
 * pieces where walkers of higher priority know better. */
CH_PUBLIC const struct ch_span *ch_heaps_spans(const struct ch_heaps *heaps, size_t *count_ret);
/** Heaps, walker by walker, in each walker's order. */
CH_PUBLIC const struct ch_heap *ch_heaps_list(const struct ch_heaps *heaps, size_t *count_ret);
/** Facts of the walker itself (version, layout row and its evidence). */
CH_PUBLIC const struct ch_fact *ch_heaps_facts(const struct ch_heaps *heaps, uint32_t walker,
					       size_t *count_ret);

/** Sums of each span, in the order of ch_heaps_spans(); valid after
 * ch_heaps_measure(). */
CH_PUBLIC const struct ch_span_sums *ch_heaps_span_sums(const struct ch_heaps *heaps,
							size_t *count_ret);

/** Free memory of each heap, in the order of ch_heaps_list(); valid after
 * ch_heaps_measure(). */
CH_PUBLIC const struct ch_heap_free *ch_heaps_free(const struct ch_heaps *heaps, size_t *count_ret);

/** The call of a heap's allocator that gives memory back ("malloc_trim(0)"), or
 * NULL. Static. */
CH_PUBLIC const char *ch_heaps_trim_name(const struct ch_heaps *heaps, uint32_t walker);

/**
 * Walk all objects whose chunk meets [start, end), in ascending order of
 * address, batch by batch. Errors: STOP, whatever fn returned, NOMEM.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_walk(struct ch_heaps *heaps, uint64_t start,
						       uint64_t end, ch_objects_fn fn, void *arg);

/**
 * Walk everything once to fill the sums of ch_heaps_list(); free of cost when
 * a walk over everything or ch_heaps_types() came before. Errors: STOP, NOMEM.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_measure(struct ch_heaps *heaps);

/**
 * Count and bytes per type over everything; also fills the sums of
 * ch_heaps_list(). Rows by total bytes descending, then by name. The array is
 * borrowed until ch_heaps_close() and computed once.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_heaps_types(struct ch_heaps *heaps, const struct ch_type_stat **ret, size_t *count_ret);

/** What is known of a type. Errors: ARG (there is no such type), those of its walker. */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_type(struct ch_heaps *heaps, uint32_t type,
						       struct ch_type *ret);

/** The kind of the row that ch_heaps_types() counts an object in. */
CH_PUBLIC enum ch_type_kind ch_object_kind(const struct ch_object *object);

/**
 * The object whose chunk holds addr. False when no span has one there. The
 * first look-up in a span walks it, later ones are cheap.
 */
CH_PUBLIC bool ch_heaps_object_at(struct ch_heaps *heaps, uint64_t addr, struct ch_object *ret);

/** Memory that a runtime has for itself, by what it is for. */
struct ch_runtime_memory {
	/** Index into ch_heaps_runtimes(). */
	uint32_t walker;
	enum ch_usage usage;
	/** "low frequency heap", "JIT code". Static. */
	const char *label;
	/** Ranges, their bytes, and those of them that the process had mapped. */
	uint64_t count, bytes, mapped_bytes;
};

/** Such memory by walker and label; computed when the heaps were opened. Borrowed. */
CH_PUBLIC const struct ch_runtime_memory *ch_heaps_runtime_memory(const struct ch_heaps *heaps,
								  size_t *count_ret);

/** "walked", "not walked yet", "not readable" (it is here, but could not be
 * opened), "on malloc" (its objects are blocks of malloc) or "not found". Static. */
CH_PUBLIC const char *ch_runtime_status(const struct ch_runtime *runtime);
/** "allocator" or "runtime". Static. */
CH_PUBLIC const char *ch_runtime_kind_name(enum ch_runtime_kind kind);
CH_PUBLIC const char *ch_object_state_name(enum ch_object_state state);
CH_PUBLIC const char *ch_type_kind_name(enum ch_type_kind kind);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_HEAP_H */
