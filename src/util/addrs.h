/*
 * addrs.h - lists of addresses: a ch_vec of uint64_t, ascending once it is sorted.
 *
 *	struct ch_vec v = CH_VEC(uint64_t);
 *	ch_addrs_push(&v, addr);		// false: no memory
 *	ch_addrs_sort(&v);
 *	at = ch_addrs_from(&v, start);		// then, for addresses that ascend:
 *	ch_addrs_next(&v, &at, addr) == addr	// whether addr is in the list
 */
#ifndef COREHEAP_UTIL_ADDRS_H
#define COREHEAP_UTIL_ADDRS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/search.h"
#include "util/vec.h"

/** Append; false when out of memory. */
static inline bool ch_addrs_push(struct ch_vec *addrs, uint64_t addr)
{
	uint64_t *slot = ch_vec_push(addrs);

	if (slot)
		*slot = addr;
	return slot != NULL;
}

/** Put them in ascending order; what is there twice stays there twice. */
void ch_addrs_sort(struct ch_vec *addrs);
/** Leave out what is the same as the one before: of sorted ones. */
void ch_addrs_unique(struct ch_vec *addrs);

/** Index of the first one at or above addr. O(log n). */
static inline size_t ch_addrs_from(const struct ch_vec *addrs, uint64_t addr)
{
	const uint64_t *items = addrs->items;

	return ch_search(items, addrs->count, it, *it < addr);
}

/** The first one at or above addr, from the index *at on, which moves there; UINT64_MAX: none. */
static inline uint64_t ch_addrs_next(const struct ch_vec *addrs, size_t *at, uint64_t addr)
{
	const uint64_t *items = addrs->items;

	while (*at < addrs->count && items[*at] < addr)
		++*at;
	return *at < addrs->count ? items[*at] : UINT64_MAX;
}

#endif /* COREHEAP_UTIL_ADDRS_H */
