/*
 * thread_names.h - what the threads of a group are called.
 */
#ifndef COREHEAP_ANALYSIS_THREAD_NAMES_H
#define COREHEAP_ANALYSIS_THREAD_NAMES_H

#include "analysis/thread_rows.h"

/** Fill names of a group: its threads are rows[members[0 .. count)]. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_thread_names_make(const struct ch_thread_row *rows,
						     const size_t *members,
						     struct ch_thread_group *group);
void chp_thread_names_free(struct ch_thread_group *group);

#endif /* COREHEAP_ANALYSIS_THREAD_NAMES_H */
