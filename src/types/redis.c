/*
 * Blocks of redis and Valkey: keys, values by their kind, dicts, clients. What leads there is
 * followed from the databases on, which the variable `server` has: these programs export their
 * variables, so that modules find them, also where they are stripped.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "types/redis_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

#define SHARED_MAX (1U << 20)
#define TRIES_MAX  (1U << 22)

/* Variables that are types of dicts. Those of values are known by what leads to them. */
static const char *const dict_types[] = {
	"dbDictType",
	"keyptrDictType",
	"dbExpiresDictType",
	"kvstoreKeysDictType",
	"kvstoreExpiresDictType",
	"kvstoreKeysHashtableType",
	"kvstoreExpiresHashtableType",
	"hashDictType",
	"mstrHashDictType",
	"mstrHashDictTypeWithHFE",
	"hashHashtableType",
	"hashWithVolatileItemsHashtableType",
	"setDictType",
	"setHashtableType",
	"zsetDictType",
	"zsetHashtableType",
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
	"objToDictDictType",
	"objToHashtableDictType",
	"clusterSdsToListType",
	"clusterSlotDictType",
	"clientDictType",
	"externalStringType",
	"rdbAuxFieldDictType",
};
_Static_assert(CH_COUNT_OF(dict_types) <= CH_REDIS_OTHERS, "each has a kind");
#define VALUE_TYPES 17U

/* ---- The databases -------------------------------------------------------------------------- */

static bool has_keys(const struct ch_redis *redis, const struct ch_module *program)
{
	static const char *const types[] = { "dbDictType", "kvstoreKeysDictType",
					     "kvstoreKeysHashtableType" };
	struct ch_symbol type;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(types); i++)
		if (ch_sym_exported(redis->env.sym, program, types[i], &type))
			return true;
	return false;
}

static const struct ch_module *find_program(struct ch_redis *redis)
{
	const struct ch_module *modules;
	size_t count, i;

	modules = ch_sym_modules(redis->env.sym, &count);
	for (i = 0; i < count; i++)
		if (modules[i].kind == CH_MODULE_EXE &&
		    ch_sym_exported(redis->env.sym, &modules[i], "server", &redis->server) &&
		    has_keys(redis, &modules[i]))
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
	redis->tries_left = TRIES_MAX;
	redis->keys_left = ch_core_stats(env->core)->present_bytes;
	redis->arguments_left = ch_core_stats(env->core)->present_bytes / 8;
	program = find_program(redis);
	if (program) {
		err = find_types(redis, program);
		if (!err)
			err = chp_redis_find_dbs(redis);
		if (!err && !redis->counts.count)
			chp_context_finding(env->ctx, chp_blame(&redis->env), "redis-layout",
					    "redis: databases are laid out in none of the ways "
					    "that are known (redis 6.0 to 8.0, Valkey 7.2 to 9.1): "
					    "keys and values have no names");
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

	for (at = 0; !err && at < ch_min(shared->size_bytes, SHARED_MAX); at += 8)
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

	err = chp_redis_seed_dbs(&pass);
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
	[CH_REDIS_DB_POINTERS] = { "serverDb *[]", chp_redis_follow_db, CH_WORDS_ELEMENTS },
	[CH_REDIS_DB] = { "serverDb", chp_redis_follow_db, CH_WORDS_MEMBERS },
	[CH_REDIS_STORE] = { "kvstore", chp_redis_follow_store, CH_WORDS_MEMBERS },
	[CH_REDIS_DICTS] = { "tables of kvstore", chp_redis_follow_dicts, CH_WORDS_ELEMENTS },
	[CH_REDIS_DICT] = { "dict", chp_redis_follow_dict, CH_WORDS_MEMBERS },
	[CH_REDIS_TABLE] = { "hash table", chp_redis_follow_table, CH_WORDS_ELEMENTS },
	[CH_REDIS_ENTRY] = { "dictEntry", chp_redis_follow_entry, CH_WORDS_MEMBERS },
	[CH_REDIS_SHORT_ENTRY] = { "dictEntryNoValue", chp_redis_follow_short_entry,
				   CH_WORDS_MEMBERS },
	[CH_REDIS_KEY_ENTRY] = { "dictEntry of key", chp_redis_follow_key_entry, CH_WORDS_MEMBERS },
	[CH_REDIS_FULL_ENTRY] = { "dictEntry with key", chp_redis_follow_full_entry,
				  CH_WORDS_MEMBERS },
	[CH_REDIS_HASHTABLE] = { "hashtable", chp_redis_follow_hashtable, CH_WORDS_MEMBERS },
	[CH_REDIS_BUCKETS] = { "buckets", chp_redis_follow_buckets, CH_WORDS_ELEMENTS },
	[CH_REDIS_BUCKET] = { "bucket", chp_redis_follow_buckets, CH_WORDS_ELEMENTS },
	[CH_REDIS_KEY] = { "sds of key", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_ROBJ] = { "robj", chp_redis_follow_object, CH_WORDS_MEMBERS },
	[CH_REDIS_FULL_ROBJ] = { "robj with key", chp_redis_follow_full, CH_WORDS_MEMBERS },
	[CH_REDIS_SDS] = { "sds", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_VALUE] = { "sds of value", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_FIELD] = { "sds of field", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_HASH_ENTRY] = { "entry of field", follow_nothing, CH_WORDS_MEMBERS },
	[CH_REDIS_MEMBER] = { "sds of member", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_LISTPACK] = { "listpack", follow_nothing, CH_WORDS_BYTES },
	[CH_REDIS_LISTPACK_EXPIRES] = { "listpackEx", chp_redis_follow_packed, CH_WORDS_MEMBERS },
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
	[CH_REDIS_RAX_EXPIRES] = { "rax of expires", chp_redis_follow_rax, CH_WORDS_MEMBERS },
	[CH_REDIS_NODE_ENTRIES] = { "raxNode of entries", chp_redis_follow_rax_node,
				    CH_WORDS_MEMBERS },
	[CH_REDIS_NODE_GROUPS] = { "raxNode of groups", chp_redis_follow_rax_node,
				   CH_WORDS_MEMBERS },
	[CH_REDIS_NODE_PENDING] = { "raxNode of pending", chp_redis_follow_rax_node,
				    CH_WORDS_MEMBERS },
	[CH_REDIS_NODE_CONSUMERS] = { "raxNode of consumers", chp_redis_follow_rax_node,
				      CH_WORDS_MEMBERS },
	[CH_REDIS_NODE_EXPIRES] = { "raxNode of expires", chp_redis_follow_rax_node,
				    CH_WORDS_MEMBERS },
	[CH_REDIS_SEGMENT] = { "segment of expires", follow_nothing, CH_WORDS_MEMBERS },
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
