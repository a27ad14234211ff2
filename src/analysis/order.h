/*
 * order.h - what rows of a table are sorted by.
 */
#ifndef COREHEAP_ANALYSIS_ORDER_H
#define COREHEAP_ANALYSIS_ORDER_H

#include <stdint.h>
#include <string.h>

enum ch_order {
	/** Most first. */
	CH_ORDER_BYTES,
	CH_ORDER_COUNT,
	/** By letters. */
	CH_ORDER_NAME,
};

/** What rows have of each. */
struct ch_order_key {
	uint64_t bytes, count;
	const char *name;
};

/** As compare functions of qsort() return it; 0: the caller decides. */
static inline int chp_order_compare(enum ch_order order, struct ch_order_key a,
				    struct ch_order_key b)
{
	if (order == CH_ORDER_NAME)
		return strcmp(a.name, b.name);
	if (order == CH_ORDER_COUNT && a.count != b.count)
		return a.count > b.count ? -1 : 1;
	if (a.bytes != b.bytes)
		return a.bytes > b.bytes ? -1 : 1;
	return 0;
}

#endif /* COREHEAP_ANALYSIS_ORDER_H */
