/*
 * objects.h - fields of Java objects by name, elements of arrays.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_OBJECTS_H
#define COREHEAP_WALKERS_HOTSPOT_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

struct hs;
struct hs_class;

/** Where a field lies that the object's class or a base of it declares; 0: it has none, or
 * object is 0. */
uint64_t hs_object_field(const struct hs *hs, uint64_t object, const char *name);
/** What such a field refers to; 0: nothing, or it has none. */
uint64_t hs_object_ref(const struct hs *hs, uint64_t object, const char *name);
/** An int; a long. False: it has no such field, or it is not in the core. */
bool hs_object_int(const struct hs *hs, uint64_t object, const char *name, uint32_t *ret);
bool hs_object_long(const struct hs *hs, uint64_t object, const char *name, uint64_t *ret);

/** The elements of an array: where they begin, how many of so many bytes; what the array
 * takes on the heap. */
struct hs_array {
	uint64_t at, bytes;
	uint32_t count, width;
};
/** False: it is no array whose elements have width bytes. */
bool hs_array_open(const struct hs *hs, uint64_t array, uint32_t width, struct hs_array *ret);
/** The same of references. */
bool hs_array_open_refs(const struct hs *hs, uint64_t array, struct hs_array *ret);
/** Where an element lies; 0: there is none. */
uint64_t hs_array_at(const struct hs_array *array, uint32_t index);
/** What it refers to; 0: nothing. */
uint64_t hs_array_ref(const struct hs *hs, const struct hs_array *array, uint32_t index);

/** Static fields: where one lies (0: there is none), the number in one, that of the
 * AtomicLong that one refers to. class may be NULL. */
uint64_t hs_static_addr(const struct hs *hs, const struct hs_class *class, const char *name);
bool hs_static_long(const struct hs *hs, const struct hs_class *class, const char *name,
		    uint64_t *ret);
bool hs_static_counter(const struct hs *hs, const struct hs_class *class, const char *name,
		       uint64_t *ret);

#endif /* COREHEAP_WALKERS_HOTSPOT_OBJECTS_H */
