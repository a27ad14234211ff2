/*
 * heap/answers.h - what a walker says of its heaps, in the struct that its state begins with.
 */
#ifndef COREHEAP_HEAP_ANSWERS_H
#define COREHEAP_HEAP_ANSWERS_H

#include <coreheap/heap.h>

#include "util/error.h"
#include "util/vec.h"

/** Accounting unit, as ch_heap without the sums. */
struct ch_heap_desc {
	/** Static or owned by the walker's state. */
	const char *kind;
	const char *name;
	uint64_t addr;
	/** Bytes of the descriptor there: the allocator's own, nobody's pointers. */
	uint64_t addr_bytes;
	const struct ch_fact *facts;
	size_t facts_count;
	/** Threads that allocate from it, ascending, if tids_known. */
	const uint32_t *tids;
	size_t tids_count;
	bool tids_known;
};

/**
 * What a walker found: the engine reads it, the walker fills it in open() and frees it in close().
 * The state of a walker begins with one, unless functions of its tables give all of it.
 */
struct ch_answers {
	/** of struct ch_heap_desc, in the order shown; of struct ch_span, in any order: heap is an
	 * index of heaps */
	struct ch_vec heaps, spans;
	/** of struct ch_fact: version, layout row, evidence, counters */
	struct ch_vec facts;
	/** of struct ch_fact: room for those that heaps have, which the engine does not read */
	struct ch_vec heap_facts;
};

#define CH_ANSWERS                                                                                 \
	((struct ch_answers){ .heaps = CH_VEC(struct ch_heap_desc),                                \
			      .spans = CH_VEC(struct ch_span),                                     \
			      .facts = CH_VEC(struct ch_fact),                                     \
			      .heap_facts = CH_VEC(struct ch_fact) })

static inline void chp_answers_deinit(struct ch_answers *answers)
{
	ch_vec_deinit(&answers->heaps);
	ch_vec_deinit(&answers->spans);
	ch_vec_deinit(&answers->facts);
	ch_vec_deinit(&answers->heap_facts);
}

/** Add a fact to a list of struct ch_fact: a number, or a text that is not NULL. Key and text are
 * borrowed. Errors: NOMEM. */
CH_MUST_CHECK static inline struct ch_error *chp_fact_add(struct ch_vec *facts, const char *key,
							  uint64_t number, const char *text)
{
	struct ch_fact *fact = ch_vec_push(facts);

	if (!fact)
		return &ch_enomem;
	*fact = (struct ch_fact){ .key = key, .number = number, .text = text };
	return NULL;
}

#endif /* COREHEAP_HEAP_ANSWERS_H */
