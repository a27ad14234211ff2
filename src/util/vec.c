/*
 * The growing array that the project uses for every list. It is zeroed where it grows, checks its
 * sums, and keeps what it had when memory is short.
 */
#include "util/vec.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool ch_vec_reserve(struct ch_vec *vec, size_t count)
{
	size_t capacity = vec->capacity ? vec->capacity : 16;
	void *items;

	if (count <= vec->capacity)
		return true;
	while (capacity < count) {
		if (capacity > SIZE_MAX / 2)
			return false;
		capacity *= 2;
	}
	items = reallocarray(vec->items, capacity, vec->item_size);
	if (!items)
		return false;
	vec->items = items;
	vec->capacity = capacity;
	return true;
}

void *ch_vec_push(struct ch_vec *vec)
{
	char *slot;

	if (!ch_vec_reserve(vec, vec->count + 1))
		return NULL;
	slot = (char *)vec->items + vec->count++ * vec->item_size;
	memset(slot, 0, vec->item_size);
	return slot;
}

void ch_vec_deinit(struct ch_vec *vec)
{
	free(vec->items);
	vec->items = NULL;
	vec->count = 0;
	vec->capacity = 0;
}

void ch_vec_sort(struct ch_vec *vec, int (*compare)(const void *, const void *))
{
	if (vec->count > 1)
		qsort(vec->items, vec->count, vec->item_size, compare);
}
