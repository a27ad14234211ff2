/*
 * lock_rows.h - the locks of a process with names, most waiters first.
 */
#ifndef COREHEAP_ANALYSIS_LOCK_ROWS_H
#define COREHEAP_ANALYSIS_LOCK_ROWS_H

#include <coreheap/coreheap.h>

#include "heap/locks.h"
#include "util/vec.h"

struct ch_locks_row {
	struct ch_lock lock;
	/** The object's type, escaped, borrowed until the heaps are closed; NULL: not known. */
	const char *type;
	/** Static. */
	const char *runtime;
	/** The owner's, escaped; owned; NULL: it has none. */
	char *owner_name;
};

struct ch_locks_result {
	/** of struct ch_locks_row: most waiters first */
	struct ch_vec rows;
	/** A runtime is there that tells of its locks. */
	bool known;
	/** Over all rows. */
	uint64_t held_count, waiters_count;
};

/** ret is zeroed before, and the caller's to end with chp_lock_rows_deinit() also on failure.
 * Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_lock_rows_make(struct ch_session *session,
						  struct ch_locks_result *ret);
void chp_lock_rows_deinit(struct ch_locks_result *result);

#endif /* COREHEAP_ANALYSIS_LOCK_ROWS_H */
