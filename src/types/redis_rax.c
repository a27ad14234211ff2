/*
 * Streams of redis, which are radix trees of listpacks, and their groups of consumers.
 *
 * raxNode: u32 with iskey 1 bit, isnull 1, iscompr 1, size 29; the bytes of edges up to a multiple
 * of 8; a pointer to each child, of which a compressed node has one; the value, if there is one.
 */
#include "types/redis_priv.h"
#include "util/bytes.h"
#include "util/error.h"

#define NACK_BYTES 24U
/* FirstSegHdr: the first item, and counts. */
#define SEGMENT_BYTES 16U
#define IS_KEY        1U
#define IS_NULL       2U
#define IS_PACKED     4U
#define SIZE_SHIFT    3U
#define HEAD_BYTES    4U

struct node {
	uint64_t children, count, value, bytes;
};

static bool read_node(const struct ch_core *core, uint64_t addr, struct node *ret)
{
	uint32_t head;
	uint64_t size;

	if (!addr || addr % 8 || !ch_core_read_u32(core, addr, &head))
		return false;
	size = head >> SIZE_SHIFT;
	ret->children = ch_align_up(HEAD_BYTES + size, 8);
	ret->count = head & IS_PACKED ? 1 : size;
	ret->bytes = ret->children + 8 * ret->count;
	ret->value = 0;
	if ((head & IS_KEY) && !(head & IS_NULL)) {
		ret->value = ret->bytes;
		ret->bytes += 8;
	}
	return (head & IS_PACKED) || size <= 256;
}

static struct ch_error *say_node(struct ch_redis_pass *pass, uint64_t addr, enum ch_redis_role role)
{
	struct node node;

	return read_node(pass->redis->env.core, addr, &node)
		       ? chp_redis_say(pass, addr, node.bytes, role)
		       : NULL;
}

static struct ch_error *say_value(struct ch_redis_pass *pass, uint64_t addr)
{
	const struct ch_redis_layout *layout = pass->redis->layout;

	switch (pass->what.role) {
	case CH_REDIS_NODE_ENTRIES:
		return chp_redis_say_packed(pass, addr);
	case CH_REDIS_NODE_GROUPS:
		return chp_redis_say(pass, addr, layout->group_bytes, CH_REDIS_GROUP);
	case CH_REDIS_NODE_CONSUMERS:
		return chp_redis_say(pass, addr, layout->consumer_bytes, CH_REDIS_CONSUMER);
	case CH_REDIS_NODE_EXPIRES:
		return chp_redis_say(pass, addr, SEGMENT_BYTES, CH_REDIS_SEGMENT);
	default:
		return chp_redis_say(pass, addr, NACK_BYTES, CH_REDIS_NACK);
	}
}

struct ch_error *chp_redis_follow_stream(struct ch_redis_pass *pass)
{
	struct ch_error *err =
		chp_redis_say(pass, chp_redis_word(pass, pass->redis->layout->stream_rax),
			      pass->redis->layout->rax_bytes, CH_REDIS_RAX_ENTRIES);

	return err ? err
		   : chp_redis_say(pass, chp_redis_word(pass, pass->redis->layout->groups),
				   pass->redis->layout->rax_bytes, CH_REDIS_RAX_GROUPS);
}

struct ch_error *chp_redis_follow_rax(struct ch_redis_pass *pass)
{
	return say_node(pass, chp_redis_word(pass, 0),
			pass->what.role + (CH_REDIS_NODE_ENTRIES - CH_REDIS_RAX_ENTRIES));
}

struct ch_error *chp_redis_follow_rax_node(struct ch_redis_pass *pass)
{
	struct ch_error *err = NULL;
	struct node node;
	uint64_t i;

	if (!read_node(pass->redis->env.core, pass->block.addr, &node) ||
	    node.bytes > pass->block.size_bytes)
		return NULL;
	for (i = 0; !err && i < node.count; i++)
		err = say_node(pass, chp_redis_word(pass, node.children + 8 * i), pass->what.role);
	return err || !node.value ? err : say_value(pass, chp_redis_word(pass, node.value));
}

struct ch_error *chp_redis_follow_group(struct ch_redis_pass *pass)
{
	const struct ch_redis_layout *layout = pass->redis->layout;
	struct ch_error *err = chp_redis_say(pass, chp_redis_word(pass, layout->group_pending),
					     pass->redis->layout->rax_bytes, CH_REDIS_RAX_PENDING);

	return err ? err
		   : chp_redis_say(pass, chp_redis_word(pass, layout->group_consumers),
				   layout->rax_bytes, CH_REDIS_RAX_CONSUMERS);
}

struct ch_error *chp_redis_follow_consumer(struct ch_redis_pass *pass)
{
	const struct ch_redis_layout *layout = pass->redis->layout;
	struct ch_error *err = chp_redis_say_sds(pass, chp_redis_word(pass, layout->consumer_name),
						 CH_REDIS_SDS, pass->what.kind);

	return err ? err
		   : chp_redis_say(pass, chp_redis_word(pass, layout->consumer_pending),
				   pass->redis->layout->rax_bytes, CH_REDIS_RAX_PENDING);
}
