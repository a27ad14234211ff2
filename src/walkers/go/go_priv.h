/*
 * go_priv.h - the inside of the walker of Go's heap.
 *
 * find.c finds the heap's tables by their shape, layout.c has what differs from release to release,
 * spans.c reads spans and pages, heap.c makes heaps and spans of them, own.c claims the runtime's
 * own memory, memstats.c reads its counters, walk.c objects; go.c is the walker. What a program
 * knows of its code is code.h.
 *
 * Terms are those of Go, src/runtime/mheap.go: the heap has pages of 8 KiB. A span (mspan) is a
 * run of pages with objects of one size, or with stacks and the like, which the runtime manages by
 * itself ("manual"). A bitmap for each 4 MiB (a chunk of the page allocator, pallocData) says which
 * pages are taken and which are scavenged: given back to the kernel. A span is swept before it is
 * used again after a collection: only then is what the collection did not mark free.
 */
#ifndef COREHEAP_WALKERS_GO_PRIV_H
#define COREHEAP_WALKERS_GO_PRIV_H

#include "heap/walker.h"
#include "util/bytes.h"
#include "util/table.h"
#include "util/vec.h"
#include "walkers/go/code.h"

#define GO_PAGE_BYTES 8192ULL
/** mpallocbits.go, pallocChunkPages. */
#define GO_CHUNK_PAGES 512U
#define GO_CHUNK_BYTES (GO_CHUNK_PAGES * GO_PAGE_BYTES)
/** Size classes, with and without pointers: sizeclasses.go, numSpanClasses. */
#define GO_SPAN_CLASSES 136U

/** Where fields of mspan lie, startAddr at 24 and npages at 32 apart. */
struct go_span_layout {
	const char *releases;
	uint16_t freeindex, nelems, alloc_bits, mark_bits, sweepgen, alloc_count, spanclass, state,
		elemsize, limit, specials;
	/** 0: the release has none. */
	uint16_t large_type;
	/** Bytes of freeindex and nelems. */
	uint16_t index_bytes;
	/** All that is read of one. */
	uint16_t bytes;
	const char *source;
};
extern const struct go_span_layout go_span_layouts[];
extern const size_t go_span_layouts_count;

/** Pages that the page allocator has, [start, end). */
struct go_pages {
	uint64_t start, end;
	/** Pages of those before. */
	uint64_t first_page;
};

/** layout.c: bytes of objects of a size class; 0: there is none. */
uint64_t go_class_bytes(uint32_t class);

/** mheap.go, mSpanState. */
enum go_span_state {
	GO_SPAN_DEAD,
	GO_SPAN_HEAP,
	GO_SPAN_MANUAL,
};

struct go_span {
	/** Its pages, and the mspan that describes it. */
	uint64_t start, bytes, addr;
	uint64_t elem_bytes, alloc_bits, mark_bits, specials;
	/** Of a large object that has pointers: its type. */
	uint64_t large_type;
	uint32_t elems, free_index, alloc_count, sweepgen;
	/** Of its first object in go.types. */
	uint64_t first;
	/** Size class times 2, plus 1 where objects have no pointers. */
	uint8_t class;
	/** enum go_span_state. */
	uint8_t state;
};

/** What the page allocator says of a page. */
enum go_page {
	/** In use, or kept by a processor for its next span. */
	GO_PAGE_TAKEN,
	GO_PAGE_FREE,
	/** Free, and its memory was given back. */
	GO_PAGE_RELEASED,
	GO_PAGE_UNKNOWN,
};

/** The runtime's counters, where they were found. */
struct go_stats {
	/** gcController: heapInUse, and two words that follow. 0: not found. */
	uint64_t controller;
	/** memstats.heapStats. 0: not found. */
	uint64_t deltas;
	uint64_t heap_inuse, heap_released, heap_free, total_alloc, total_free, mapped_ready;
	uint64_t stacks_bytes, workbuf_bytes, pointer_bits_bytes;
	uint64_t mallocs_count, frees_count;
	uint64_t next_gc_bytes, limit_bytes;
	int32_t percent;
	bool has_settings;
};

/** Sums of the walk over spans. */
struct go_sums {
	uint64_t heap_bytes, manual_bytes, stack_bytes, released_bytes, free_bytes;
	uint64_t objects_count, objects_bytes;
	uint64_t unswept_count, unswept_bytes;
	uint64_t spans_count, pages_bytes;
	/** Spans that made no sense. */
	uint64_t bad_count;
};

struct go {
	/** What the engine reads; first. */
	struct ch_answers out;
	/** What is known of code, threads and goroutines. */
	struct go_code code;
	struct ch_heap_env env;
	/** Addresses of the page allocator (pageAlloc) and of the list of all spans. */
	uint64_t pages, allspans, allspans_addr, allspans_count;
	const struct go_span_layout *layout;
	uint32_t sweepgen;
	/** Spans of small objects with pointers end with mark bits: Go 1.26 and later. */
	bool inline_marks;
	/** mheap.arenas[0], a table of arenas by address, 0: not found; where one has its spans. */
	uint64_t arenas, arena_spans;
	/** of struct go_pages, ascending: what the page allocator has */
	struct ch_vec in_use;
	/** of struct go_span, ascending, not overlapping */
	struct ch_vec spans_known;
	struct go_sums sums;
	struct go_stats stats;
	/** By page of in_use, one range after the other: index of its span plus 1; made by learn.c.
	 */
	struct ch_vec page_spans;
	/** What is known of the type of each object: index in named plus 1; 0: nothing. NULL until
	 * go_learn(). objects_max: how many there are. */
	uint32_t *types;
	uint64_t objects_max;
	/** of struct go_named, and by what it is */
	struct ch_vec named;
	struct ch_table named_by_what;
	/** of struct go_shape and go_lead; shapes by type */
	struct ch_vec shapes, leads;
	struct ch_table shapes_by_type;
	/** of char *: names that were made */
	struct ch_vec names;
	/** Bytes of objects of each class; 0: none was seen. */
	uint64_t class_bytes[GO_SPAN_CLASSES];
	char class_names[GO_SPAN_CLASSES][48];
	/** of struct ch_walker_claim */
	struct ch_vec claims;
};

/** find.c: find the page allocator and the list of spans. Errors: NOMEM, UNSUPPORTED. */
CH_MUST_CHECK struct ch_error *go_find(struct go *go);
/** find.c: the pages that the allocator has, ascending: fill in_use. Errors: NOMEM, CORRUPT. */
CH_MUST_CHECK struct ch_error *go_find_in_use(struct go *go);
/** find.c: the page at addr. */
enum go_page go_page_at(const struct go *go, uint64_t addr);

/** spans.c: read what addr describes by a row. False: it cannot be a span. */
bool go_span_read(const struct ch_core *core, const struct go_span_layout *layout, uint64_t addr,
		  struct go_span *ret);
/** spans.c: choose the row and read all spans. Errors: NOMEM, STOP, UNSUPPORTED. */
CH_MUST_CHECK struct ch_error *go_spans_find(struct go *go);
/** spans.c: whether spans end with mark bits. */
void go_spans_find_marks(struct go *go);
/** spans.c: the bits of n objects that are allocated, as bytes; a missing byte is 0xff. */
void go_span_bits(const struct go *go, uint64_t addr, uint32_t n, uint8_t *ret);
/** spans.c: the first span that ends behind addr: its index. */
size_t go_span_index(const struct go *go, uint64_t addr);

/** heap.c: make heaps, spans and claims. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *go_heap_make(struct go *go);
/** own.c: find the table of arenas. */
void go_arenas_find(struct go *go);
/** own.c: the structure of the arena (heapArena) that addr lies in; 0: not known. */
uint64_t go_arena_at(const struct go *go, uint64_t addr);
/** own.c: claim what the runtime has for itself. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *go_own_claim(struct go *go);
/** memstats.c: find and read the runtime's counters. */
void go_stats_find(struct go *go);
/** memstats.c: facts of them. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *go_stats_facts(struct go *go);

/** A type as it is shown: what an object is, by rtype, or what else it is known by. */
enum go_form {
	/** One value of a type; as many as there is room for. */
	GO_FORM_ONE,
	GO_FORM_ARRAY,
	/** Bytes of a string. */
	GO_FORM_STRING,
	/** Values of less than 16 bytes without pointers, several in a block. */
	GO_FORM_TINY,
	/** A map, by its type; its parts since Go 1.24. */
	GO_FORM_MAP,
	GO_FORM_TABLE,
	GO_FORM_TABLES,
	GO_FORM_CHAN,
	/** Of a function, by its address. */
	GO_FORM_CLOSURE,
};
struct go_named {
	uint64_t what;
	enum go_form form;
	/** Bytes of the value, where they are known. */
	uint64_t bytes;
	/** The runtime recorded it with the object. */
	bool recorded;
};

/** An object, by an address in it. */
struct go_spot {
	const struct go_span *span;
	uint32_t index;
	/** What the program sees, and the bytes from there on. */
	uint64_t addr, bytes;
};
/** objects.c: get ready for go_object_at(). Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *go_objects_index(struct go *go);
/** objects.c: the object that has addr; false: none is allocated there. */
bool go_object_at(const struct go *go, uint64_t addr, struct go_spot *ret);
/** objects.c: the span of objects that has addr, or NULL. */
const struct go_span *go_span_of(const struct go *go, uint64_t addr);
/** A word of the stack of a goroutine, by its index. Non-NULL ends the visit. */
typedef struct ch_error *(*go_stack_fn)(void *arg, size_t goroutine, uint64_t addr);
/** stackmaps.c: all words of stacks of goroutines that may be pointers. Errors: NOMEM, STOP, those
 * of fn. */
CH_MUST_CHECK struct ch_error *go_stack_words(struct go *go, go_stack_fn fn, void *arg);
/** tracer.c */
extern const struct ch_tracer go_tracer;
typedef void (*go_object_fn)(void *arg, uint64_t addr);
/** tracer.c: the objects of a span that have finalizers, by an address in each. */
void go_each_finalizable(const struct go *go, const struct go_span *span, go_object_fn fn,
			 void *arg);
/** tracer.c: whether a root of the tracer is a word of a goroutine's stack: the index of that. */
bool go_root_goroutine(const struct ch_walker_root *root, size_t *ret);
/** panics.c: as thrown() and said() of struct ch_walker_runtime. */
bool go_thrown(void *state, size_t index, uint32_t depth, struct ch_exception *ret);
bool go_said(void *state, const struct ch_said *said, struct ch_last_words *ret);
/** timers.c: as set_timers() of struct ch_walker_runtime. */
CH_MUST_CHECK struct ch_error *go_set_timers(void *state, ch_set_timer_fn fn, void *arg);
/** stuck.c: as find_stuck() of struct ch_walker_runtime. */
CH_MUST_CHECK struct ch_error *go_find_stuck(void *state);
/** inspect.c */
extern const struct ch_inspector go_inspector;
/** learn.c: types of all objects that something leads to whose type is known. Errors: NOMEM,
 * STOP. */
CH_MUST_CHECK struct ch_error *go_learn(void *state);
/** spans.c: bytes of a header before objects of a span: 8 or 0. */
uint32_t go_span_header(const struct go *go, const struct go_span *span);
/** names.c: the type of an index in named. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *go_named_type(struct go *go, uint64_t index, struct ch_type *ret);

/** sites.c: as sites() of struct ch_walker_runtime. */
struct ch_error *go_sites(void *state, struct ch_sampling *ret, ch_sites_fn fn, void *arg);

/** walk.c */
CH_MUST_CHECK struct ch_error *go_walk(void *state, const struct ch_span *span, uint64_t from,
				       struct ch_object_sink *sink);
/** walk.c: names of types. */
CH_MUST_CHECK struct ch_error *go_type(void *state, uint64_t key, struct ch_type *ret);

/** Keys of types that are no types of Go; those are addresses. */
enum go_key {
	GO_KEY_FREE_PAGES = 1,
	GO_KEY_RELEASED_PAGES,
	GO_KEY_KEPT_PAGES,
	GO_KEY_TAIL,
	/** And above: a class of sizes. */
	GO_KEY_CLASS = 16,
	/** And above: an index in named. */
	GO_KEY_NAMED = GO_KEY_CLASS + 256,
};

#endif /* COREHEAP_WALKERS_GO_PRIV_H */
