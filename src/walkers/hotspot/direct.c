/*
 * Direct memory by its counters: static fields of java.nio.Bits, and of Netty's
 * PlatformDependent, whose buffers without cleaners Bits does not count.
 */
#include <string.h>

#include "walkers/hotspot/hotspot_priv.h"

/* A static field: its class, and where it lies; 0: there is none. */
static uint64_t static_addr(const struct hs *hs, const struct hs_class *class, const char *name)
{
	uint32_t offset = class ? hs_field_offset(hs, class->klass, name, true) : 0;

	return offset && class->mirror ? class->mirror + offset : 0;
}

/* The number in the AtomicLong that a static field holds. */
static bool read_counter(const struct hs *hs, const struct hs_class *class, const char *name,
			 uint64_t *ret)
{
	uint64_t at = static_addr(hs, class, name), counter;
	uint32_t offset;

	if (!at || !hs_read_oop(hs, at, &counter) || !counter)
		return false;
	offset = hs_field_offset(hs, hs_klass_at(hs, counter), "value", false);
	return offset && hs_read_ptr(hs, counter + offset, ret);
}

static bool read_number(const struct hs *hs, const struct hs_class *class, const char *name,
			uint64_t *ret)
{
	uint64_t at = static_addr(hs, class, name);

	return at && hs_read_ptr(hs, at, ret);
}

/* Classes by their names; NULL where one is not loaded. */
static void find_classes(const struct hs *hs, const char *const *names, size_t count,
			 const struct hs_class **ret)
{
	const struct hs_class *classes = hs->classes.items;
	char name[HS_NAME_MAX];
	size_t i, k;

	for (k = 0; k < count; k++)
		ret[k] = NULL;
	for (i = 0; i < hs->classes.count; i++) {
		if (!hs_klass_symbol(hs, classes[i].klass, name, sizeof(name)))
			continue;
		for (k = 0; k < count; k++)
			if (strcmp(name, names[k]) == 0)
				ret[k] = &classes[i];
	}
}

struct ch_error *hs_direct_find(struct hs *hs, struct hs_direct *ret)
{
	enum { BITS, VM, VM_8, NETTY, CLASSES };
	static const char *const names[CLASSES] = { "java/nio/Bits", "jdk/internal/misc/VM",
						    "sun/misc/VM",
						    "io/netty/util/internal/PlatformDependent" };
	const struct hs_class *classes[CLASSES];
	struct ch_error *err = hs_classes_list(hs);

	*ret = (struct hs_direct){ .known = false };
	if (err)
		return err;
	find_classes(hs, names, CLASSES, classes);
	ret->known = (read_counter(hs, classes[BITS], "RESERVED_MEMORY", &ret->reserved_bytes) &&
		      read_counter(hs, classes[BITS], "COUNT", &ret->count)) ||
		     (read_counter(hs, classes[BITS], "reservedMemory", &ret->reserved_bytes) &&
		      read_counter(hs, classes[BITS], "count", &ret->count));
	ret->limited = read_number(hs, classes[VM], "directMemory", &ret->limit_bytes) ||
		       read_number(hs, classes[VM_8], "directMemory", &ret->limit_bytes);
	ret->netty_known =
		read_counter(hs, classes[NETTY], "DIRECT_MEMORY_COUNTER", &ret->netty_bytes);
	if (ret->netty_known)
		read_number(hs, classes[NETTY], "DIRECT_MEMORY_LIMIT", &ret->netty_limit_bytes);
	return NULL;
}
