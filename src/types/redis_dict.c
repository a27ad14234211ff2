/*
 * Dicts of redis: two tables, of which the second one is there while the first one is too small,
 * and chains of entries.
 *
 * The dict of a database has its keys: the entry, the name and the value of a key are said to be
 * of the kind that the value is.
 */
#include "types/redis_priv.h"
#include "util/bytes.h"
#include "util/error.h"

/* dictEntry: key 0, value 8, next 16; in cluster mode some more. dictEntryNoValue: key 0, next 8.
 * dictEntryEmbedded: value 0, next 8, bytes of the key's header 16, and the key, of sds. */
#define ENTRY_BYTES       24U
#define SHORT_ENTRY_BYTES 16U
#define FULL_HEADER       16U
#define FULL_ENTRY_BYTES  17U
/* dictExpireMetadata of a hash, behind its dict: 16 bytes, then the times of fields, and the key.
 */
#define EXPIRES        16U
#define DICT_BYTES_MAX 96U
/* Tables are not larger. */
#define EXPONENT_MAX 40
/* dict.c of 7.2: what words of a table are beside pointers to entries. */
#define IS_KEY 1U
#define TAGS   7U

static bool read_exponents(const uint8_t *p, struct ch_redis_dict *ret)
{
	int32_t exponent, i;

	for (i = 0; i < 2; i++) {
		exponent = (int8_t)p[50 + i];
		if (exponent < -1 || exponent > EXPONENT_MAX)
			return false;
		ret->tables[i] = ch_get64(p + 8 + 8 * i);
		ret->used[i] = ch_get64(p + 24 + 8 * i);
		ret->sizes[i] = exponent < 0 ? 0 : 1ULL << exponent;
	}
	return true;
}

static bool read_sizes(const uint8_t *p, struct ch_redis_dict *ret)
{
	uint32_t i;

	for (i = 0; i < 2; i++) {
		p += 16 + 16 * i;
		ret->tables[i] = ch_get64(p);
		ret->sizes[i] = ch_get64(p + 8);
		ret->used[i] = ch_get64(p + 24);
		if (ret->sizes[i] > 1ULL << EXPONENT_MAX || (ret->sizes[i] & (ret->sizes[i] - 1)) ||
		    ch_get64(p + 16) != (ret->sizes[i] ? ret->sizes[i] - 1 : 0))
			return false;
	}
	return true;
}

bool chp_redis_dict(const struct ch_core *core, const struct ch_redis_layout *layout, uint64_t addr,
		    struct ch_redis_dict *ret)
{
	uint8_t bytes[DICT_BYTES_MAX];
	uint32_t i;

	if (!addr || addr % 8 || !ch_core_try_read(core, addr, bytes, layout->dict_bytes))
		return false;
	ret->type = ch_get64(bytes);
	if (!(layout->has_exponents ? read_exponents(bytes, ret) : read_sizes(bytes, ret)))
		return false;
	for (i = 0; i < 2; i++)
		if ((ret->tables[i] != 0) != (ret->sizes[i] != 0) || ret->tables[i] % 8 ||
		    (ret->used[i] && !ret->sizes[i]) || ret->used[i] > 1ULL << EXPONENT_MAX)
			return false;
	return true;
}

uint64_t chp_redis_next(const struct ch_core *core, uint64_t at, uint64_t end)
{
	size_t len;

	return ch_core_next_data(core, &at, end, &len) ? ch_align_down(at, 8) : end;
}

/* The place of the next word behind that of an entry. 0: it has none. */
static uint64_t next_place(const struct ch_redis_layout *layout, uint64_t word)
{
	if ((word & IS_KEY) || (layout->tag_even && (word & TAGS) == layout->tag_even))
		return 0;
	if ((word & TAGS) &&
	    ((word & TAGS) == layout->tag_short || (word & TAGS) == layout->tag_embedded))
		return (word & ~(uint64_t)TAGS) + 8;
	return word + 16;
}

uint64_t chp_redis_dict_count(const struct ch_core *core, const struct ch_redis_layout *layout,
			      const struct ch_redis_dict *dict, uint64_t most)
{
	uint64_t count = 0, at, end, entry, next;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		at = dict->tables[i];
		end = at + 8 * dict->sizes[i];
		while (at < end && count < most && ch_core_read_u64(core, at, &entry)) {
			at = entry ? at + 8 : chp_redis_next(core, at + 8, end);
			while (entry && count < most) {
				count++;
				next = next_place(layout, entry);
				if (!next || !ch_core_read_u64(core, next, &entry))
					break;
			}
		}
	}
	return count;
}

void chp_redis_found(struct ch_redis_pass *pass)
{
	if (pass->what.db < pass->redis->counts.count)
		CH_VEC_AT(&pass->redis->counts, struct ch_redis_db, pass->what.db)->found++;
}

struct ch_error *chp_redis_follow_dict(struct ch_redis_pass *pass)
{
	struct ch_error *err = NULL;
	struct ch_redis_dict dict;
	uint32_t i;

	if (!chp_redis_dict(pass->redis->env.core, pass->redis->layout, pass->block.addr, &dict))
		return NULL;
	for (i = 0; !err && i < 2; i++)
		err = chp_redis_say(pass, dict.tables[i], 8 * dict.sizes[i], CH_REDIS_TABLE);
	if (err || pass->what.kind != CH_REDIS_HASH || !pass->redis->layout->has_fields)
		return err;
	return chp_redis_say_expires(
		pass, chp_redis_word(pass, pass->redis->layout->dict_bytes + EXPIRES));
}

/* What leads to a key: its kind is that of the value. */
static struct ch_error *say_key_entry(struct ch_redis_pass *pass, uint64_t addr)
{
	const struct ch_redis *redis = pass->redis;
	struct ch_redis_object object;
	uint64_t value;

	return ch_core_read_u64(redis->env.core, addr + 8, &value) &&
			       chp_redis_object(redis, value, &object)
		       ? chp_redis_say_kind(pass, addr, ENTRY_BYTES, CH_REDIS_KEY_ENTRY,
					    object.type)
		       : NULL;
}

/* The same, with the name of the key in it: a copy of a text that may have had room to grow. */
static struct ch_error *say_full_entry(struct ch_redis_pass *pass, uint64_t addr)
{
	const struct ch_redis *redis = pass->redis;
	struct ch_redis_object object;
	struct ch_redis_text text;
	uint64_t value;
	uint8_t header;

	return ch_core_read_u64(redis->env.core, addr, &value) &&
			       chp_redis_object(redis, value, &object) &&
			       ch_core_try_read(redis->env.core, addr + FULL_HEADER, &header, 1) &&
			       chp_redis_text(redis->env.core, addr + FULL_ENTRY_BYTES + header,
					      &text) &&
			       text.header == header
		       ? chp_redis_say_kind(pass, addr, FULL_ENTRY_BYTES + header + text.length + 1,
					    CH_REDIS_FULL_ENTRY, object.type)
		       : NULL;
}

/* What the keys and values of a dict are, where it is known; else texts are told by their looks. */
static enum ch_redis_role key_role(uint32_t kind)
{
	if (kind == CH_REDIS_HASH)
		return CH_REDIS_FIELD;
	return kind == CH_REDIS_SET || kind == CH_REDIS_ZSET ? CH_REDIS_MEMBER : CH_REDIS_SDS;
}

static struct ch_error *say_key(struct ch_redis_pass *pass, uint64_t addr)
{
	/* These are names of keys, of the dict of the database. */
	if (pass->what.kind == CH_REDIS_EXPIRES)
		return NULL;
	return pass->what.kind == CH_REDIS_HASH
		       ? chp_redis_say_field(pass, addr)
		       : chp_redis_say_sds(pass, addr, key_role(pass->what.kind), pass->what.kind);
}

static struct ch_error *say_entry(struct ch_redis_pass *pass, uint64_t word)
{
	const struct ch_redis_layout *layout = pass->redis->layout;
	const uint32_t tag = word & TAGS;
	const uint64_t addr = word - tag;

	if (!word)
		return NULL;
	if (tag & IS_KEY)
		return say_key(pass, word);
	if (tag && tag == layout->tag_even)
		return say_key(pass, addr);
	if (tag && tag == layout->tag_short)
		return chp_redis_say(pass, addr, SHORT_ENTRY_BYTES, CH_REDIS_SHORT_ENTRY);
	if (tag && tag == layout->tag_embedded)
		return pass->what.kind == CH_REDIS_KEYS ? say_full_entry(pass, addr) : NULL;
	if (pass->what.kind == CH_REDIS_KEYS)
		return say_key_entry(pass, word);
	return chp_redis_say(pass, word, ENTRY_BYTES, CH_REDIS_ENTRY);
}

struct ch_error *chp_redis_follow_table(struct ch_redis_pass *pass)
{
	struct ch_error *err = NULL;
	uint64_t offset;

	for (offset = 0; !err && offset + 8 <= pass->block.size_bytes; offset += 8)
		err = say_entry(pass, chp_redis_word(pass, offset));
	return err;
}

struct ch_error *chp_redis_follow_key_entry(struct ch_redis_pass *pass)
{
	const uint32_t kind = pass->what.kind;
	struct ch_error *err;

	chp_redis_found(pass);
	err = chp_redis_say_sds(pass, chp_redis_word(pass, 0), CH_REDIS_KEY, kind);
	if (!err)
		err = chp_redis_say_object(pass, chp_redis_word(pass, 8), CH_REDIS_ROBJ, kind,
					   false);
	pass->what.kind = CH_REDIS_KEYS;
	return err ? err : say_entry(pass, chp_redis_word(pass, 16));
}

struct ch_error *chp_redis_follow_full_entry(struct ch_redis_pass *pass)
{
	struct ch_error *err;

	chp_redis_found(pass);
	err = chp_redis_say_object(pass, chp_redis_word(pass, 0), CH_REDIS_ROBJ, pass->what.kind,
				   false);
	pass->what.kind = CH_REDIS_KEYS;
	return err ? err : say_entry(pass, chp_redis_word(pass, 8));
}

struct ch_error *chp_redis_follow_entry(struct ch_redis_pass *pass)
{
	struct ch_error *err = say_key(pass, chp_redis_word(pass, 0));

	if (!err && pass->what.kind == CH_REDIS_HASH)
		err = chp_redis_say_sds(pass, chp_redis_word(pass, 8), CH_REDIS_VALUE,
					CH_REDIS_HASH);
	return err ? err : say_entry(pass, chp_redis_word(pass, 16));
}

struct ch_error *chp_redis_follow_short_entry(struct ch_redis_pass *pass)
{
	struct ch_error *err = say_key(pass, chp_redis_word(pass, 0));

	return err ? err : say_entry(pass, chp_redis_word(pass, 8));
}
