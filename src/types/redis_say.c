/*
 * Names for blocks of redis: one is given only where the block begins where the pointer leads, has
 * the size that its structure has, and, where that has a header, says so itself.
 */
#include "types/redis_priv.h"
#include "util/bytes.h"
#include "util/error.h"

/* struct redisObject: type 4 bits, encoding 4, lru 24, refcount i32 4, ptr 8. */
#define OBJECT_BYTES 16U
#define TYPES_COUNT  7U
#define ENCODINGS    12U
#define EMBEDDED     8U
#define LEAST_BYTES  24U
/* OBJ_STATIC_REFCOUNT and OBJ_SHARED_REFCOUNT: INT_MAX - 1 and INT_MAX. */
#define REFCOUNT_STATIC 0x7ffffffeU

uint64_t chp_redis_key(struct ch_redis_what what)
{
	return 1 + what.role + CH_REDIS_ROLES * (what.kind + (uint64_t)CH_REDIS_KINDS * what.db);
}

struct ch_redis_what chp_redis_what(uint64_t key)
{
	uint64_t rest = (key - 1) / CH_REDIS_ROLES;

	return (struct ch_redis_what){ .role = (enum ch_redis_role)((key - 1) % CH_REDIS_ROLES),
				       .kind = (uint32_t)(rest % CH_REDIS_KINDS),
				       .db = (uint32_t)(rest / CH_REDIS_KINDS) };
}

uint64_t chp_redis_word(const struct ch_redis_pass *pass, uint64_t offset)
{
	uint64_t word;

	return offset + 8 <= pass->block.size_bytes &&
			       ch_core_read_u64(pass->redis->env.core, pass->block.addr + offset,
						&word)
		       ? word
		       : 0;
}

static struct ch_error *say_block(struct ch_redis_pass *pass, const struct ch_named_block *block,
				  enum ch_redis_role role, uint32_t kind)
{
	struct ch_redis_what what = { .role = role, .kind = kind, .db = pass->what.db };

	return chp_naming_say(pass->naming, pass->redis->self, block, chp_redis_key(what));
}

/* Whether malloc may give such a block for so many bytes: of glibc the least, and then what is too
 * small to be left over. */
static bool fits(const struct ch_named_block *block, uint64_t bytes)
{
	return chp_block_fits(block, bytes) ||
	       (bytes < LEAST_BYTES && chp_block_fits(block, LEAST_BYTES));
}

struct ch_error *chp_redis_say_kind(struct ch_redis_pass *pass, uint64_t addr, uint64_t bytes,
				    enum ch_redis_role role, uint32_t kind)
{
	struct ch_named_block block;

	return addr && chp_naming_block(pass->naming, addr, &block) && block.addr == addr &&
			       (!bytes || fits(&block, bytes))
		       ? say_block(pass, &block, role, kind)
		       : NULL;
}

struct ch_error *chp_redis_say_within(struct ch_redis_pass *pass, uint64_t addr, uint64_t bytes,
				      enum ch_redis_role role)
{
	struct ch_named_block block;

	return addr && chp_naming_block(pass->naming, addr, &block) && block.addr == addr &&
			       block.size_bytes >= bytes
		       ? say_block(pass, &block, role, pass->what.kind)
		       : NULL;
}

struct ch_error *chp_redis_say(struct ch_redis_pass *pass, uint64_t addr, uint64_t bytes,
			       enum ch_redis_role role)
{
	return chp_redis_say_kind(pass, addr, bytes, role, pass->what.kind);
}

static uint64_t get_number(const uint8_t *bytes, uint64_t width)
{
	if (width == 8)
		return ch_get64(bytes);
	if (width == 4)
		return ch_get32(bytes);
	return width == 2 ? ch_get16(bytes) : bytes[0];
}

/* Bytes of the header before a text, and of all of it; 0: there is no text. */
static uint64_t read_sds(const struct ch_core *core, uint64_t addr, uint64_t *header_ret)
{
	/* Of sdshdr5 to sdshdr64, by the type in the last byte before the text. */
	static const uint8_t headers[] = { 1, 3, 5, 9, 17 };
	uint8_t bytes[17], type, end;
	uint64_t length, room, width;

	if (addr < sizeof(bytes) || !ch_core_try_read(core, addr - 1, bytes, 1))
		return 0;
	type = bytes[0] & 7U;
	if (type >= sizeof(headers))
		return 0;
	*header_ret = headers[type];
	length = room = bytes[0] >> 3;
	if (type) {
		width = (*header_ret - 1) / 2;
		if (!ch_core_try_read(core, addr - *header_ret, bytes, *header_ret))
			return 0;
		length = get_number(bytes, width);
		room = get_number(bytes + width, width);
	}
	if (length > room || room > UINT64_MAX / 2 ||
	    !ch_core_try_read(core, addr + length, &end, 1) || end)
		return 0;
	return *header_ret + room + 1;
}

struct ch_error *chp_redis_say_sds(struct ch_redis_pass *pass, uint64_t addr,
				   enum ch_redis_role role, uint32_t kind)
{
	uint64_t header, bytes = read_sds(pass->redis->env.core, addr, &header);

	return bytes ? chp_redis_say_kind(pass, addr - header, bytes, role, kind) : NULL;
}

/* Bytes of a struct redisObject with a text in it, if there is one; 0: it is none. */
static uint64_t read_object(const struct ch_core *core, uint64_t addr, uint32_t *type_ret,
			    bool *shared_ret)
{
	uint32_t bits, references;
	uint64_t header, text;

	if (!addr || addr % 8 || !ch_core_read_u32(core, addr, &bits) ||
	    !ch_core_read_u32(core, addr + 4, &references) ||
	    !ch_core_read_u64(core, addr + 8, &text))
		return 0;
	*type_ret = bits & 15;
	*shared_ret = references >= REFCOUNT_STATIC;
	bits = bits >> 4 & 15;
	if (*type_ret >= TYPES_COUNT || bits >= ENCODINGS || !references ||
	    references > REFCOUNT_STATIC + 1)
		return 0;
	if (bits != EMBEDDED)
		return OBJECT_BYTES;
	if (text - addr != OBJECT_BYTES + 3)
		return 0;
	text = read_sds(core, text, &header);
	return text && header == 3 ? OBJECT_BYTES + text : 0;
}

bool chp_redis_object_type(const struct ch_core *core, uint64_t addr, uint32_t *type_ret)
{
	bool shared;

	return read_object(core, addr, type_ret, &shared) != 0;
}

struct ch_error *chp_redis_say_object(struct ch_redis_pass *pass, uint64_t addr,
				      enum ch_redis_role role, uint32_t kind, bool shared)
{
	uint64_t bytes;
	uint32_t type;
	bool is_shared;

	bytes = read_object(pass->redis->env.core, addr, &type, &is_shared);
	return bytes && is_shared == shared ? chp_redis_say_kind(pass, addr, bytes, role, kind)
					    : NULL;
}
