/*
 * Lists of addresses: putting them in order.
 */
#include "util/addrs.h"

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void ch_addrs_sort(struct ch_vec *addrs)
{
	ch_vec_sort(addrs, compare);
}

void ch_addrs_unique(struct ch_vec *addrs)
{
	uint64_t *items = addrs->items;
	size_t i, kept = 0;

	for (i = 0; i < addrs->count; i++)
		if (!kept || items[kept - 1] != items[i])
			items[kept++] = items[i];
	addrs->count = kept;
}
