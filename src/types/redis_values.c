/*
 * Values of redis: what an object leads to, by its encoding; lists and sorted sets.
 */
#include "types/redis_priv.h"
#include "util/bytes.h"
#include "util/error.h"

/* OBJ_ENCODING_* of server.h. */
enum encoding {
	RAW = 0,
	INT = 1,
	HT = 2,
	ZIPLIST = 5,
	INTSET = 6,
	SKIPLIST = 7,
	EMBSTR = 8,
	QUICKLIST = 9,
	STREAM = 10,
	LISTPACK = 11,
	LISTPACK_EXPIRES = 12
};

/* zset: dict 0, zsl 8; zskiplist: header 0, tail, length, level. */
#define ZSET_BYTES     16U
#define SKIPLIST_BYTES 32U
/* zskiplistNode: ele, score, backward, levels of forward and span; of Valkey 9 score, backward,
 * levels, the bytes of a header of sds, and ele; the first span is the number of levels. The first
 * node is the list, and has as many levels as there may be. */
#define LEVEL_BYTES 16U
#define LEVELS_MAX  32U
/* listpackEx: 16 bytes, key 16, listpack 24. */
#define LISTPACK_EXPIRES_BYTES 32U
#define LISTPACK_PACKED        24U
/* quicklist: head 0, tail, count, len, bits; bookmarks may follow. quicklistNode: next 8, entry
 * 16, size 24. */
#define QUICKLIST_BYTES 40U
#define NODE_NEXT       8U
#define NODE_ENTRY      16U
#define NODE_SIZE       24U
#define MODULE_BYTES    16U
/* ZIP_END and LP_EOF. */
#define END 0xffU
/* Headers: bytes u32, then the offset of the last u32 and a count u16, or a count u16. */
#define ZIPLIST_BYTES  10U
#define LISTPACK_BYTES 6U

/* Whether something that says its own bytes first ends with its mark there. */
static bool is_packed(const struct ch_core *core, uint64_t addr, uint32_t *bytes_ret)
{
	uint8_t last;

	return addr && ch_core_read_u32(core, addr, bytes_ret) && *bytes_ret > LISTPACK_BYTES &&
	       ch_core_try_read(core, addr + *bytes_ret - 1, &last, 1) && last == END;
}

/* A ziplist, if its second word is the place of its last element: within it, and behind the
 * header. */
static bool is_ziplist(const struct ch_core *core, uint64_t addr, uint32_t bytes)
{
	uint32_t tail;

	return ch_core_read_u32(core, addr + 4, &tail) && tail >= ZIPLIST_BYTES && tail < bytes;
}

static struct ch_error *say_ziplist(struct ch_redis_pass *pass, uint64_t addr)
{
	const struct ch_core *core = pass->redis->env.core;
	uint32_t bytes;

	return is_packed(core, addr, &bytes) && is_ziplist(core, addr, bytes)
		       ? chp_redis_say(pass, addr, bytes, CH_REDIS_ZIPLIST)
		       : NULL;
}

struct ch_error *chp_redis_say_packed(struct ch_redis_pass *pass, uint64_t addr)
{
	uint32_t bytes;

	if (!is_packed(pass->redis->env.core, addr, &bytes))
		return NULL;
	return pass->what.kind == CH_REDIS_STREAM
		       ? chp_redis_say_within(pass, addr, bytes, CH_REDIS_LISTPACK)
		       : chp_redis_say(pass, addr, bytes, CH_REDIS_LISTPACK);
}

/* intset: bytes of an element u32, how many u32, elements. */
static struct ch_error *say_intset(struct ch_redis_pass *pass, uint64_t addr)
{
	uint32_t width, count;

	if (!ch_core_read_u32(pass->redis->env.core, addr, &width) ||
	    !ch_core_read_u32(pass->redis->env.core, addr + 4, &count) ||
	    (width != 2 && width != 4 && width != 8))
		return NULL;
	return chp_redis_say(pass, addr, 8 + (uint64_t)width * count, CH_REDIS_INTSET);
}

/* The dict or hash table of a value. That of a hash may have times of fields behind it. */
static struct ch_error *say_table(struct ch_redis_pass *pass, uint64_t addr)
{
	const struct ch_redis_layout *layout = pass->redis->layout;
	const bool is_hash = pass->what.kind == CH_REDIS_HASH;
	struct ch_redis_dict dict;

	if (layout->table_bytes)
		return chp_redis_hashtable(pass->redis->env.core, addr, &dict)
			       ? chp_redis_say_within(pass, addr, layout->table_bytes,
						      CH_REDIS_HASHTABLE)
			       : NULL;
	if (!is_hash || !layout->has_fields)
		return chp_redis_say(pass, addr, layout->dict_bytes, CH_REDIS_DICT);
	return chp_redis_dict(pass->redis->env.core, layout, addr, &dict)
		       ? chp_redis_say_within(pass, addr, layout->dict_bytes, CH_REDIS_DICT)
		       : NULL;
}

struct ch_error *chp_redis_follow_object(struct ch_redis_pass *pass)
{
	const uint64_t addr = chp_redis_word(pass, 8);
	uint32_t bits = (uint32_t)chp_redis_word(pass, 0);

	if ((bits & 15) == CH_REDIS_MODULE)
		return chp_redis_say(pass, addr, MODULE_BYTES, CH_REDIS_MODULE_VALUE);
	switch ((enum encoding)(bits >> 4 & 15)) {
	case RAW:
		return chp_redis_say_sds(pass, addr, CH_REDIS_VALUE, pass->what.kind);
	case HT:
		return say_table(pass, addr);
	case ZIPLIST:
		return say_ziplist(pass, addr);
	case LISTPACK:
		return chp_redis_say_packed(pass, addr);
	case LISTPACK_EXPIRES:
		return chp_redis_say(pass, addr, LISTPACK_EXPIRES_BYTES, CH_REDIS_LISTPACK_EXPIRES);
	case INTSET:
		return say_intset(pass, addr);
	case SKIPLIST:
		return chp_redis_say(pass, addr, ZSET_BYTES, CH_REDIS_SORTED);
	case QUICKLIST:
		return chp_redis_say(pass, addr, QUICKLIST_BYTES, CH_REDIS_QUICKLIST);
	case STREAM:
		return chp_redis_say(pass, addr, pass->redis->layout->stream_bytes,
				     CH_REDIS_STREAM_HEAD);
	case INT:
	case EMBSTR:
	default:
		return NULL;
	}
}

struct ch_error *chp_redis_follow_full(struct ch_redis_pass *pass)
{
	chp_redis_found(pass);
	return chp_redis_follow_object(pass);
}

struct ch_error *chp_redis_follow_packed(struct ch_redis_pass *pass)
{
	return chp_redis_say_packed(pass, chp_redis_word(pass, LISTPACK_PACKED));
}

struct ch_error *chp_redis_follow_quicklist(struct ch_redis_pass *pass)
{
	return chp_redis_say(pass, chp_redis_word(pass, 0), pass->redis->layout->node_bytes,
			     CH_REDIS_NODE);
}

/* quicklistLZF: bytes of what is compressed, and that. */
static struct ch_error *say_compressed(struct ch_redis_pass *pass, uint64_t addr)
{
	const uint32_t width = pass->redis->layout->lzf_bytes;
	uint64_t bytes = 0;

	return ch_core_try_read(pass->redis->env.core, addr, &bytes, width) && bytes < 1ULL << 40
		       ? chp_redis_say(pass, addr, width + bytes, CH_REDIS_LZF)
		       : NULL;
}

struct ch_error *chp_redis_follow_node(struct ch_redis_pass *pass)
{
	const struct ch_redis_layout *layout = pass->redis->layout;
	const uint64_t entry = chp_redis_word(pass, NODE_ENTRY);
	struct ch_error *err = NULL;
	uint32_t bits;

	if (!ch_core_read_u32(pass->redis->env.core, pass->block.addr + layout->node_bits, &bits))
		return NULL;
	/* encoding: raw or compressed; container: one element, or many */
	if ((bits >> 16 & 3) == 2)
		err = say_compressed(pass, entry);
	else if (!layout->has_exponents)
		err = say_ziplist(pass, entry);
	else if ((bits >> 18 & 3) == 2)
		err = chp_redis_say_packed(pass, entry);
	else
		err = chp_redis_say(pass, entry, chp_redis_word(pass, NODE_SIZE), CH_REDIS_PLAIN);
	return err ? err
		   : chp_redis_say(pass, chp_redis_word(pass, NODE_NEXT), layout->node_bytes,
				   CH_REDIS_NODE);
}

struct ch_error *chp_redis_follow_sorted(struct ch_redis_pass *pass)
{
	const struct ch_redis_layout *layout = pass->redis->layout;
	const uint64_t bytes =
		layout->has_elements ? layout->levels + LEVELS_MAX * LEVEL_BYTES : SKIPLIST_BYTES;
	struct ch_error *err = say_table(pass, chp_redis_word(pass, 0));

	return err ? err : chp_redis_say(pass, chp_redis_word(pass, 8), bytes, CH_REDIS_SKIPLIST);
}

/* A node that has its element. */
static struct ch_error *say_node(struct ch_redis_pass *pass, uint64_t addr)
{
	const struct ch_core *core = pass->redis->env.core;
	uint64_t levels, end;
	struct ch_redis_text text;
	uint8_t header;

	if (!addr || !ch_core_read_u64(core, addr + pass->redis->layout->levels + 8, &levels) ||
	    !levels || levels > LEVELS_MAX)
		return NULL;
	end = pass->redis->layout->levels + LEVEL_BYTES * levels + 1;
	return ch_core_try_read(core, addr + end - 1, &header, 1) &&
			       chp_redis_text(core, addr + end + header, &text) &&
			       text.header == header
		       ? chp_redis_say(pass, addr, end + text.bytes, CH_REDIS_SKIPLIST_NODE)
		       : NULL;
}

/* The first one has no element, and a level for each that there may be. */
struct ch_error *chp_redis_follow_skiplist(struct ch_redis_pass *pass)
{
	return pass->redis->layout->has_elements
		       ? say_node(pass, chp_redis_word(pass, pass->redis->layout->levels))
		       : chp_redis_say(pass, chp_redis_word(pass, 0), 0, CH_REDIS_SKIPLIST_NODE);
}

struct ch_error *chp_redis_follow_skiplist_node(struct ch_redis_pass *pass)
{
	const uint32_t levels = pass->redis->layout->levels;
	struct ch_error *err;

	if (pass->block.size_bytes < levels + LEVEL_BYTES)
		return NULL;
	if (pass->redis->layout->has_elements)
		return say_node(pass, chp_redis_word(pass, levels));
	err = chp_redis_say_sds(pass, chp_redis_word(pass, 0), CH_REDIS_MEMBER, pass->what.kind);
	return err ? err
		   : chp_redis_say(pass, chp_redis_word(pass, levels), 0, CH_REDIS_SKIPLIST_NODE);
}
