/*
 * Who owns native memory. Any long of a Java object may be the address of a block, but of
 * direct memory the buffer is the owner, and these have the number beside a reference that
 * leads to it: without them a buffer would not dominate its memory.
 *
 * - java/nio/Direct-X-Buffer.java.template (jdk-17+35): a Deallocator has the address for
 *   the buffer's Cleaner to free; all Cleaners are in a list. Once the buffer is collected
 *   (its Cleaner has no referent any more) the Cleaner is what holds the memory.
 * - java/nio/Direct-X-Buffer.java.template: a buffer made of another one, or of a segment, has
 *   an address in that one's memory, and a reference to it: att, segment.
 * - jdk/internal/foreign (jdk-17+35 NativeMemorySegmentImpl, jdk-25+36 SegmentFactories): a
 *   segment has its address; what its arena runs at the end has it, too, and holds the memory
 *   while no segment is there any more.
 * - io/netty/buffer/PooledUnsafeDirectByteBuf.java and others (netty-4.1.48.Final):
 *   memoryAddress is that of the ByteBuffer that they, or their chunk, refer to.
 */
#include <string.h>

#include "util/cleanup.h"
#include "walkers/hotspot/owners.h"

#define DEALLOCATOR "java/nio/DirectByteBuffer$Deallocator"

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

/* Also those that may only be read, those of other numbers, and of mapped files. */
static bool is_direct_buffer(const char *name)
{
	static const char prefix[] = "java/nio/Direct";

	return strncmp(name, prefix, sizeof(prefix) - 1) == 0 && strstr(name, "Buffer") &&
	       !strchr(name, '$');
}

/* What frees the memory of segments (SegmentFactories from 22 on), what unmaps files, and
 * numbers in boxes. */
static bool is_beside(const char *name)
{
	static const char *const prefixes[] = { "java/lang/Long",
						"jdk/internal/foreign/SegmentFactories$",
						"jdk/internal/foreign/NativeMemorySegmentImpl$",
						"sun/nio/ch/FileChannelImpl$DefaultUnmapper",
						"sun/nio/ch/FileChannelImpl$SyncUnmapper",
						"sun/nio/ch/FileChannelImpl$Unmapper" };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static enum hs_role role_of(const char *name)
{
	static const char *const deallocators[] = { DEALLOCATOR, NULL };
	static const char *const cleaners[] = { "jdk/internal/ref/Cleaner", "sun/misc/Cleaner",
						NULL };

	if (is_named(name, deallocators) || is_netty_buffer(name))
		return HS_ROLE_ALIAS;
	if (is_named(name, cleaners))
		return HS_ROLE_CLEANER;
	if (is_direct_buffer(name))
		return HS_ROLE_BUFFER;
	return is_beside(name) ? HS_ROLE_BESIDE : HS_ROLE_PLAIN;
}

void hs_owner_learn(struct hs *hs, struct hs_type *type)
{
	char name[HS_NAME_MAX];

	type->role = HS_ROLE_PLAIN;
	if (!hs_klass_symbol(hs, type->klass, name, sizeof(name)))
		return;
	type->role = role_of(name);
	if (strcmp(name, DEALLOCATOR) == 0) {
		hs->deallocator = type->klass;
		hs->deallocator_address = hs_field_offset(hs, type->klass, "address", false);
	} else if (type->role == HS_ROLE_CLEANER) {
		hs->cleaner_referent = hs_field_offset(hs, type->klass, "referent", false);
		hs->cleaner_thunk = hs_field_offset(hs, type->klass, "thunk", false);
	} else if (type->role == HS_ROLE_BUFFER) {
		type->views[0] = hs_field_offset(hs, type->klass, "att", false);
		type->views[1] = hs_field_offset(hs, type->klass, "segment", false);
		type->address = hs_field_offset(hs, type->klass, "address", false);
		type->capacity = hs_field_offset(hs, type->klass, "capacity", false);
	}
}

bool hs_owner_is_view(const struct hs *hs, const struct hs_type *type, uint64_t buffer)
{
	uint64_t of;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(type->views); i++)
		if (type->views[i] && hs_read_oop(hs, buffer + type->views[i], &of) && of)
			return true;
	return false;
}

/* Those of other numbers than bytes are views of ones of bytes. */
void hs_owner_native(const void *state, uint64_t owner, ch_native_fn fn, void *arg)
{
	const struct hs *hs = state;
	const struct hs_type *type = hs_type_of(hs, hs_klass_at(hs, owner));
	struct ch_native native = { .label = "direct buffer" };
	uint32_t bytes;

	if (!type || type->role != HS_ROLE_BUFFER || !type->address || !type->capacity ||
	    hs_owner_is_view(hs, type, owner) ||
	    !hs_read_ptr(hs, owner + type->address, &native.addr) || !native.addr ||
	    !ch_core_read_u32(hs->core, owner + type->capacity, &bytes))
		return;
	native.size_bytes = bytes;
	fn(arg, &native);
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
