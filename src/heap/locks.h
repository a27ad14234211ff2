/*
 * locks.h - what threads wait for, and what waits for a thread: locks, and queues of objects
 * that are to be finalized or cleaned up after.
 *
 * Vocabulary:
 *   lock    an object that one thread at a time has: a monitor, a lock of a library;
 *   owner   the thread that has it;
 *   waiters threads that cannot go on before they have it;
 *   queue   dead objects (or references to them) that one thread works off.
 */
#ifndef COREHEAP_HEAP_LOCKS_H
#define COREHEAP_HEAP_LOCKS_H

#include <coreheap/heap.h>

#include "heap/containers.h"
#include "util/vec.h"

struct ch_lock {
	/** Index into ch_heaps_runtimes(); the walker leaves it alone. */
	uint32_t walker;
	/** "monitor", "thin lock", "synchronizer", "Lock". Static. */
	const char *kind;
	/** The object that is locked. */
	uint64_t object;
	/** What the runtime keeps beside it (ObjectMonitor, SyncBlock), and its number in the
	 * runtime's table; 0: none. */
	uint64_t addr, index;
	/** A thread has it: by its kernel id, and the number that the runtime gave it. 0: not
	 * known, or not a thread of the kernel's. */
	bool held;
	uint32_t owner_tid;
	uint64_t owner_number;
	/** How often the owner took it once more; valid when recursion_known. */
	uint64_t recursion;
	bool recursion_known;
	uint64_t waiters;
};

/** Most types of a queue that are told apart. */
#define CH_QUEUE_TYPES   8
#define CH_QUEUE_OBJECTS (1U << 20)

struct ch_queue {
	uint32_t walker;
	/** "finalizers", "cleaners". Static. */
	const char *kind;
	/** The queue's own object; 0: it has none. */
	uint64_t object;
	uint64_t count;
	/** Of those that were looked at, what is to be finalized, most first: what the
	 * walker calls the type, 0 when it is none of its types; how many were looked at, all but
	 * damage aside. */
	struct ch_queue_type {
		uint64_t key, count;
		/** One of them. */
		uint64_t sample;
	} types[CH_QUEUE_TYPES];
	size_t types_count;
	uint64_t looked_at;
	/** of uint64_t: those objects, as far as CH_QUEUE_OBJECTS and memory go; only while fn
	 * runs. */
	struct ch_vec objects;
	/** The thread that works it off; 0: not known. */
	uint32_t tid;
};

/** Non-NULL ends the visit: return it unchanged. */
typedef struct ch_error *(*ch_lock_fn)(void *arg, const struct ch_lock *lock);
typedef struct ch_error *(*ch_queue_fn)(void *arg, const struct ch_queue *queue);

/** A heap of a runtime whose objects stay where they are: what is free between them is no use to
 * larger ones and to other heaps. */
struct ch_fixed_heap {
	/** As the heap is called, without "heap N ". NULL ends the table. */
	const char *name;
	/** For people: why they stay; what helps, NULL: nothing in general. */
	const char *why, *help;
	/** They are moved, but for those that the program has pinned. */
	bool pinned;
};

/** Non-NULL ends the visit: return it unchanged. */
typedef struct ch_error *(*ch_object_fn)(void *arg, uint64_t object);

/** What is lost behind large objects that are given whole regions. */
struct ch_region_waste {
	/** Such objects, their bytes, what is behind them, and what a region has. */
	uint64_t count, bytes, waste_bytes, region_bytes;
	/** For people: "G1 gives an object of half a region or more whole regions"; what makes most
	 * of them ordinary objects. */
	const char *why;
	char help[160];
};

/** What a walker knows of how a program runs on its runtime; each may be NULL. */
struct ch_conduct {
	/** Locks that its threads have or wait for, each once; may walk the heap. Errors: NOMEM,
	 * STOP, those of fn. */
	struct ch_error *(*locks)(void *state, struct ch_heaps *heaps, ch_lock_fn fn, void *arg);
	/** Queues of what is to be finalized that are not empty. As locks. */
	struct ch_error *(*queues)(void *state, struct ch_heaps *heaps, ch_queue_fn fn, void *arg);
	/** Its collections, ended by a row without a name; with them the next two: where arrays
	 * have their lengths (of 4 bytes), and the key of the type of an object, 0: it is none. */
	const struct ch_container *containers;
	uint32_t (*length_offset)(const void *state);
	uint64_t (*type_at)(const void *state, uint64_t addr);
	/** Heaps whose objects are not moved; and objects that the program has pinned by handles.
	 * Errors: those of fn. */
	const struct ch_fixed_heap *fixed;
	struct ch_error *(*pins)(void *state, ch_object_fn fn, void *arg);
	/** What large objects waste; false: nothing, or there are none. */
	bool (*waste)(const void *state, struct ch_region_waste *ret);
	/** What names of methods and types begin with that came with the runtime, ended by NULL:
	 * "java.". */
	const char *const *library;
};

/** Count one object of a type in a queue that it was met in. */
void chp_queue_add(struct ch_context *ctx, struct ch_queue *queue, uint64_t key, uint64_t object);

/**
 * The locks that threads have or wait for, as far as runtimes know them, each once. Errors:
 * NOMEM, STOP, those of fn.
 */
CH_MUST_CHECK struct ch_error *chp_heaps_locks(struct ch_heaps *heaps, ch_lock_fn fn, void *arg);
/** Whether a runtime here can tell of locks. */
bool chp_heaps_know_locks(const struct ch_heaps *heaps);
/** The queues that are not empty. Errors: as above. */
CH_MUST_CHECK struct ch_error *chp_heaps_queues(struct ch_heaps *heaps, ch_queue_fn fn, void *arg);

/** What a runtime says of a heap whose objects are not moved; NULL: it moves them. */
const struct ch_fixed_heap *chp_heap_fixed(const struct ch_heaps *heaps,
					   const struct ch_heap *heap);
/** What the next runtime wastes from *next on, which begins with 0. False: no more do. */
bool chp_heaps_waste(const struct ch_heaps *heaps, size_t *next, struct ch_region_waste *ret);
/** The objects that handles of any runtime pin. Errors: those of fn. */
CH_MUST_CHECK struct ch_error *chp_heaps_pins(struct ch_heaps *heaps, ch_object_fn fn, void *arg);

/** Whether a method or type of this name came with a runtime, not with the program. */
bool chp_heaps_is_library(const struct ch_heaps *heaps, const char *name);

/** Walk the objects in spans of one runtime, by its name as the walker gives it. Errors: NOMEM,
 * STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_heaps_walk_runtime(struct ch_heaps *heaps, const char *runtime,
						      ch_objects_fn fn, void *arg);

/** Who has the types of all objects at hand. */
struct ch_type_finder {
	/** Hand on addr, type and key of the used objects of types, ascending, one by one. Errors:
	 * those of fn. */
	struct ch_error *(*find)(void *arg, const uint32_t *types, size_t count, ch_objects_fn fn,
				 void *fn_arg);
	void *arg;
};

/** From here on finder, which is borrowed, is asked in place of walks; NULL: nobody is. */
void chp_heaps_use_finder(struct ch_heaps *heaps, const struct ch_type_finder *finder);
/** The used objects of one runtime whose types have these keys (0: none), at most
 * CH_FIND_KEYS_MAX, among others; of them addr, state, type and key are to be relied on. Errors:
 * as of chp_heaps_walk_runtime(). */
#define CH_FIND_KEYS_MAX 4
CH_MUST_CHECK struct ch_error *chp_heaps_find_keys(struct ch_heaps *heaps, const char *runtime,
						   const uint64_t *keys, size_t count,
						   ch_objects_fn fn, void *arg);

#endif /* COREHEAP_HEAP_LOCKS_H */
