/*
 * outside.h - memory outside of the heaps that may hold pointers into them: data of modules,
 * stacks from where they are in use, thread-local storage, and what else is writable and anonymous.
 */
#ifndef COREHEAP_TYPES_OUTSIDE_H
#define COREHEAP_TYPES_OUTSIDE_H

#include "types/provider.h"

/** Called with a range [start, end), aligned to 8 bytes. Non-NULL ends it. */
typedef struct ch_error *(*ch_outside_fn)(void *arg, uint64_t start, uint64_t end);

/** All of it, ranges of the map ascending and then stacks. Errors: those of fn, STOP. */
CH_MUST_CHECK struct ch_error *chp_outside_each(const struct ch_provider_env *env, ch_outside_fn fn,
						void *arg);

#endif /* COREHEAP_TYPES_OUTSIDE_H */
