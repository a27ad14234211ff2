/*
 * Netty's buffers, and what it counts of its memory. Fields are found by name, so that other
 * releases than those that were looked at are read as far as their fields are the same. Facts:
 * netty/netty, netty-4.1.48.Final and netty-4.2.17.Final, buffer/src/main/java/io/netty/buffer:
 *
 * - AbstractReferenceCountedByteBuf.refCnt: up to 4.1.33 the number of references; since then
 *   (a static ReferenceCountUpdater is there) twice that, odd once it was released; in 4.2 the
 *   same in an object of its own (io/netty/util/internal/RefCnt.value).
 * - PooledByteBuf: length is what was asked for, maxLength what it takes of its chunk.
 * - Slices, duplicates and composites have memory of others.
 * - util/internal/PlatformDependent: DIRECT_MEMORY_COUNTER, null where java.nio.Bits counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "walkers/hotspot/hotspot_priv.h"

/* Classes that others derive from: a chain that is longer is damaged. */
#define SUPERS_MAX 64
#define BASE       "io/netty/buffer/AbstractReferenceCountedByteBuf"
#define ALLOCATOR  "io/netty/buffer/PooledByteBufAllocator"
#define COUNTER    "DIRECT_MEMORY_COUNTER"

/* ---- Classes --------------------------------------------------------------------------- */

bool hs_netty_is(const char *name, const char *wanted)
{
	size_t len = strlen(name), suffix = strlen(wanted);

	return len >= suffix && strcmp(name + len - suffix, wanted) == 0 &&
	       (len == suffix || name[len - suffix - 1] == '/');
}

/* Fields by their names in classes of each kind. */
struct field_row {
	const char *class, *name;
	size_t to;
};
#define TO(field) offsetof(struct hs_netty_class, field)

static const struct field_row buffer_fields[] = {
	{ "io/netty/buffer/PooledByteBuf", "length", TO(capacity) },
	{ "io/netty/buffer/PooledByteBuf", "maxLength", TO(taken) },
	{ "io/netty/buffer/PooledByteBuf", "chunk", TO(chunk) },
	{ "io/netty/buffer/UnpooledHeapByteBuf", "array", TO(array) },
	{ "io/netty/buffer/UnpooledDirectByteBuf", "capacity", TO(capacity) },
	{ "io/netty/buffer/AdaptivePoolingAllocator$AdaptiveByteBuf", "length", TO(capacity) },
	{ "io/netty/buffer/AdaptivePoolingAllocator$AdaptiveByteBuf", "maxFastCapacity",
	  TO(taken) },
	{ "io/netty/buffer/AdaptivePoolingAllocator$AdaptiveByteBuf", "chunk", TO(chunk) },
};

static const struct field_row chunk_fields[] = {
	{ "io/netty/buffer/PoolChunk", "arena", TO(owner) },
	{ "io/netty/buffer/PoolChunk", "chunkSize", TO(bytes) },
	{ "io/netty/buffer/PoolChunk", "freeBytes", TO(free) },
	{ "io/netty/buffer/PoolChunk", "memory", TO(memory) },
	{ "io/netty/buffer/PoolChunk", "unpooled", TO(unpooled) },
	{ "io/netty/buffer/PoolChunk", "subpages", TO(pages) },
	{ "io/netty/buffer/PoolThreadCache$MemoryRegionCache$Entry", "chunk", TO(chunk) },
	{ "io/netty/buffer/PoolThreadCache$MemoryRegionCache$Entry", "handle", TO(handle) },
	{ "io/netty/buffer/PoolThreadCache$MemoryRegionCache$Entry", "normCapacity", TO(taken) },
	{ "io/netty/buffer/PoolSubpage", "chunk", TO(chunk) },
	{ "io/netty/buffer/PoolSubpage", "elemSize", TO(taken) },
	{ "io/netty/buffer/PoolSubpage", "pageSize", TO(bytes) },
	{ "io/netty/buffer/PoolSubpage", "runSize", TO(bytes) },
	{ "io/netty/buffer/PoolSubpage", "maxNumElems", TO(pieces) },
	{ "io/netty/buffer/PoolSubpage", "numAvail", TO(pieces_free) },
	{ "io/netty/buffer/PoolSubpage", "doNotDestroy", TO(in_use) },
	{ "io/netty/buffer/AdaptivePoolingAllocator$Chunk", "allocator", TO(owner) },
	{ "io/netty/buffer/AdaptivePoolingAllocator$Chunk", "capacity", TO(bytes) },
	{ "io/netty/buffer/AdaptivePoolingAllocator$Chunk", "delegate", TO(memory) },
};

static void find_fields(const struct hs *hs, const char *name, const struct field_row *rows,
			size_t count, struct hs_netty_class *ret)
{
	uint32_t offset;
	size_t i;

	for (i = 0; i < count; i++) {
		offset = hs_netty_is(name, rows[i].class)
				 ? hs_field_offset(hs, ret->klass, rows[i].name, false)
				 : 0;
		if (offset)
			*(uint32_t *)((char *)ret + rows[i].to) = offset;
	}
}

/* A field of the base of all counted buffers. */
static bool take_counter(void *arg, const struct hs_field *field)
{
	struct hs_netty_class *class = arg;

	if (field->is_static && strcmp(field->name, "updater") == 0 &&
	    strstr(field->signature, "ReferenceCountUpdater"))
		class->doubled = true;
	if (!field->is_static && strcmp(field->name, "refCnt") == 0) {
		class->refs = field->offset;
		class->refs_boxed = field->signature[0] == 'L';
		class->doubled |= class->refs_boxed;
	}
	return true;
}

/* A class that counts references, as far as a class or a base of it says how. */
static bool learn_buffer(const struct hs *hs, uint64_t klass, struct hs_netty_class *ret)
{
	char name[HS_NAME_MAX];
	uint32_t i;

	*ret = (struct hs_netty_class){ .klass = klass, .kind = HS_NETTY_BUFFER };
	for (i = 0; i < SUPERS_MAX && klass; i++) {
		if (!hs_klass_symbol(hs, klass, name, sizeof(name)))
			return false;
		find_fields(hs, name, buffer_fields, CH_COUNT_OF(buffer_fields), ret);
		if (hs_netty_is(name, BASE)) {
			hs_fields_visit(hs, klass, take_counter, ret);
			ret->address = hs_field_offset(hs, ret->klass, "memoryAddress", false);
			return ret->refs != 0;
		}
		if (!hs_member_ptr(hs, HS_KLASS_SUPER, klass, &klass))
			return false;
	}
	return false;
}

static bool learn_other(const struct hs *hs, uint64_t klass, const char *name,
			struct hs_netty_class *ret)
{
	static const struct {
		const char *name;
		enum hs_netty_kind kind;
		bool direct;
	} rows[] = {
		{ "io/netty/buffer/PoolArena$DirectArena", HS_NETTY_ARENA, true },
		{ "io/netty/buffer/PoolArena$HeapArena", HS_NETTY_ARENA, false },
		{ "io/netty/buffer/PoolChunk", HS_NETTY_CHUNK, false },
		{ "io/netty/buffer/PoolThreadCache$MemoryRegionCache$Entry", HS_NETTY_CACHED,
		  false },
		{ "io/netty/buffer/PoolSubpage", HS_NETTY_PAGES, false },
	};
	size_t i;

	for (i = 0; i < CH_COUNT_OF(rows); i++)
		if (hs_netty_is(name, rows[i].name)) {
			*ret = (struct hs_netty_class){ .klass = klass,
							.kind = rows[i].kind,
							.direct = rows[i].direct };
			find_fields(hs, name, chunk_fields, CH_COUNT_OF(chunk_fields), ret);
			return true;
		}
	return false;
}

/* Chunks of the adaptive allocator's are of several classes. */
static bool learn_adaptive(const struct hs *hs, uint64_t klass, struct hs_netty_class *ret)
{
	char name[HS_NAME_MAX];
	uint32_t i;

	*ret = (struct hs_netty_class){ .klass = klass, .kind = HS_NETTY_ADAPTIVE };
	for (i = 0; i < SUPERS_MAX && klass; i++) {
		if (!hs_klass_symbol(hs, klass, name, sizeof(name)))
			return false;
		if (hs_netty_is(name, "io/netty/buffer/AdaptivePoolingAllocator$Chunk")) {
			find_fields(hs, name, chunk_fields, CH_COUNT_OF(chunk_fields), ret);
			hs_fields_visit(hs, klass, take_counter, ret);
			return ret->owner && ret->bytes;
		}
		if (!hs_member_ptr(hs, HS_KLASS_SUPER, klass, &klass))
			return false;
	}
	return false;
}

static size_t sieve_of(uint64_t klass)
{
	return (size_t)(klass >> 3 ^ klass >> 13) % HS_NETTY_SIEVE;
}

static int compare_classes(const void *a, const void *b)
{
	const struct hs_netty_class *x = a, *y = b;

	return x->klass < y->klass ? -1 : x->klass > y->klass;
}

static bool is_loaded(const struct hs *hs)
{
	const struct hs_class *classes = hs->classes.items;
	char name[HS_NAME_MAX];
	size_t i;

	for (i = 0; i < hs->classes.count; i++)
		if (hs_klass_symbol(hs, classes[i].klass, name, sizeof(name)) &&
		    hs_netty_is(name, BASE))
			return true;
	return false;
}

static struct ch_error *learn(struct hs *hs)
{
	const struct hs_class *classes = hs->classes.items;
	struct hs_netty *netty = hs->netty;
	struct hs_netty_class class, *slot;
	char name[HS_NAME_MAX];
	size_t i;

	for (i = 0; i < hs->classes.count; i++) {
		if (!hs_klass_symbol(hs, classes[i].klass, name, sizeof(name)) || name[0] == '[' ||
		    (!learn_other(hs, classes[i].klass, name, &class) &&
		     !learn_buffer(hs, classes[i].klass, &class) &&
		     !learn_adaptive(hs, classes[i].klass, &class)))
			continue;
		slot = ch_vec_push(&netty->classes);
		if (!slot)
			return &ch_enomem;
		class.sums.key = class.klass;
		*slot = class;
		netty->sieve[sieve_of(class.klass)] = true;
	}
	ch_vec_sort(&netty->classes, compare_classes);
	return NULL;
}

struct ch_error *hs_netty_open(struct hs *hs)
{
	struct ch_error *err = hs_classes_list(hs);

	if (err || hs->netty)
		return err;
	hs->netty = calloc(1, sizeof(*hs->netty));
	if (!hs->netty)
		return &ch_enomem;
	hs->netty->classes = CH_VEC(struct hs_netty_class);
	hs->netty->pools = CH_VEC(struct ch_pool);
	hs->netty->chunks = CH_VEC(struct ch_pool_chunk);
	hs->netty->tids = CH_VEC(uint32_t);
	hs->netty->types = CH_VEC(struct ch_counted_type);
	hs->netty->own = CH_VEC(uint64_t);
	return is_loaded(hs) ? learn(hs) : NULL;
}

void hs_netty_free(struct hs_netty *netty)
{
	if (!netty)
		return;
	ch_vec_deinit(&netty->classes);
	ch_vec_deinit(&netty->pools);
	ch_vec_deinit(&netty->chunks);
	ch_vec_deinit(&netty->tids);
	ch_vec_deinit(&netty->types);
	ch_vec_deinit(&netty->own);
	free(netty);
}

struct hs_netty_class *hs_netty_class_at(const struct hs *hs, uint64_t klass)
{
	const struct hs_netty_class key = { .klass = klass };

	if (!hs->netty || !hs->netty->sieve[sieve_of(klass)])
		return NULL;
	return bsearch(&key, hs->netty->classes.items, hs->netty->classes.count, sizeof(key),
		       compare_classes);
}

/* ---- Buffers ----------------------------------------------------------------------------- */

uint64_t hs_netty_ref(const struct hs *hs, uint64_t object, uint32_t offset)
{
	uint64_t value;

	return object && offset && hs_read_oop(hs, object + offset, &value) ? value : 0;
}

uint32_t hs_netty_int(const struct hs *hs, uint64_t object, uint32_t offset)
{
	uint32_t value;

	return offset && hs_read_u32(hs, object + offset, &value) && (int32_t)value > 0 ? value : 0;
}

/* The references that are counted. */
static bool read_refs(const struct hs *hs, struct hs_netty_class *class, uint64_t addr,
		      uint32_t *ret)
{
	uint64_t at = addr + class->refs, box;
	uint32_t raw;

	if (class->refs_boxed) {
		box = hs_netty_ref(hs, addr, class->refs);
		if (box && !class->refs_inside)
			class->refs_inside =
				hs_field_offset(hs, hs_klass_at(hs, box), "value", false);
		at = box && class->refs_inside ? box + class->refs_inside : 0;
	}
	if (!at || !hs_read_u32(hs, at, &raw))
		return false;
	*ret = !class->doubled ? raw : raw & 1 ? 0 : raw >> 1;
	return true;
}

static int compare_addrs(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

bool hs_netty_counted(void *state, uint64_t addr, uint64_t klass, struct ch_counted *ret)
{
	struct hs *hs = state;
	struct hs_netty_class *class = hs_netty_class_at(hs, klass);
	struct hs_array array;

	*ret = (struct ch_counted){ .refs = 0 };
	if (!class || (class->kind != HS_NETTY_BUFFER && class->kind != HS_NETTY_ADAPTIVE) ||
	    !class->refs || !read_refs(hs, class, addr, &ret->refs))
		return false;
	ret->capacity_bytes = hs_netty_int(hs, addr, class->capacity);
	ret->pooled_bytes = hs_netty_int(hs, addr, class->taken);
	if (hs_array_open(hs, hs_netty_ref(hs, addr, class->array), 1, &array))
		ret->capacity_bytes = array.count;
	if (class->address && !hs_read_ptr(hs, addr + class->address, &ret->memory_addr))
		ret->memory_addr = 0;
	return class->kind == HS_NETTY_BUFFER &&
	       !bsearch(&addr, hs->netty->own.items, hs->netty->own.count, sizeof(addr),
			compare_addrs);
}

/* ---- Counters ------------------------------------------------------------------------------ */

/* Classes of the same copy of Netty have the same packages before their names. */
static bool is_beside(const char *name, const char *wanted, const char *other,
		      const char *other_wanted)
{
	size_t len = strlen(other) - strlen(other_wanted);

	return hs_netty_is(name, wanted) && strlen(name) - strlen(wanted) == len &&
	       strncmp(name, other, len) == 0;
}

/* What a chunk of the default pool takes, of the copy that platform is of; 0: not known. */
static uint64_t chunk_bytes(const struct hs *hs, const char *platform, const char *wanted)
{
	const struct hs_class *classes = hs->classes.items;
	struct hs_array arenas;
	char name[HS_NAME_MAX];
	uint64_t at, pool;
	uint32_t bytes;
	size_t i;

	for (i = 0; i < hs->classes.count; i++) {
		if (!hs_klass_symbol(hs, classes[i].klass, name, sizeof(name)) ||
		    !is_beside(name, ALLOCATOR, platform, wanted))
			continue;
		at = hs_static_addr(hs, &classes[i], "DEFAULT");
		if (at && hs_read_oop(hs, at, &pool) &&
		    hs_array_open_refs(hs, hs_object_ref(hs, pool, "directArenas"), &arenas) &&
		    arenas.count && hs_object_int(hs, pool, "chunkSize", &bytes))
			return bytes;
	}
	return 0;
}

static struct ch_error *add_quota(struct hs *hs, const struct hs_class *class, uint64_t used,
				  uint64_t chunk)
{
	struct ch_quota quota = { .label = HS_NETTY_QUOTA,
				  .used_bytes = used,
				  .next_bytes = chunk,
				  .next = chunk ? "a chunk of its pool" : NULL };
	char name[HS_NAME_MAX];
	struct ch_quota *slot;
	char *text, **kept;

	if (!hs_static_long(hs, class, "DIRECT_MEMORY_LIMIT", &quota.limit_bytes) ||
	    !hs_klass_name(hs, class->klass, name, sizeof(name)))
		return NULL;
	if (asprintf(&text, "%s.%s", name, COUNTER) < 0)
		return &ch_enomem;
	kept = ch_vec_push(&hs->names);
	if (!kept) {
		free(text);
		return &ch_enomem;
	}
	*kept = text;
	quota.counter = text;
	slot = ch_vec_push(&hs->quotas);
	if (!slot)
		return &ch_enomem;
	*slot = quota;
	return NULL;
}

struct ch_error *hs_netty_quotas(struct hs *hs, struct ch_quota *nio)
{
	static const char wanted[] = "io/netty/util/internal/PlatformDependent";
	const struct hs_class *classes = hs->classes.items;
	struct ch_error *err = NULL;
	char name[HS_NAME_MAX];
	uint64_t used, chunk;
	size_t i;

	for (i = 0; !err && i < hs->classes.count; i++) {
		if (!hs_klass_symbol(hs, classes[i].klass, name, sizeof(name)) ||
		    !hs_netty_is(name, wanted))
			continue;
		chunk = chunk_bytes(hs, name, wanted);
		if (hs_static_counter(hs, &classes[i], COUNTER, &used)) {
			err = add_quota(hs, &classes[i], used, chunk);
		} else if (nio && chunk > nio->next_bytes) {
			nio->next_bytes = chunk;
			nio->next = "a chunk of Netty's pool";
		}
	}
	return err;
}
