/*
 * presence.h - which allocators and runtimes are here, and what they say of themselves.
 */
#ifndef COREHEAP_ANALYSIS_PRESENCE_H
#define COREHEAP_ANALYSIS_PRESENCE_H

#include <coreheap/heap.h>

/** Whether a walker was opened. */
bool chp_runtimes_any(const struct ch_runtime *runtimes, size_t count);
/** Whether a walker found its allocator or runtime, opened or not. */
bool chp_runtimes_present(const struct ch_runtime *runtimes, size_t count);
/** Whether the C library's allocator is known to be unused. */
bool chp_runtimes_unused(const struct ch_runtime *runtimes, size_t count);
/** A finding where nothing is present, unless the C library's allocator is known to be unused. */
void chp_heaps_tell_none(const struct ch_heaps *heaps, struct ch_context *ctx);

#endif /* COREHEAP_ANALYSIS_PRESENCE_H */
