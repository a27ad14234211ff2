/*
 * sites.h - where objects were allocated, as runtimes sample it.
 *
 * A runtime may note the stack of one allocation in so many bytes, and count what became of it.
 * That is a sample of what the program did, not of what lies in the heap now: numbers of all
 * objects are estimated from it.
 */
#ifndef COREHEAP_HEAP_SITES_H
#define COREHEAP_HEAP_SITES_H

#include <coreheap/heap.h>

/** How a runtime takes samples. */
struct ch_sampling {
	/** Which one. Static. */
	const char *runtime;
	/** One allocation in so many bytes, on average. 0: it takes none, 1: it takes all. */
	uint64_t rate_bytes;
	/** Where that was read. False: it is what a program begins with. */
	bool rate_known;
	/** Why it has none. Static; NULL: it has some. */
	const char *none;
};

/** Allocations of one size on one stack that were noted. */
struct ch_site {
	/** Return addresses, innermost first: functions that were put into others have one of
	 * their own. Borrowed until the callback returns. */
	const uint64_t *pcs;
	size_t pcs_count;
	/** Of each object. */
	uint64_t size_bytes;
	/** Noted ones, and those of them that were freed since. */
	uint64_t allocs_count, frees_count;
};
/** Non-NULL ends the visit: return it unchanged. */
typedef struct ch_error *(*ch_sites_fn)(void *arg, const struct ch_site *site);
/** All sites of the first runtime that samples; *known_ret: there is one, and ret is filled, before
 * fn is called. Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_heaps_sites(struct ch_heaps *heaps, struct ch_sampling *ret,
					       ch_sites_fn fn, void *arg, bool *known_ret);

#endif /* COREHEAP_HEAP_SITES_H */
