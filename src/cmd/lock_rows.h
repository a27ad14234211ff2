/*
 * lock_rows.h - the locks of a process with names, most waiters first.
 */
#ifndef COREHEAP_CMD_LOCK_ROWS_H
#define COREHEAP_CMD_LOCK_ROWS_H

#include "report/locks.h"

/** ret is zeroed before, and the caller's to end with chp_lock_rows_deinit() also on failure.
 * Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_lock_rows_make(struct ch_session *session,
						  struct ch_locks_result *ret);
void chp_lock_rows_deinit(struct ch_locks_result *result);

#endif /* COREHEAP_CMD_LOCK_ROWS_H */
