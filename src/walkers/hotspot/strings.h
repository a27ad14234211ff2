/*
 * strings.h - texts and arrays of Java: strings.c.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_STRINGS_H
#define COREHEAP_WALKERS_HOTSPOT_STRINGS_H

#include "heap/walker.h"

struct hs;

/** What a field or an element is whose signature begins with code ('I', 'L'), and its bytes. */
enum ch_value_kind hs_value_kind(const struct hs *hs, char code, uint32_t *bytes_ret);
/** The elements of an array whose class has this layout helper. */
void hs_array_read(const struct hs *hs, uint64_t addr, uint64_t klass, uint32_t layout,
		   struct ch_object_shape *ret);
/** As ch_inspector.string. */
bool hs_string(void *state, uint64_t addr, uint64_t klass, struct ch_string *ret);
/** The same as a shape: without characters when they are not known. */
void hs_string_read(struct hs *hs, uint64_t addr, uint64_t klass, struct ch_object_shape *ret);
/** The text of a String or an array of characters; "" when it is not known. */
void hs_text(struct hs *hs, uint64_t object, char *buf, size_t max);
/** The name of a java.lang.Thread; "" when it is not known. */
void hs_thread_name(struct hs *hs, uint64_t object, char *buf, size_t max);

#endif /* COREHEAP_WALKERS_HOTSPOT_STRINGS_H */
