/*
 * heap_priv.h - the inside of struct ch_heaps, shared by the files of src/heap.
 *
 * engine.c opens the walkers, spans.c checks their spans, walk.c their
 * objects, type_table.c numbers their types, free.c sums up what is free, types.c counts by type.
 */
#ifndef COREHEAP_HEAP_HEAP_PRIV_H
#define COREHEAP_HEAP_HEAP_PRIV_H

#include "heap/type_table.h"
#include "heap/walker.h"
#include "util/vec.h"

/** A walker that was opened. */
struct ch_opened {
	const struct ch_walker *walker;
	/** Its parts; of those that it does not have, ones that say nothing. Only a tracer may be
	 * missing. */
	const struct ch_walker_allocator *allocator;
	const struct ch_walker_types *types;
	const struct ch_walker_runtime *runtime;
	void *state;
	/** Index into the registry and ch_heaps_runtimes(). */
	uint32_t index;
	/** Its first heap in ch_heaps.heaps, and how many it has. */
	uint32_t heaps_base, heaps_count;
};

/** Committed bytes that no object covers. */
struct ch_gaps {
	uint64_t count, bytes, smallest, largest, first;
};

/** What no object of a heap's spans covers: memory that the core lacks, and the rest. */
struct ch_uncovered {
	struct ch_gaps absent, present;
};

/** No piece of an origin comes after this one. */
#define CH_SPAN_NONE UINT32_MAX

/** A span as a walker gave it. Better walkers may cut any number of pieces out of it: what is
 * left are its spans in the table, and one walk of it serves them all. */
struct ch_origin {
	/** Borrowed from the walker. */
	const struct ch_span *span;
	/** Index into ch_heaps.opened. */
	uint32_t opened;
	/** Its first and last piece, indices of ch_heaps.spans. */
	uint32_t first, last;
	/** Of a nested one: bytes at its end that belong to the chunk behind its block. */
	uint32_t overhang_bytes;
	/** checkpoints cover all of it. */
	bool indexed;
	/** Starts of chunks (uint64_t), ascending, every CHECKPOINT_OBJECTS. */
	struct ch_vec checkpoints;
};

/** What the engine knows of a span beside struct ch_span, same index. */
struct ch_span_info {
	/** Indices into ch_heaps.origins and ch_heaps.opened. */
	uint32_t origin, opened;
	/** The next piece of the same origin, or CH_SPAN_NONE. */
	uint32_t next;
	/** Only a piece of origin: the rest belongs to a better walker. */
	bool cut;
	/** Only a piece of origin: blocks of it hold nested spans. */
	bool holed;
};

struct ch_heaps {
	struct ch_heap_env env;
	/** of struct ch_runtime; evidence owned */
	struct ch_vec runtimes;
	/** of struct ch_opened, in order of precedence */
	struct ch_vec opened;
	/** of struct ch_taken: env.taken */
	struct ch_vec taken;
	/** of struct ch_heap; of struct ch_heap_free and struct ch_uncovered, equally long */
	struct ch_vec heaps, frees, gaps;
	/** of struct ch_runtime_memory */
	struct ch_vec memory;
	/** Bytes of a page of the process. */
	uint64_t page_bytes;
	/** of struct ch_span, struct ch_span_info, struct ch_span_sums: equally long once
	 * chp_spans_collect() is done */
	struct ch_vec spans, infos, sums;
	/** of struct ch_origin */
	struct ch_vec origins;
	/** Sum over all spans, for progress. */
	uint64_t committed_bytes;
	/** Some walkers are still to be opened: nothing is measured yet. */
	bool opening;
	/** sums and gaps are filled, findings about objects were reported. */
	bool measured;
	/** Numbers and names of types. */
	struct ch_type_table table;
	/** objects NULL: nobody names blocks of walkers that know no types. */
	struct ch_namer namer;
	/** of struct ch_type_stat; valid when typed */
	struct ch_vec types;
	bool typed;
	/** By heap: it is still to be counted, the rows of others are in types. NULL: all are. */
	const bool *recounted;
	/** NULL: objects of a type are found by walks. */
	const struct ch_type_finder *finder;
	/** of struct ch_assembly and struct ch_setting: of all runtimes, once asked for */
	struct ch_vec assemblies, settings;
};

/** spans.c: take, check and cut the spans of the walkers opened from first on, which are all of
 * one stage; nested: not the first one. */
CH_MUST_CHECK struct ch_error *chp_spans_collect(struct ch_heaps *heaps, uint32_t first,
						 bool nested);

/** claims.c: claim what the walkers opened from first on have; a block stays its allocator's,
 * whoever carves it up. */
CH_MUST_CHECK struct ch_error *chp_heaps_claim(struct ch_heaps *heaps, uint32_t first);

/** free.c: free chunks of one span under way. */
struct ch_free_run {
	/** Of the heap; NULL: nobody asks. */
	struct ch_heap_free *sums;
	const struct ch_trim_rule *trim;
	uint64_t page_bytes, top_unit_bytes;
	/** Free neighbours that make one chunk: [start, end), end 0 if none. */
	uint64_t start, end;
};
/** Begin a span. */
void chp_free_begin(struct ch_heaps *heaps, uint32_t span, struct ch_free_run *ret);
/** Add a free object; they come in ascending order. */
void chp_free_add(struct ch_free_run *run, const struct ch_object *object);
/** End the span. */
void chp_free_end(struct ch_free_run *run);
/** Let walkers compare the sums with their own. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_free_check(struct ch_heaps *heaps);

/** walk.c: one walk over spans. Zero it, set the first group, run. */
struct ch_walk {
	struct ch_object_sink sink;

	struct ch_heaps *heaps;
	/** Called with each batch, or NULL. */
	ch_objects_fn fn;
	void *arg;
	/** Only chunks that meet [start, end). */
	uint64_t start, end;
	/** Walk whole origins and report findings about them. */
	bool measure;
	/** Walk whole origins and build their checkpoints. */
	bool index;
	/** Hand objects out to all pieces of the origin, one after the other; and what lies
	 * between two pieces in its place. */
	bool pieces, between;

	/** The span under way, and the piece of its origin that comes after it. */
	uint32_t span, next;
	/** The span's walker, by its index in ch_heaps_runtimes(). */
	uint32_t walker;
	/** End of the last chunk taken, and end of committed bytes. */
	uint64_t at, limit;
	/** Chunks before at are skipped in silence until one is not. */
	bool resuming;
	/** Whether chunks beyond limit are no one's fault; whether those that reach over the
	 * ends of the piece are blocks that hold nested spans. */
	bool cut, holed;
	/** Start of the piece; bytes that the last object may reach over its end. */
	uint64_t piece_start;
	uint32_t overhang_bytes;
	/** Objects the walker may still emit. */
	uint64_t budget;
	/** End of the origin: who emits what lies behind it is wrong, cut or not. */
	uint64_t origin_end;
	/** The range was passed, or the budget: why emit() said stop. */
	bool passed, exhausted;
	/** What emit() returned, to be told from the walker's own errors. */
	struct ch_error *stopped;
	/** Ask which bytes are touched; the first address from the object under way on that
	 * is not on a touched page, else no address. */
	bool touching;
	uint64_t quiet;
	/** Objects dropped, by reason. */
	uint64_t dropped_order, dropped_bounds, dropped_shape;
	/** Objects since the last checkpoint. */
	uint64_t unmarked;
	struct ch_span_sums sums;
	uint64_t allocator_bytes, allocator_count, allocator_untouched;
	struct ch_uncovered gaps;
	/** Valid when measure is set. */
	struct ch_free_run free;
	/** Committed bytes of the spans done. */
	uint64_t done_bytes;
};

/** Walk all spans, filling sums, with fn for each batch. */
CH_MUST_CHECK struct ch_error *chp_walk_all(struct ch_heaps *heaps, ch_objects_fn fn, void *arg);
/** Walk the spans of some heaps (by heap) as one of all spans that were measured does. */
CH_MUST_CHECK struct ch_error *chp_walk_heaps(struct ch_heaps *heaps, const bool *wanted,
					      ch_objects_fn fn, void *arg);
/** Index of the first span that ends above addr; the count of spans if none. */
uint32_t chp_span_after(const struct ch_heaps *heaps, uint64_t addr);

/** What the state of a walker begins with, where no function of its tables gives that. */
static inline const struct ch_answers *chp_answers_of(const struct ch_opened *opened)
{
	static const struct ch_answers none;
	const struct ch_walker_allocator *allocator = opened->walker->allocator;

	return allocator && !allocator->heaps ? opened->state : &none;
}

/** spans.c: the spans that a walker told of. */
const struct ch_span *chp_opened_spans(const struct ch_opened *opened, size_t *count_ret);

/** The opened walker of a registry index, or NULL. */
static inline const struct ch_opened *chp_opened_of(const struct ch_heaps *heaps, uint32_t walker)
{
	const struct ch_opened *opened = heaps->opened.items;
	size_t i;

	for (i = 0; i < heaps->opened.count; i++)
		if (opened[i].index == walker)
			return &opened[i];
	return NULL;
}

/** The key of an object's type: its walker's, or one of the engine's. */
static inline uint64_t chp_object_key(const struct ch_object *object)
{
	if (object->key && object->key < CH_TYPE_KEY_ENGINE)
		return object->key;
	if (object->state == CH_OBJECT_OVERHEAD)
		return CH_TYPE_KEY_BOOKKEEPING;
	if (object->state == CH_OBJECT_FREE && (object->flags & CH_OBJECT_TOP))
		return CH_TYPE_KEY_TOP;
	return CH_TYPE_KEY_SIZE(object->size_bytes);
}

/** Inline form of ch_object_kind(). */
static inline enum ch_type_kind chp_object_kind(const struct ch_object *object)
{
	if (object->state == CH_OBJECT_FREE)
		return CH_TYPE_FREE;
	if (object->state == CH_OBJECT_OVERHEAD)
		return CH_TYPE_OVERHEAD;
	return object->flags & CH_OBJECT_ALLOCATOR ? CH_TYPE_ALLOCATOR : CH_TYPE_OBJECT;
}

#endif /* COREHEAP_HEAP_HEAP_PRIV_H */
