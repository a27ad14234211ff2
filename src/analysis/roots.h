/*
 * roots.h - who holds a block, or all of a type: chains from roots.
 *
 * There may be as many chains as roots, so they are handed over one by one.
 */
#ifndef COREHEAP_ANALYSIS_ROOTS_H
#define COREHEAP_ANALYSIS_ROOTS_H

#include <coreheap/graph.h>

#include "analysis/chain.h"
#include "heap/filter.h"

enum ch_roots_verdict {
	CH_ROOTS_REACHABLE,
	CH_ROOTS_UNREACHABLE,
	CH_ROOTS_INCOMPLETE,
};

enum ch_roots_target {
	CH_ROOTS_OF_BLOCK,
	CH_ROOTS_OF_TYPE,
	/** What was asked for lies in no block: the targets are those that have the address of
	 * its mapping. */
	CH_ROOTS_OF_MAPPING,
};

/** Steps of a chain that are kept: some from each end, and where it meets another. */
#define CH_ROOTS_STEPS 20

struct ch_roots_chain {
	/** From 1 on. */
	uint32_t number;
	/** From root to target, those left out included. */
	uint32_t length;
	struct ch_root root;
	struct ch_root_text text;
	/** Types owned by whoever hands the chain over. Behind the first elided_at steps,
	 * elided_count are left out. */
	struct ch_step steps[CH_ROOTS_STEPS];
	size_t steps_count, elided_at;
	uint64_t elided_count;
	/** The number of the chain that the last step is on, too; 0: the last step is a target. */
	uint32_t joins;
};

/** What chains are read from; private to roots.c. */
struct ch_roots_source;

struct ch_roots_result {
	enum ch_roots_target kind;
	/** Of a block or a mapping. */
	uint64_t addr, size_bytes;
	/** Of a block its type, owned, escaped; of a type its name as it was asked for; of a
	 * mapping the file, or NULL. Not escaped, borrowed. */
	char *type;
	const char *name;
	uint64_t targets_count;
	enum ch_roots_verdict verdict;
	/** Why it is incomplete; "" otherwise. */
	char reason[256];
	uint64_t roots_count;
	/** Blocks that lead to the targets, these included. */
	uint64_t reaching_count;
	uint64_t weak_count;
	struct ch_roots_source *source;
};

struct ch_roots_options {
	/** Threads to work with; 0: as many as there are processors. */
	uint32_t threads;
	struct ch_chains_options chains;
};

/**
 * Of the block that addr lies in, or the mapping. The caller's to end with
 * chp_roots_deinit() also on failure. Errors: ARG, those of the session and the graph, NOMEM,
 * STOP.
 */
CH_MUST_CHECK struct ch_error *chp_roots_of_addr(struct ch_session *session,
						 const struct ch_roots_options *options,
						 uint64_t addr, struct ch_roots_result *ret);
/** Of all blocks that pass; name is what the user calls them, borrowed. Otherwise the same. */
CH_MUST_CHECK struct ch_error *chp_roots_of_type(struct ch_session *session,
						 const struct ch_roots_options *options,
						 const struct ch_object_filter *filter,
						 const char *name, struct ch_roots_result *ret);
void chp_roots_deinit(struct ch_roots_result *result);

/** Called with each chain, which is lent. Non-NULL stops. */
typedef struct ch_error *(*ch_roots_chain_fn)(void *arg, const struct ch_roots_chain *chain);

/** The first of the chains, at most so many, once. Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_roots_chains(const struct ch_roots_result *result, uint64_t most,
						ch_roots_chain_fn fn, void *arg);
/** A weak handle that points at a target and does not hold it. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_roots_weak(const struct ch_roots_result *result, size_t index,
					      struct ch_root *ret, struct ch_root_text *text_ret);

#endif /* COREHEAP_ANALYSIS_ROOTS_H */
