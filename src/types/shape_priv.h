/*
 * shape_priv.h - the inside of the provider `shape`, shared by its files.
 *
 * Vocabulary:
 *   place      where a program may keep a container: module data, a stack, a used block;
 *   container  what lies at a place: a few words that lead to blocks;
 *   part       a block that belongs to a container: a node, a body, an array of buckets.
 *
 * shape.c goes over all places, shape_trees.c knows maps and sets, shape_chains.c lists and hash
 * tables, shape_deques.c deques, shape_callables.c std::function and std::any, shape_bodies.c
 * strings and vectors, and shape_blocks.c what these ask. A container is believed when all of it
 * holds together; then its parts get their names.
 */
#ifndef COREHEAP_TYPES_SHAPE_PRIV_H
#define COREHEAP_TYPES_SHAPE_PRIV_H

#include "types/provider.h"
#include "util/bytes.h"
#include "util/table.h"

/** What a block may be; a better one wins, and the later ones are better: more had to agree. */
enum ch_part {
	CH_PART_NONE,
	CH_PART_VECTOR,
	CH_PART_STRING,
	CH_PART_VECTOR_BOOL,
	/** Of what the class is known: its number follows. */
	CH_PART_CALLED,
	CH_PART_LIST_NODE,
	CH_PART_DEQUE_BLOCK,
	CH_PART_DEQUE_MAP,
	CH_PART_HASH_NODE,
	CH_PART_HASH_BUCKETS,
	CH_PART_TREE_NODE,
};

/** Below this a key says what kind of part it is, above how large the nodes are. */
#define CH_PART_BITS 8

static inline enum ch_part chp_part_of(uint64_t key)
{
	return (enum ch_part)(key & ((1U << CH_PART_BITS) - 1));
}

extern const struct ch_provider ch_provider_shape;

struct ch_shapes {
	struct ch_core *core;
	const struct ch_index *index;
	struct ch_naming *naming;
	/** Who says it. */
	const struct ch_provider *provider;
	struct ch_sym *sym;
	/** of struct ch_shape_class: classes that code names. */
	struct ch_vec classes;
	/** Where each is, by the shown name of the function that names it. */
	struct ch_table class_numbers;
	/** Whose containers may be there. */
	bool libstdcxx, libcxx;
	/** The program is C++: what a few words say of one block is believed, too. */
	bool is_cxx;
	/** One bit for each block: the ring of pointers that it is in was looked at. */
	uint64_t *rings;
	/** Steps from node to node that are left; what is told of a heap takes a few for each of
	 * its blocks. */
	uint64_t steps;
};

/** Words at target address addr, of which len bytes follow each other in our memory. */
struct ch_shape_place {
	uint64_t addr;
	const uint8_t *bytes;
	size_t len;
	/** The block whose first byte the first word points at. */
	const struct ch_named_block *block;
};

/** The word at an offset below place->len - 7. */
static inline uint64_t chp_shape_word(const struct ch_shape_place *place, size_t offset)
{
	return ch_get64(place->bytes + offset);
}

/* ---- shape_blocks.c --------------------------------------------------------------------- */

/** The open block that begins at addr and that nobody with a better word has named. */
bool chp_shape_block(const struct ch_shapes *shapes, uint64_t addr, struct ch_named_block *ret);
/** Read words of target memory; false: they are not there. */
bool chp_shape_read(const struct ch_shapes *shapes, uint64_t addr, uint64_t *words, size_t count);
/** Take one step from node to node; false: there are none left. */
bool chp_shape_step(struct ch_shapes *shapes);
/** Name a part; node_bytes: the size that all nodes of its container have, 0: it is no node.
 * Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_shape_say(struct ch_shapes *shapes,
					     const struct ch_named_block *block, enum ch_part part,
					     uint64_t node_bytes);

/** A class that a function of the library is made for. */
struct ch_shape_class {
	/** Escaped, owned; NULL: it is no function that says so. */
	char *name;
	const struct ch_module *module;
};

/** Usable bytes of nodes: all are asked of malloc with one size, which may give a little more. */
struct ch_shape_sizes {
	uint64_t least, most;
};
bool chp_shape_alike(struct ch_shape_sizes *sizes, const struct ch_named_block *node);

/*
 * One kind of container each. place->block is the block that its first word points at. If all of
 * it holds together, *found_ret is true and its parts are named. Errors: NOMEM.
 */
#define CH_SHAPE_FN(name)                                                                          \
	CH_MUST_CHECK struct ch_error *name(struct ch_shapes *shapes,                              \
					    const struct ch_shape_place *place, bool *found_ret)

/** shape_trees.c; the first word is that behind the header's color. */
CH_SHAPE_FN(chp_shape_tree);
CH_SHAPE_FN(chp_shape_tree_libcxx);
/** shape_chains.c */
CH_SHAPE_FN(chp_shape_list);
CH_SHAPE_FN(chp_shape_hash);
/** shape_deques.c */
CH_SHAPE_FN(chp_shape_deque);
CH_SHAPE_FN(chp_shape_deque_libcxx);
/** shape_callables.c; of std::any the first word is its last one. */
CH_SHAPE_FN(chp_shape_function);
CH_SHAPE_FN(chp_shape_any);
/** shape_bodies.c; of libc++ the first word is the last one of a string. */
CH_SHAPE_FN(chp_shape_string);
CH_SHAPE_FN(chp_shape_string_libcxx);
CH_SHAPE_FN(chp_shape_vector);
CH_SHAPE_FN(chp_shape_vector_bool);
/** place->block is the block that the first word points 24 bytes into. */
CH_SHAPE_FN(chp_shape_string_shared);

#endif /* COREHEAP_TYPES_SHAPE_PRIV_H */
