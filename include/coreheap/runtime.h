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
 * Settings of all runtimes, one after the other, each by name. Borrowed until
 * ch_heaps_close(). Errors: NOMEM.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_heaps_settings(struct ch_heaps *heaps, const struct ch_setting **ret, size_t *count_ret);

#ifdef __cplusplus
}
#endif

/** Chunks of memory for what is known of classes, of one loader or of all: bytes as the
 * runtime's own tool counts them. */
struct ch_metachunks {
	uint64_t count;
	/** All of them, also what is only reserved; what the process has of them; and of that,
	 * what was handed out. */
	uint64_t capacity_bytes, committed_bytes, used_bytes;
	/** committed - used: of chunks that are still handed out from, and of others, which
	 * nobody gets any more. */
	uint64_t free_bytes, waste_bytes;
	/** Part of used: given back since, kept for the same loader. */
	uint64_t deallocated_count, deallocated_bytes;
};

/** Classes themselves may lie apart from all else that is known of them. */
enum ch_metaspace_id { CH_METASPACE_NON_CLASS, CH_METASPACE_CLASS, CH_METASPACES };

/** A piece of address space with chunks. */
struct ch_metaspace_part {
	uint64_t reserved_bytes, committed_bytes;
	/** Of loaders; of nobody. */
	struct ch_metachunks used;
	uint64_t free_count, free_capacity_bytes, free_committed_bytes;
};

/** What a runtime has for its classes (the JVM's metaspace). */
struct ch_metaspace {
	/** Index in ch_heaps_runtimes(). */
	uint32_t walker;
	struct ch_metaspace_part parts[CH_METASPACES];
	/** Loaders that have some; and those whose chunks are not known, and in no sum. */
	uint64_t loaders_count, unread_count;
	/** All free chunks and all of the space were read; else the sums are lower bounds. */
	bool complete;
};

/** One of a runtime's loaders of classes, and what it loaded. */
struct ch_loader {
	/** Index in ch_heaps_runtimes(). */
	uint32_t walker;
	/** The loader's object, of a hidden class its class's; 0: the runtime's own one. */
	uint64_t addr;
	/** What the runtime calls the type of that object; 0: it is none. */
	uint64_t key;
	uint64_t classes_count;
	/** What is loaded is one class that no name leads to. */
	bool hidden;
	/** The runtime never drops it. Others live as long as something reaches addr. */
	bool always;
	/** What the runtime itself has of it (the JVM's ClassLoaderData). */
	uint64_t data_addr;
	/** Its chunks, valid if known. */
	bool chunks_known;
	struct ch_metachunks chunks[CH_METASPACES];
};
/** Loaders in the runtime's order; none if no runtime has any. Borrowed until the heaps are
 * closed. Errors: NOMEM, STOP. */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_heaps_loaders(struct ch_heaps *heaps, const struct ch_loader **ret, size_t *count_ret);

/** Add one to a sum. */
CH_PUBLIC void ch_metachunks_add(struct ch_metachunks *sum, const struct ch_metachunks *one);
/** What the first runtime that tells has for its classes; NULL: none does. Borrowed until the
 * heaps are closed. Errors: NOMEM, STOP. */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_heaps_metaspace(struct ch_heaps *heaps,
							    const struct ch_metaspace **ret);

#endif /* COREHEAP_RUNTIME_H */
