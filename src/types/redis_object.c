/*
 * Values of redis: struct redisObject, with a text in it, and, in Valkey, with the key that it is
 * of and the time when that is to go.
 *
 * type 4 bits, encoding 4, lru 24; what is in it, in some releases, and the count of references 32
 * in all; a pointer, in whose place the text may begin.
 */
#include "types/redis_priv.h"
#include "util/bytes.h"
#include "util/error.h"

#define OBJECT_BYTES 16U
#define HEAD_BYTES   8U
#define TYPES_COUNT  7U
#define ENCODINGS    13U
#define EMBEDDED     8U
#define TEXT_HEADER  3U
/* Bits before the count of references. */
#define HAS_TIME  1U
#define HAS_KEY   2U
#define HAS_VALUE 4U

/* What comes behind the head: where it ends. False: it is not what it should be. */
static bool read_parts(const struct ch_core *core, uint64_t addr, uint32_t parts, uint32_t encoding,
		       struct ch_redis_object *ret)
{
	struct ch_redis_text text;
	uint64_t at = addr + (parts & HAS_VALUE ? HEAD_BYTES : OBJECT_BYTES);
	uint8_t header;

	if (parts & HAS_TIME)
		at += 8;
	if (parts & HAS_KEY) {
		if (!ch_core_try_read(core, at, &header, 1) ||
		    !chp_redis_text(core, at + 1 + header, &text) || text.header != header)
			return false;
		at += 1 + text.bytes;
		ret->full = true;
	}
	if (encoding == EMBEDDED) {
		if (!chp_redis_text(core, at + TEXT_HEADER, &text) || text.header != TEXT_HEADER)
			return false;
		at += text.bytes;
	}
	ret->bytes = at - addr;
	return true;
}

bool chp_redis_object(const struct ch_redis *redis, uint64_t addr, struct ch_redis_object *ret)
{
	const struct ch_core *core = redis->env.core;
	const uint32_t width = redis->layout->object_bits;
	/* OBJ_SHARED_REFCOUNT; OBJ_STATIC_REFCOUNT is one less */
	const uint32_t most = width ? (1U << (32 - width)) - 1 : 0x7fffffffU;
	uint32_t bits, references, parts, encoding;
	uint64_t text;

	*ret = (struct ch_redis_object){ .bytes = OBJECT_BYTES };
	if (!addr || addr % 8 || !ch_core_read_u32(core, addr, &bits) ||
	    !ch_core_read_u32(core, addr + 4, &references) ||
	    !ch_core_read_u64(core, addr + 8, &text))
		return false;
	parts = references & ((1U << width) - 1);
	references >>= width;
	encoding = bits >> 4 & 15;
	ret->type = bits & 15;
	ret->shared = references >= most - 1;
	if (ret->type >= TYPES_COUNT || encoding >= ENCODINGS || !references || references > most ||
	    (parts & HAS_VALUE && encoding != EMBEDDED))
		return false;
	if (!read_parts(core, addr, parts, encoding, ret))
		return false;
	return encoding != EMBEDDED || (parts & HAS_VALUE) || text - addr < ret->bytes;
}

struct ch_error *chp_redis_say_object(struct ch_redis_pass *pass, uint64_t addr,
				      enum ch_redis_role role, uint32_t kind, bool shared)
{
	struct ch_redis_object object;

	return chp_redis_object(pass->redis, addr, &object) && object.shared == shared
		       ? chp_redis_say_kind(pass, addr, object.bytes, role, kind)
		       : NULL;
}

struct ch_error *chp_redis_say_argument(struct ch_redis_pass *pass, uint64_t addr)
{
	const uint32_t width = pass->redis->layout->object_bits;
	struct ch_redis_object object;
	uint32_t references;

	return ch_core_read_u32(pass->redis->env.core, addr + 4, &references) &&
			       references >> width == 1 &&
			       chp_redis_object(pass->redis, addr, &object) && !object.full
		       ? chp_redis_say_kind(pass, addr, object.bytes, CH_REDIS_ARGUMENT,
					    CH_REDIS_CLIENTS)
		       : NULL;
}

struct ch_error *chp_redis_say_full(struct ch_redis_pass *pass, uint64_t addr)
{
	struct ch_redis_object object;

	return chp_redis_object(pass->redis, addr, &object) && object.full
		       ? chp_redis_say_kind(pass, addr, object.bytes, CH_REDIS_FULL_ROBJ,
					    object.type)
		       : NULL;
}
