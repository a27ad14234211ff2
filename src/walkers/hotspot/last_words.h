/*
 * last_words.h - what the JVM said before it aborted itself.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_LAST_WORDS_H
#define COREHEAP_WALKERS_HOTSPOT_LAST_WORDS_H

#include "heap/walker.h"

/** For struct ch_walker_runtime. */
bool hs_last_words(const struct ch_core *core, struct ch_sym *sym, struct ch_last_words *ret);

#endif /* COREHEAP_WALKERS_HOTSPOT_LAST_WORDS_H */
