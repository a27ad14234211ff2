/*
 * What the others share: words of the target, heaps and their parts, objects without headers.
 */
#include "walkers/nginx/nginx_priv.h"

uint64_t nginx_word(const struct nginx *ng, uint64_t addr)
{
	uint64_t word;

	return ch_core_read_u64(ng->env.core, addr, &word) ? word : 0;
}

struct ch_error *nginx_add_heap(struct nginx *ng, const struct nginx_heap *heap, uint32_t *ret)
{
	struct nginx_heap *slot = ch_vec_push(&ng->heaps);

	if (!slot)
		return &ch_enomem;
	*slot = *heap;
	*ret = (uint32_t)ng->heaps.count - 1;
	return NULL;
}

struct ch_error *nginx_add_part(struct nginx *ng, uint32_t heap, const struct nginx_part *part,
				bool in_block)
{
	struct nginx_part *slot = ch_vec_push(&ng->parts);
	struct ch_span *span = ch_vec_push(&ng->out.spans);
	struct nginx_heap *of = CH_VEC_AT(&ng->heaps, struct nginx_heap, heap);

	if (!slot || !span || !ch_table_put(&ng->blocks, part->start, 0))
		return &ch_enomem;
	*slot = *part;
	*span = (struct ch_span){ .start = part->start,
				  .end = part->end,
				  .committed_end = part->end,
				  .kind = in_block ? "block of a pool" : "shared zone",
				  .heap = heap,
				  .usage = CH_USAGE_ARENA,
				  .basis = CH_BASIS_DERIVED,
				  .cookie = ng->parts.count - 1,
				  .block_addr = in_block ? part->start : 0 };
	of->counts[0] += in_block;
	of->bytes += part->end - part->start;
	return NULL;
}

struct ch_error *nginx_put(struct ch_object_batch *batch, uint64_t addr, uint64_t bytes,
			   enum ch_object_state state, uint64_t key)
{
	const struct ch_object object = { .addr = addr,
					  .size_bytes = bytes,
					  .chunk_bytes = bytes,
					  .key = key,
					  .state = (uint8_t)state };

	return bytes ? ch_object_batch_put(batch, &object) : NULL;
}
