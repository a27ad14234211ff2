/*
 * async_priv.h - the parts of async: async.c finds boxes and tasks, async_next.c what
 * continues them, async_chains.c makes groups and chains of both.
 */
#ifndef COREHEAP_ANALYSIS_ASYNC_PRIV_H
#define COREHEAP_ANALYSIS_ASYNC_PRIV_H

#include "analysis/async.h"
#include "heap/named.h"

#define ASYNC_SOURCES_MAX 3

/** What is known of a type whose objects wait, or can be waited for. */
struct async_plan {
	uint64_t key;
	/** Of its objects; of the machine in a box, "" when the box holds a reference to it. */
	const char *name, *machine;
	/** A box: its machine, and its state where the machine lies in place. */
	struct ch_named_field box, state;
	/** Of a task. */
	struct ch_named_field flags;
	/** Where it keeps what continues it. */
	struct ch_named_field sources[ASYNC_SOURCES_MAX];
	uint32_t sources_count;
};

struct async_node {
	uint64_t addr, bytes;
	/** Borrowed: of the machine, or of the object. */
	const char *name;
	bool is_box, has_state;
	int32_t state;
	/** A node before it, plus one; 0: none is known. */
	uint32_t awaits;
	/** Its edges: edges_count from edges_first on. */
	uint32_t edges_first, edges_count;
};

/** to continues from. */
struct async_edge {
	uint64_t from, to;
};

#define ASYNC_LINKS_MAX 4

/** How to get on from an object that is no task to what it continues. */
struct async_resolver {
	uint64_t key;
	/** References, of which the first that is not null is followed. */
	struct ch_named_field links[ASYNC_LINKS_MAX];
	uint32_t links_count;
	/** A list: its array, and how many of it are in use. */
	struct ch_named_field items, size;
};

struct async_search {
	struct ch_named named;
	struct ch_async *ret;
	/** of struct async_plan, by key */
	struct ch_vec plans;
	/** of struct async_node, by address; of struct async_edge, by from and to */
	struct ch_vec nodes, edges;
	/** of struct async_resolver */
	struct ch_vec resolvers;
};

/** async_chains.c: index of the node at addr; -1: none. */
int64_t chp_async_node_at(const struct async_search *search, uint64_t addr);
/** A copy that the result owns; NULL when out of memory. */
const char *chp_async_name(struct async_search *search, const char *name);

/** async_next.c: edges from a node by what lies in its sources. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_async_follow(struct async_search *search, uint64_t from,
						uint64_t continuation);

/** async_chains.c: fill groups and steps of the result. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_async_sum_up(struct async_search *search);

#endif /* COREHEAP_ANALYSIS_ASYNC_PRIV_H */
