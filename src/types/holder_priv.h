/*
 * holder_priv.h - the parts of the provider "holder": blocks by the nearest named place that
 * points at them.
 *
 * Vocabulary:
 *   place  what has a name: a variable, a thread-local variable, memory of a module without
 *          symbols, the blocks of a type that somebody else named;
 *   step   a word by its offset, in a place or in a block, that points at the next block; many
 *          alike words fold into one step ("[]"), and so does a chain ("*");
 *   node   a place and the steps from there: the blocks that are reached so are one type;
 *   level  blocks that are as many steps from a place. Blocks are met in order of levels, so that
 *          the nearest place is found first, and of places of one level the first in the order in
 *          which they are looked at, which is the same in every run.
 */
#ifndef COREHEAP_TYPES_HOLDER_PRIV_H
#define COREHEAP_TYPES_HOLDER_PRIV_H

#include "types/provider.h"
#include "util/table.h"
#include "util/vec.h"

/** Steps that a name has: the word in the place, and the last ones from there. */
#define CH_HOLD_STEPS 4

/** A step: its offset (a multiple of 8) or where its array begins, and the bits below. */
#define CH_STEP_ARRAY (1ULL << 63)
#define CH_STEP_CHAIN (1ULL << 62)
/** There is a second offset, in words behind the first; there are more. */
#define CH_STEP_SECOND (1ULL << 61)
#define CH_STEP_MORE   (1ULL << 60)
/** In the place of one that is not known: some were left out. */
#define CH_STEP_UNKNOWN   UINT64_MAX
#define CH_STEP_SHIFT     40
#define CH_STEP_WORDS_MAX ((1ULL << 20) - 1)
#define CH_STEP_OFFSET    ((1ULL << CH_STEP_SHIFT) - 1)

/** Whether offset is one of a step that is no array. */
static inline bool chp_step_has(uint64_t step, uint64_t offset)
{
	uint64_t first = step & CH_STEP_OFFSET;

	return offset == first ||
	       (step & CH_STEP_SECOND &&
		offset == first + 8 * (step >> CH_STEP_SHIFT & CH_STEP_WORDS_MAX));
}

/** The step with one offset more. */
uint64_t chp_step_add(uint64_t step, uint64_t offset);

enum ch_place_kind {
	CH_PLACE_SYMBOL,
	/** A page of a module's data that no symbol names. */
	CH_PLACE_DATA,
	CH_PLACE_TLS_SYMBOL,
	CH_PLACE_TLS,
	CH_PLACE_TYPE,
};

struct ch_place {
	enum ch_place_kind kind;
	/** NULL with a type. */
	const struct ch_module *module;
	/** Of a symbol: its name, borrowed from the symbols. */
	const char *symbol;
	/** Of what has no symbol: offset of step 0 in the module, or in its thread-local block. */
	uint64_t base;
	/** Of blocks of a type. */
	uint32_t type;
};

struct ch_hold_node {
	uint32_t place;
	/** Steps from the place, those that are left out counted; 0: it is the place itself. */
	uint32_t steps_count;
	/** The first one, and the last ones. */
	uint64_t steps[CH_HOLD_STEPS];
	/** Usable bytes of each of its blocks, and of those before the last step; 0: of several
	 * sizes. */
	uint64_t size_bytes, before_bytes;
	/** How far into its blocks pointers lead. */
	uint64_t inside;
	/** Its blocks were found from blocks of the same size: whatever word of them leads to
	 * another such block is part of the chain. */
	bool is_chain;
	/** The node and the step that it was first found by; a node of which these blocks are the
	 * first links, 0: there is none. */
	uint32_t from, head_of;
	uint64_t step;
	/** Blocks that were found by a step; by links of the chain. */
	uint32_t found_count, links_count;
	/** Of the level under way: different words that lead on; there are so many that all are
	 * one step. */
	bool folded;
	uint32_t words_count;
};

/** A way on that was found: from a node by a word to blocks of a size. */
struct ch_hold_way {
	uint32_t from, to;
	/** What becomes of the offset: a step. */
	uint64_t offset, step;
	uint64_t size_bytes, inside;
};

/** Whether a block may still get a name, and what was found of it. */
#define CH_HOLD_OPEN   0U
#define CH_HOLD_CLOSED UINT32_MAX
/** The rest is a way, which becomes a node at the end of the level; only inner pointers were met.
 */
#define CH_HOLD_WAY    (1U << 31)
#define CH_HOLD_INNER  (1U << 30)
#define CH_HOLD_NUMBER (CH_HOLD_INNER - 1)

struct ch_holding {
	struct ch_provider_env env;
	/** of struct ch_place; of struct ch_hold_node, whose numbers are keys */
	struct ch_vec places, nodes;
	/** Places by what they are; nodes by what they are. */
	struct ch_table places_by, nodes_by;
	/** of char *, names that were made */
	struct ch_vec names;
	bool full;

	/** While blocks are named. By id of the index. */
	uint32_t *blocks;
	/** Some blocks have names of others; names that are passed. */
	bool any_named, any_passed;
	/** Ids of blocks in the order in which ways to them were found. */
	uint32_t *queue;
	size_t queue_count;
	/** of struct ch_hold_way, of the level */
	struct ch_vec ways;
	/** By node and word its number; by that number and a size the way. */
	struct ch_table words_by, ways_by;
	/** Sizes of each word, of uint32_t. */
	struct ch_vec word_sizes;
};

/** A node that is a place; made if there is none. CH_ID_NONE: out of memory, or there are too many
 * (full is set). */
uint32_t chp_holding_place(struct ch_holding *holding, const struct ch_place *place, uint64_t key);
/** The way from a node by a word to blocks of a size, which pointers lead so far into; made if
 * there is none. CH_TABLE_NONE: out of memory. */
uint32_t chp_holding_way(struct ch_holding *holding, uint32_t from, uint64_t offset,
			 uint64_t size_bytes, uint64_t inside);
/** holder_scan.c: whether a word leads to a block that may get a name from it. */
bool chp_holding_leads(const struct ch_holding *holding, uint64_t value);
/** A word of a place at offset was met. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_holding_meet(struct ch_holding *holding, uint32_t node,
						uint64_t offset, uint64_t value);
/** Scan the blocks of a level, which are queue[begin] to queue[end - 1], and the chains that begin
 * with them; ways became nodes. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_holding_scan(struct ch_holding *holding, size_t begin,
						size_t end);
/** All ways of the level were found: fold them, and make nodes of them. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_holding_fold(struct ch_holding *holding);
/** Chains that were met change what nodes are: make one of those that are now alike. By the number
 * that each node had, the one it has. Owned by the caller, also on failure. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_holding_unite(struct ch_holding *holding, uint32_t **ret);
/** holder_places.c: meet the words of all places. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_holding_places(struct ch_holding *holding,
						  struct ch_naming *naming);
/** The same of blocks that were passed, if they came to be. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_holding_left_over(struct ch_holding *holding,
						     struct ch_naming *naming);
/** Whether a named block is gone through as one without a name: what its name says is only how it
 * looks. */
static inline bool chp_holding_is_passed(const struct ch_named_block *block)
{
	return block->provider && block->provider->rank == CH_RANK_SHAPE;
}
/** holder_text.c: what the blocks of a node are called; owned by the caller. NULL: no memory. */
char *chp_holding_text(const struct ch_holding *holding, const struct ch_hold_node *node);

#endif /* COREHEAP_TYPES_HOLDER_PRIV_H */
