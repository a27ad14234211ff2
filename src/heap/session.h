/*
 * session.h - what floors above keep in a session, and what tests may do to one.
 */
#ifndef COREHEAP_HEAP_SESSION_H
#define COREHEAP_HEAP_SESSION_H

#include <coreheap/coreheap.h>

#include "debug/types.h"
#include "heap/walker.h"

/** Use these walkers instead of the registered ones; call it before the heaps
 * are first asked for. The array is borrowed until the session is closed. */
void chp_session_use_walkers(struct ch_session *session, const struct ch_walker *const *walkers);

/** Types and variables by debug information, made at the first call; owned by the session.
 * Errors: those of ch_session_sym(), NOMEM. */
CH_MUST_CHECK struct ch_error *chp_session_ctypes(struct ch_session *session,
						  struct ch_ctypes **ret);

/** What floors above the heaps make once for a session, lower ones first. */
enum ch_session_part {
	CH_SESSION_INDEX,
	CH_SESSION_INSIDE,
	CH_SESSION_NAMES,
	CH_SESSION_PARTS,
};
/** A part, or NULL. */
void *chp_session_kept(const struct ch_session *session, enum ch_session_part part);
/** Keep a part that is not kept yet; it is destroyed with the session, before the heaps and
 * before lower parts. */
void chp_session_keep(struct ch_session *session, enum ch_session_part part, void *state,
		      void (*destroy)(void *state));

#endif /* COREHEAP_HEAP_SESSION_H */
