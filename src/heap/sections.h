/*
 * sections.h - tables that only some runtimes have: what they loaded, how they were set up.
 *
 * A section has a key, a title and rows of named fields. A walker lists the sections that it
 * has; of several runtimes in a process each gives its own. Renderers print any of them by its
 * fields, so that one more section is a table in its walker, and nothing else. Where rows are
 * to be computed with, their struct is public (coreheap/assembly.h, coreheap/runtime.h).
 */
#ifndef COREHEAP_HEAP_SECTIONS_H
#define COREHEAP_HEAP_SECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/assembly.h>
#include <coreheap/heap.h>
#include <coreheap/runtime.h>

#include "util/vec.h"

/** What a member of a row is. */
enum ch_section_kind {
	/** const char *, our own word or escaped already; one that may hold anything. */
	CH_SECTION_WORD,
	CH_SECTION_TEXT,
	/** uint64_t */
	CH_SECTION_COUNT,
	CH_SECTION_BYTES,
	CH_SECTION_ADDR,
	/** bool */
	CH_SECTION_FLAG,
	/** No member: the name of the runtime whose row it is. */
	CH_SECTION_RUNTIME,
};

struct ch_section_field {
	/** In JSON. */
	const char *key;
	/** Heading of its column; NULL: it is only in JSON, but for a flag, whose key then is put
	 * behind the column before where it is set. */
	const char *title;
	/** Its place among the columns, from 1 on. */
	uint32_t column;
	enum ch_section_kind kind;
	size_t offset;
	/** Where this is not 0, a member of the row (uint64_t, its offset + 1) that says where in
	 * the core a text lies, which is shown only to who may see contents. */
	size_t secret;
	/** 0 stands for not known. */
	bool not_zero;
};

/** What all rows of a section have in common; const, and equal for all runtimes that have it. */
struct ch_section_shape {
	/** "settings", "flags". */
	const char *key, *title;
	/** Title where rows that say nothing new are left out; and the bool that tells (its
	 * offset + 1) which do. NULL and 0: all do. */
	const char *notable_title;
	size_t notable;
	/** There may be very many rows: a table shows as many as are asked for. */
	bool many;
	const struct ch_section_field *fields;
	size_t fields_count;
	size_t row_bytes;
	/** Where this is not 0, the member (uint32_t, its offset + 1) that takes the index of the
	 * runtime where rows of several are joined. */
	size_t walker;
};

/** A section that a walker has, in a table that a row without a shape ends. */
struct ch_walker_section {
	const struct ch_section_shape *shape;
	/** Its rows, of shape->row_bytes each. Owned by the state, computed when they are first
	 * asked for. Errors: NOMEM, STOP. */
	struct ch_error *(*rows)(void *state, const void **ret, size_t *count_ret);
};

/** The section of one runtime. */
struct ch_section {
	const struct ch_section_shape *shape;
	/** Index into ch_heaps_runtimes(). */
	uint32_t walker;
	/** Borrowed until the heaps are closed. */
	const void *rows;
	size_t rows_count;
};

/** Rows are struct ch_assembly; struct ch_setting. */
extern const struct ch_section_shape chp_section_assemblies, chp_section_settings;

/** The sections of a shape, runtime by runtime, those without rows left out: appended to ret
 * (of struct ch_section). Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_heaps_sections(struct ch_heaps *heaps,
						  const struct ch_section_shape *shape,
						  struct ch_vec *ret);

#endif /* COREHEAP_HEAP_SECTIONS_H */
