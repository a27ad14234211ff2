/*
 * offsets.h - blocks that a program holds by a pointer to one and the same place inside.
 *
 * Lists that run through the middle of their elements, objects that are known by their
 * second base class, allocators that put a header before what they hand out, pointers with
 * marks in their low bits: of all these no pointer to the first byte exists. Which places
 * they are is seen from many blocks of one size: see chp_offsets_find().
 */
#ifndef COREHEAP_GRAPH_OFFSETS_H
#define COREHEAP_GRAPH_OFFSETS_H

#include "graph/graph_priv.h"

/** Where live words lead into a node: the two smallest distances from its first byte, and
 * whether there were more. Zero: nowhere. Threads add to it, in any order. */
typedef uint64_t ch_inner;
#define CH_INSIDE_BITS 31
#define CH_INSIDE_MASK ((1ULL << CH_INSIDE_BITS) - 1)
#define CH_INSIDE_MORE (1ULL << (2 * CH_INSIDE_BITS))

/** Add a distance, which is not 0. */
static inline void chp_inside_add(ch_inner *inside, uint64_t offset)
{
	uint64_t old = __atomic_load_n(inside, __ATOMIC_RELAXED), first, second, more;

	do {
		first = old & CH_INSIDE_MASK;
		second = old >> CH_INSIDE_BITS & CH_INSIDE_MASK;
		more = old & CH_INSIDE_MORE;
		if (offset == first || offset == second)
			return;
		if (offset > CH_INSIDE_MASK || second)
			more = CH_INSIDE_MORE;
		if (offset <= CH_INSIDE_MASK && (!first || offset < first)) {
			second = first;
			first = offset;
		} else if (offset <= CH_INSIDE_MASK && (!second || offset < second)) {
			second = offset;
		}
	} while (!__atomic_compare_exchange_n(inside, &old, first | second << CH_INSIDE_BITS | more,
					      true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

struct ch_offsets {
	/** of struct ch_offset_rule, by size, then by offset */
	struct ch_vec rules;
};

/**
 * The rules that the nodes of population (one bit for each id) show, whose distances are
 * in insides (by id). Errors: NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_offsets_find(const struct ch_graph *graph,
						const uint64_t *population, const ch_inner *insides,
						struct ch_offsets *ret);
/** Whether a pointer so far inside of a node of size bytes is one of those; or NULL. */
struct ch_offset_rule *chp_offsets_rule(const struct ch_offsets *offsets, uint64_t size,
					uint64_t offset);
/** The same of the smallest of all distances that is. */
struct ch_offset_rule *chp_offsets_rule_of(const struct ch_offsets *offsets, uint64_t size,
					   ch_inner inside);
/** Whether value, which leads into a node, does so by a rule that the graph was given. */
bool chp_offsets_known(const struct ch_graph *graph, uint32_t id, uint64_t value);
void chp_offsets_deinit(struct ch_offsets *offsets);

#endif /* COREHEAP_GRAPH_OFFSETS_H */
