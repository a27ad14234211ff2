/*
 * flight.h - what a thread inside malloc had half done, told from damage.
 */
#ifndef COREHEAP_WALKERS_GLIBC_FLIGHT_H
#define COREHEAP_WALKERS_GLIBC_FLIGHT_H

#include "walkers/glibc/glibc_priv.h"

/** NULL: out of memory. NULL is accepted by destroy. */
struct glibc_flight *glibc_flight_create(void);
void glibc_flight_destroy(struct glibc_flight *flight);
/** Whether a thread may have been inside malloc with an arena (its index), and is
 * not the one that malloc ended because of damage there. */
bool glibc_is_under_way(const struct glibc *glibc, size_t arena);
/** Whether a thread was inside malloc, any thread if tid is 0; how many were. */
bool glibc_thread_inside(const struct glibc *glibc, uint32_t tid);
size_t glibc_threads_inside(const struct glibc *glibc);
/** Tell damage of a kind that malloc at work leaves for a moment, too: where it was
 * at work, and little is odd, glibc_tell_under_way() makes a note of it. */
void glibc_tell(const struct glibc *glibc, size_t arena, enum ch_severity severity,
		const char *code, const char *format, ...) CH_PRINTF(5, 6);
void glibc_tell_under_way(const struct glibc *glibc);

#endif /* COREHEAP_WALKERS_GLIBC_FLIGHT_H */
