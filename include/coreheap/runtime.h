/*
 * coreheap/runtime.h - what runtimes say of themselves: how they were set up, and
 * what they count of their own memory.
 *
 * Vocabulary:
 *   setting   a named value that a runtime was started with or chose for itself
 *             (a flag of the JVM);
 *   tracking  a runtime's own accounts of native memory by category (Native Memory
 *             Tracking of the JVM), which it keeps only when told to.
 *
 * Invariant: categories of a tracking are disjoint. Their blocks are blocks of
 * malloc: they say whose some of its used bytes are, and add nothing to them.
 */
#ifndef COREHEAP_RUNTIME_H
#define COREHEAP_RUNTIME_H

#include <coreheap/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ch_setting {
	/** Index into ch_heaps_runtimes(). */
	uint32_t walker;
	/** "MaxHeapSize", of letters, digits and underscores; "size_t". Borrowed. */
	const char *name, *type;
	/** Who set it: "default", "command line", "ergonomic". Static. */
	const char *origin;
	/** Not by default. */
	bool changed;
	/** "true", "33554432"; NULL: a text, or not in the core. Borrowed. */
	const char *value;
	/** It is a text, which may be anything that the program was given. */
	bool is_text;
	/** Where the text lies, ended by NUL; 0: it has none. */
	uint64_t text_addr;
};

/** One category. */
struct ch_tracked {
	/** "GC", of letters, digits and blanks. Borrowed. */
	const char *name;
	/** All that it has as the runtime's own tool shows it: mappings, blocks, arenas;
	 * valid when counted. */
	uint64_t reserved_bytes, committed_bytes;
	/** What it asked malloc for; by the headers unless counted. */
	uint64_t malloc_bytes, malloc_count;
	/** Its arenas, which lie in blocks of other categories; valid when counted. */
	uint64_t arena_bytes, arena_count;
	/** Used blocks of malloc that begin with its header, and what they cost there. */
	uint64_t blocks_count, blocks_bytes;
};

struct ch_tracking {
	/** Index into ch_heaps_runtimes(). */
	uint32_t walker;
	/** "summary", "detail". Static. */
	const char *level;
	/** By the runtime's counters; otherwise only by the headers of its blocks. */
	bool counted;
	enum ch_basis basis;
	/** What says so, a few words. Static. */
	const char *evidence;
	/** In the runtime's own order, those without anything left out. Borrowed. */
	const struct ch_tracked *rows;
	size_t rows_count;
	/** Sums over the rows. */
	struct ch_tracked total;
	/** Used blocks of malloc without its header: not the runtime's own. With those of
	 * total they are all that are not the allocator's. */
	struct ch_free_sum others;
};

/**
 * What a runtime counts of its memory; NULL when none does. Computed when it is
 * first asked for, which may walk the blocks of malloc. Borrowed until
 * ch_heaps_close(). Errors: NOMEM, STOP.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_tracking(struct ch_heaps *heaps,
							   const struct ch_tracking **ret);

/**
 * Settings of the first runtime that has any, by name. Borrowed until
 * ch_heaps_close(). Errors: NOMEM.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_heaps_settings(struct ch_heaps *heaps, const struct ch_setting **ret, size_t *count_ret);

#ifdef __cplusplus
}
#endif

/** One of a runtime's loaders of classes, and what it loaded. */
struct ch_loader {
	/** Index in ch_heaps_runtimes(). */
	uint32_t walker;
	/** The loader's object, of a hidden class its class's; 0: the runtime's own one. */
	uint64_t addr;
	/** Type id of that object; 0: it has none. */
	uint64_t type;
	uint64_t classes_count;
	/** What is loaded is one class that no name leads to. */
	bool hidden;
	/** The runtime never drops it. Others live as long as something reaches addr. */
	bool always;
};
/** Loaders in the runtime's order; none if no runtime has any. Borrowed until the heaps are
 * closed. Errors: NOMEM, STOP. */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_heaps_loaders(struct ch_heaps *heaps, const struct ch_loader **ret, size_t *count_ret);

#endif /* COREHEAP_RUNTIME_H */
