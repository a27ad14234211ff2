/*
 * std::list, and std::unordered_map, std::unordered_set and their multi forms by shape.
 *
 * A list is {next, previous, number of nodes} in libstdc++ (gcc 12, include/bits/stl_list.h,
 * _List_node_header) and {previous, next, number} in libc++ (LLVM 14, include/list): a ring of
 * nodes, which begin with the same two pointers, and the container itself. Read from the other
 * side one is the other.
 *
 * A hash table is {buckets, their number, first node, number of nodes, greatest load as a float} in
 * both (include/bits/hashtable.h; include/__hash_table). Nodes begin with a pointer to the next
 * one; a bucket points at the node before its first one, that of the first node at the word in the
 * container.
 */
#include <stdlib.h>
#include <string.h>

#include "types/shape_priv.h"

/* ---- Lists ---------------------------------------------------------------------------- */

/* What one walk round a ring tells. */
struct ring {
	/* Members, the container among them. */
	uint64_t length;
	/* Those behind whose pointers the number of the others lies, and the last one of them; of
	 * these such as are no node, because no block begins there. */
	uint64_t heads_count, outside_count;
	uint64_t head, outside;
};

/* Whether a member of a ring was seen before; those that are blocks are marked. */
static bool was_seen(struct ch_shapes *shapes, uint64_t addr)
{
	struct ch_named_block block;
	uint64_t bit;
	bool seen;

	if (!chp_shape_block(shapes, addr, &block))
		return false;
	bit = 1ULL << block.id % 64;
	seen = shapes->rings[block.id / 64] & bit;
	shapes->rings[block.id / 64] |= bit;
	return seen;
}

/* Go from first round to it again. False: the pointers back do not agree, or there is no end. */
static bool go_round(struct ch_shapes *shapes, uint64_t first, uint64_t *length_ret)
{
	uint64_t at = first, words[2], next[2], count = 0;

	if (!chp_shape_read(shapes, at, words, 2))
		return false;
	do {
		if (!chp_shape_step(shapes) || !words[0] || words[0] % 8 ||
		    !chp_shape_read(shapes, words[0], next, 2) || next[1] != at)
			return false;
		/* another walk has been here, and was about this ring, too */
		if (was_seen(shapes, at))
			return false;
		at = words[0];
		memcpy(words, next, sizeof(words));
		count++;
	} while (at != first);
	*length_ret = count;
	return true;
}

static void find_heads(struct ch_shapes *shapes, uint64_t first, struct ring *ring)
{
	struct ch_named_block block;
	uint64_t at = first, next, number, i;

	for (i = 0; i < ring->length && chp_shape_read(shapes, at, &next, 1); i++, at = next) {
		if (!chp_shape_read(shapes, at + 16, &number, 1) || number != ring->length - 1)
			continue;
		ring->heads_count++;
		ring->head = at;
		if (chp_shape_block(shapes, at, &block))
			continue;
		ring->outside_count++;
		ring->outside = at;
	}
}

/* All members but the container: whether they are blocks alike; with sizes known they get their
 * names. */
static struct ch_error *take_nodes(struct ch_shapes *shapes, const struct ring *ring,
				   struct ch_shape_sizes *sizes, bool say, bool *ok_ret)
{
	struct ch_named_block block;
	struct ch_error *err = NULL;
	uint64_t at, i;

	*ok_ret = false;
	if (!chp_shape_read(shapes, ring->head, &at, 1))
		return NULL;
	for (i = 1; !err && i < ring->length; i++) {
		if (!chp_shape_block(shapes, at, &block) || block.size_bytes < 24 ||
		    (!say && !chp_shape_alike(sizes, &block)))
			return NULL;
		if (say)
			err = chp_shape_say(shapes, &block, CH_PART_LIST_NODE, sizes->least);
		if (!err && !chp_shape_read(shapes, at, &at, 1))
			return NULL;
	}
	*ok_ret = true;
	return err;
}

struct ch_error *chp_shape_list(struct ch_shapes *shapes, const struct ch_shape_place *place,
				bool *found_ret)
{
	struct ch_shape_sizes sizes = { 0 };
	struct ring ring = { 0 };
	struct ch_error *err;
	uint64_t words[2];

	/* what the first word leads to leads back, and is no ring of two that was seen already */
	if (place->len < 24 || !chp_shape_word(place, 8) ||
	    !chp_shape_read(shapes, place->block->addr, words, 2) || words[1] != place->addr)
		return NULL;
	if (!go_round(shapes, place->block->addr, &ring.length) || ring.length < 2)
		return NULL;
	find_heads(shapes, place->block->addr, &ring);
	/* an element may have that number by chance: the one that is no block is the container */
	if (ring.outside_count == 1)
		ring.head = ring.outside;
	else if (ring.heads_count != 1)
		return NULL;
	err = take_nodes(shapes, &ring, &sizes, false, found_ret);
	return err || !*found_ret ? err : take_nodes(shapes, &ring, &sizes, true, found_ret);
}

/* ---- Hash tables ---------------------------------------------------------------------- */

/* 1.0 as a float (IEEE 754). */
#define LOAD_ONE 0x3f800000U

struct hash {
	struct ch_shapes *shapes;
	/* The word of the container that points at the first node. */
	uint64_t before, buckets, buckets_count, first, count;
};

/* Greatest loads that somebody may set; 1 is what everybody has, and what an empty table, of which
 * little else tells, must have. */
static bool is_load(uint32_t bits, bool is_empty)
{
	float load;

	memcpy(&load, &bits, sizeof(load));
	return is_empty ? bits == LOAD_ONE : load >= 0.05F && load <= 100.0F;
}

/* Whether buckets lead where they may: to nodes, and one of them to the container. */
static bool check_buckets(const struct hash *hash)
{
	struct ch_named_block block;
	uint64_t i, used = 0, own = 0, word;

	for (i = 0; i < hash->buckets_count; i++) {
		if (!chp_shape_step(hash->shapes) ||
		    !chp_shape_read(hash->shapes, hash->buckets + 8 * i, &word, 1))
			return false;
		if (!word)
			continue;
		used++;
		if (word == hash->before)
			own++;
		else if (!chp_shape_block(hash->shapes, word, &block))
			return false;
	}
	return used <= hash->count && own == (hash->count ? 1 : 0);
}

static struct ch_error *walk_nodes(const struct hash *hash, struct ch_shape_sizes *sizes, bool say,
				   bool *ok_ret)
{
	struct ch_named_block block;
	struct ch_error *err = NULL;
	uint64_t at = hash->first, count;

	*ok_ret = false;
	for (count = 0; at; count++) {
		if (count >= hash->count || !chp_shape_step(hash->shapes) ||
		    !chp_shape_block(hash->shapes, at, &block) || block.size_bytes < 16 ||
		    (!say && !chp_shape_alike(sizes, &block)))
			return NULL;
		if (say)
			err = chp_shape_say(hash->shapes, &block, CH_PART_HASH_NODE, sizes->least);
		if (err)
			return err;
		if (!chp_shape_read(hash->shapes, at, &at, 1))
			return NULL;
	}
	*ok_ret = count == hash->count;
	return NULL;
}

struct ch_error *chp_shape_hash(struct ch_shapes *shapes, const struct ch_shape_place *place,
				bool *found_ret)
{
	struct hash hash = { .shapes = shapes, .before = place->addr + 16 };
	struct ch_shape_sizes sizes = { 0 };
	struct ch_error *err;

	if (place->len < 40)
		return NULL;
	hash.buckets = place->block->addr;
	hash.buckets_count = chp_shape_word(place, 8);
	hash.first = chp_shape_word(place, 16);
	hash.count = chp_shape_word(place, 24);
	/* one bucket is in the container itself */
	if (hash.buckets_count < 2 || hash.buckets_count > place->block->size_bytes / 8 ||
	    !chp_block_fits(place->block, 8 * hash.buckets_count) || !hash.first != !hash.count ||
	    hash.count > shapes->index->objects_count ||
	    !is_load(ch_get32(place->bytes + 32), !hash.count) || !check_buckets(&hash))
		return NULL;
	err = walk_nodes(&hash, &sizes, false, found_ret);
	if (err || !*found_ret)
		return err;
	err = chp_shape_say(shapes, place->block, CH_PART_HASH_BUCKETS, 0);
	return err ? err : walk_nodes(&hash, &sizes, true, found_ret);
}
