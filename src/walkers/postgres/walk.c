/*
 * Chunks of one block. AllocSets and Generations have headers with sizes; of these, what a damaged
 * one leaves is searched for the next header that names the block. Slabs have chunks of one size,
 * and Bump contexts none at all: what they gave out of a block is one object.
 */
#include "walkers/postgres/postgres_priv.h"

#include "util/bytes.h"
#include "util/context.h"
#include "util/search.h"

struct walking {
	const struct postgres *pg;
	const struct postgres_context *context;
	const struct postgres_form *form;
	const struct postgres_block *block;
	/* Chunks of pg->free_chunks from this one on are still to come. */
	size_t next_free;
	struct ch_object_batch batch;
};

static struct ch_error *put(struct walking *walking, uint64_t addr, uint64_t bytes,
			    enum ch_object_state state, uint64_t key)
{
	const struct ch_object object = { .addr = addr,
					  .size_bytes = bytes,
					  .chunk_bytes = bytes,
					  .key = key,
					  .state = (uint8_t)state };

	return bytes ? ch_object_batch_put(&walking->batch, &object) : NULL;
}

/* Whether the chunk at addr is on a list; they are asked for in ascending order. */
static bool is_listed(struct walking *walking, uint64_t addr)
{
	const uint64_t *list = walking->pg->free_chunks.items;
	const size_t count = walking->pg->free_chunks.count;

	while (walking->next_free < count && list[walking->next_free] < addr)
		walking->next_free++;
	return walking->next_free < count && list[walking->next_free] == addr;
}

/* ---- Headers --------------------------------------------------------------------- */

/* Before release 16: size and context of an AllocSet's chunk; of a free one, the next on its
 * list, which are powers of two. Of a Generation's: size, block, and the context or nothing. */
static bool read_old(const struct walking *walking, uint64_t at, struct ch_object *ret)
{
	const struct ch_core *core = walking->pg->env.core;
	const bool aset = walking->context->kind == POSTGRES_ASET;
	const uint64_t limit = POSTGRES_ASET_MIN_BYTES << (POSTGRES_ASET_LISTS - 1);
	uint64_t size, owner, block = 0;

	if (!ch_core_read_u64(core, at, &size) ||
	    !ch_core_read_u64(core, at + walking->form->chunk_bytes - 8, &owner) ||
	    (!aset && !ch_core_read_u64(core, at + 8, &block)))
		return false;
	ret->size_bytes = size;
	if (owner != walking->context->addr)
		ret->state = aset ? CH_OBJECT_FREE : CH_OBJECT_OVERHEAD;
	if (aset)
		return ret->state == CH_OBJECT_USED ||
		       (owner % 8 == 0 && size >= POSTGRES_ASET_MIN_BYTES && size <= limit &&
			!(size & (size - 1)));
	/* a chunk that has its block for itself does not say which it is */
	return (block == walking->block->start || at == walking->block->first) &&
	       (ret->state == CH_OBJECT_USED || !owner);
}

/* From release 16 on: one word. Free chunks of a Generation cannot be told. */
static bool read_new(struct walking *walking, uint64_t at, struct ch_object *ret)
{
	const bool aset = walking->context->kind == POSTGRES_ASET;
	struct postgres_header header;
	uint64_t word;

	if (!ch_core_read_u64(walking->pg->env.core, at, &word))
		return false;
	header = postgres_header(walking->pg->layout, word);
	if (header.method != (aset ? POSTGRES_METHOD_ASET : POSTGRES_METHOD_GENERATION))
		return false;
	if (header.external) {
		ret->size_bytes = walking->block->used_end - at - walking->form->chunk_bytes;
		return at == walking->block->first;
	}
	if (at - walking->block->start != header.block_offset ||
	    (aset && header.value >= POSTGRES_ASET_LISTS))
		return false;
	ret->size_bytes = aset ? (uint64_t)POSTGRES_ASET_MIN_BYTES << header.value : header.value;
	if (aset && is_listed(walking, at))
		ret->state = CH_OBJECT_FREE;
	return true;
}

/* The chunk at an address. */
static bool read_chunk(struct walking *walking, uint64_t at, struct ch_object *ret)
{
	const uint64_t header = walking->form->chunk_bytes, room = walking->block->used_end - at;

	*ret = (struct ch_object){ .addr = at + header, .header_bytes = (uint8_t)header };
	if (room < header || !(walking->pg->layout->method_bits ? read_new(walking, at, ret)
								: read_old(walking, at, ret)))
		return false;
	if (ret->size_bytes % 8 || ret->size_bytes > room - header)
		return false;
	ret->chunk_bytes = header + ret->size_bytes;
	return true;
}

/* The next address from at on where a used chunk's header is, or the end of chunks. */
static uint64_t find_chunk(struct walking *walking, uint64_t at)
{
	struct ch_object chunk;

	for (; at < walking->block->used_end; at += 8)
		if (read_chunk(walking, at, &chunk) && chunk.state == CH_OBJECT_USED)
			break;
	return at;
}

static uint64_t key_of(const struct walking *walking)
{
	return walking->context->name == CH_TABLE_NONE
		       ? 0
		       : POSTGRES_KEY_OF_NAME(walking->context->name);
}

static struct ch_error *walk_headers(struct walking *walking, uint64_t at)
{
	struct ch_error *err = NULL;
	struct ch_object chunk;
	uint64_t next;

	for (; !err && at < walking->block->used_end; at = next) {
		if (!read_chunk(walking, at, &chunk)) {
			next = find_chunk(walking, at + 8);
			chp_context_finding(
				walking->pg->env.ctx, chp_blame(&walking->pg->env),
				"postgres-chunk",
				"memory context 0x%llx: no chunk at 0x%llx; %llu bytes "
				"are not told apart",
				(unsigned long long)walking->context->addr, (unsigned long long)at,
				(unsigned long long)(ch_min(next, walking->block->used_end) - at));
			continue;
		}
		if (chunk.state == CH_OBJECT_USED)
			chunk.key = key_of(walking);
		err = ch_object_batch_put(&walking->batch, &chunk);
		next = at + chunk.chunk_bytes;
	}
	return err;
}

/* ---- Kinds ----------------------------------------------------------------------- */

static struct ch_error *walk_slab(struct walking *walking, uint64_t at)
{
	const uint64_t header = walking->form->chunk_bytes, bytes = walking->context->stride_bytes;
	const struct postgres_block *block = walking->block;
	struct ch_error *err = NULL;
	struct ch_object chunk;

	for (; !err && bytes > header && bytes <= block->end - at; at += bytes) {
		chunk = (struct ch_object){ .addr = at + header,
					    .size_bytes = bytes - header,
					    .chunk_bytes = bytes,
					    .header_bytes = (uint8_t)header,
					    .key = key_of(walking) };
		if (at >= block->used_end || is_listed(walking, at)) {
			chunk.state = CH_OBJECT_FREE;
			chunk.key = 0;
		}
		err = ch_object_batch_put(&walking->batch, &chunk);
	}
	return err ? err : put(walking, at, block->end - at, CH_OBJECT_OVERHEAD, 0);
}

static struct ch_error *walk_chunks(struct walking *walking, uint64_t at)
{
	const struct postgres_block *block = walking->block;
	struct ch_object rest = { .addr = block->used_end,
				  .size_bytes = block->end - block->used_end,
				  .chunk_bytes = block->end - block->used_end,
				  .state = CH_OBJECT_FREE,
				  .flags = CH_OBJECT_TOP };
	struct ch_error *err;

	if (walking->context->kind == POSTGRES_SLAB)
		return walk_slab(walking, at);
	if (at >= block->used_end)
		err = NULL;
	else if (walking->context->kind == POSTGRES_BUMP)
		err = put(walking, block->first, block->used_end - block->first, CH_OBJECT_USED,
			  key_of(walking));
	else
		err = walk_headers(walking, at);
	return err || !rest.chunk_bytes ? err : ch_object_batch_put(&walking->batch, &rest);
}

struct ch_error *postgres_objects(void *state, const struct ch_span *span, uint64_t from,
				  struct ch_object_sink *sink)
{
	const struct postgres *pg = state;
	const struct postgres_block *block =
		CH_VEC_AT(&pg->blocks, struct postgres_block, span->cookie);
	const struct postgres_context *context =
		CH_VEC_AT(&pg->contexts, struct postgres_context, block->context);
	const uint64_t *free_chunks = pg->free_chunks.items;
	uint64_t at = ch_max(ch_min(from, block->used_end), block->first);
	struct ch_error *err = NULL;
	struct walking walking;

	/* Not initialised as a whole: the batch is 20 KiB. */
	walking.pg = pg;
	walking.context = context;
	walking.form = &pg->layout->forms[context->kind];
	walking.block = block;
	walking.next_free = ch_search(free_chunks, pg->free_chunks.count, it, *it < at);
	walking.batch.sink = sink;
	walking.batch.count = 0;
	if (from <= span->start)
		err = put(&walking, span->start, block->start - span->start, CH_OBJECT_USED,
			  POSTGRES_KEY_OF_KIND(context->kind));
	if (!err && from <= block->start)
		err = put(&walking, block->start, block->first - block->start, CH_OBJECT_OVERHEAD,
			  0);
	if (!err)
		err = walk_chunks(&walking, at);
	return err ? err : ch_object_batch_flush(&walking.batch);
}
