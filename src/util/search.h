/*
 * search.h - binary search in an array that is in order.
 *
 * One form for all: how many items, from the first one on, are before what is looked for. With
 * `it->end <= addr` that is the index of the first item that ends behind addr; with `it->start <=
 * addr` one more than that of the last which begins at or below it. The condition is compiled into
 * the loop, as nothing else is fast enough for the paths that ask for every word of a core.
 */
#ifndef COREHEAP_UTIL_SEARCH_H
#define COREHEAP_UTIL_SEARCH_H

#include <stddef.h>

/** How many of the first of count items are before; the condition is about `it`, a pointer to an
 * item, and holds for none behind the first for which it does not. O(log count). */
#define ch_search(items, count, it, before)                                                        \
	({                                                                                         \
		__auto_type items_ = (items);                                                      \
		size_t low_ = 0, high_ = (count);                                                  \
                                                                                                   \
		while (low_ < high_) {                                                             \
			const size_t mid_ = low_ + (high_ - low_) / 2;                             \
			__auto_type it = &items_[mid_];                                            \
                                                                                                   \
			if (before)                                                                \
				low_ = mid_ + 1;                                                   \
			else                                                                       \
				high_ = mid_;                                                      \
		}                                                                                  \
		low_;                                                                              \
	})

#endif /* COREHEAP_UTIL_SEARCH_H */
