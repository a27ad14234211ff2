/*
 * std::deque by shape.
 *
 * libstdc++ (gcc 12, include/bits/stl_deque.h, _Deque_impl_data): {map, its size, start, finish},
 * where start and finish are {current, first, last, node}: node is the word of the map that points
 * at first, a block of 512 bytes, or of one element that is larger. libc++ (LLVM 14,
 * include/deque): a map {first, begin, end, end of capacity}, where the words from begin to end
 * point at blocks of 4096 bytes, or of 16 elements, and then the place of the first element and
 * the number of elements.
 */
#include "types/shape_priv.h"

/* Blocks of libstdc++ (_GLIBCXX_DEQUE_BUF_SIZE) and of libc++ (__deque_block_size). */
#define BLOCK_BYTES        512
#define LIBCXX_BLOCK_BYTES 4096
#define LIBCXX_ELEMENTS    16
/* malloc may give this more to one block than to another that was asked for alike. */
#define SPARE_BYTES 16

/* An iterator of libstdc++. */
struct end {
	uint64_t current, first, last, node;
};

static struct end get_end(const struct ch_shape_place *place, size_t offset)
{
	return (struct end){ .current = chp_shape_word(place, offset),
			     .first = chp_shape_word(place, offset + 8),
			     .last = chp_shape_word(place, offset + 16),
			     .node = chp_shape_word(place, offset + 24) };
}

static bool is_end(const struct ch_shapes *shapes, const struct ch_named_block *map, uint64_t bytes,
		   const struct end *end)
{
	uint64_t word;

	return end->node % 8 == 0 && end->node - map->addr < bytes && end->first < end->last &&
	       end->current >= end->first && end->current < end->last &&
	       chp_shape_read(shapes, end->node, &word, 1) && word == end->first;
}

/* The blocks that the words of [from, to) of a map point at: all alike and of so many bytes. */
static struct ch_error *take_blocks(struct ch_shapes *shapes, uint64_t from, uint64_t to,
				    uint64_t bytes, bool say, bool *ok_ret)
{
	struct ch_named_block block;
	struct ch_error *err;
	uint64_t word;

	*ok_ret = false;
	for (; from < to; from += 8) {
		if (!chp_shape_step(shapes) || !chp_shape_read(shapes, from, &word, 1) ||
		    !chp_shape_block(shapes, word, &block) || !chp_block_fits(&block, bytes))
			return NULL;
		err = say ? chp_shape_say(shapes, &block, CH_PART_DEQUE_BLOCK, 0) : NULL;
		if (err)
			return err;
	}
	*ok_ret = true;
	return NULL;
}

static struct ch_error *take(struct ch_shapes *shapes, const struct ch_named_block *map,
			     uint64_t from, uint64_t to, uint64_t bytes, bool *found_ret)
{
	struct ch_error *err = take_blocks(shapes, from, to, bytes, false, found_ret);

	if (err || !*found_ret)
		return err;
	err = chp_shape_say(shapes, map, CH_PART_DEQUE_MAP, 0);
	return err ? err : take_blocks(shapes, from, to, bytes, true, found_ret);
}

struct ch_error *chp_shape_deque(struct ch_shapes *shapes, const struct ch_shape_place *place,
				 bool *found_ret)
{
	struct end start, finish;
	uint64_t words, bytes;

	if (place->len < 80)
		return NULL;
	words = chp_shape_word(place, 8);
	if (!words || words > place->block->size_bytes / 8 ||
	    !chp_block_fits(place->block, 8 * words))
		return NULL;
	start = get_end(place, 16);
	finish = get_end(place, 48);
	if (!is_end(shapes, place->block, 8 * words, &start) ||
	    !is_end(shapes, place->block, 8 * words, &finish) || finish.node < start.node)
		return NULL;
	bytes = start.last - start.first;
	/* as many elements as go into it, or one */
	if (finish.last - finish.first != bytes || bytes <= BLOCK_BYTES / 2)
		return NULL;
	return take(shapes, place->block, start.node, finish.node + 8, bytes, found_ret);
}

struct ch_error *chp_shape_deque_libcxx(struct ch_shapes *shapes,
					const struct ch_shape_place *place, bool *found_ret)
{
	uint64_t first = place->block->addr, begin, end, last, start, count, word;
	struct ch_named_block block;

	if (place->len < 48)
		return NULL;
	begin = chp_shape_word(place, 8);
	end = chp_shape_word(place, 16);
	last = chp_shape_word(place, 24);
	start = chp_shape_word(place, 32);
	count = chp_shape_word(place, 40);
	if (begin % 8 || end % 8 || last % 8 || begin < first || end <= begin || last < end ||
	    last - first > place->block->size_bytes || !chp_block_fits(place->block, last - first))
		return NULL;
	if (!chp_shape_read(shapes, begin, &word, 1) || !chp_shape_block(shapes, word, &block) ||
	    block.size_bytes < LIBCXX_BLOCK_BYTES / 2)
		return NULL;
	/* elements lie in blocks that there are, beginning with one of the first two */
	if (!count || count > (end - begin) / 8 * LIBCXX_BLOCK_BYTES ||
	    start >= 2 * LIBCXX_BLOCK_BYTES ||
	    (block.size_bytes > 2 * LIBCXX_BLOCK_BYTES &&
	     start + count > (end - begin) / 8 * LIBCXX_ELEMENTS))
		return NULL;
	return take(shapes, place->block, begin, end, block.size_bytes - SPARE_BYTES, found_ret);
}
