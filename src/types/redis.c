/*
 * Blocks of redis: keys, values by their kind, dicts, clients. What leads there is followed from
 * the databases on, which the variable `server` has: programs of redis export their variables, so
 * that modules find them, also where they are stripped.
 *
 * The databases are an array; its place in `server`, and the release that laid it out, are told by
 * what is there: each database has its number, and two dicts of the same two types as all others,
 * and the first that has keys has as many as it counts.
 *
 * Source: redis 6.0.16, 6.2.16, 7.0.15, 7.2.4, src/server.h, dict.h, dict.c, sds.h, quicklist.h,
 * stream.h, rax.h, adlist.h. Offsets by compiling these.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "types/redis_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

#define DBS_MAX    65536U
#define SERVER_MAX (1U << 16)

static const struct ch_redis_layout layouts[] = {
	{ .releases = "redis 7.0",
	  .dict_bytes = 56,
	  .has_exponents = true,
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
	  .lzf_bytes = 8 },
	{ .releases = "redis 7.2",
	  .dict_bytes = 56,
	  .has_exponents = true,
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
	  .lzf_bytes = 8 },
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
	  .lzf_bytes = 4 },
};

/* Variables that are types of dicts. Those of values are known by what leads to them. */
static const char *const dict_types[] = {
	"dbDictType",
	"keyptrDictType",
	"dbExpiresDictType",
	"hashDictType",
	"setDictType",
	"zsetDictType",
	"keylistDictType",
	"objectKeyPointerValueDictType",
	"commandTableDictType",
	"modulesDictType",
	"migrateCacheDictType",
	"moduleAPIDictType",
	"clusterNodesDictType",
	"clusterNodesBlackListDictType",
	"engineDictType",
	"engineStatsDictType",
	"functionDictType",
	"instancesDictType",
	"latencyTimeSeriesDictType",
	"leaderVotesDictType",
	"librariesDictType",
	"libraryFunctionDictType",
	"optionSetDictType",
	"optionToLineDictType",
	"renamedCommandsDictType",
	"sdsHashDictType",
	"sdsKeyValueHashDictType",
	"sdsReplyDictType",
	"setAccumulatorDictType",
	"shaScriptObjectDictType",
	"stringSetDictType",
	"objectKeyHeapPointerValueDictType",
	"replScriptCacheDictType",
};
_Static_assert(CH_COUNT_OF(dict_types) <= CH_REDIS_OTHERS, "each has a kind");
#define VALUE_TYPES 7U

/* ---- The databases -------------------------------------------------------------------------- */

static const struct ch_module *find_program(struct ch_redis *redis)
{
	const struct ch_module *modules;
	struct ch_symbol type;
	size_t count, i;

	modules = ch_sym_modules(redis->env.sym, &count);
	for (i = 0; i < count; i++)
		if (modules[i].kind == CH_MODULE_EXE &&
		    ch_sym_exported(redis->env.sym, &modules[i], "server", &redis->server) &&
		    ch_sym_exported(redis->env.sym, &modules[i], "dbDictType", &type))
			return &modules[i];
	return NULL;
}

static struct ch_error *find_types(struct ch_redis *redis, const struct ch_module *program)
{
	struct ch_symbol symbol;
	uint32_t i;

	for (i = 0; i < CH_COUNT_OF(dict_types); i++)
		if (ch_sym_exported(redis->env.sym, program, dict_types[i], &symbol) &&
		    !ch_table_put(&redis->types, symbol.addr, i))
			return &ch_enomem;
	if (!ch_sym_exported(redis->env.sym, program, "shared", &redis->shared))
		redis->shared.size_bytes = 0;
	return NULL;
}

/* The dict that a word of a database leads to, if its type is one of the program's. */
static bool read_dict(const struct ch_redis *redis, uint64_t place, struct ch_redis_dict *ret)
{
	uint64_t addr;

	return ch_core_read_u64(redis->env.core, place, &addr) &&
	       chp_redis_dict(redis->env.core, redis->layout, addr, ret) &&
	       ch_table_find(&redis->types, ret->type) != CH_TABLE_NONE;
}

/* The databases at addr, as far as they are some: redis->counts. */
static struct ch_error *read_dbs(struct ch_redis *redis, uint64_t addr)
{
	struct ch_redis_dict keys, expires;
	uint64_t types[2] = { 0 };
	struct ch_redis_db *db;
	uint32_t i, id;

	redis->counts.count = 0;
	for (i = 0; i < DBS_MAX; i++, addr += redis->layout->db_bytes) {
		if (!ch_core_read_u32(redis->env.core, addr + redis->layout->id, &id) || id != i ||
		    !read_dict(redis, addr, &keys) || !read_dict(redis, addr + 8, &expires) ||
		    keys.type == expires.type ||
		    (i && (keys.type != types[0] || expires.type != types[1])))
			break;
		types[0] = keys.type;
		types[1] = expires.type;
		db = ch_vec_push(&redis->counts);
		if (!db)
			return &ch_enomem;
		db->used = keys.used[0] + keys.used[1];
	}
	return NULL;
}

/* Whether the first database with keys has as many as it counts; one may be under way. */
static bool counts_agree(const struct ch_redis *redis)
{
	const struct ch_redis_db *dbs = redis->counts.items;
	struct ch_redis_dict keys;
	size_t i;

	for (i = 0; i < redis->counts.count; i++)
		if (dbs[i].used)
			return read_dict(redis, redis->dbs + i * redis->layout->db_bytes, &keys) &&
			       chp_redis_dict_count(redis->env.core, &keys) - dbs[i].used + 1 <= 2;
	return redis->counts.count != 0;
}

/* Try each word of `server` in each layout. */
static struct ch_error *find_dbs(struct ch_redis *redis)
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
			err = read_dbs(redis, redis->dbs);
			if (!err && redis->counts.count && counts_agree(redis))
				return NULL;
		}
	}
	redis->counts.count = 0;
	return err;
}

static void close_redis(void *state)
{
	struct ch_redis *redis = state;
	size_t i;

	for (i = 0; i < redis->names.count; i++)
		free(*CH_VEC_AT(&redis->names, char *, i));
	ch_vec_deinit(&redis->names);
	ch_vec_deinit(&redis->counts);
	ch_table_deinit(&redis->types);
	free(redis);
}

static struct ch_error *open_redis(const struct ch_provider_env *env, void **state_ret)
{
	struct ch_redis *redis = calloc(1, sizeof(*redis));
	const struct ch_module *program;
	struct ch_error *err = NULL;

	if (!redis)
		return &ch_enomem;
	redis->env = (struct ch_heap_env){
		.core = env->core, .sym = env->sym, .map = env->map, .ctx = env->ctx
	};
	redis->self = &ch_provider_redis;
	redis->names = CH_VEC(char *);
	redis->counts = CH_VEC(struct ch_redis_db);
	redis->arguments_left = ch_core_stats(env->core)->present_bytes / 8;
	program = find_program(redis);
	if (program) {
		err = find_types(redis, program);
		if (!err)
			err = find_dbs(redis);
	}
	if (err || !redis->counts.count)
		close_redis(redis);
	else
		*state_ret = redis;
	return err;
}

/* ---- The pass ------------------------------------------------------------------------------- */

/* Dicts of other types than those of values: by their first word. */
static struct ch_error *blocks(void *state, const struct ch_object *objects, size_t n,
			       uint64_t *keys_ret)
{
	const struct ch_redis *redis = state;
	struct ch_redis_dict dict;
	uint64_t word;
	uint32_t type;
	size_t i;

	for (i = 0; i < n; i++) {
		keys_ret[i] = 0;
		if (!chp_usable_fits(objects[i].size_bytes, redis->layout->dict_bytes) ||
		    !ch_core_read_u64(redis->env.core, objects[i].addr, &word))
			continue;
		type = ch_table_find(&redis->types, word);
		if (type != CH_TABLE_NONE && type >= VALUE_TYPES &&
		    chp_redis_dict(redis->env.core, redis->layout, objects[i].addr, &dict))
			keys_ret[i] = chp_redis_key((struct ch_redis_what){
				.role = CH_REDIS_DICT, .kind = CH_REDIS_OTHER + type });
	}
	return NULL;
}

/* Objects that many keys share: the struct `shared` has pointers to them. */
static struct ch_error *say_shared(struct ch_redis_pass *pass)
{
	const struct ch_symbol *shared = &pass->redis->shared;
	struct ch_error *err = NULL;
	uint64_t at, word;

	for (at = 0; !err && at < ch_min(shared->size_bytes, 16 * SERVER_MAX); at += 8)
		if (ch_core_read_u64(pass->redis->env.core, shared->addr + at, &word))
			err = chp_redis_say_object(pass, word, CH_REDIS_ROBJ, CH_REDIS_SHARED,
						   true);
	return err;
}

static struct ch_error *seeds(void *state, struct ch_naming *naming)
{
	struct ch_redis *redis = state;
	struct ch_redis_pass pass = { .redis = redis, .naming = naming };
	struct ch_error *err;
	uint64_t bytes = redis->layout->db_bytes * (uint64_t)redis->counts.count;

	err = chp_redis_say_kind(&pass, redis->dbs, bytes, CH_REDIS_DBS, CH_REDIS_DATABASES);
	if (!err)
		err = say_shared(&pass);
	return err ? err : chp_redis_seed_clients(&pass);
}

static struct ch_error *follow_nothing(struct ch_redis_pass *pass)
{
	(void)pass;
	return NULL;
}

/* What each role is called, leads to, and what its words are. */
static const struct {
	const char *name;
	struct ch_error *(*follow)(struct ch_redis_pass *pass);
	enum ch_words words;
} roles[CH_REDIS_ROLES] = {
	[CH_REDIS_DBS] = { "redisDb[]", chp_redis_follow_dbs, CH_WORDS_ELEMENTS },
	[CH_REDIS_DICT] = { "dict", chp_redis_follow_dict, CH_WORDS_MEMBERS },
	[CH_REDIS_TABLE] = { "hash table", chp_redis_follow_table, CH_WORDS_ELEMENTS },
	[CH_REDIS_ENTRY] = { "dictEntry", chp_redis_follow_entry, CH_WORDS_MEMBERS },
	[CH_REDIS_SHORT_ENTRY] = { "dictEntryNoValue", chp_redis_follow_short_entry,
				   CH_WORDS_MEMBERS },
	[CH_REDIS_KEY_ENTRY] = { "dictEntry of key", chp_redis_follow_key_entry, CH_WORDS_MEMBERS },
	[CH_REDIS_KEY] = { "sds of key", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_ROBJ] = { "robj", chp_redis_follow_object, CH_WORDS_MEMBERS },
	[CH_REDIS_SDS] = { "sds", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_VALUE] = { "sds of value", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_FIELD] = { "sds of field", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_MEMBER] = { "sds of member", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_LISTPACK] = { "listpack", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_ZIPLIST] = { "ziplist", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_INTSET] = { "intset", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_QUICKLIST] = { "quicklist", chp_redis_follow_quicklist, CH_WORDS_MEMBERS },
	[CH_REDIS_NODE] = { "quicklistNode", chp_redis_follow_node, CH_WORDS_MEMBERS },
	[CH_REDIS_LZF] = { "quicklistLZF", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_PLAIN] = { "plain element", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_SORTED] = { "zset", chp_redis_follow_sorted, CH_WORDS_MEMBERS },
	[CH_REDIS_SKIPLIST] = { "zskiplist", chp_redis_follow_skiplist, CH_WORDS_MEMBERS },
	[CH_REDIS_SKIPLIST_NODE] = { "zskiplistNode", chp_redis_follow_skiplist_node,
				     CH_WORDS_MEMBERS },
	[CH_REDIS_MODULE_VALUE] = { "moduleValue", follow_nothing, CH_WORDS_MEMBERS },
	[CH_REDIS_STREAM_HEAD] = { "stream", chp_redis_follow_stream, CH_WORDS_MEMBERS },
	[CH_REDIS_RAX_ENTRIES] = { "rax of entries", chp_redis_follow_rax, CH_WORDS_MEMBERS },
	[CH_REDIS_RAX_GROUPS] = { "rax of groups", chp_redis_follow_rax, CH_WORDS_MEMBERS },
	[CH_REDIS_RAX_PENDING] = { "rax of pending", chp_redis_follow_rax, CH_WORDS_MEMBERS },
	[CH_REDIS_RAX_CONSUMERS] = { "rax of consumers", chp_redis_follow_rax, CH_WORDS_MEMBERS },
	[CH_REDIS_NODE_ENTRIES] = { "raxNode of entries", chp_redis_follow_rax_node,
				    CH_WORDS_MEMBERS },
	[CH_REDIS_NODE_GROUPS] = { "raxNode of groups", chp_redis_follow_rax_node,
				   CH_WORDS_MEMBERS },
	[CH_REDIS_NODE_PENDING] = { "raxNode of pending", chp_redis_follow_rax_node,
				    CH_WORDS_MEMBERS },
	[CH_REDIS_NODE_CONSUMERS] = { "raxNode of consumers", chp_redis_follow_rax_node,
				      CH_WORDS_MEMBERS },
	[CH_REDIS_GROUP] = { "streamCG", chp_redis_follow_group, CH_WORDS_MEMBERS },
	[CH_REDIS_CONSUMER] = { "streamConsumer", chp_redis_follow_consumer, CH_WORDS_MEMBERS },
	[CH_REDIS_NACK] = { "streamNACK", follow_nothing, CH_WORDS_MEMBERS },
	[CH_REDIS_CLIENT] = { "client", chp_redis_follow_client, CH_WORDS_MEMBERS },
	[CH_REDIS_CLIENT_LIST] = { "list", chp_redis_follow_list, CH_WORDS_MEMBERS },
	[CH_REDIS_CLIENT_NODE] = { "listNode", chp_redis_follow_list_node, CH_WORDS_MEMBERS },
	[CH_REDIS_QUERY] = { "query buffer", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_ARGV] = { "arguments", follow_nothing, CH_WORDS_ELEMENTS },
	[CH_REDIS_ARGUMENT] = { "robj of argument", chp_redis_follow_object, CH_WORDS_MEMBERS },
	[CH_REDIS_BUFFER] = { "reply buffer", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_REPLY_LIST] = { "list of replies", chp_redis_follow_list, CH_WORDS_MEMBERS },
	[CH_REDIS_REPLY_NODE] = { "listNode of replies", chp_redis_follow_list_node,
				  CH_WORDS_MEMBERS },
	[CH_REDIS_REPLY_BLOCK] = { "clientReplyBlock", follow_nothing, CH_WORDS_BYTES },
};

static struct ch_error *follow(void *state, struct ch_naming *naming,
			       const struct ch_named_block *block)
{
	struct ch_redis_pass pass = { .redis = state, .naming = naming, .block = *block };

	if (block->provider != pass.redis->self)
		return NULL;
	pass.what = chp_redis_what(block->key);
	return roles[pass.what.role].follow(&pass);
}

/* All is followed: have as many keys been found as there are? */
static struct ch_error *rest(void *state, struct ch_naming *naming)
{
	const struct ch_redis *redis = state;
	const struct ch_redis_db *dbs = redis->counts.items;
	size_t i;

	(void)naming;
	for (i = 0; i < redis->counts.count; i++)
		if (dbs[i].found - dbs[i].used + 1 > 2)
			chp_context_finding(redis->env.ctx, chp_blame(&redis->env), "redis-keys",
					    "redis: database %zu counts %llu keys, %llu are found",
					    i, (unsigned long long)dbs[i].used,
					    (unsigned long long)dbs[i].found);
	return NULL;
}

/* ---- Names ---------------------------------------------------------------------------------- */

static const char *const kinds[CH_REDIS_OTHER] = {
	[CH_REDIS_STRING] = "string",
	[CH_REDIS_LIST] = "list",
	[CH_REDIS_SET] = "set",
	[CH_REDIS_ZSET] = "zset",
	[CH_REDIS_HASH] = "hash",
	[CH_REDIS_MODULE] = "module",
	[CH_REDIS_STREAM] = "stream",
	[CH_REDIS_KEYS] = "keys",
	[CH_REDIS_EXPIRES] = "expires",
	[CH_REDIS_BLOCKING] = "blocking keys",
	[CH_REDIS_READY] = "ready keys",
	[CH_REDIS_WATCHED] = "watched keys",
	[CH_REDIS_DATABASES] = "databases",
	[CH_REDIS_SHARED] = "shared objects",
	[CH_REDIS_CLIENTS] = "clients",
};

/* A text of the state. NULL: no memory. */
CH_PRINTF(2, 3) static char *make(struct ch_redis *redis, const char *format, ...)
{
	char **slot = ch_vec_push(&redis->names);
	va_list args;
	int length;

	if (!slot)
		return NULL;
	va_start(args, format);
	length = vasprintf(slot, format, args);
	va_end(args);
	if (length < 0)
		*slot = NULL;
	return *slot;
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	struct ch_redis *redis = state;
	const struct ch_redis_what what = chp_redis_what(key);

	if (what.kind >= CH_REDIS_OTHER)
		ret->purpose = dict_types[what.kind - CH_REDIS_OTHER];
	else if (what.kind >= CH_REDIS_DATABASES)
		ret->purpose = kinds[what.kind];
	else
		ret->purpose = make(redis, "db %u %s", what.db, kinds[what.kind]);
	if (ret->purpose)
		ret->name = make(redis, "%s: %s", ret->purpose, roles[what.role].name);
	return ret->name ? NULL : &ch_enomem;
}

static enum ch_words words(const void *state, uint64_t key)
{
	(void)state;
	return roles[chp_redis_what(key).role].words;
}

const struct ch_provider ch_provider_redis = {
	.name = "redis",
	.summary = "keys, values and clients of redis, by the database and the kind of a key",
	.basis = CH_BASIS_DERIVED,
	.rank = CH_RANK_KNOWN,
	.open = open_redis,
	.close = close_redis,
	.blocks = blocks,
	.seeds = seeds,
	.follow = follow,
	.rest = rest,
	.type = type,
	.words = words,
};
