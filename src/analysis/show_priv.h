/*
 * show_priv.h - the parts of `show`: show.c finds the object, show_rows.c lists
 * its fields and elements, show_words.c the words of a block without types.
 */
#ifndef COREHEAP_ANALYSIS_SHOW_PRIV_H
#define COREHEAP_ANALYSIS_SHOW_PRIV_H

#include "analysis/show.h"

/** Rows of elements or words without --limit. */
#define CH_SHOW_ROWS_MAX 1000
/** Characters of a string: of the object itself, of one that a field holds. */
#define CH_SHOW_TEXT_MAX  4096
#define CH_SHOW_SHORT_MAX 80

struct ch_show {
	struct ch_core *core;
	struct ch_sym *sym;
	struct ch_map *map;
	struct ch_heaps *heaps;
	bool reveal;
	/** Rows at most. */
	uint64_t limit;
	/** The object whose inside is shown has an inspector, which calls its type so. */
	struct ch_inspected inspected;
	uint64_t key;
	struct ch_show_result *result;
};

/** A place: an object, or a value in it. */
struct ch_place {
	/** What its runtime calls its type. */
	uint64_t key;
	uint64_t addr;
	bool is_value;
};

/** show_rows.c: what a field of kind REFERENCE holds. False: it is not in the core. */
bool chp_show_read_reference(const struct ch_show *show, const struct ch_field *field,
			     uint64_t *ret);
/** show_rows.c: fields of a place. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_show_fields(struct ch_show *show, const struct ch_place *place,
					       bool statics);
/** Elements of the array that result->shape describes. */
CH_MUST_CHECK struct ch_error *chp_show_elements(struct ch_show *show);
/** One field as the only row. */
CH_MUST_CHECK struct ch_error *chp_show_field(struct ch_show *show, const struct ch_field *field);
/** show_words.c: words of a block. */
CH_MUST_CHECK struct ch_error *chp_show_words(struct ch_show *show);

/** show_target.c: what a word leads to; exact: only an object's first byte counts. */
CH_MUST_CHECK struct ch_error *chp_show_target(struct ch_show *show, uint64_t value,
					       struct ch_target *ret);
CH_MUST_CHECK struct ch_error *chp_show_reference(struct ch_show *show, uint64_t value,
						  struct ch_target *ret);
/** Name of an object's type; owned by the caller. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_show_type_name(struct ch_show *show,
						  const struct ch_object *object, char **ret);

#endif /* COREHEAP_ANALYSIS_SHOW_PRIV_H */
