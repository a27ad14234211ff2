/*
 * redis_priv.h - what the files of the provider of redis share.
 *
 * redis.c is the provider; redis_dbs.c has the layouts of releases, and finds the databases;
 * redis_say.c and redis_object.c give names to blocks that look as they should; redis_dict.c,
 * redis_hashtable.c, redis_values.c, redis_rax.c and redis_clients.c say what blocks lead to.
 */
#ifndef COREHEAP_TYPES_REDIS_PRIV_H
#define COREHEAP_TYPES_REDIS_PRIV_H

#include "heap/walker.h"
#include "types/provider.h"
#include "util/table.h"
#include "util/vec.h"

/** What the keys of a database are in. */
enum ch_redis_store {
	/** A dict. */
	CH_REDIS_STORE_DICT,
	/** A struct _kvstore, which has an array of dicts: of a type that is a part of itself. */
	CH_REDIS_STORE_INSIDE,
	/** The same, of a type that is a variable of the program. */
	CH_REDIS_STORE_APART,
};

/** Where releases have what. */
struct ch_redis_layout {
	const char *releases;
	/** struct dict: its size; a table's size is a power of two, else a number. */
	uint32_t dict_bytes;
	bool has_exponents;
	/** Bits of pointers to entries: without a value; to a key at an even address; to an entry
	 * that has its key in itself. 0: there are none. */
	uint32_t tag_short, tag_even, tag_embedded;
	/** struct hashtable, in place of dicts of keys and values: its size. 0: there is none. */
	uint32_t table_bytes;
	/** Entries of a hash: bits of the field's sds, beside its type, of a value that is apart,
	 * of a time, and of a value that is another's. */
	uint32_t entry_apart, entry_expires, entry_foreign;
	/** Fields of hashes are struct mstr. */
	bool has_fields;
	/** What databases have: the places of the array and of the number of its dicts. */
	enum ch_redis_store store;
	uint32_t store_dicts, store_count;
	/** Databases are each a block, and server has an array of pointers to them. */
	bool has_pointers;
	/** struct redisDb: its size, hexpires, a second kvstore of expires, blocking_keys,
	 * ready_keys, watched_keys, id. */
	uint32_t db_bytes, field_expires, item_expires, blocking, ready, watched, id;
	/** struct redisObject: bits before the count of references, for a time, a key and a value
	 * in it. */
	uint32_t object_bits;
	/** struct client: its size, db, name, querybuf, argc, argv, reply. */
	uint32_t client_bytes, client_db, client_name, client_query, client_argc, client_argv,
		client_reply;
	/** The pointer to a buffer of its own, and the bytes of that; 0: it is in the client. */
	uint32_t client_buffer, client_room;
	/** struct rax. */
	uint32_t rax_bytes;
	/** stream: its size, rax, cgroups; streamCG: its size, pel, consumers; streamConsumer. */
	uint32_t stream_bytes, stream_rax, groups, group_bytes, group_pending, group_consumers;
	uint32_t consumer_bytes, consumer_name, consumer_pending;
	/** quicklistNode: its size, bits; bytes of the size that compressed ones begin with. */
	uint32_t node_bytes, node_bits, lzf_bytes;
	/** zskiplistNode: levels. */
	uint32_t levels;
	/** Elements are in the nodes, and the list begins with a node. */
	bool has_elements;
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
#define CH_REDIS_OTHERS 64U
#define CH_REDIS_KINDS  (CH_REDIS_OTHER + CH_REDIS_OTHERS)

/** What a block is. */
enum ch_redis_role {
	CH_REDIS_DBS,
	CH_REDIS_DB_POINTERS,
	CH_REDIS_DB,
	CH_REDIS_STORE,
	CH_REDIS_DICTS,
	CH_REDIS_DICT,
	CH_REDIS_TABLE,
	CH_REDIS_ENTRY,
	/** Without a value: key and next. */
	CH_REDIS_SHORT_ENTRY,
	CH_REDIS_KEY_ENTRY,
	/** The name of the key is in it. */
	CH_REDIS_FULL_ENTRY,
	CH_REDIS_HASHTABLE,
	CH_REDIS_BUCKETS,
	CH_REDIS_BUCKET,
	CH_REDIS_KEY,
	CH_REDIS_ROBJ,
	/** The name of the key is in it. */
	CH_REDIS_FULL_ROBJ,
	CH_REDIS_SDS,
	CH_REDIS_VALUE,
	CH_REDIS_FIELD,
	CH_REDIS_HASH_ENTRY,
	CH_REDIS_MEMBER,
	CH_REDIS_LISTPACK,
	CH_REDIS_LISTPACK_EXPIRES,
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
	CH_REDIS_RAX_EXPIRES,
	CH_REDIS_NODE_ENTRIES,
	CH_REDIS_NODE_GROUPS,
	CH_REDIS_NODE_PENDING,
	CH_REDIS_NODE_CONSUMERS,
	CH_REDIS_NODE_EXPIRES,
	CH_REDIS_SEGMENT,
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
	uint64_t addr, used, found;
};

struct ch_redis {
	struct ch_heap_env env;
	/** Who names. */
	const struct ch_provider *self;
	const struct ch_redis_layout *layout;
	struct ch_symbol server, shared;
	/** Where the databases are, or pointers to them. */
	uint64_t dbs;
	/** of struct ch_redis_db */
	struct ch_vec counts;
	/** Numbers of types of dicts by their addresses. */
	struct ch_table types;
	/** of char *: names that were made */
	struct ch_vec names;
	/** Words that may still be looked at to find the databases, and keys that may be counted: a
	 * chain of entries in a core may be a ring, and tables say how many there are. */
	uint64_t tries_left, keys_left;
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

/* ---- redis_dbs.c -------------------------------------------------------------------------------
 */

/** Fill redis->layout, dbs and counts, if one of the layouts fits: counts is empty else. Errors:
 * NOMEM. */
CH_MUST_CHECK struct ch_error *chp_redis_find_dbs(struct ch_redis *redis);
/** Whether addr is that of a database. */
bool chp_redis_is_db(const struct ch_redis *redis, uint64_t addr);
CH_MUST_CHECK struct ch_error *chp_redis_seed_dbs(struct ch_redis_pass *pass);
/** What leads where: of databases, pointers to them, a kvstore, its dicts. */
CH_MUST_CHECK struct ch_error *chp_redis_follow_dbs(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_db(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_store(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_dicts(struct ch_redis_pass *pass);

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
/** What goes before a text, and all of it with what is behind. */
struct ch_redis_text {
	uint64_t header, bytes;
	/** What it has, without room to grow and the zero at its end. */
	uint64_t length;
	/** Bits of the header that sds itself does not use. */
	uint32_t bits;
};
/** A text of sds: its header says how long it is. False: there is none. */
bool chp_redis_text(const struct ch_core *core, uint64_t addr, struct ch_redis_text *ret);
CH_MUST_CHECK struct ch_error *chp_redis_say_sds(struct ch_redis_pass *pass, uint64_t addr,
						 enum ch_redis_role role, uint32_t kind);
/** A field of a hash, which is a text of sds or, in some releases, a struct mstr. */
CH_MUST_CHECK struct ch_error *chp_redis_say_field(struct ch_redis_pass *pass, uint64_t addr);

/** When fields or keys of fields are to go: a radix tree, if there are many. */
CH_MUST_CHECK struct ch_error *chp_redis_say_expires(struct ch_redis_pass *pass, uint64_t word);

/* ---- redis_object.c: struct redisObject --------------------------------------------------------
 */

struct ch_redis_object {
	uint32_t type;
	/** Many keys have it. */
	bool shared;
	/** The name of its key is in it. */
	bool full;
	/** With what is in it. */
	uint64_t bytes;
};
/** False: it is none. */
bool chp_redis_object(const struct ch_redis *redis, uint64_t addr, struct ch_redis_object *ret);
/** A value; shared ones only if that is wanted. */
CH_MUST_CHECK struct ch_error *chp_redis_say_object(struct ch_redis_pass *pass, uint64_t addr,
						    enum ch_redis_role role, uint32_t kind,
						    bool shared);
/** An argument of a client, if no value has become of it. */
CH_MUST_CHECK struct ch_error *chp_redis_say_argument(struct ch_redis_pass *pass, uint64_t addr);
/** A value with its key. */
CH_MUST_CHECK struct ch_error *chp_redis_say_full(struct ch_redis_pass *pass, uint64_t addr);

/* ---- redis_dict.c ------------------------------------------------------------------------------
 */

/** struct dict. */
struct ch_redis_dict {
	uint64_t type, tables[2], sizes[2], used[2];
};
/** False: it is none in this layout. */
bool chp_redis_dict(const struct ch_core *core, const struct ch_redis_layout *layout, uint64_t addr,
		    struct ch_redis_dict *ret);
/** How many keys a dict has by its chains, up to so many. */
uint64_t chp_redis_dict_count(const struct ch_core *core, const struct ch_redis_layout *layout,
			      const struct ch_redis_dict *dict, uint64_t most);
/** The next word of a table that is not on pages of zeros, which a core may have gigabytes of for
 * nothing; end: there is none. */
uint64_t chp_redis_next(const struct ch_core *core, uint64_t at, uint64_t end);
/** A key has been found. */
void chp_redis_found(struct ch_redis_pass *pass);
/** What leads where: of a dict, a table, an entry. */
CH_MUST_CHECK struct ch_error *chp_redis_follow_dict(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_table(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_entry(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_short_entry(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_key_entry(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_full_entry(struct ch_redis_pass *pass);

/* ---- redis_hashtable.c -------------------------------------------------------------------------
 */

/** struct hashtable: sizes are numbers of buckets. */
bool chp_redis_hashtable(const struct ch_core *core, uint64_t addr, struct ch_redis_dict *ret);
/** As chp_redis_dict_count(). */
uint64_t chp_redis_hashtable_count(const struct ch_core *core, const struct ch_redis_dict *table,
				   uint64_t most);
CH_MUST_CHECK struct ch_error *chp_redis_follow_hashtable(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_buckets(struct ch_redis_pass *pass);

/* ---- redis_values.c ----------------------------------------------------------------------------
 */

/** A listpack. That of a stream may have room to grow. */
CH_MUST_CHECK struct ch_error *chp_redis_say_packed(struct ch_redis_pass *pass, uint64_t addr);
CH_MUST_CHECK struct ch_error *chp_redis_follow_object(struct ch_redis_pass *pass);
/** A value with its key in it. */
CH_MUST_CHECK struct ch_error *chp_redis_follow_full(struct ch_redis_pass *pass);
CH_MUST_CHECK struct ch_error *chp_redis_follow_packed(struct ch_redis_pass *pass);
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
