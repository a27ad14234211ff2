/*
 * provider.h - the contract with what names blocks of walkers that know no types.
 *
 * malloc knows sizes. What a block is must be told by something else: the table of virtual
 * functions it begins with, debug information, the pool that it is from. Each of these is a
 * provider: one const table `ch_provider_<name>` in src/types/<name>.c, which the build finds by
 * its file name. docs/ADDING-A-PROVIDER.md has the steps.
 *
 * Vocabulary:
 *   key   what a provider calls a type: below 2^63, and not 0;
 *   rank  how good a provider's word is: the lower one wins.
 *
 * Rules: never print; never allocate for each block; bound every loop and all memory by what was
 * validated; no recursion over target data. All state lives behind what open() returns.
 */
#ifndef COREHEAP_TYPES_PROVIDER_H
#define COREHEAP_TYPES_PROVIDER_H

#include <coreheap/coreheap.h>

#include "heap/type_table.h"
#include "index/index.h"

/** What a provider may look at. Borrowed for its whole life. */
struct ch_provider_env {
	struct ch_core *core;
	struct ch_sym *sym;
	struct ch_map *map;
	struct ch_heaps *heaps;
	struct ch_context *ctx;
	/** NULL while open() runs: no provider may have anything to say. */
	const struct ch_index *index;
};

struct ch_provider {
	/** Equal to the file's stem. */
	const char *name;
	/** One line for people. */
	const char *summary;
	/** Why its names are what they are; the better basis wins. */
	enum ch_basis basis;
	/** Get ready; *state_ret NULL: there is nothing of its kind in the process, which must be
	 * cheap to find out. Errors: NOMEM, STOP. */
	struct ch_error *(*open)(const struct ch_provider_env *env, void **state_ret);
	void (*close)(void *state);
	/** Of n used blocks of one span, ascending, at most CH_BATCH_MAX: the key of each, 0: not
	 * known. Errors: NOMEM, STOP. */
	struct ch_error *(*blocks)(void *state, const struct ch_object *objects, size_t n,
				   uint64_t *keys_ret);
	/** Name the type of a key: fill name and module, which live as long as the state. Called
	 * once for each. Errors: NOMEM. */
	struct ch_error *(*type)(void *state, uint64_t key, struct ch_type *ret);
};

/** Registry generated from src/types, ended by NULL; src/types/registry.c. */
extern const struct ch_provider *const chp_providers[];

#endif /* COREHEAP_TYPES_PROVIDER_H */
