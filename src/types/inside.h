/*
 * inside.h - what is inside of blocks of types that debug information declares.
 *
 * Providers say which type that is (made_of); the inspector here knows fields, elements and
 * places. Its keys are such a type, and whether the block has many of it.
 */
#ifndef COREHEAP_TYPES_INSIDE_H
#define COREHEAP_TYPES_INSIDE_H

#include "heap/inspect.h"
#include "types/provider.h"

/** State of the inspector. */
struct ch_inside {
	struct ch_core *core;
	struct ch_ctypes *ctypes;
	struct ch_heaps *heaps;
};

extern const struct ch_inspector chp_inside_inspector;

/** The inspector's key. */
static inline uint64_t chp_inside_key(const struct ch_made_of *of)
{
	return (uint64_t)of->many << 32 | of->type;
}

/** That of a session, made at the first call; NULL: no memory. */
struct ch_inside *chp_session_inside(struct ch_session *session);

#endif /* COREHEAP_TYPES_INSIDE_H */
