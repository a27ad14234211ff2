/*
 * redis_priv.h - what the files of the provider of redis share.
 *
 * redis.c finds the databases and is the provider; redis_say.c gives names to blocks that look as
 * they should; redis_dict.c, redis_values.c, redis_rax.c and redis_clients.c say what blocks lead
 * to.
 */
#ifndef COREHEAP_TYPES_REDIS_PRIV_H
#define COREHEAP_TYPES_REDIS_PRIV_H

#include "heap/walker.h"
#include "types/provider.h"
#include "util/table.h"
#include "util/vec.h"

/** Where releases have what. */
struct ch_redis_layout {
	const char *releases;
	/** struct dict: its size; a table's size is a power of two, else a number. */
	uint32_t dict_bytes;
	bool has_exponents;
	/** struct redisDb: its size, blocking_keys, ready_keys, watched_keys, id. */
	uint32_t db_bytes, blocking, ready, watched, id;
	/** struct client: its size, db, name, querybuf, argc, argv, reply. */
	uint32_t client_bytes, client_db, client_name, client_query, client_argc, client_argv,
		client_reply;
	/** The pointer to a buffer of its own, behind the bytes of that; 0: it is in the client. */
	uint32_t client_buffer;
	/** stream: its size, cgroups; streamCG: its size, pel, consumers; streamConsumer. */
	uint32_t stream_bytes, groups, group_bytes, group_pending, group_consumers;
	uint32_t consumer_bytes, consumer_name, consumer_pending;
	/** quicklistNode: its size, bits; bytes of the size that compressed ones begin with. */
	uint32_t node_bytes, node_bits, lzf_bytes;
};

/** What a block is for. */
enum ch_redis_kind {
	/** Values, by OBJ_* of server.h: of a key, with its name and its entry. */
	CH_REDIS_STRING,
	CH_REDIS_LIST,
	CH_REDIS_SET,
	CH_REDIS_ZSET,
	CH_REDIS_HASH,
	CH_REDIS_MODULE,
	CH_REDIS_STREAM,
	/** The dicts of a database. */
	CH_REDIS_KEYS,
	CH_REDIS_EXPIRES,
	/** Of no database, or of all. */
	CH_REDIS_DATABASES,
	CH_REDIS_BLOCKING,
	CH_REDIS_READY,
	CH_REDIS_WATCHED,
	CH_REDIS_SHARED,
	CH_REDIS_CLIENTS,
	/** Dicts of other types: this one plus the number of the type. */
	CH_REDIS_OTHER,
};
#define CH_REDIS_OTHERS 48U
#define CH_REDIS_KINDS  (CH_REDIS_OTHER + CH_REDIS_OTHERS)

/** What a block is. */
enum ch_redis_role {
	CH_REDIS_DBS,
	CH_REDIS_DICT,
	CH_REDIS_TABLE,
	CH_REDIS_ENTRY,
	/** Without a value: key and next. */
	CH_REDIS_SHORT_ENTRY,
	CH_REDIS_KEY_ENTRY,
	CH_REDIS_KEY,
	CH_REDIS_ROBJ,
	CH_REDIS_SDS,
	CH_REDIS_VALUE,
	CH_REDIS_FIELD,
	CH_REDIS_MEMBER,
	CH_REDIS_LISTPACK,
	CH_REDIS_ZIPLIST,
	CH_REDIS_INTSET,
	CH_REDIS_QUICKLIST,
	CH_REDIS_NODE,
	CH_REDIS_LZF,
	CH_REDIS_PLAIN,
	CH_REDIS_SORTED,
	CH_REDIS_SKIPLIST,
	CH_REDIS_SKIPLIST_NODE,
	CH_REDIS_MODULE_VALUE,
	CH_REDIS_STREAM_HEAD,
	/** Radix trees by what their values are; the nodes of each follow in the same order. */
	CH_REDIS_RAX_ENTRIES,
	CH_REDIS_RAX_GROUPS,
	CH_REDIS_RAX_PENDING,
	CH_REDIS_RAX_CONSUMERS,
	CH_REDIS_NODE_ENTRIES,
	CH_REDIS_NODE_GROUPS,
	CH_REDIS_NODE_PENDING,
	CH_REDIS_NODE_CONSUMERS,
	CH_REDIS_GROUP,
	CH_REDIS_CONSUMER,
	CH_REDIS_NACK,
	CH_REDIS_CLIENT,
	CH_REDIS_CLIENT_LIST,
	CH_REDIS_CLIENT_NODE,
	CH_REDIS_QUERY,
	CH_REDIS_ARGV,
	CH_REDIS_ARGUMENT,
	CH_REDIS_BUFFER,
	CH_REDIS_REPLY_LIST,
	CH_REDIS_REPLY_NODE,
	CH_REDIS_REPLY_BLOCK,
	CH_REDIS_ROLES
};

/** A key of the provider, taken apart. */
struct ch_redis_what {
	enum ch_redis_role role;
	/** enum ch_redis_kind, or CH_REDIS_OTHER and more. */
	uint32_t kind;
	uint32_t db;
};

/** A database: what its dict counts, and what was found of it. */
struct ch_redis_db {
	uint64_t used, found;
};

struct ch_redis {
	struct ch_heap_env env;
	/** Who names. */
	const struct ch_provider *self;
	const struct ch_redis_layout *layout;
	struct ch_symbol server, shared;
	/** Where the databases are. */
	uint64_t dbs;
	/** of struct ch_redis_db */
	struct ch_vec counts;
	/** Numbers of types of dicts by their addresses. */
	struct ch_table types;
	/** of char *: names that were made */
	struct ch_vec names;
	/** Arguments of clients that the core has room for beside those that were seen. */
	uint64_t arguments_left;
};

/** What a callback works on: the block that it is about has these words. */
struct ch_redis_pass {
	struct ch_redis *redis;
	struct ch_naming *naming;
	struct ch_named_block block;
	struct ch_redis_what what;
};

extern const struct ch_provider ch_provider_redis;

/* ---- redis_say.c: each says nothing where addr does not look like that. Errors: NOMEM. --------
 */

uint64_t chp_redis_key(struct ch_redis_what what);
struct ch_redis_what chp_redis_what(uint64_t key);
/** The word at an offset of the pass's block; 0: it is not there. */
uint64_t chp_redis_word(const struct ch_redis_pass *pass, uint64_t offset);
/** A block that begins at addr and may have so many bytes (0: any number). */
CH_MUST_CHECK struct ch_error *chp_redis_say(struct ch_redis_pass *pass, uint64_t addr,
					     uint64_t bytes, enum ch_redis_role role);
/** As chp_redis_say(), of a block that may be larger: it was made to grow. */
CH_MUST_CHECK struct ch_error *chp_redis_say_within(struct ch_redis_pass *pass, uint64_t addr,
						    uint64_t bytes, enum ch_redis_role role);
/** As chp_redis_say(), of another kind, with the same database. */
CH_MUST_CHECK struct ch_error *chp_redis_say_kind(struct ch_redis_pass *pass, uint64_t addr,
						  uint64_t bytes, enum ch_redis_role role,
						  uint32_t kind);
/** A text of sds: its header says how long it is. */
CH_MUST_CHECK struct ch_error *chp_redis_say_sds(struct ch_redis_pass *pass, uint64_t addr,
						 enum ch_redis_role role, uint32_t kind);
/** The type of the value that a struct redisObject is of. False: it is none. */
bool chp_redis_object_type(const struct ch_core *core, uint64_t addr, uint32_t *type_ret);
/** A struct redisObject; shared ones, which many keys have, only if that is wanted. */
CH_MUST_CHECK struct ch_error *chp_redis_say_object(struct ch_redis_pass *pass, uint64_t addr,
						    enum ch_redis_role role, uint32_t kind,
						    bool shared);

/* ---- redis_dict.c ------------------------------------------------------------------------------
 */

/** struct dict. */
struct ch_redis_dict {
	uint64_t type, tables[2], sizes[2], used[2];
};
/** False: it is none in this layout. */
bool chp_redis_dict(const struct ch_core *core, const struct ch_redis_layout *layout, uint64_t addr,
		    struct ch_redis_dict *ret);
/** How many keys a dict has by its chains, at most a few more than it counts. */
uint64_t chp_redis_dict_count(const struct ch_core *core, const struct ch_redis_dict *dict);
/** What leads where: of databases, a dict, a table, an entry. */
CH_MUST_CHECK struct ch_error *chp_redis_follow_dbs(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_dict(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_table(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_entry(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_short_entry(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_key_entry(struct ch_redis_pass *pass);

/* ---- redis_values.c ----------------------------------------------------------------------------
 */

/** A listpack. That of a stream may have room to grow. */
CH_MUST_CHECK struct ch_error *chp_redis_say_packed(struct ch_redis_pass *pass, uint64_t addr);
CH_MUST_CHECK struct ch_error *chp_redis_follow_object(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_quicklist(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_node(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_sorted(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_skiplist(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_skiplist_node(struct ch_redis_pass *pass);

/* ---- redis_rax.c -------------------------------------------------------------------------------
 */

CH_MUST_CHECK struct ch_error *chp_redis_follow_stream(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_rax(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_rax_node(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_group(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_consumer(struct ch_redis_pass *pass);

/* ---- redis_clients.c ---------------------------------------------------------------------------
 */

/** Clients, and lists of them, that the server's own struct leads to. */
CH_MUST_CHECK struct ch_error *chp_redis_seed_clients(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_client(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_list(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_list_node(struct ch_redis_pass *pass);

#endif /* COREHEAP_TYPES_REDIS_PRIV_H */
