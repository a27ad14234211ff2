/*
 * handles.h - entries of a runtime's tables of handles, and of objects with finalizers.
 *
 * A walker hands them out one by one (ch_walker.handles); chp_heaps_handles() asks all walkers.
 */
#ifndef COREHEAP_HEAP_HANDLES_H
#define COREHEAP_HEAP_HANDLES_H

#include <coreheap/heap.h>

/** What a runtime's table of handles, or of objects with finalizers, has an entry for. */
enum ch_handle_table {
	CH_HANDLE,
	/** Its finalizer is to run when nothing else holds it; it is to run now. */
	CH_HANDLE_FINALIZABLE,
	CH_HANDLE_FINALIZER_READY,
};

struct ch_handle {
	enum ch_handle_table table;
	/** "strong handle", "gen0". Static. */
	const char *kind;
	/** Where the entry lies, and the object. */
	uint64_t addr, object;
	/** Of a dependent handle: what the object keeps alive; else 0. */
	uint64_t dependent;
};
/** Non-NULL ends the visit: return it unchanged. */
typedef struct ch_error *(*ch_handles_fn)(void *arg, const struct ch_handle *handle);

/** The tables of all runtimes that have some, entry by entry; *known_ret: there is one. Errors:
 * NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_heaps_handles(struct ch_heaps *heaps, ch_handles_fn fn,
						 void *arg, bool *known_ret);

#endif /* COREHEAP_HEAP_HANDLES_H */
