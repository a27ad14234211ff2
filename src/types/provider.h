/*
 * provider.h - the contract with what names blocks of walkers that know no types.
 *
 * malloc knows sizes. What a block is must be told by something else: the table of virtual
 * functions it begins with, debug information, the pool that it is from. Each of these is a
 * provider: one const table `ch_provider_<name>` in src/types/<name>.c, which the build finds by
 * its file name. docs/ADDING-A-PROVIDER.md has the steps.
 *
 * Vocabulary:
 *   key     what a provider calls a type: below 2^63, and not 0;
 *   rank    how good a provider's word is: the lower one wins;
 *   open    of a block: used, and its walker knows no type of it;
 *   follow  say what a named block leads to.
 *
 * The pass goes in this order: all open blocks are shown to those who judge by contents
 * (blocks()); who knows places outside of blocks says what these lead to (seeds()); blocks whose
 * names changed are followed, until none is left (follow()); and last those who have a word for
 * what is left are asked, better ranks first, and what they say is followed, too (rest()).
 *
 * Rules: never print; never allocate for each block; bound every loop and all memory by what was
 * validated; no recursion over target data. All state lives behind what open() returns.
 */
#ifndef COREHEAP_TYPES_PROVIDER_H
#define COREHEAP_TYPES_PROVIDER_H

#include <coreheap/coreheap.h>

#include "debug/types.h"
#include "heap/type_table.h"
#include "index/index.h"

/** What a provider may look at. Borrowed for its whole life. */
struct ch_provider_env {
	struct ch_session *session;
	struct ch_core *core;
	struct ch_sym *sym;
	struct ch_map *map;
	struct ch_heaps *heaps;
	struct ch_context *ctx;
	/** NULL while open() runs: no provider may have anything to say. */
	const struct ch_index *index;
};

/** Whose word wins. */
enum ch_provider_rank {
	/** The program itself recorded it. */
	CH_RANK_RECORDED,
	/** The complete class of an object, by its table of virtual functions. */
	CH_RANK_VTABLE,
	/** Structures of libc and of the dynamic linker, by their layouts. */
	CH_RANK_KNOWN,
	/** What debug information declares of the pointer that leads there. */
	CH_RANK_DECLARED,
	/** What it looks like. */
	CH_RANK_SHAPE,
	/** What points at it. */
	CH_RANK_HOLDER,
};

/** An open block. */
struct ch_named_block {
	/** Its id, and its span's place in the index. */
	uint32_t id, span;
	/** As the program sees it: behind the header of a runtime that counts its blocks. */
	uint64_t addr, size_bytes;
	/** Whose word it has; NULL: nobody's yet. */
	const struct ch_provider *provider;
	/** What that one calls its type. */
	uint64_t key;
	/** The id of that type in the session; 0: none. */
	uint32_t type;
};

/** malloc gives more than it was asked for: of glibc less than two units of 16 bytes; allocators
 * with classes of sizes, and chunks of their own pages, up to a quarter. */
#define CH_SPARE_MAX_BYTES 32U
#define CH_SPARE_PART      4U

/** Whether malloc may give so many usable bytes to who asks for others. */
static inline bool chp_usable_fits(uint64_t usable_bytes, uint64_t bytes)
{
	return bytes <= usable_bytes && (usable_bytes - bytes < CH_SPARE_MAX_BYTES ||
					 usable_bytes - bytes <= usable_bytes / CH_SPARE_PART);
}

/** Whether so many bytes may be what was asked of malloc for a block. */
static inline bool chp_block_fits(const struct ch_named_block *block, uint64_t bytes)
{
	return chp_usable_fits(block->size_bytes, bytes);
}

/** Debug information on a block. */
struct ch_made_of {
	/** As debug/types.h numbers it. */
	uint32_t type;
	/** There are as many of it as the block has room for. */
	bool many;
};

/** The pass while it runs (types/naming.h). */
struct ch_naming;

/** What words of a block are. */
enum ch_words {
	/** Members of a struct, or not known. */
	CH_WORDS_MEMBERS,
	/** Elements of an array: which one leads somewhere says nothing. */
	CH_WORDS_ELEMENTS,
	/** No pointers (a text, a buffer, what was freed): what they seem to lead to is left from
	 * an earlier use of the memory. */
	CH_WORDS_BYTES,
};

struct ch_provider {
	/** Equal to the file's stem. */
	const char *name;
	/** One line for people. */
	const char *summary;
	/** Why its names are what they are. */
	enum ch_basis basis;
	enum ch_provider_rank rank;
	/** Get ready; *state_ret NULL: there is nothing of its kind in the process, which must be
	 * cheap to find out. Errors: NOMEM, STOP. */
	struct ch_error *(*open)(const struct ch_provider_env *env, void **state_ret);
	void (*close)(void *state);
	/** Of n open blocks of one span, ascending, at most CH_BATCH_MAX: the key of each, 0: not
	 * known. May be NULL. Errors: NOMEM, STOP. */
	struct ch_error *(*blocks)(void *state, const struct ch_object *objects, size_t n,
				   uint64_t *keys_ret);
	/** Say what variables and other places outside of blocks lead to. May be NULL. Errors:
	 * NOMEM, STOP. */
	struct ch_error *(*seeds)(void *state, struct ch_naming *naming);
	/** A block has got a name, this provider's or another's: say what it leads to. Called once
	 * for each name that a block gets, from a queue: a list of a million nodes is no depth.
	 * May be NULL. Errors: NOMEM, STOP. */
	struct ch_error *(*follow)(void *state, struct ch_naming *naming,
				   const struct ch_named_block *block);
	/** Say what is known of blocks that nobody named so far. May be NULL. Errors: NOMEM,
	 * STOP. */
	struct ch_error *(*rest)(void *state, struct ch_naming *naming);
	/** Name the type of a key: fill name and module, which live as long as the state. Called
	 * once for each. Errors: NOMEM. */
	struct ch_error *(*type)(void *state, uint64_t key, struct ch_type *ret);
	/** What blocks of a key are made of, by debug information. False: not known. May be NULL.
	 * Asked when somebody wants to see fields. */
	bool (*made_of)(void *state, struct ch_ctypes *ctypes, uint64_t key,
			struct ch_made_of *ret);
	/** What the words of blocks of a key are. May be NULL: members of structs. */
	enum ch_words (*words)(const void *state, uint64_t key);
};

/** The open block whose bytes hold addr. False: none does. O(1). */
bool chp_naming_block(const struct ch_naming *naming, uint64_t addr, struct ch_named_block *ret);
/** What a block is made of, as whose word it has says. False: not known. */
bool chp_naming_made_of(const struct ch_naming *naming, const struct ch_named_block *block,
			struct ch_ctypes *ctypes, struct ch_made_of *ret);
/** Give a block a name. It is kept if who says it has a better rank than whose word the block has,
 * or is the same one, who thus thought better of it (three times at most). Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_naming_say(struct ch_naming *naming,
					      const struct ch_provider *who,
					      const struct ch_named_block *block, uint64_t key);
/** What the provider of a block's name says of its words. */
enum ch_words chp_naming_words(const struct ch_naming *naming, const struct ch_named_block *block);
/** Count a block that a provider has two names of, which it cannot tell apart. */
void chp_naming_conflict(struct ch_naming *naming);

/** Called with n blocks, ascending. Non-NULL ends the walk. */
typedef struct ch_error *(*ch_named_blocks_fn)(void *arg, const struct ch_named_block *blocks,
					       size_t n);
/** All open blocks; those that nobody named yet. Errors: STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_naming_all(struct ch_naming *naming, ch_named_blocks_fn fn,
					      void *arg);
CH_MUST_CHECK struct ch_error *chp_naming_left(struct ch_naming *naming, ch_named_blocks_fn fn,
					       void *arg);

/** Registry generated from src/types, ended by NULL; src/types/registry.c. */
extern const struct ch_provider *const chp_providers[];

#endif /* COREHEAP_TYPES_PROVIDER_H */
