/*
 * Connections and events: three arrays that a worker has of malloc, as long as it may have
 * connections. The cycle says where they are; connection i points at event i of both, which tells
 * how large they are. A connection without a file is free, and its events are.
 *
 * Source: nginx 1.0 to 1.31, src/core/ngx_cycle.h, ngx_cycle_t; src/core/ngx_connection.h,
 * ngx_connection_t; src/event/ngx_event.c, ngx_event_process_init().
 */
#include "walkers/nginx/nginx_priv.h"

#include "util/bytes.h"

/* In a ngx_connection_t: data, read, write, fd. */
#define READ  8
#define WRITE 16
#define FD    24
/* Behind recv, send, recv_chain, send_chain, listening, sent and log. */
#define POOL 88
/* Where a cycle has them at the latest, and the largest connection. */
#define CYCLE_BYTES      1024
#define CONNECTION_BYTES 1024

/* The used block that begins at addr. */
static bool block_of(const struct nginx *ng, uint64_t addr, struct ch_object *ret)
{
	return addr && chp_outer_block_at(&ng->env, addr, ret) && ret->addr == addr &&
	       ret->state == CH_OBJECT_USED;
}

/* Where the second connection is, and the second event: the first place behind the first that
 * points as far into both arrays of events. */
static bool find_strides(const struct nginx *ng, const uint64_t *arrays, uint64_t *connection_ret,
			 uint64_t *event_ret)
{
	uint64_t stride, event;

	if (nginx_word(ng, arrays[0] + READ) != arrays[1] ||
	    nginx_word(ng, arrays[0] + WRITE) != arrays[2])
		return false;
	for (stride = FD + 8; stride <= CONNECTION_BYTES; stride += 8) {
		event = nginx_word(ng, arrays[0] + stride + READ) - arrays[1];
		if (!event || event % 8 || event > CONNECTION_BYTES ||
		    nginx_word(ng, arrays[0] + stride + WRITE) - arrays[2] != event)
			continue;
		*connection_ret = stride;
		*event_ret = event;
		return true;
	}
	return false;
}

static struct ch_error *add_tables(struct nginx *ng, const uint64_t *arrays, uint64_t count,
				   const uint64_t *strides)
{
	const struct nginx_heap heap = { .kind = "table",
					 .addr = arrays[0],
					 .key = NGINX_CONNECTION };
	struct ch_error *err;
	uint64_t end;
	uint32_t index, i;

	err = nginx_add_heap(ng, &heap, &index);
	for (i = 0; !err && i < 3; i++) {
		end = arrays[i] + count * strides[i ? 1 : 0];
		err = nginx_add_part(
			ng, index,
			&(struct nginx_part){ .kind = NGINX_TABLE,
					      .start = arrays[i],
					      .used_end = end,
					      .end = end,
					      .key = i ? NGINX_EVENT : NGINX_CONNECTION,
					      .stride_bytes = strides[i ? 1 : 0] },
			true);
	}
	ng->connections = arrays[0];
	ng->stride_bytes = strides[0];
	ng->connections_count = count;
	return err;
}

static bool is_used(const struct nginx *ng, uint64_t i)
{
	uint32_t fd = UINT32_MAX;

	return ch_core_read_u32(ng->env.core, ng->connections + i * ng->stride_bytes + FD, &fd) &&
	       fd != UINT32_MAX;
}

/* Which pools connections have: also those to others, of which nothing else tells it. */
static struct ch_error *find_owned(struct nginx *ng)
{
	uint64_t i, pool;

	for (i = 0; i < ng->connections_count; i++) {
		pool = nginx_word(ng, ng->connections + i * ng->stride_bytes + POOL);
		if (is_used(ng, i) && pool && !ch_table_put(&ng->owned, pool, 0))
			return &ch_enomem;
	}
	return NULL;
}

struct ch_error *nginx_read_tables(struct nginx *ng)
{
	uint64_t at, arrays[3], strides[2], count, i;
	struct ch_object blocks[3];
	struct ch_error *err;

	/* connection_n, files_n, connections, read_events, write_events */
	for (at = 24; ng->cycle && at < CYCLE_BYTES; at += 8) {
		count = nginx_word(ng, ng->cycle + at);
		for (i = 0; i < 3; i++)
			arrays[i] = nginx_word(ng, ng->cycle + at + 16 + 8 * i);
		if (!count || count > UINT32_MAX || !block_of(ng, arrays[0], &blocks[0]) ||
		    !block_of(ng, arrays[1], &blocks[1]) || !block_of(ng, arrays[2], &blocks[2]) ||
		    arrays[1] == arrays[2] || !find_strides(ng, arrays, &strides[0], &strides[1]))
			continue;
		if (count * strides[0] > blocks[0].size_bytes ||
		    count * strides[1] > blocks[1].size_bytes ||
		    count * strides[1] > blocks[2].size_bytes)
			continue;
		err = add_tables(ng, arrays, count, strides);
		return err ? err : find_owned(ng);
	}
	return NULL;
}

struct ch_error *nginx_walk_table(const struct nginx *ng, const struct nginx_part *part,
				  uint64_t from, struct ch_object_batch *batch)
{
	uint64_t i = (ch_max(from, part->start) - part->start) / part->stride_bytes;
	struct ch_error *err = NULL;
	bool used;

	for (; !err && i < ng->connections_count; i++) {
		used = is_used(ng, i);
		err = nginx_put(batch, part->start + i * part->stride_bytes, part->stride_bytes,
				used ? CH_OBJECT_USED : CH_OBJECT_FREE, used ? part->key : 0);
	}
	return err;
}
