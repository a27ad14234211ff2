/*
 * Names for blocks of redis: one is given only where the block begins where the pointer leads, has
 * the size that its structure has, and, where that has a header, says so itself.
 */
#include "types/redis_priv.h"
#include "util/bytes.h"
#include "util/error.h"

/* mstr.h: kinds of headers in 2 bits, then whether there is more before it: 16 bits of flags, and
 * for the first of them a struct ExpireMeta. */
#define FIELD_KINDS    3U
#define FIELD_HAS_MORE 4U
#define FIELD_FLAGS    2U
#define FIELD_EXPIRES  1U
#define EXPIRES_BYTES  16U
#define LEAST_BYTES    24U
/* A rax of times has a number behind it. */
#define RAX_EXPIRES_BYTES 32U
#define IS_ITEM           1U

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

bool chp_redis_text(const struct ch_core *core, uint64_t addr, struct ch_redis_text *ret)
{
	/* Of sdshdr5 to sdshdr64, by the type in the last byte before the text. */
	static const uint8_t headers[] = { 1, 3, 5, 9, 17 };
	uint8_t bytes[17], type, end;
	uint64_t length, room, width;

	if (addr < sizeof(bytes) || !ch_core_try_read(core, addr - 1, bytes, 1))
		return false;
	type = bytes[0] & 7U;
	if (type >= sizeof(headers))
		return false;
	ret->header = headers[type];
	ret->bits = type ? bytes[0] >> 3 : 0;
	length = room = bytes[0] >> 3;
	if (type) {
		width = (ret->header - 1) / 2;
		if (!ch_core_try_read(core, addr - ret->header, bytes, ret->header))
			return false;
		length = get_number(bytes, width);
		room = get_number(bytes + width, width);
	}
	ret->length = length;
	ret->bytes = ret->header + room + 1;
	return length <= room && room <= UINT64_MAX / 2 &&
	       ch_core_try_read(core, addr + length, &end, 1) && !end;
}

struct ch_error *chp_redis_say_sds(struct ch_redis_pass *pass, uint64_t addr,
				   enum ch_redis_role role, uint32_t kind)
{
	struct ch_redis_text text;

	return chp_redis_text(pass->redis->env.core, addr, &text)
		       ? chp_redis_say_kind(pass, addr - text.header, text.bytes, role, kind)
		       : NULL;
}

/* struct mstr: how many bytes are before a text, and in all. */
static bool read_field(const struct ch_core *core, uint64_t addr, struct ch_redis_text *ret)
{
	/* Of mstrhdr5, 8, 16, 64; where the length is, and how wide. */
	static const struct {
		uint8_t header, width;
	} kinds[FIELD_KINDS + 1] = { { 1, 0 }, { 3, 1 }, { 3, 2 }, { 9, 8 } };
	uint64_t length;
	uint8_t info, end, bytes[8];
	uint16_t flags;
	uint32_t kind;

	if (addr < 32 || !ch_core_try_read(core, addr - 1, &info, 1))
		return false;
	kind = info & FIELD_KINDS;
	length = info >> 3;
	if (kind && !ch_core_try_read(core, addr - 1 - kinds[kind].width, bytes, kinds[kind].width))
		return false;
	if (kind)
		length = get_number(bytes, kinds[kind].width);
	ret->header = kinds[kind].header;
	if (info & FIELD_HAS_MORE) {
		ret->header += FIELD_FLAGS;
		if (!ch_core_try_read(core, addr - ret->header, &flags, sizeof(flags)) ||
		    flags > FIELD_EXPIRES)
			return false;
		ret->header += flags ? EXPIRES_BYTES : 0;
	}
	ret->bytes = ret->header + length + 1;
	return length <= UINT64_MAX / 2 && ch_core_try_read(core, addr + length, &end, 1) && !end;
}

struct ch_error *chp_redis_say_field(struct ch_redis_pass *pass, uint64_t addr)
{
	struct ch_redis_text text;

	if (!pass->redis->layout->has_fields)
		return chp_redis_say_sds(pass, addr, CH_REDIS_FIELD, pass->what.kind);
	return read_field(pass->redis->env.core, addr, &text)
		       ? chp_redis_say(pass, addr - text.header, text.bytes, CH_REDIS_FIELD)
		       : NULL;
}

/* Few items are a list, whose first one the word leads to, less one. */
struct ch_error *chp_redis_say_expires(struct ch_redis_pass *pass, uint64_t word)
{
	return word & IS_ITEM ? NULL
			      : chp_redis_say(pass, word, RAX_EXPIRES_BYTES, CH_REDIS_RAX_EXPIRES);
}
