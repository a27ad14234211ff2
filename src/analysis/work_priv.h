/*
 * work_priv.h - what timers.c and pool.c share; work.c has it.
 */
#ifndef COREHEAP_ANALYSIS_WORK_PRIV_H
#define COREHEAP_ANALYSIS_WORK_PRIV_H

#include "analysis/work.h"
#include "heap/named.h"

/** The first of some fields that a type has; looked for when the type changes. */
struct work_field {
	uint64_t key;
	struct ch_named_field field;
};

struct work_finder {
	struct ch_named named;
	struct ch_work *ret;
	/** Of the item at hand: the delegate. */
	struct work_field delegate;
};

/** The field of an object's type by the first of names (ended by NULL) that it has. Errors:
 * NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_work_field(const struct work_finder *finder, uint64_t key,
					      const char *const *names, struct work_field *ret);
/** "Type.Method" of the delegate at addr, owned by the caller; *ret NULL: not known. Errors:
 * NOMEM. */
CH_MUST_CHECK struct ch_error *chp_work_calls(const struct work_finder *finder, uint64_t addr,
					      char **ret);
/** The name of an object's type, owned by the caller; *ret NULL: none is there. Errors: NOMEM,
 * STOP. */
CH_MUST_CHECK struct ch_error *chp_work_type(const struct work_finder *finder, uint64_t addr,
					     char **ret);
/** Count one; texts of row are taken. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_work_add_take(struct ch_work *work, struct ch_work_row *row);
/** Join rows that are alike, and sort. */
void chp_work_finish(struct ch_work *work);

#endif /* COREHEAP_ANALYSIS_WORK_PRIV_H */
