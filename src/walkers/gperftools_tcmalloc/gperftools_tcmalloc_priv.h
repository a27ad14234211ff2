/*
 * gperftools_tcmalloc_priv.h - the inside of the walker of gperftools' tcmalloc.
 *
 * find.c finds the page map and the size classes, spans.c reads all spans, caches.c what lies in
 * central and thread caches; heaps.c makes spans of the engine of all that, walk.c walks them;
 * gperftools_tcmalloc.c is the walker.
 *
 * Terms are those of gperftools, src/span.h: memory is divided into spans of whole pages. One in
 * use is cut into objects of one size class, or is one large block; others are on the lists of the
 * page heap, normal (free, as they were left) or returned (given back to the system). The page map
 * leads from a page to the span that begins or ends there. Free objects of a class are in a list of
 * their span, in slots of the central cache (chains of them), or in the cache of a thread.
 */
#ifndef COREHEAP_WALKERS_GPERFTOOLS_TCMALLOC_PRIV_H
#define COREHEAP_WALKERS_GPERFTOOLS_TCMALLOC_PRIV_H

#include "heap/walker.h"
#include "util/bytes.h"
#include "util/vec.h"

/** common.h: kClassSizesMax, kMaxSize, and the first pages that are a block of their own. */
#define TCMALLOC_CLASSES_MAX 128U
#define TCMALLOC_SIZE_MAX    262144U
/** common.h, kAddressBits. */
#define TCMALLOC_ADDRESS_BITS 48U
/** Objects of a span at most. */
#define TCMALLOC_OBJECTS_MAX 65536U

/** span.h, enum of location. */
enum tcmalloc_location { TCMALLOC_IN_USE, TCMALLOC_NORMAL, TCMALLOC_RETURNED };

struct tcmalloc_span {
	uint64_t start, end;
	/** Its struct Span; the first of its free objects, or the struct StackTrace of a sample. */
	uint64_t addr, objects;
	/** Objects that are not in its list. */
	uint16_t refcount;
	/** Index of its size class; 0: it is one block. */
	uint8_t class;
	/** enum tcmalloc_location. */
	uint8_t location;
	bool is_sample;
};

/** A target range [start, end). */
struct tcmalloc_range {
	uint64_t start, end;
};

struct tcmalloc {
	/** What the engine reads; first. */
	struct ch_answers out;
	struct ch_heap_env env;
	const struct ch_module *module;
	/** The root of the page map, and its bits. */
	uint64_t root;
	uint32_t page_shift, leaf_bits, root_bits;
	/** Sizes of objects by class; how many classes there are, 0 included. */
	uint32_t sizes[TCMALLOC_CLASSES_MAX];
	uint32_t classes_count;
	/** of struct tcmalloc_span, ascending, not overlapping */
	struct ch_vec spans;
	/** of uint64_t, ascending: objects in caches of threads; in central ones */
	struct ch_vec cached, central;
	/** of struct tcmalloc_range, ascending, not touching: its own structures, as whole pages */
	struct ch_vec meta;
	uint64_t caches_count, cached_bytes, central_bytes, normal_bytes, returned_bytes,
		large_count;
};

/** find.c: fill module, root and bits; false: there is no page map. */
bool tcmalloc_find_map(struct tcmalloc *tc);
/** find.c: fill sizes; false: there is no such table. */
bool tcmalloc_find_sizes(struct tcmalloc *tc);
/** spans.c: what the span at addr says; why it cannot be one, or NULL. */
const char *tcmalloc_read_span(const struct tcmalloc *tc, uint64_t addr, struct tcmalloc_span *ret);
/** spans.c: fill spans. */
CH_MUST_CHECK struct ch_error *tcmalloc_find_spans(struct tcmalloc *tc);
/** spans.c: the span that holds addr, or NULL. */
const struct tcmalloc_span *tcmalloc_span_at(const struct tcmalloc *tc, uint64_t addr);
/** spans.c: objects of a span of a size class; 0: it has none. */
uint32_t tcmalloc_objects_count(const struct tcmalloc *tc, const struct tcmalloc_span *span);
/** spans.c: note that the allocator's own structure lies at addr. */
CH_MUST_CHECK struct ch_error *tcmalloc_add_meta(struct tcmalloc *tc, uint64_t addr,
						 uint64_t bytes);
/** caches.c: fill cached and central. */
CH_MUST_CHECK struct ch_error *tcmalloc_find_caches(struct tcmalloc *tc);
/** heaps.c */
CH_MUST_CHECK struct ch_error *tcmalloc_make_heaps(struct tcmalloc *tc);
/** walk.c */
CH_MUST_CHECK struct ch_error *tcmalloc_walk(void *state, const struct ch_span *span, uint64_t from,
					     struct ch_object_sink *sink);

/** Cookie of spans of the allocator's own structures. */
#define TCMALLOC_COOKIE_META 1U

/** Types of overhead. */
enum tcmalloc_type {
	TCMALLOC_TYPE_META = 1,
	TCMALLOC_TYPE_REST,
};

#endif /* COREHEAP_WALKERS_GPERFTOOLS_TCMALLOC_PRIV_H */
