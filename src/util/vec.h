/*
 * util/vec.h - a growing array of structs.
 *
 *	struct ch_vec v = CH_VEC(struct foo);
 *	struct foo *f = ch_vec_push(&v);	// zeroed slot, NULL = no memory
 *	CH_VEC_AT(&v, struct foo, i)
 *	ch_vec_deinit(&v);
 *
 * Pointers into it are valid until the next push.
 */
#ifndef COREHEAP_UTIL_VEC_H
#define COREHEAP_UTIL_VEC_H

#include <stddef.h>

struct ch_vec {
	void *items;
	/** Used and allocated items. */
	size_t count, capacity;
	size_t item_size;
};

#define CH_VEC(type)                ((struct ch_vec){ .item_size = sizeof(type) })
#define CH_VEC_AT(vec, type, index) (&((type *)(vec)->items)[index])

/** Append a zeroed item; NULL when out of memory (the vec stays as it was). */
void *ch_vec_push(struct ch_vec *vec);
/** Make room for count items in all; false when out of memory. */
_Bool ch_vec_reserve(struct ch_vec *vec, size_t count);
/** Free the items; the vec is empty and usable again. */
void ch_vec_deinit(struct ch_vec *vec);
/** qsort() of all items. */
void ch_vec_sort(struct ch_vec *vec, int (*compare)(const void *, const void *));

#endif /* COREHEAP_UTIL_VEC_H */
