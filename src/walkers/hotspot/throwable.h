/*
 * throwable.h - where Throwables were made.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_THROWABLE_H
#define COREHEAP_WALKERS_HOTSPOT_THROWABLE_H

#include "heap/walker.h"

struct hs;

/** throwable.c: java.lang.Throwable among a class and those that it derives from; 0: it is
 * not. The second is the same, kept for the classes that were met last. */
uint64_t hs_throwable_base(const struct hs *hs, uint64_t klass);
bool hs_is_throwable(struct hs *hs, uint64_t klass);
/** As in struct ch_tracing, of a Throwable. */
void hs_trace(void *state, uint64_t addr, uint64_t klass, struct ch_trace *ret);
bool hs_trace_frame(void *state, uint64_t addr, uint64_t klass, uint32_t index,
		    struct ch_trace_frame *ret);
/** "shop.Cart.add (Cart.java:12)" */
void hs_trace_text(const struct ch_trace_frame *frame, char *buf, size_t max);
extern const struct ch_tracing hs_tracing;
/** Where a Throwable was made, innermost frames first, as facts; else none. */
void hs_throwable_frames(struct hs *hs, uint64_t addr, uint64_t klass, struct ch_object_shape *ret);

#endif /* COREHEAP_WALKERS_HOTSPOT_THROWABLE_H */
