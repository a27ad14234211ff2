/*
 * Heaps inside of heaps: a pool that carves up blocks of malloc, and one that carves up blocks of
 * that pool. A nested span says which block it lies in; that is looked up here, for all of them
 * in one walk over the blocks that are there already. What lies in no block, or in another one
 * than it says, is left out with a finding: nobody may count its bytes a second time.
 */
#include "heap/candidates.h"

#include <stdlib.h>

#include "util/bytes.h"
#include "util/context.h"

struct placing {
	struct ch_heaps *heaps;
	struct ch_candidate *items;
	size_t count;
	/* The first one that may lie in the blocks to come. */
	size_t next;
};

/* Whether a block holds a candidate, all of it. */
static bool holds(const struct ch_object *block, const struct ch_candidate *candidate)
{
	return block->state == CH_OBJECT_USED && candidate->span.block_addr == block->addr &&
	       candidate->span.start >= block->addr &&
	       candidate->span.end - block->addr <= block->size_bytes;
}

/* The last bytes that a program may use of a block can be those of the header behind it, which
 * is another block's (glibc): the walk of this one must end before. */
static void place(struct ch_heaps *heaps, const struct ch_object *block,
		  struct ch_candidate *candidate)
{
	uint64_t end = block->addr - block->header_bytes + block->chunk_bytes;
	struct ch_span *span = &candidate->span;

	candidate->placed = span->start < end;
	if (span->end <= end || !candidate->placed)
		return;
	CH_VEC_AT(&heaps->origins, struct ch_origin, candidate->origin)->overhang_bytes =
		(uint32_t)ch_min(span->end - end, UINT32_MAX);
	span->end = end;
	span->committed_end = ch_min(span->committed_end, end);
}

static struct ch_error *match(void *arg, const struct ch_object *objects, size_t n)
{
	struct placing *placing = arg;
	struct ch_candidate *items = placing->items;
	uint64_t start, end;
	size_t i;

	for (i = 0; i < n && placing->next < placing->count; i++) {
		start = objects[i].addr - objects[i].header_bytes;
		end = start + objects[i].chunk_bytes;
		while (placing->next < placing->count && items[placing->next].span.start < start)
			placing->next++;
		for (; placing->next < placing->count && items[placing->next].span.start < end;
		     placing->next++)
			if (holds(&objects[i], &items[placing->next]))
				place(placing->heaps, &objects[i], &items[placing->next]);
	}
	return placing->next < placing->count ? NULL : &ch_stop;
}

/* One that names no block has a mapping for itself: nobody else has a byte of it. */
static bool is_apart(const struct ch_heaps *heaps, const struct ch_candidate *candidate)
{
	uint32_t after = chp_span_after(heaps, candidate->span.start);

	return !candidate->span.block_addr &&
	       (after == heaps->spans.count ||
		CH_VEC_AT(&heaps->spans, struct ch_span, after)->start >= candidate->span.end);
}

/* Drop those that were not placed, and say so for each walker. */
static struct ch_error *drop_unplaced(struct ch_heaps *heaps, struct ch_vec *candidates)
{
	struct ch_ranges *dropped = calloc(heaps->opened.count, sizeof(*dropped));
	struct ch_candidate *items = candidates->items;
	size_t i, kept = 0;

	if (!dropped)
		return &ch_enomem;
	for (i = 0; i < candidates->count; i++) {
		if (items[i].placed)
			items[kept++] = items[i];
		else
			chp_ranges_add(&dropped[items[i].opened], items[i].span.start,
				       items[i].span.end, items[i].span.end - items[i].span.start);
	}
	candidates->count = kept;
	for (i = 0; i < heaps->opened.count; i++)
		chp_ranges_tell(heaps, (uint32_t)i, &dropped[i], CH_SEVERITY_INCOMPLETE,
				"span-unplaced",
				": not in the block that it is said to lie in; left out");
	free(dropped);
	return NULL;
}

struct ch_error *chp_nesting_place(struct ch_heaps *heaps, struct ch_vec *candidates)
{
	struct placing placing = { .heaps = heaps,
				   .items = candidates->items,
				   .count = candidates->count };
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; i < candidates->count; i++)
		placing.items[i].placed = is_apart(heaps, &placing.items[i]);
	if (candidates->count)
		err = chp_walk_all(heaps, match, &placing);
	if (err == &ch_stop && placing.next == placing.count)
		err = chp_context_check(heaps->env.ctx);
	return err ? err : drop_unplaced(heaps, candidates);
}

/* ---- For nested walkers ---------------------------------------------------------- */

bool chp_outer_block_at(const struct ch_heap_env *env, uint64_t addr, struct ch_object *ret)
{
	return env->outer && ch_heaps_object_at(env->outer, addr, ret);
}

struct ch_error *chp_outer_walk(const struct ch_heap_env *env, uint64_t start, uint64_t end,
				ch_objects_fn fn, void *arg)
{
	return env->outer ? ch_heaps_walk(env->outer, start, end, fn, arg) : NULL;
}
