/*
 * suspects_graph.h - what the rules that need the graph have in common.
 */
#ifndef COREHEAP_ANALYSIS_SUSPECTS_GRAPH_H
#define COREHEAP_ANALYSIS_SUSPECTS_GRAPH_H

#include "analysis/suspects.h"
#include "graph/holders.h"

struct ch_looking {
	struct ch_suspecting *suspecting;
	struct ch_graph *graph;
	struct ch_retained *retained;
	struct ch_leaks *leaks;
	struct ch_trails trails;
	struct ch_alikes alikes;
	struct ch_holders holders;
	/** By holder, and by track: its suspect among those of the summary, + 1; 0: it is none. */
	size_t holder_suspects[CH_HOLDERS_MAX], alike_suspects[CH_ALIKE_MAX];
};

/** suspects_chain.c: the trail to a block as a chain. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspect_trail(const struct ch_looking *looking, uint32_t id,
						 struct ch_suspect_chain *ret);
/** The shortest chain to a block, of a root that lasts if there is one. Errors: as of
 * chp_suspect_chain(). */
CH_MUST_CHECK struct ch_error *chp_suspect_find_chain(const struct ch_looking *looking,
						      uint32_t target,
						      struct ch_suspect_chain *ret);

/** suspects_words.c: name the types of which a suspect is, those that are worth a word, of bytes in
 * all. Errors: as of chp_suspect_type(). */
CH_MUST_CHECK struct ch_error *chp_suspect_types(const struct ch_looking *looking,
						 const struct ch_vec *types, uint64_t bytes,
						 struct ch_suspect *suspect);
/** One of a type: "Cache", "a 104-byte block"; owned. NULL: out of memory. */
char *chp_suspect_one_of(const char *type);
/** "A, B, C and 3 more types"; owned. NULL: out of memory. */
char *chp_suspect_list_types(const struct ch_suspect *suspect);

/** suspects_holders.c: blocks that dominate much. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspect_holders(struct ch_looking *looking);
/** "; it leads to 300 Session" of what a holder has most of; NULL: not known. Owned. Errors: NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_suspect_elements(const struct ch_looking *looking, size_t holder,
						    char **ret);
/** suspects_alike.c: what ways that are alike lead to; and which suspects are a part of others.
 * Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspect_alike(struct ch_looking *looking);
void chp_suspect_fold(struct ch_looking *looking);
/** suspects_types.c: types that no single block holds. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspect_one_types(struct ch_looking *looking);
/** suspects_lost.c: what nothing holds. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspect_lost(struct ch_looking *looking);
CH_MUST_CHECK struct ch_error *chp_suspect_garbage(struct ch_looking *looking);
/** suspects_buffers.c: who has buffers that were not released; of suspects of the same matter it
 * says so. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_suspect_buffers(struct ch_looking *looking);
/** What nothing in the core holds may be held by what the core lacks: then why. */
bool chp_suspect_is_open(const struct ch_looking *looking, char why[CH_COVERAGE_TEXT_MAX]);

#endif /* COREHEAP_ANALYSIS_SUSPECTS_GRAPH_H */
