/*
 * postgres_priv.h - the inside of the walker of PostgreSQL's memory contexts.
 *
 * A context is a pool that a backend empties or deletes as a whole: it has blocks of malloc, and
 * carves these into chunks. All contexts are one tree below TopMemoryContext. What a context and
 * a block begin with is the same in releases 13 to 18; where the rest lies is in the rows of
 * layout.c.
 *
 *   layout.c  rows of releases, and which one the process has
 *   tree.c    the root, and the contexts below it
 *   blocks.c  the blocks of a context, by kind
 *   lists.c   free chunks that only lists know
 *   walk.c    chunks of a block
 *   names.c   names of contexts
 */
#ifndef COREHEAP_WALKERS_POSTGRES_POSTGRES_PRIV_H
#define COREHEAP_WALKERS_POSTGRES_POSTGRES_PRIV_H

#include "heap/constants.h"
#include "heap/walker.h"

#include "util/table.h"
#include "util/vec.h"

/* struct MemoryContextData */
#define POSTGRES_TAG        0
#define POSTGRES_PARENT     24
#define POSTGRES_FIRSTCHILD 32
#define POSTGRES_NEXTCHILD  48
#define POSTGRES_NAME       56
#define POSTGRES_IDENT      64

/* struct AllocSetContext: the first block, and the heads of the lists of free chunks, of which
 * list i has those of 8 << i bytes. */
#define POSTGRES_ASET_BLOCKS    80
#define POSTGRES_ASET_FREE      88
#define POSTGRES_ASET_LISTS     11
#define POSTGRES_ASET_MIN_BYTES 8U
/* struct AllocBlockData: endptr */
#define POSTGRES_ASET_END 32

enum postgres_kind {
	POSTGRES_ASET,
	POSTGRES_SLAB,
	POSTGRES_GENERATION,
	/** Before release 15: all blocks are of one size, none belongs to the context. */
	POSTGRES_GENERATION_13,
	POSTGRES_BUMP,
	POSTGRES_KINDS,
	POSTGRES_UNKNOWN = POSTGRES_KINDS,
};

/** Where things are in a context of one kind, and in its blocks. */
struct postgres_form {
	/** Of the context; 0: the release has none of these. */
	uint32_t context_bytes;
	/** The first block follows the context in one block of malloc. */
	bool keeper;
	/** Header of a block; all but slabs end theirs with freeptr and endptr. */
	uint32_t block_bytes;
	/** In a block: its context, POSTGRES_NOWHERE if only chunks say it; and the link to
	 * the next one. */
	uint32_t owner, link;
	/** In the context: heads of lists of blocks, and how many (0: as the context says). */
	uint32_t lists, lists_count;
	/** Header of a chunk. */
	uint32_t chunk_bytes;
};
#define POSTGRES_NOWHERE UINT32_MAX

/** Members of a slab context that say how it is carved up. */
struct postgres_slab {
	/** Bytes of each of the numbers. */
	uint32_t width;
	uint32_t chunk_size, full_size, block_size, per_block;
	/** Head of the list of empty blocks; 0: there is none. */
	uint32_t empties;
};

struct postgres_layout {
	const char *releases, *source;
	/** A chunk's header is one word, of which so many bits are the kind of its context; 0: it
	 * is its size and its context. */
	uint32_t method_bits;
	struct postgres_form forms[POSTGRES_KINDS];
	struct postgres_slab slab;
};

/** The header of a chunk from release 16 on. */
struct postgres_header {
	uint32_t method;
	/** It is alone in its block, and the rest is not valid. */
	bool external;
	uint32_t value;
	/** Bytes from the block to the chunk. */
	uint32_t block_offset;
};
#define POSTGRES_METHOD_ASET       3
#define POSTGRES_METHOD_GENERATION 4

static inline struct postgres_header postgres_header(const struct postgres_layout *layout,
						     uint64_t word)
{
	return (struct postgres_header){
		.method = (uint32_t)(word & ((1U << layout->method_bits) - 1)),
		.external = word >> layout->method_bits & 1,
		.value = word >> (layout->method_bits + 1) & 0x3fffffff,
		/* the lowest bit is another field's from 17 on, and 0 before */
		.block_offset = word >> 34 & 0x3ffffffe,
	};
}

struct postgres_context {
	uint64_t addr;
	/** Of the node; kinds have one each, which releases number differently. */
	uint32_t tag;
	enum postgres_kind kind;
	/** Index in postgres.contexts; of the root, its own. */
	uint32_t parent;
	uint32_t level;
	/** Index in postgres.names, or CH_TABLE_NONE. */
	uint32_t name;
	/** Escaped, owned; NULL unless contents are to be revealed. */
	char *ident;
	/** Bytes of chunks of a slab, header included. */
	uint64_t stride_bytes;
	/** Blocks and their bytes, the context's own included. */
	uint64_t blocks_count, bytes;
};

/** A block of a context: [start, first) its header, [first, used_end) chunks, the rest free. */
struct postgres_block {
	uint64_t start, first, used_end, end;
	uint32_t context;
};

struct postgres {
	/** What the engine reads; first. */
	struct ch_answers out;
	struct ch_heap_env env;
	const struct postgres_layout *layout;
	uint64_t root;
	const char *root_basis;
	/** of struct postgres_context, parents first; by address */
	struct ch_vec contexts;
	struct ch_table by_addr;
	/** of struct postgres_block; cookies of spans are indices; headers that were seen */
	struct ch_vec blocks;
	struct ch_table blocks_by_addr;
	/** of uint64_t: headers of free chunks that only lists know, ascending */
	struct ch_vec free_chunks;
	struct ch_constants names;
	/** By hash of the name of a hash table: whether it may be shown. */
	struct ch_table tables;
};

/** The root, by its symbol or by its shape. False: there is none. */
bool postgres_find_root(const struct ch_heap_env *env, uint64_t *ret, const char **basis_ret);
/** The row that a root is laid out by, or NULL. */
const struct postgres_layout *postgres_layout_of(const struct ch_core *core, uint64_t root);
/** The contexts below the root. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *postgres_read_tree(struct postgres *pg);
/** Kinds of contexts, and their blocks as spans. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *postgres_read_blocks(struct postgres *pg);
/** Free chunks on lists of the contexts. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *postgres_read_lists(struct postgres *pg);
/** The name and the identifier of a context. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *postgres_read_name(struct postgres *pg,
						  struct postgres_context *context);
/** Of struct ch_walker_allocator. */
CH_MUST_CHECK struct ch_error *postgres_objects(void *state, const struct ch_span *span,
						uint64_t from, struct ch_object_sink *sink);

/** Keys of types: of structs of contexts by kind, then of the chunks of contexts of one name. */
#define POSTGRES_KEY_OF_KIND(kind)  ((uint64_t)(kind) + 1)
#define POSTGRES_KEY_OF_NAME(index) ((uint64_t)(index) + 1 + POSTGRES_KINDS)

/** A number of 4 or 8 bytes in a struct of the target; 0: it is not there. */
uint64_t postgres_number(const struct ch_core *core, uint64_t addr, uint32_t width);

#endif /* COREHEAP_WALKERS_POSTGRES_POSTGRES_PRIV_H */
