/*
 * named_types.h - types with their names.
 */
#ifndef COREHEAP_ANALYSIS_NAMED_TYPES_H
#define COREHEAP_ANALYSIS_NAMED_TYPES_H

#include <coreheap/heap.h>

struct ch_named_type {
	struct ch_type_stat stat;
	/** Name, and module that defines it, or NULL: borrowed until the heaps are closed. */
	const char *name, *module;
	/** Static. */
	const char *runtime;
	/** Why the name is what it is. */
	enum ch_basis basis;
	/** Who gave it; NULL: it is made of a number. Static. */
	const char *by;
};

/** Name a row. Errors: those of ch_heaps_type(). */
CH_MUST_CHECK struct ch_error *chp_named_type_make(struct ch_heaps *heaps,
						   const struct ch_type_stat *stat,
						   struct ch_named_type *ret);

/** A hash of runtime, module, kind and name, never of addresses or a walker's numbers: the same in
 * the next dump. */
uint64_t chp_named_type_id(const struct ch_named_type *type);

#endif /* COREHEAP_ANALYSIS_NAMED_TYPES_H */
