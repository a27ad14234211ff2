/*
 * util/cleanup.h - variables that free what they hold when they go out of scope.
 */
#ifndef COREHEAP_UTIL_CLEANUP_H
#define COREHEAP_UTIL_CLEANUP_H

#include <stdlib.h>

static inline void chp_cleanup_free(void *p)
{
	free(*(void **)p);
}

#define _cleanup_(fn)  __attribute__((cleanup(fn)))
#define _cleanup_free_ _cleanup_(chp_cleanup_free)

/** Give up ownership: the value, leaving NULL behind. */
#define ch_take(p)                                                                                 \
	({                                                                                         \
		__auto_type taken = p;                                                             \
		(p) = NULL;                                                                        \
		taken;                                                                             \
	})

#define CH_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif /* COREHEAP_UTIL_CLEANUP_H */
