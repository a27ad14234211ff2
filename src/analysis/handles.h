/*
 * handles.h - a runtime's handles, and its objects with finalizers, by kind and type.
 */
#ifndef COREHEAP_ANALYSIS_HANDLES_H
#define COREHEAP_ANALYSIS_HANDLES_H

#include <coreheap/heap.h>

#include "heap/filter.h"
#include "heap/handles.h"
#include "util/vec.h"

struct ch_handles_row {
	enum ch_handle_table table;
	/** "strong handle", "gen0", "ready". Static. */
	const char *kind;
	/** Of the objects; NULL: they are none that the heaps know. Borrowed until
	 * ch_heaps_close(). */
	const char *type;
	/** Entries, and the bytes of their objects: each object once in a row. */
	uint64_t count, total_bytes;
	/** Of one entry: where it lies, and its object. */
	uint64_t sample_addr, object_addr;
};

struct ch_handles_options {
	/** Which tables: bits 1 << enum ch_handle_table. */
	uint32_t tables;
	/** Only kinds that hold this text; NULL: all. */
	const char *kind;
	/** Only objects that pass; NULL: all. */
	const struct ch_object_filter *objects;
	/** A row for each entry. */
	bool each;
};

struct ch_handles {
	/** A runtime with such tables is here. */
	bool known;
	/** of struct ch_handles_row: by bytes, or by where the entries lie */
	struct ch_vec rows;
	uint64_t count, total_bytes;
};

/** Errors: NOMEM, STOP. Call chp_handles_deinit() also on failure. */
CH_MUST_CHECK struct ch_error *chp_handles_find(struct ch_heaps *heaps,
						const struct ch_handles_options *options,
						struct ch_handles *ret);
void chp_handles_deinit(struct ch_handles *handles);

#endif /* COREHEAP_ANALYSIS_HANDLES_H */
