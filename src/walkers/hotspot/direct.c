/*
 * Direct memory by its counters: static fields of java.nio.Bits, and of Netty's
 * PlatformDependent, whose buffers without cleaners Bits does not count.
 */
#include <string.h>

#include "walkers/hotspot/metaspace.h"

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
	ret->known =
		(hs_static_counter(hs, classes[BITS], "RESERVED_MEMORY", &ret->reserved_bytes) &&
		 hs_static_counter(hs, classes[BITS], "COUNT", &ret->count)) ||
		(hs_static_counter(hs, classes[BITS], "reservedMemory", &ret->reserved_bytes) &&
		 hs_static_counter(hs, classes[BITS], "count", &ret->count));
	ret->limited = hs_static_long(hs, classes[VM], "directMemory", &ret->limit_bytes) ||
		       hs_static_long(hs, classes[VM_8], "directMemory", &ret->limit_bytes);
	ret->netty_known =
		hs_static_counter(hs, classes[NETTY], "DIRECT_MEMORY_COUNTER", &ret->netty_bytes);
	if (ret->netty_known)
		hs_static_long(hs, classes[NETTY], "DIRECT_MEMORY_LIMIT", &ret->netty_limit_bytes);
	return NULL;
}

/* ---- Limits --------------------------------------------------------------------------- */

struct ch_error *hs_quotas(void *state, struct ch_quota **ret, size_t *count_ret)
{
	struct ch_quota nio = { .label = "direct memory of java.nio",
				.counter = "java.nio.Bits.RESERVED_MEMORY" };
	struct hs *hs = state;
	struct hs_direct direct;
	struct ch_error *err = NULL;
	struct ch_quota *slot;
	bool known;

	if (!hs->quotas.count) {
		err = hs_direct_find(hs, &direct);
		known = !err && direct.known && direct.limited && direct.limit_bytes;
		if (known) {
			nio.used_bytes = direct.reserved_bytes;
			nio.limit_bytes = direct.limit_bytes;
		}
		if (!err)
			err = hs_netty_quotas(hs, known ? &nio : NULL);
		slot = !err && known ? ch_vec_push(&hs->quotas) : NULL;
		if (slot)
			*slot = nio;
		else if (!err && known)
			err = &ch_enomem;
		if (!err)
			err = hs_metaspace_quotas(hs);
	}
	*ret = hs->quotas.items;
	*count_ret = hs->quotas.count;
	return err;
}
