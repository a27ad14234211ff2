/*
 * Hash tables of Valkey from 8.1 on: two tables, of which the second one is there while the first
 * one is too small, of buckets of 64 bytes with up to seven entries; the last one may lead to one
 * bucket more.
 *
 * Entries are pointers to what has the key in itself: the value of a key, the node of a sorted set,
 * a field of a hash with what it has, a member of a set.
 */
#include "types/redis_priv.h"
#include "util/bytes.h"
#include "util/error.h"

/* struct hashtable: type 0, tables 16, used 32, exponents i8 48. */
#define HEAD_BYTES   50U
#define EXPONENT_MAX 40
/* hashtableBucket: 1 bit chained, 7 of presence, 7 bytes of hashes, entries. */
#define BUCKET_BYTES 64U
#define ENTRIES      7U
#define IS_CHAINED   1U
#define EMPTY_MAX    64U
#define TEXT_HEADER  3U

bool chp_redis_hashtable(const struct ch_core *core, uint64_t addr, struct ch_redis_dict *ret)
{
	uint8_t p[HEAD_BYTES];
	int32_t exponent;
	uint32_t i;

	if (!addr || addr % 8 || !ch_core_try_read(core, addr, p, sizeof(p)))
		return false;
	ret->type = ch_get64(p);
	for (i = 0; i < 2; i++) {
		exponent = (int8_t)p[48 + i];
		ret->tables[i] = ch_get64(p + 16 + 8 * i);
		ret->used[i] = ch_get64(p + 32 + 8 * i);
		if (exponent < -1 || exponent > EXPONENT_MAX)
			return false;
		ret->sizes[i] = exponent < 0 ? 0 : 1ULL << exponent;
		if ((ret->tables[i] != 0) != (ret->sizes[i] != 0) || ret->tables[i] % 8 ||
		    (ret->used[i] && !ret->sizes[i]) || ret->used[i] > 1ULL << EXPONENT_MAX)
			return false;
	}
	return true;
}

struct bucket {
	uint64_t entries[ENTRIES];
	/** The next one; 0: there is none. */
	uint64_t child;
	uint32_t present;
};

static bool read_bucket(const struct ch_core *core, uint64_t addr, struct bucket *ret)
{
	uint8_t p[BUCKET_BYTES];
	uint32_t i;

	if (!ch_core_try_read(core, addr, p, sizeof(p)))
		return false;
	ret->present = p[0] >> 1;
	for (i = 0; i < ENTRIES; i++)
		ret->entries[i] = ch_get64(p + 8 + 8 * i);
	ret->child = 0;
	if (p[0] & IS_CHAINED) {
		ret->child = ret->entries[ENTRIES - 1];
		ret->present &= (1U << (ENTRIES - 1)) - 1;
	}
	return true;
}

/* Of the chain that a bucket begins, at most so many. Few buckets of a chain are empty. */
static uint64_t count_chain(const struct ch_core *core, uint64_t addr, uint64_t most)
{
	struct bucket bucket;
	uint64_t count = 0;
	uint32_t empty = 0;

	while (addr && count < most && empty < EMPTY_MAX && read_bucket(core, addr, &bucket)) {
		count += (uint64_t)__builtin_popcount(bucket.present);
		empty += !bucket.present;
		addr = bucket.child;
	}
	return count;
}

uint64_t chp_redis_hashtable_count(const struct ch_core *core, const struct ch_redis_dict *table,
				   uint64_t most)
{
	uint64_t count = 0, at, next, end;
	uint8_t first;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		at = table->tables[i];
		end = at + BUCKET_BYTES * table->sizes[i];
		while (at < end && count < most && ch_core_try_read(core, at, &first, 1)) {
			if (first)
				count += count_chain(core, at, most - count);
			next = at + BUCKET_BYTES;
			if (!first)
				next = chp_redis_next(core, next, end);
			at = table->tables[i] +
			     (next - table->tables[i]) / BUCKET_BYTES * BUCKET_BYTES;
		}
	}
	return count;
}

struct ch_error *chp_redis_follow_hashtable(struct ch_redis_pass *pass)
{
	struct ch_error *err = NULL;
	struct ch_redis_dict table;
	uint32_t i;

	if (!chp_redis_hashtable(pass->redis->env.core, pass->block.addr, &table))
		return NULL;
	for (i = 0; !err && i < 2; i++)
		err = chp_redis_say(pass, table.tables[i], BUCKET_BYTES * table.sizes[i],
				    CH_REDIS_BUCKETS);
	return err;
}

/* A field with its value: that is behind it, or there is a pointer to it, and perhaps a time,
 * before it. */
static struct ch_error *say_hash_entry(struct ch_redis_pass *pass, uint64_t addr)
{
	const struct ch_core *core = pass->redis->env.core;
	const struct ch_redis_layout *layout = pass->redis->layout;
	struct ch_redis_text field, value;
	struct ch_error *err;
	uint64_t start, end, word;

	if (!chp_redis_text(core, addr, &field))
		return NULL;
	start = addr - field.header;
	end = start + field.bytes;
	if (field.bits & layout->entry_apart)
		start -= 8;
	else if (chp_redis_text(core, end + TEXT_HEADER, &value) && value.header == TEXT_HEADER)
		end += value.bytes;
	else
		return NULL;
	word = start;
	if (field.bits & layout->entry_expires)
		start -= 8;
	err = chp_redis_say(pass, start, end - start, CH_REDIS_HASH_ENTRY);
	if (err || !(field.bits & layout->entry_apart) || (field.bits & layout->entry_foreign) ||
	    !ch_core_read_u64(core, word, &word))
		return err;
	return chp_redis_say_sds(pass, word, CH_REDIS_VALUE, pass->what.kind);
}

static struct ch_error *say_entry(struct ch_redis_pass *pass, uint64_t addr)
{
	switch (pass->what.kind) {
	case CH_REDIS_KEYS:
		return chp_redis_say_full(pass, addr);
	case CH_REDIS_SET:
		return chp_redis_say_sds(pass, addr, CH_REDIS_MEMBER, pass->what.kind);
	case CH_REDIS_HASH:
		return say_hash_entry(pass, addr);
	default:
		/* what other blocks lead to */
		return NULL;
	}
}

struct ch_error *chp_redis_follow_buckets(struct ch_redis_pass *pass)
{
	const uint64_t end =
		pass->block.addr + pass->block.size_bytes / BUCKET_BYTES * BUCKET_BYTES;
	struct ch_error *err = NULL;
	struct bucket bucket;
	uint64_t at;
	uint32_t i;

	for (at = pass->block.addr; !err && at < end; at += BUCKET_BYTES) {
		if (!read_bucket(pass->redis->env.core, at, &bucket))
			continue;
		for (i = 0; !err && i < ENTRIES; i++)
			if (bucket.present >> i & 1)
				err = say_entry(pass, bucket.entries[i]);
		if (!err && bucket.child)
			err = chp_redis_say(pass, bucket.child, BUCKET_BYTES, CH_REDIS_BUCKET);
	}
	return err;
}
