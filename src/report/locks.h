/*
 * locks.h - the locks of a process: who has them, and how many wait.
 */
#ifndef COREHEAP_REPORT_LOCKS_H
#define COREHEAP_REPORT_LOCKS_H

#include "heap/locks.h"
#include "render/render.h"
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

CH_MUST_CHECK struct ch_error *chp_report_locks(const struct ch_report *report,
						const struct ch_locks_result *result);

#endif /* COREHEAP_REPORT_LOCKS_H */
