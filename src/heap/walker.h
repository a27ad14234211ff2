/*
 * walker.h - the contract between the heap engine and a walker.
 *
 * A walker is one const table `ch_walker_<name>` in src/walkers/<name>.c or
 * src/walkers/<name>/<name>.c; the build finds it by its file name. It turns
 * one allocator's or runtime's own bookkeeping into spans and objects.
 *
 * Rules for walkers: never print; put words of memory into messages only through
 * core/contents.h; never allocate per object; never follow a pointer that was not
 * bounded first; no recursion over target data; every loop has a cap that comes
 * from a mapping's size; damage is resynchronised, counted and reported with
 * chp_context_finding(), not returned as an error.
 * All state lives behind the pointer that open() returns. Versions are rows
 * of a table chosen by evidence.
 *
 * Rules the engine enforces: order, bounds and overlap of spans and objects,
 * an end (a span may emit one object for each 8 of its bytes), progress,
 * cancellation.
 */
#ifndef COREHEAP_HEAP_WALKER_H
#define COREHEAP_HEAP_WALKER_H

#include <coreheap/code.h>
#include <coreheap/heap.h>
#include <coreheap/runtime.h>

#include "core/contents.h"
#include "heap/answers.h"
#include "heap/classes.h"
#include "heap/handles.h"
#include "heap/inspect.h"
#include "heap/locks.h"
#include "heap/methods.h"
#include "heap/pooling.h"
#include "heap/sections.h"
#include "heap/sites.h"
#include "heap/standing.h"
#include "heap/tracer.h"
#include "sym/tls.h"
#include "sym/unwind.h"
#include "util/error.h"
#include "util/vec.h"

/** Which walker asks first for memory that two of them recognise. */
enum ch_walker_priority {
	/** A runtime with tables of its own. */
	CH_WALKER_SPECIFIC,
	/** A general allocator (malloc). */
	CH_WALKER_GENERIC,
	CH_WALKER_FALLBACK,
};

/** Memory of another walker's spans, or that it claims for certain: target range [start, end). */
struct ch_taken {
	uint64_t start, end;
};

/** What a walker may look at. Borrowed for its whole life. */
struct ch_heap_env {
	struct ch_core *core;
	struct ch_sym *sym;
	/** Base map: before any claim. */
	struct ch_map *map;
	struct ch_context *ctx;
	/** What walkers that were opened before have: ascending, not touching. Only
	 * while open() runs. */
	const struct ch_taken *taken;
	size_t taken_count;
	/** Memory that the process could write to is not in the core, all of it: what
	 * leads there, or counts it, is no damage. */
	bool lacks_memory;
	/** The heaps of the stages before, for chp_outer_block_at() and chp_outer_walk(); NULL in
	 * stage 0. Only while open() runs. */
	struct ch_heaps *outer;
};

/** The object of the stages before whose chunk holds addr. False: there is none. */
bool chp_outer_block_at(const struct ch_heap_env *env, uint64_t addr, struct ch_object *ret);
/** As ch_heaps_walk(), over the objects of the stages before. Errors: STOP, NOMEM, those of fn. */
CH_MUST_CHECK struct ch_error *chp_outer_walk(const struct ch_heap_env *env, uint64_t start,
					      uint64_t end, ch_objects_fn fn, void *arg);

/** Most stages that are asked for: pools in pools. */
#define CH_STAGES_MAX 8

/** How bad it is that parts of a heap contradict each other: damage, unless what the core
 * lacks may explain it. */
enum ch_severity chp_blame(const struct ch_heap_env *env);

struct ch_probe {
	/** 0 = not here .. 100 = certain. */
	uint32_t score;
	/** A file of it is mapped; with a score of 0: and it was never used. */
	bool mapped;
	/** One line: what gave it away. */
	char evidence[256];
	/** Score is 0 because the allocator is here, whole in the core, and was never
	 * used: that there is no heap is known. */
	bool unused;
};

/**
 * What the allocator's call that gives memory back does: it makes one chunk of
 * free neighbours that are in no thread's cache, and returns the whole pages of
 * each behind its first lead_bytes; of a top chunk in a span with
 * top_unit_bytes, all but top_keep_bytes, in multiples of that unit.
 */
struct ch_trim_rule {
	/** "malloc_trim(0)" */
	const char *name;
	uint32_t lead_bytes, top_keep_bytes;
	/** It returns chunks with CH_OBJECT_PAGES, all of each, and nothing else. */
	bool pages_only;
	/** Where it says so. */
	const char *source;
};

/** Most objects of one emit() call. */
#define CH_BATCH_MAX 512

/** Where objects() puts its batches. Owned by the engine. */
struct ch_object_sink {
	/**
	 * Take n objects of the span being walked, ascending, at most
	 * CH_BATCH_MAX; the engine may change them. Non-NULL ends the walk:
	 * return it unchanged.
	 */
	struct ch_error *(*emit)(struct ch_object_sink *sink, struct ch_object *objects, size_t n);
};

/** A batch under construction: some 20 KiB, lives on the stack of objects(). */
struct ch_object_batch {
	struct ch_object_sink *sink;
	size_t count;
	struct ch_object items[CH_BATCH_MAX];
};

/** Emit what is left; call it at the end of objects(). */
static inline struct ch_error *ch_object_batch_flush(struct ch_object_batch *batch)
{
	size_t n = batch->count;

	batch->count = 0;
	return n ? batch->sink->emit(batch->sink, batch->items, n) : NULL;
}

/** Add one object, emitting when full. */
static inline struct ch_error *ch_object_batch_put(struct ch_object_batch *batch,
						   const struct ch_object *object)
{
	batch->items[batch->count++] = *object;
	return batch->count == CH_BATCH_MAX ? ch_object_batch_flush(batch) : NULL;
}

/** Which function of a frame is asked for; see frame() below. */
struct ch_walker_frame {
	struct ch_frame_regs regs;
	uint32_t depth;
};

/** Memory of a runtime that holds no objects: target range [start, end). */
struct ch_walker_claim {
	uint64_t start, end;
	enum ch_usage usage;
	enum ch_basis basis;
	/** What it is for: "low frequency heap". Static. */
	const char *label;
};

/** What carves memory into blocks. All of it works on the walker's state. */
struct ch_walker_allocator {
	/**
	 * 0: it has its memory from the kernel. 1 and on, below CH_STAGES_MAX: it carves up blocks
	 * of allocators of a lower stage. Then each span lies in one of their used blocks and
	 * names it (block_addr), or in memory that none of them has (block_addr 0).
	 */
	uint32_t stage;
	/** Heaps, in the order shown. Borrowed from the state. NULL: the state begins with
	 * struct ch_answers. */
	const struct ch_heap_desc *(*heaps)(void *state, size_t *count_ret);
	/** Spans, any order; .heap indexes heaps(). Borrowed. NULL: as heaps. */
	const struct ch_span *(*spans)(void *state, size_t *count_ret);
	/**
	 * Emit the objects of one span (as spans() gave it), ascending, covering
	 * as much of [start, committed_end) as is understood. from is the span's
	 * start, or the start of a chunk that was emitted before: begin there, or
	 * earlier if that is simpler (what ends at or below from is skipped).
	 * Fill all of ch_object but span and type. Leave key 0 when the size is all that
	 * is known: the engine then counts by size. Must be thread-safe. Required.
	 */
	struct ch_error *(*objects)(void *state, const struct ch_span *span, uint64_t from,
				    struct ch_object_sink *sink);
	/** Its program need not keep pointers to what it was given: all of it goes with the pool,
	 * or is found by where it lies. */
	bool pooled;
	const struct ch_trim_rule *trim; /**< NULL: it has no such call, or it is not known */
	/**
	 * What the first walk over everything found free in each of heaps(): tell
	 * by findings where the allocator's own lists and counters differ. May be
	 * NULL; not called when a better walker took a part of a span. Errors:
	 * NOMEM, STOP.
	 */
	struct ch_error *(*check)(void *state, const struct ch_heap_free *found);
};

/** What is known of the types of objects. */
struct ch_walker_types {
	/** Name the type of a key (1 .. 2^63 - 1): fill name, module and basis, which live as
	 * long as the state. Called once for each; required if any object has one, unless names
	 * has them. */
	struct ch_error *(*name)(void *state, uint64_t key, struct ch_type *ret);
	/** Names by key, where they are few and always the same: the basis is DERIVED. */
	const char *const *names;
	size_t names_count;
	/** Find out what objects are where that takes a look at all of them: keys are better from
	 * then on. Called once, before names are asked for; NULL: keys need no such thing. Errors:
	 * NOMEM, STOP. */
	struct ch_error *(*learn)(void *state);
	/** NULL: what is inside of a block is not known. */
	const struct ch_inspector *inspector;
};

/** Whose classes programs are written with: analyses know some of them by their names, which
 * several runtimes may share. */
enum ch_class_library { CH_CLASS_LIBRARY_OTHER, CH_CLASS_LIBRARY_DOTNET, CH_CLASS_LIBRARY_JAVA };

/** What a runtime said before it aborted itself. */
struct ch_last_words {
	/** As in the core: it may be anything unless it is known. */
	char text[1024];
	uint64_t addr;
	/** Who says so, if the text is one of its fixed ones; NULL: it is not. Static. */
	const char *known;
};

/** What a runtime knows of code, threads and itself; each may be NULL. */
struct ch_walker_runtime {
	enum ch_class_library class_library;
	/** A file that it may have mapped for writing and does not write to: where, and how much.
	 * False: none. */
	bool (*archive)(const void *state, uint64_t *addr_ret, uint64_t *bytes_ret);
	/** Looked for by its own symbols, without a state. False: it said nothing. */
	bool (*last_words)(const struct ch_core *core, struct ch_sym *sym,
			   struct ch_last_words *ret);
	/** As chp_heaps_set_timers(), of its own. */
	struct ch_error *(*set_timers)(void *state, ch_set_timer_fn fn, void *arg);
	/** By a function of its own that ends the process. False: that said nothing, or it is none
	 * of these. */
	bool (*said)(void *state, const struct ch_said *said, struct ch_last_words *ret);
	/** Names of heaps that are young generations, without "heap N ": what is dead in them is
	 * what every program has there. Ended by NULL. */
	const char *const *young;
	/** What the runtime has beside its spans; what lies in one stays there. */
	const struct ch_walker_claim *(*claims)(void *state, size_t *count_ret);
	/** Code that the runtime made or knows: fill ret but the name, and buf with the
	 * name, unescaped. False when addr is none. */
	bool (*code)(void *state, uint64_t addr, struct ch_code *ret, char *buf, size_t max);
	/** The caller of a frame in code that code() knows, where frame pointers alone do
	 * not lead there: fill pc, sp and fp of ret; the unwinder checks them. pc 0: nobody
	 * called it. False: not known. */
	bool (*caller)(void *state, const struct ch_frame_regs *frame, struct ch_frame_regs *ret);
	/** Whether addr lies in code whose frames caller() and frame() know better than call frame
	 * information and symbols of its module do. */
	bool (*owns)(void *state, uint64_t addr);
	/** As code(), of a frame, where that depends on more than its address: what an
	 * interpreter runs, what was inlined (depth 1 and on: the functions that the one
	 * before was put into, the frame's own last), offset, source (unescaped) and line.
	 * False: code() says it, or there are no more. */
	bool (*frame)(void *state, const struct ch_walker_frame *frame, struct ch_code *ret,
		      char *buf, size_t max);
	/** A thread of the core: fill ret but runtime. False: it is none of
	 * the runtime's. */
	bool (*thread)(void *state, size_t index, struct ch_thread_info *ret);
	/** As ch_heaps_goroutines(): fill all but runtime. */
	struct ch_error *(*goroutines)(void *state, ch_goroutines_fn fn, void *arg);
	/** As chp_heaps_find_stuck(). */
	struct ch_error *(*find_stuck)(void *state);
	/** As ch_heaps_thrown(): fill ret but runtime. */
	bool (*thrown)(void *state, size_t index, uint32_t depth, struct ch_exception *ret);
	/** As chp_heaps_sites(), of its own: fill ret but runtime, before the first fn. */
	struct ch_error *(*sites)(void *state, struct ch_sampling *ret, ch_sites_fn fn, void *arg);
	/** As chp_heaps_methods(), of its own. */
	struct ch_error *(*methods)(void *state, ch_methods_fn fn, void *arg);
	/** As chp_heaps_classes(), of its own. */
	struct ch_error *(*classes)(void *state, ch_classes_fn fn, void *arg);
	/** As chp_heaps_meaning(). */
	bool (*meaning)(void *state, uint64_t addr, struct ch_meaning *ret);
	/** As chp_heaps_handles(), of its own. */
	struct ch_error *(*handles)(void *state, ch_handles_fn fn, void *arg);
	const struct ch_conduct *conduct; /**< heap/locks.h */
	const struct ch_pooling *pooling; /**< heap/pooling.h */
	/** What it counts of its own memory, all but walker filled in; *ret NULL: nothing.
	 * Called when all heaps are open, for it may walk the blocks of others. Owned by
	 * the state, and computed when it is first asked for. Errors: NOMEM, STOP. */
	struct ch_error *(*tracking)(void *state, struct ch_heaps *heaps, struct ch_tracking **ret);
	/** Its loaders of classes, all but walker filled in; as tracking. Errors: NOMEM, STOP. */
	struct ch_error *(*loaders)(void *state, struct ch_loader **ret, size_t *count_ret);
	/** What it has for its classes; as tracking. Errors: NOMEM, STOP. */
	struct ch_error *(*metaspace)(void *state, struct ch_metaspace **ret);
};

struct ch_signs;

/** Who it is, and the parts that it has to say. */
struct ch_walker {
	/** Equal to the file's stem. */
	const char *name;
	/** For people: "glibc malloc", "HotSpot JVM". NULL: the name. */
	const char *title;
	enum ch_runtime_kind kind;
	/** One line for `coreheap info` and the docs. */
	const char *summary;
	enum ch_walker_priority priority;
	/** What gives it away, as a table (heap/signs.h); NULL: probe() says it. */
	const struct ch_signs *signs;
	/** Cheap look: fill ret. Errors: NOMEM only. Required without signs. */
	struct ch_error *(*probe)(const struct ch_heap_env *env, struct ch_probe *ret);
	/** Build the state; called only if probe scored above 0. Errors: NOMEM,
	 * STOP, CORRUPT, ABSENT, UNSUPPORTED with a message for people. NULL: what
	 * probe finds is named and not walked; all below are NULL, too. */
	struct ch_error *(*open)(const struct ch_heap_env *env, void **state_ret);
	/** Free the state; called once for each successful open. Required. */
	void (*close)(void *state);
	/** Version, layout row, evidence, counters. NULL: they are in struct ch_answers, if the
	 * state begins with one. */
	const struct ch_fact *(*facts)(void *state, size_t *count_ret);
	/** NULL: it has no heap of its own. */
	const struct ch_walker_allocator *allocator;
	/** NULL: of its objects only the size is known. */
	const struct ch_walker_types *types;
	/** NULL: any word of a block may be a pointer. */
	const struct ch_tracer *tracer;
	/** NULL: it is an allocator and nothing else. */
	const struct ch_walker_runtime *runtime;
	/** Tables that few runtimes have, ended by one without a shape. May be NULL. */
	const struct ch_walker_section *sections;
};

/** A walker with a tracer, and its state. */
struct ch_traced {
	const struct ch_tracer *tracer;
	void *state;
	struct ch_narrow narrow;
	/** What the tracer's decoder() gave. */
	ch_decode_fn decode;
};
/** Let all walkers find out what their objects are (learn() of struct ch_walker_types). Call it
 * once. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_heaps_learn(struct ch_heaps *heaps);
/** The walkers with a tracer among those opened; max is enough. Returns how many. */
size_t chp_heaps_tracers(const struct ch_heaps *heaps, struct ch_traced *ret, size_t max);
/** Whether a span, by its index in ch_heaps_spans(), is of a walker whose objects are pooled. */
bool chp_heaps_span_pooled(const struct ch_heaps *heaps, uint32_t span);
/** That of a span, by its index in ch_heaps_spans(). False: it has none. */
bool chp_heaps_span_tracer(const struct ch_heaps *heaps, uint32_t span, struct ch_traced *ret);
#define CH_TRACERS_MAX 8

/** Registry generated from src/walkers, ended by NULL; src/heap/registry.c. */
extern const struct ch_walker *const chp_walkers[];

/** As ch_heaps_open(), with a registry of the caller's (tests). */
CH_MUST_CHECK struct ch_error *chp_heaps_open_with(const struct ch_walker *const *walkers,
						   struct ch_core *core, struct ch_sym *sym,
						   struct ch_map *map, struct ch_heaps **ret);

/** Chunk bytes of an object that a walk handed out, without those that are known not to be on
 * touched pages. */
uint64_t chp_heaps_touched_bytes(const struct ch_heaps *heaps, const struct ch_object *object);
/** The same with all of an object whose runtime clears what it makes: what it takes of memory. */
uint64_t chp_heaps_held_bytes(const struct ch_heaps *heaps, const struct ch_object *object);
/** Whether a runtime, by its index in ch_heaps_runtimes(), clears the objects that it makes. */
bool chp_heaps_clears(const struct ch_heaps *heaps, uint32_t runtime);
/** Whether a runtime knows code at addr, and its frames, better than its module's symbols do. */
bool chp_heaps_owns_code(const struct ch_heaps *heaps, uint64_t addr);
/** Whether an address lies in the archive of a runtime. */
bool chp_heaps_is_archive(const struct ch_heaps *heaps, uint64_t addr);
/** That of a runtime, by its index in ch_heaps_runtimes(). */
enum ch_class_library chp_heaps_class_library(const struct ch_heaps *heaps, uint32_t runtime);
/** Whether a heap is a young generation: what is dead in it is what every program has there. */
bool chp_heap_is_young(const struct ch_heaps *heaps, const struct ch_heap *heap);

#endif /* COREHEAP_HEAP_WALKER_H */
