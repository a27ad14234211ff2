/*
 * The databases of redis and Valkey, which the variable `server` has, and what lies where in the
 * release that laid them out.
 *
 * They are an array, or each has a block and there is an array of pointers. Its place in `server`,
 * and the release, are told by what is there: each database has its number, and keys and times in
 * dicts of the same two types as all others, or in stores of dicts (struct _kvstore) whose type is
 * a variable of the program or says itself whose it is; and the first that has keys has as many as
 * it counts.
 *
 * Source: redis 6.0.16, 6.2.16, 7.0.15, 7.2.4, 7.2.6, 7.4.1, 8.0.6, Valkey 7.2.7, 8.0.1, 8.1.1,
 * 9.1.2, src/server.h, kvstore.c, dict.h, dict.c, hashtable.c, sds.h, quicklist.h, stream.h, rax.h,
 * adlist.h. Offsets by compiling these.
 */
#include "types/redis_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

#define DBS_MAX    65536U
#define SERVER_MAX (1U << 16)
/* struct _kvstore: flags 0, dtype 8, or a pointer to that; the word of struct dictType that has the
 * store. */
#define STORE_TYPE 8U
#define STORE_SELF 80U
#define DICTS_MAX  65536U

static const struct ch_redis_layout layouts[] = {
	{ .releases = "redis 7.0",
	  .dict_bytes = 56,
	  .has_exponents = true,
	  .tag_short = 2,
	  .db_bytes = 80,
	  .blocking = 16,
	  .ready = 24,
	  .watched = 32,
	  .id = 40,
	  .client_bytes = 744,
	  .client_db = 32,
	  .client_name = 40,
	  .client_query = 48,
	  .client_argc = 72,
	  .client_argv = 80,
	  .client_reply = 160,
	  .client_buffer = 736,
	  .client_room = 728,
	  .rax_bytes = 24,
	  .stream_bytes = 80,
	  .groups = 72,
	  .group_bytes = 40,
	  .group_pending = 24,
	  .group_consumers = 32,
	  .consumer_bytes = 24,
	  .consumer_name = 8,
	  .consumer_pending = 16,
	  .node_bytes = 40,
	  .node_bits = 32,
	  .lzf_bytes = 8,
	  .levels = 24 },
	{ .releases = "redis 7.2, Valkey 7.2",
	  .dict_bytes = 56,
	  .has_exponents = true,
	  .tag_short = 2,
	  .db_bytes = 88,
	  .blocking = 16,
	  .ready = 32,
	  .watched = 40,
	  .id = 48,
	  .client_bytes = 776,
	  .client_db = 32,
	  .client_name = 40,
	  .client_query = 64,
	  .client_argc = 88,
	  .client_argv = 96,
	  .client_reply = 176,
	  .client_buffer = 768,
	  .client_room = 760,
	  .rax_bytes = 24,
	  .stream_bytes = 80,
	  .groups = 72,
	  .group_bytes = 40,
	  .group_pending = 24,
	  .group_consumers = 32,
	  .consumer_bytes = 32,
	  .consumer_name = 16,
	  .consumer_pending = 24,
	  .node_bytes = 40,
	  .node_bits = 32,
	  .lzf_bytes = 8,
	  .levels = 24 },
	{ .releases = "redis 6.2",
	  .dict_bytes = 96,
	  .db_bytes = 72,
	  .blocking = 16,
	  .ready = 24,
	  .watched = 32,
	  .id = 40,
	  .client_bytes = 16992,
	  .client_db = 24,
	  .client_name = 32,
	  .client_query = 40,
	  .client_argc = 72,
	  .client_argv = 80,
	  .client_reply = 152,
	  .rax_bytes = 24,
	  .stream_bytes = 40,
	  .groups = 32,
	  .group_bytes = 32,
	  .group_pending = 16,
	  .group_consumers = 24,
	  .consumer_bytes = 24,
	  .consumer_name = 8,
	  .consumer_pending = 16,
	  .node_bytes = 32,
	  .node_bits = 28,
	  .lzf_bytes = 4,
	  .levels = 24 },
	{ .releases = "redis 7.4",
	  .dict_bytes = 56,
	  .has_exponents = true,
	  .tag_short = 2,
	  .has_fields = true,
	  .store = CH_REDIS_STORE_INSIDE,
	  .store_dicts = 128,
	  .store_count = 136,
	  .db_bytes = 88,
	  .field_expires = 16,
	  .blocking = 24,
	  .ready = 40,
	  .watched = 48,
	  .id = 56,
	  .client_bytes = 784,
	  .client_db = 32,
	  .client_name = 40,
	  .client_query = 64,
	  .client_argc = 88,
	  .client_argv = 96,
	  .client_reply = 176,
	  .client_buffer = 776,
	  .client_room = 768,
	  .rax_bytes = 24,
	  .stream_bytes = 80,
	  .groups = 72,
	  .group_bytes = 40,
	  .group_pending = 24,
	  .group_consumers = 32,
	  .consumer_bytes = 32,
	  .consumer_name = 16,
	  .consumer_pending = 24,
	  .node_bytes = 40,
	  .node_bits = 32,
	  .lzf_bytes = 8,
	  .levels = 24 },
	{ .releases = "redis 8.0",
	  .dict_bytes = 56,
	  .has_exponents = true,
	  .tag_short = 4,
	  .tag_even = 2,
	  .has_fields = true,
	  .store = CH_REDIS_STORE_INSIDE,
	  .store_dicts = 144,
	  .store_count = 152,
	  .db_bytes = 80,
	  .field_expires = 16,
	  .blocking = 24,
	  .ready = 40,
	  .watched = 48,
	  .id = 56,
	  .client_bytes = 800,
	  .client_db = 32,
	  .client_name = 40,
	  .client_query = 64,
	  .client_argc = 88,
	  .client_argv = 96,
	  .client_reply = 184,
	  .client_buffer = 792,
	  .client_room = 784,
	  .rax_bytes = 24,
	  .stream_bytes = 80,
	  .groups = 72,
	  .group_bytes = 40,
	  .group_pending = 24,
	  .group_consumers = 32,
	  .consumer_bytes = 32,
	  .consumer_name = 16,
	  .consumer_pending = 24,
	  .node_bytes = 40,
	  .node_bits = 32,
	  .lzf_bytes = 8,
	  .levels = 24 },
	{ .releases = "Valkey 8.0",
	  .dict_bytes = 56,
	  .has_exponents = true,
	  .tag_short = 2,
	  .tag_embedded = 4,
	  .store = CH_REDIS_STORE_APART,
	  .store_dicts = 16,
	  .store_count = 24,
	  .db_bytes = 80,
	  .blocking = 16,
	  .ready = 32,
	  .watched = 40,
	  .id = 48,
	  .client_bytes = 896,
	  .client_db = 32,
	  .client_name = 40,
	  .client_query = 64,
	  .client_argc = 88,
	  .client_argv = 96,
	  .client_reply = 208,
	  .client_buffer = 848,
	  .client_room = 840,
	  .rax_bytes = 24,
	  .stream_bytes = 80,
	  .groups = 72,
	  .group_bytes = 40,
	  .group_pending = 24,
	  .group_consumers = 32,
	  .consumer_bytes = 32,
	  .consumer_name = 16,
	  .consumer_pending = 24,
	  .node_bytes = 40,
	  .node_bits = 32,
	  .lzf_bytes = 8,
	  .levels = 24 },
	{ .releases = "Valkey 8.1",
	  .dict_bytes = 56,
	  .has_exponents = true,
	  .tag_short = 2,
	  .table_bytes = 72,
	  .entry_apart = 1,
	  .store = CH_REDIS_STORE_APART,
	  .store_dicts = 16,
	  .store_count = 24,
	  .db_bytes = 72,
	  .blocking = 16,
	  .ready = 32,
	  .watched = 40,
	  .id = 48,
	  .object_bits = 2,
	  .client_bytes = 520,
	  .client_db = 120,
	  .client_name = 456,
	  .client_query = 16,
	  .client_argc = 40,
	  .client_argv = 32,
	  .client_reply = 192,
	  .client_buffer = 176,
	  .client_room = 184,
	  .rax_bytes = 32,
	  .stream_bytes = 80,
	  .groups = 72,
	  .group_bytes = 40,
	  .group_pending = 24,
	  .group_consumers = 32,
	  .consumer_bytes = 32,
	  .consumer_name = 16,
	  .consumer_pending = 24,
	  .node_bytes = 40,
	  .node_bits = 32,
	  .lzf_bytes = 8,
	  .levels = 24 },
	{ .releases = "Valkey 9.1",
	  .dict_bytes = 56,
	  .has_exponents = true,
	  .tag_short = 2,
	  .table_bytes = 80,
	  .entry_apart = 2,
	  .entry_expires = 1,
	  .entry_foreign = 4,
	  .store = CH_REDIS_STORE_APART,
	  .store_dicts = 16,
	  .store_count = 24,
	  .has_pointers = true,
	  .db_bytes = 96,
	  .item_expires = 16,
	  .blocking = 24,
	  .ready = 40,
	  .watched = 48,
	  .id = 56,
	  .object_bits = 3,
	  .client_bytes = 576,
	  .client_db = 136,
	  .client_name = 512,
	  .client_query = 16,
	  .client_argc = 40,
	  .client_argv = 32,
	  .client_reply = 208,
	  .client_buffer = 192,
	  .client_room = 200,
	  .rax_bytes = 32,
	  .stream_bytes = 80,
	  .stream_rax = 8,
	  .group_bytes = 40,
	  .group_pending = 24,
	  .group_consumers = 32,
	  .consumer_bytes = 32,
	  .consumer_name = 16,
	  .consumer_pending = 24,
	  .node_bytes = 40,
	  .node_bits = 32,
	  .lzf_bytes = 8,
	  .levels = 16,
	  .has_elements = true },
};

/* ---- Stores --------------------------------------------------------------------------------- */

struct store {
	uint64_t type, dicts;
	uint32_t count;
};

static bool read_store(const struct ch_redis *redis, uint64_t addr, struct store *ret)
{
	const struct ch_core *core = redis->env.core;
	const struct ch_redis_layout *layout = redis->layout;
	uint64_t self;

	if (!addr || addr % 8 || !ch_core_read_u64(core, addr + STORE_TYPE, &ret->type) ||
	    !ch_core_read_u64(core, addr + layout->store_dicts, &ret->dicts) ||
	    !ch_core_read_u32(core, addr + layout->store_count, &ret->count) || !ret->count ||
	    ret->count > DICTS_MAX || (ret->count & (ret->count - 1)) || ret->dicts % 8)
		return false;
	if (layout->store == CH_REDIS_STORE_APART)
		return ch_table_find(&redis->types, ret->type) != CH_TABLE_NONE;
	ret->type = addr + STORE_TYPE;
	return ch_core_read_u64(core, ret->type + STORE_SELF, &self) && self == addr;
}

static bool read_table(const struct ch_redis *redis, uint64_t addr, struct ch_redis_dict *ret)
{
	return redis->layout->table_bytes
		       ? chp_redis_hashtable(redis->env.core, addr, ret)
		       : chp_redis_dict(redis->env.core, redis->layout, addr, ret);
}

/* By its chains, a few more than it counts at most. */
static uint64_t count_table(struct ch_redis *redis, const struct ch_redis_dict *table)
{
	const uint64_t most = ch_min(table->used[0] + table->used[1] + 2, redis->keys_left);
	uint64_t count =
		redis->layout->table_bytes
			? chp_redis_hashtable_count(redis->env.core, table, most)
			: chp_redis_dict_count(redis->env.core, redis->layout, table, most);

	redis->keys_left -= ch_min(count, redis->keys_left);
	return count;
}

/* What the keys of a database are in: how many there are, or are found to be. */
struct keys {
	uint64_t type, count;
};

static bool add_table(struct ch_redis *redis, uint64_t addr, bool by_chains, struct keys *ret)
{
	struct ch_redis_dict table;

	if (!addr)
		return true;
	if (!read_table(redis, addr, &table) || table.type != ret->type)
		return false;
	ret->count += by_chains ? count_table(redis, &table) : table.used[0] + table.used[1];
	return true;
}

/* The keys that a word of a database leads to, if they are of one of the program's types. */
static bool read_keys(struct ch_redis *redis, uint64_t place, bool by_chains, struct keys *ret)
{
	const struct ch_core *core = redis->env.core;
	struct store store;
	uint64_t addr, dict;
	uint32_t i;

	*ret = (struct keys){ 0 };
	if (!ch_core_read_u64(core, place, &addr))
		return false;
	if (redis->layout->store == CH_REDIS_STORE_DICT)
		return addr && addr % 8 == 0 && ch_core_read_u64(core, addr, &ret->type) &&
		       ch_table_find(&redis->types, ret->type) != CH_TABLE_NONE &&
		       add_table(redis, addr, by_chains, ret);
	if (!read_store(redis, addr, &store) || redis->tries_left < store.count)
		return false;
	redis->tries_left -= store.count;
	ret->type = store.type;
	for (i = 0; i < store.count; i++)
		if (!ch_core_read_u64(core, store.dicts + 8 * (uint64_t)i, &dict) ||
		    !add_table(redis, dict, by_chains, ret))
			return false;
	return true;
}

/* ---- Databases ------------------------------------------------------------------------------ */

static bool read_db(struct ch_redis *redis, uint64_t addr, uint32_t number, struct keys *keys_ret,
		    struct keys *expires_ret)
{
	uint32_t id;

	return ch_core_read_u32(redis->env.core, addr + redis->layout->id, &id) && id == number &&
	       read_keys(redis, addr, false, keys_ret) &&
	       read_keys(redis, addr + 8, false, expires_ret) &&
	       keys_ret->type != expires_ret->type;
}

/* Where a database is; 0: it was never used. False: there are no more. */
static bool place_db(struct ch_redis *redis, uint32_t number, uint64_t *ret)
{
	if (!redis->layout->has_pointers) {
		*ret = redis->dbs + number * (uint64_t)redis->layout->db_bytes;
		return true;
	}
	if (!redis->tries_left)
		return false;
	redis->tries_left--;
	return ch_core_read_u64(redis->env.core, redis->dbs + 8 * (uint64_t)number, ret) &&
	       *ret % 8 == 0 && (*ret || number);
}

/* The databases, as far as they are some: redis->counts. */
static struct ch_error *read_dbs(struct ch_redis *redis)
{
	const bool is_inside = redis->layout->store == CH_REDIS_STORE_INSIDE;
	struct keys keys, expires;
	uint64_t types[2] = { 0 }, addr;
	struct ch_redis_db *db;
	size_t known = 0;
	uint32_t i;

	redis->counts.count = 0;
	for (i = 0; i < DBS_MAX && place_db(redis, i, &addr); i++) {
		keys = expires = (struct keys){ 0 };
		if (addr &&
		    (!read_db(redis, addr, i, &keys, &expires) ||
		     (known && !is_inside && (keys.type != types[0] || expires.type != types[1]))))
			break;
		db = ch_vec_push(&redis->counts);
		if (!db)
			return &ch_enomem;
		*db = (struct ch_redis_db){ .addr = addr, .used = keys.count };
		if (!addr)
			continue;
		types[0] = keys.type;
		types[1] = expires.type;
		known = redis->counts.count;
	}
	redis->counts.count = known;
	return NULL;
}

/* Whether the first database with keys has as many as it counts; one may be under way. */
static bool counts_agree(struct ch_redis *redis)
{
	const struct ch_redis_db *dbs = redis->counts.items;
	struct keys keys;
	size_t i;

	for (i = 0; i < redis->counts.count; i++)
		if (dbs[i].used)
			return read_keys(redis, dbs[i].addr, true, &keys) &&
			       keys.count - dbs[i].used + 1 <= 2;
	return redis->counts.count != 0;
}

/* Try each word of `server` in each layout. */
struct ch_error *chp_redis_find_dbs(struct ch_redis *redis)
{
	const uint64_t size = ch_min(redis->server.size_bytes, SERVER_MAX);
	struct ch_error *err = NULL;
	uint64_t at;
	size_t row;

	for (at = 0; !err && at + 8 <= size; at += 8) {
		if (!ch_core_read_u64(redis->env.core, redis->server.addr + at, &redis->dbs) ||
		    !redis->dbs || redis->dbs % 8)
			continue;
		for (row = 0; !err && row < CH_COUNT_OF(layouts); row++) {
			redis->layout = &layouts[row];
			err = read_dbs(redis);
			if (!err && redis->counts.count && counts_agree(redis))
				return NULL;
		}
	}
	redis->counts.count = 0;
	return err;
}

bool chp_redis_is_db(const struct ch_redis *redis, uint64_t addr)
{
	const uint64_t bytes = redis->layout->db_bytes;
	uint32_t id;

	if (!redis->layout->has_pointers)
		return addr >= redis->dbs && addr - redis->dbs < bytes * redis->counts.count &&
		       (addr - redis->dbs) % bytes == 0;
	return addr && addr % 8 == 0 &&
	       ch_core_read_u32(redis->env.core, addr + redis->layout->id, &id) &&
	       id < redis->counts.count &&
	       CH_VEC_AT(&redis->counts, struct ch_redis_db, id)->addr == addr;
}

/* ---- What they lead to ---------------------------------------------------------------------- */

struct ch_error *chp_redis_seed_dbs(struct ch_redis_pass *pass)
{
	const struct ch_redis *redis = pass->redis;
	const uint64_t count = redis->counts.count;

	return redis->layout->has_pointers
		       ? chp_redis_say_kind(pass, redis->dbs, 0, CH_REDIS_DB_POINTERS,
					    CH_REDIS_DATABASES)
		       : chp_redis_say_kind(pass, redis->dbs, redis->layout->db_bytes * count,
					    CH_REDIS_DBS, CH_REDIS_DATABASES);
}

/* Dicts of a database that are not its keys, and most of which are never used. */
static struct ch_error *say_dict(struct ch_redis_pass *pass, uint64_t addr, uint32_t kind)
{
	const struct ch_redis_layout *layout = pass->redis->layout;
	const uint32_t db = pass->what.db;
	struct ch_redis_dict dict;
	struct ch_error *err;

	if (!chp_redis_dict(pass->redis->env.core, layout, addr, &dict))
		return NULL;
	if (!(dict.used[0] + dict.used[1]))
		kind = CH_REDIS_DATABASES;
	pass->what.db = kind < CH_REDIS_DATABASES ? db : 0;
	err = chp_redis_say_kind(pass, addr, layout->dict_bytes, CH_REDIS_DICT, kind);
	pass->what.db = db;
	return err;
}

/* Keys, or times: a dict, or a store. What was never used is of no database. */
static struct ch_error *say_keys(struct ch_redis_pass *pass, uint64_t place, uint32_t kind)
{
	const uint32_t db = pass->what.db;
	struct ch_error *err;
	struct keys keys;
	uint64_t addr;

	if (!ch_core_read_u64(pass->redis->env.core, place, &addr))
		return NULL;
	if (pass->redis->layout->store == CH_REDIS_STORE_DICT)
		return say_dict(pass, addr, kind);
	if (!read_keys(pass->redis, place, false, &keys))
		return NULL;
	if (!keys.count)
		kind = CH_REDIS_DATABASES;
	pass->what.db = keys.count ? db : 0;
	err = chp_redis_say_kind(pass, addr, 0, CH_REDIS_STORE, kind);
	pass->what.db = db;
	return err;
}

static struct ch_error *say_db(struct ch_redis_pass *pass, uint32_t number)
{
	const struct ch_redis_layout *layout = pass->redis->layout;
	const uint64_t addr = CH_VEC_AT(&pass->redis->counts, struct ch_redis_db, number)->addr;
	const struct {
		uint32_t offset, kind;
	} dicts[] = {
		{ layout->blocking, CH_REDIS_BLOCKING },
		{ layout->ready, CH_REDIS_READY },
		{ layout->watched, CH_REDIS_WATCHED },
	};
	struct ch_error *err;
	uint64_t word;
	size_t i;

	if (!addr)
		return NULL;
	pass->what.db = number;
	err = say_keys(pass, addr, CH_REDIS_KEYS);
	if (!err)
		err = say_keys(pass, addr + 8, CH_REDIS_EXPIRES);
	if (!err && layout->item_expires)
		err = say_keys(pass, addr + layout->item_expires, CH_REDIS_EXPIRES);
	for (i = 0; !err && i < CH_COUNT_OF(dicts); i++)
		if (ch_core_read_u64(pass->redis->env.core, addr + dicts[i].offset, &word))
			err = say_dict(pass, word, dicts[i].kind);
	if (!err && layout->field_expires &&
	    ch_core_read_u64(pass->redis->env.core, addr + layout->field_expires, &word)) {
		pass->what.kind = CH_REDIS_EXPIRES;
		err = chp_redis_say_expires(pass, word);
	}
	return err;
}

/* All of an array. */
struct ch_error *chp_redis_follow_dbs(struct ch_redis_pass *pass)
{
	struct ch_error *err = NULL;
	uint32_t db;

	for (db = 0; !err && db < pass->redis->counts.count; db++)
		err = say_db(pass, db);
	return err;
}

/* One with a block of its own, or all pointers to such. */
struct ch_error *chp_redis_follow_db(struct ch_redis_pass *pass)
{
	const struct ch_redis *redis = pass->redis;
	struct ch_error *err = NULL;
	uint32_t i;

	if (pass->what.role == CH_REDIS_DB)
		return chp_redis_is_db(redis, pass->block.addr) &&
				       ch_core_read_u32(redis->env.core,
							pass->block.addr + redis->layout->id, &i)
			       ? say_db(pass, i)
			       : NULL;
	for (i = 0; !err && i < redis->counts.count; i++)
		err = chp_redis_say(pass, CH_VEC_AT(&redis->counts, struct ch_redis_db, i)->addr,
				    redis->layout->db_bytes, CH_REDIS_DB);
	return err;
}

struct ch_error *chp_redis_follow_store(struct ch_redis_pass *pass)
{
	struct store store;

	return read_store(pass->redis, pass->block.addr, &store)
		       ? chp_redis_say(pass, store.dicts, 8 * (uint64_t)store.count, CH_REDIS_DICTS)
		       : NULL;
}

/* Their blocks have more behind them, which releases differ in. */
struct ch_error *chp_redis_follow_dicts(struct ch_redis_pass *pass)
{
	const enum ch_redis_role role =
		pass->redis->layout->table_bytes ? CH_REDIS_HASHTABLE : CH_REDIS_DICT;
	struct ch_error *err = NULL;
	struct ch_redis_dict table;
	uint64_t offset, addr;

	for (offset = 0; !err && offset + 8 <= pass->block.size_bytes; offset += 8) {
		addr = chp_redis_word(pass, offset);
		if (addr && read_table(pass->redis, addr, &table))
			err = chp_redis_say(pass, addr, 0, role);
	}
	return err;
}
