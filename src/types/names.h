/*
 * names.h - the pass that lets providers name native blocks.
 *
 * It is asked for by commands that show types: after it, the types of all objects that the heaps
 * hand out are the providers' where these know one. The result is one number a block, allocated
 * once.
 */
#ifndef COREHEAP_TYPES_NAMES_H
#define COREHEAP_TYPES_NAMES_H

#include <coreheap/coreheap.h>

/** The heaps of a session, whose native blocks are named as well as they can be. Free of cost
 * where no provider has anything to say, and when it was called before. Errors: NOMEM, STOP, those
 * of the heaps. */
CH_MUST_CHECK struct ch_error *chp_session_named_heaps(struct ch_session *session,
						       struct ch_heaps **ret);

/** Blocks that two providers name alike well and differently; 0 before the pass. */
uint64_t chp_session_names_conflicts(const struct ch_session *session);

struct ch_provider;

/** As chp_session_named_heaps(), by providers of the caller's, ended by NULL (tests). */
CH_MUST_CHECK struct ch_error *
chp_session_named_heaps_by(struct ch_session *session, const struct ch_provider *const *providers,
			   struct ch_heaps **ret);

#endif /* COREHEAP_TYPES_NAMES_H */
