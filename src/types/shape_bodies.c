/*
 * std::string and std::vector by shape: a few words of the container that agree about one block.
 *
 * libstdc++ (gcc 12): a string is {text, length, capacity} when it is not short, and the text ends
 * with a zero (include/bits/basic_string.h); by the older ABI a string is a pointer to a text that
 * is preceded by {length, capacity, references} (include/bits/cow_string.h). libc++ (LLVM 14,
 * include/string, __long): {bytes, the lowest bit set, length, text}. A vector is {begin, end, end
 * of capacity} in both; std::vector<bool> of libstdc++ has a number of a bit behind each of the
 * first two (include/bits/stl_bvector.h).
 */
#include "types/shape_priv.h"

/* What fits into the string itself (_S_local_capacity). */
#define SHORT_MAX 15
/* Sizes of buffers that somebody chose are multiples of it. */
#define ROUND_BYTES 16
/* {length, capacity, references} before the text of a shared string. */
#define SHARED_BYTES 24
/* libc++ asks for multiples of it (__alignment). */
#define LIBCXX_UNIT 16

/* Whether a zero is behind the text, and none where it begins and ends: memory that is all zeros
 * is a text of any length. Nothing tells that one of no length is a text. */
static bool is_text(const struct ch_shapes *shapes, uint64_t addr, uint64_t length)
{
	uint8_t first, ends[2];

	return length && ch_core_try_read(shapes->core, addr, &first, 1) && first &&
	       ch_core_try_read(shapes->core, addr + length - 1, ends, 2) && ends[0] && !ends[1];
}

/* Whether a string may have come to have a capacity: its text needed it, the half of it was not
 * enough, it has been doubled from what fits into a string itself, or it is odd enough. Buffers of
 * C, which are described by a pointer, a length and a size, too, have round sizes, and room. */
static bool is_capacity(uint64_t capacity, uint64_t length)
{
	uint64_t odd = capacity / (capacity & -capacity);

	return length > capacity / 2 || odd == SHORT_MAX || capacity % ROUND_BYTES;
}

static struct ch_error *take(struct ch_shapes *shapes, const struct ch_named_block *block,
			     enum ch_part part, bool *found_ret)
{
	*found_ret = true;
	return chp_shape_say(shapes, block, part, 0);
}

struct ch_error *chp_shape_string(struct ch_shapes *shapes, const struct ch_shape_place *place,
				  bool *found_ret)
{
	uint64_t length, capacity;

	if (place->len < 32)
		return NULL;
	length = chp_shape_word(place, 8);
	capacity = chp_shape_word(place, 16);
	if (capacity <= SHORT_MAX || length > capacity || !is_capacity(capacity, length) ||
	    capacity >= place->block->size_bytes || !chp_block_fits(place->block, capacity + 1) ||
	    !is_text(shapes, place->block->addr, length))
		return NULL;
	return take(shapes, place->block, CH_PART_STRING, found_ret);
}

struct ch_error *chp_shape_string_libcxx(struct ch_shapes *shapes,
					 const struct ch_shape_place *place, bool *found_ret)
{
	uint64_t words[2];

	if (!chp_shape_read(shapes, place->addr - 16, words, 2))
		return NULL;
	/* of what is shorter there is no block */
	if (words[0] % LIBCXX_UNIT != 1 || words[0] <= SHORT_MAX + LIBCXX_UNIT ||
	    words[1] >= words[0] - 1 || words[0] - 1 > place->block->size_bytes ||
	    !chp_block_fits(place->block, words[0] - 1) ||
	    !is_text(shapes, place->block->addr, words[1]))
		return NULL;
	return take(shapes, place->block, CH_PART_STRING, found_ret);
}

struct ch_error *chp_shape_string_shared(struct ch_shapes *shapes,
					 const struct ch_shape_place *place, bool *found_ret)
{
	uint64_t words[3], bytes;
	uint32_t references;

	if (!chp_shape_read(shapes, place->block->addr, words, 3))
		return NULL;
	/* -1: it may not be shared; else one less than there are strings that have it */
	references = (uint32_t)words[2];
	if (words[0] > words[1] || !ch_add(words[1], SHARED_BYTES + 1, &bytes) ||
	    bytes > place->block->size_bytes || !chp_block_fits(place->block, bytes) ||
	    (references != UINT32_MAX && references > shapes->index->objects_count) ||
	    !is_text(shapes, place->block->addr + SHARED_BYTES, words[0]))
		return NULL;
	return take(shapes, place->block, CH_PART_STRING, found_ret);
}

struct ch_error *chp_shape_vector(struct ch_shapes *shapes, const struct ch_shape_place *place,
				  bool *found_ret)
{
	uint64_t begin = place->block->addr, end, last;

	if (place->len < 24)
		return NULL;
	end = chp_shape_word(place, 8);
	last = chp_shape_word(place, 16);
	if (end < begin || last < end || last == begin || last - begin > place->block->size_bytes ||
	    !chp_block_fits(place->block, last - begin))
		return NULL;
	return take(shapes, place->block, CH_PART_VECTOR, found_ret);
}

struct ch_error *chp_shape_vector_bool(struct ch_shapes *shapes, const struct ch_shape_place *place,
				       bool *found_ret)
{
	uint64_t begin = place->block->addr, end, last;

	if (place->len < 40)
		return NULL;
	end = chp_shape_word(place, 16);
	last = chp_shape_word(place, 32);
	if (ch_get32(place->bytes + 8) || ch_get32(place->bytes + 24) >= 64 || end % 8 ||
	    last % 8 || end < begin || last < end || last == begin ||
	    last - begin > place->block->size_bytes || !chp_block_fits(place->block, last - begin))
		return NULL;
	return take(shapes, place->block, CH_PART_VECTOR_BOOL, found_ret);
}
