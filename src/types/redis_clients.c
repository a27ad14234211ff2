/*
 * Clients of redis: what they asked, in a buffer and as arguments, and what they are to be
 * answered, in a buffer and in a list of blocks.
 *
 * A client has a pointer to its database, which tells it from all others; the server's own struct
 * leads to clients and to lists of them.
 */
#include "types/redis_priv.h"
#include "util/bytes.h"
#include "util/error.h"

/* list: head 0, tail 8, three functions, len 40; listNode: prev 0, next 8, value 16. */
#define LIST_BYTES      48U
#define LIST_NODE_BYTES 24U
#define NODE_NEXT       8U
#define NODE_VALUE      16U
/* clientReplyBlock: size 0, used 8, and the buffer. */
#define REPLY_BLOCK 16U
/* PROTO_REPLY_MIN_BYTES; more than any client has. */
#define BUFFER_MIN 1024U
#define SERVER_MAX (1U << 16)

static bool is_client(const struct ch_redis *redis, uint64_t addr)
{
	uint64_t db;

	return addr && addr % 8 == 0 &&
	       ch_core_read_u64(redis->env.core, addr + redis->layout->client_db, &db) &&
	       chp_redis_is_db(redis, db);
}

static struct ch_error *say_client(struct ch_redis_pass *pass, uint64_t addr)
{
	return is_client(pass->redis, addr)
		       ? chp_redis_say(pass, addr, pass->redis->layout->client_bytes,
				       CH_REDIS_CLIENT)
		       : NULL;
}

/* Whether the first node of a list has a client. */
static bool is_client_list(const struct ch_redis *redis, uint64_t addr)
{
	const struct ch_core *core = redis->env.core;
	uint64_t node, value;

	return addr && addr % 8 == 0 && ch_core_read_u64(core, addr, &node) && node &&
	       node % 8 == 0 && ch_core_read_u64(core, node + NODE_VALUE, &value) &&
	       is_client(redis, value);
}

struct ch_error *chp_redis_seed_clients(struct ch_redis_pass *pass)
{
	const struct ch_symbol *server = &pass->redis->server;
	struct ch_error *err = NULL;
	uint64_t at, word;

	pass->what = (struct ch_redis_what){ .kind = CH_REDIS_CLIENTS };
	for (at = 0; !err && at < ch_min(server->size_bytes, SERVER_MAX); at += 8) {
		if (!ch_core_read_u64(pass->redis->env.core, server->addr + at, &word))
			continue;
		if (is_client(pass->redis, word))
			err = say_client(pass, word);
		else if (is_client_list(pass->redis, word))
			err = chp_redis_say(pass, word, LIST_BYTES, CH_REDIS_CLIENT_LIST);
	}
	return err;
}

/* Its buffer for answers. */
static struct ch_error *say_buffer(struct ch_redis_pass *pass)
{
	const uint32_t at = pass->redis->layout->client_buffer;
	const uint64_t bytes = at ? chp_redis_word(pass, pass->redis->layout->client_room) : 0;

	return bytes >= BUFFER_MIN
		       ? chp_redis_say(pass, chp_redis_word(pass, at), bytes, CH_REDIS_BUFFER)
		       : NULL;
}

/* What a client asks for. An argument that became a value has other references. */
static struct ch_error *say_arguments(struct ch_redis_pass *pass)
{
	const uint64_t argv = chp_redis_word(pass, pass->redis->layout->client_argv);
	const uint32_t argc = (uint32_t)chp_redis_word(pass, pass->redis->layout->client_argc);
	struct ch_error *err;
	uint64_t word;
	uint32_t i;

	/* clients do not share their arguments, so all of them fit into the core */
	if (!argv || !argc || argc > pass->redis->arguments_left)
		return NULL;
	pass->redis->arguments_left -= argc;
	err = chp_redis_say(pass, argv, 0, CH_REDIS_ARGV);
	for (i = 0; !err && i < argc; i++) {
		if (!ch_core_read_u64(pass->redis->env.core, argv + 8 * (uint64_t)i, &word))
			break;
		err = chp_redis_say_argument(pass, word);
	}
	return err;
}

struct ch_error *chp_redis_follow_client(struct ch_redis_pass *pass)
{
	const struct ch_redis_layout *layout = pass->redis->layout;
	struct ch_error *err;

	err = chp_redis_say_sds(pass, chp_redis_word(pass, layout->client_query), CH_REDIS_QUERY,
				CH_REDIS_CLIENTS);
	if (!err)
		err = chp_redis_say_object(pass, chp_redis_word(pass, layout->client_name),
					   CH_REDIS_ROBJ, CH_REDIS_CLIENTS, false);
	if (!err)
		err = say_arguments(pass);
	if (!err)
		err = chp_redis_say(pass, chp_redis_word(pass, layout->client_reply), LIST_BYTES,
				    CH_REDIS_REPLY_LIST);
	return err ? err : say_buffer(pass);
}

struct ch_error *chp_redis_follow_list(struct ch_redis_pass *pass)
{
	return chp_redis_say(pass, chp_redis_word(pass, 0), LIST_NODE_BYTES,
			     pass->what.role == CH_REDIS_REPLY_LIST ? CH_REDIS_REPLY_NODE
								    : CH_REDIS_CLIENT_NODE);
}

static struct ch_error *say_reply(struct ch_redis_pass *pass, uint64_t addr)
{
	uint64_t room, used;

	return addr && ch_core_read_u64(pass->redis->env.core, addr, &room) &&
			       ch_core_read_u64(pass->redis->env.core, addr + 8, &used) &&
			       used <= room && room < UINT64_MAX / 2
		       ? chp_redis_say(pass, addr, REPLY_BLOCK + room, CH_REDIS_REPLY_BLOCK)
		       : NULL;
}

struct ch_error *chp_redis_follow_list_node(struct ch_redis_pass *pass)
{
	const uint64_t value = chp_redis_word(pass, NODE_VALUE);
	struct ch_error *err = pass->what.role == CH_REDIS_REPLY_NODE ? say_reply(pass, value)
								      : say_client(pass, value);

	return err ? err
		   : chp_redis_say(pass, chp_redis_word(pass, NODE_NEXT), LIST_NODE_BYTES,
				   pass->what.role);
}
