/*
 * session.h - what tests may do to a session.
 */
#ifndef COREHEAP_HEAP_SESSION_H
#define COREHEAP_HEAP_SESSION_H

#include <coreheap/coreheap.h>

#include "heap/walker.h"

/** Use these walkers instead of the registered ones; call it before the heaps
 * are first asked for. The array is borrowed until the session is closed. */
void chp_session_use_walkers(struct ch_session *session, const struct ch_walker *const *walkers);

#endif /* COREHEAP_HEAP_SESSION_H */
