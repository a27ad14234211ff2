/*
 * Who owns native memory. Any long of a Java object may be the address of a block, but of
 * direct memory the buffer is the owner, and these have the number beside a reference that
 * leads to it: without them a buffer would not dominate its memory.
 *
 * - java/nio/Direct-X-Buffer.java.template (jdk-17+35): a Deallocator has the address for
 *   the buffer's Cleaner to free; all Cleaners are in a list. Once the buffer is collected
 *   (its Cleaner has no referent any more) the Cleaner is what holds the memory.
 * - io/netty/buffer/PooledUnsafeDirectByteBuf.java and others (netty-4.1.48.Final):
 *   memoryAddress is that of the ByteBuffer that they, or their chunk, refer to.
 */
#include <string.h>

#include "walkers/hotspot/hotspot_priv.h"

static bool is_named(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* Also of those that others took into packages of their own. */
static bool is_netty_buffer(const char *name)
{
	static const char package[] = "io/netty/buffer/", suffix[] = "ByteBuf";
	const char *at = strstr(name, package);
	size_t len = strlen(name);

	return at && !strchr(at + sizeof(package) - 1, '/') && len > sizeof(suffix) - 1 &&
	       strcmp(name + len - (sizeof(suffix) - 1), suffix) == 0;
}

void hs_owner_learn(struct hs *hs, struct hs_type *type)
{
	static const char *const deallocators[] = { "java/nio/DirectByteBuffer$Deallocator", NULL };
	static const char *const cleaners[] = { "jdk/internal/ref/Cleaner", "sun/misc/Cleaner",
						NULL };
	char name[HS_NAME_MAX];

	type->role = HS_ROLE_PLAIN;
	if (!hs_klass_symbol(hs, type->klass, name, sizeof(name)))
		return;
	if (is_named(name, deallocators)) {
		hs->deallocator = type->klass;
		hs->deallocator_address = hs_field_offset(hs, type->klass, "address", false);
		type->role = HS_ROLE_ALIAS;
	} else if (is_named(name, cleaners)) {
		hs->cleaner_referent = hs_field_offset(hs, type->klass, "referent", false);
		hs->cleaner_thunk = hs_field_offset(hs, type->klass, "thunk", false);
		type->role = HS_ROLE_CLEANER;
	} else if (is_netty_buffer(name)) {
		type->role = HS_ROLE_ALIAS;
	}
}

uint64_t hs_owner_orphan(const struct hs *hs, uint64_t cleaner)
{
	uint64_t referent, thunk, block;

	if (!hs->cleaner_referent || !hs->cleaner_thunk || !hs->deallocator_address ||
	    !hs_read_oop(hs, cleaner + hs->cleaner_referent, &referent) || referent ||
	    !hs_read_oop(hs, cleaner + hs->cleaner_thunk, &thunk) || !thunk ||
	    hs_klass_at(hs, thunk) != hs->deallocator ||
	    !hs_read_ptr(hs, thunk + hs->deallocator_address, &block))
		return 0;
	return block;
}
