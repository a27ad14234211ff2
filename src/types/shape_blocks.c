/*
 * What all shapes of containers ask: of blocks, of memory, and how parts get their names.
 */
#include "types/shape_priv.h"

/* What a key has room for. */
#define NODE_BYTES_MAX (1ULL << 40)

bool chp_shape_block(const struct ch_shapes *shapes, uint64_t addr, struct ch_named_block *ret)
{
	return chp_may_point_plain(shapes->index, addr) &&
	       chp_naming_block(shapes->naming, addr, ret) && ret->addr == addr &&
	       (!ret->provider || ret->provider->rank >= CH_RANK_SHAPE);
}

bool chp_shape_read(const struct ch_shapes *shapes, uint64_t addr, uint64_t *words, size_t count)
{
	size_t i;

	if (addr % 8 || !ch_core_try_read(shapes->core, addr, words, 8 * count))
		return false;
	for (i = 0; i < count; i++)
		words[i] = le64toh(words[i]);
	return true;
}

bool chp_shape_step(struct ch_shapes *shapes)
{
	if (!shapes->steps)
		return false;
	shapes->steps--;
	return true;
}

struct ch_error *chp_shape_say(struct ch_shapes *shapes, const struct ch_named_block *block,
			       enum ch_part part, uint64_t node_bytes)
{
	if (block->provider == shapes->provider && chp_part_of(block->key) >= part)
		return NULL;
	return chp_naming_say(shapes->naming, shapes->provider, block,
			      part | ch_min(node_bytes, NODE_BYTES_MAX) << CH_PART_BITS);
}

bool chp_shape_alike(struct ch_shape_sizes *sizes, const struct ch_named_block *node)
{
	sizes->least = sizes->most ? ch_min(sizes->least, node->size_bytes) : node->size_bytes;
	sizes->most = ch_max(sizes->most, node->size_bytes);
	return sizes->most - sizes->least < CH_SPARE_MAX_BYTES;
}
