/*
 * Heaps and spans: each arena is a heap; extents in use, dirty and muzzy ones that touch are one
 * span of it; a retained one is address space; base blocks are its metadata.
 */
#include "walkers/jemalloc/jemalloc_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENAS_PER_TREE 4096U

/* Which heap an arena of a tree is; 0: none yet, else one more than its index. */
struct numbers {
	uint32_t *heaps;
};

static struct jemalloc_arena *arena_of(struct jemalloc *je, const struct numbers *numbers,
				       uint16_t tree, uint16_t index)
{
	uint32_t *number = &numbers->heaps[(size_t)tree * ARENAS_PER_TREE + index];
	struct jemalloc_arena *arena;

	if (*number)
		return CH_VEC_AT(&je->arenas, struct jemalloc_arena, *number - 1);
	arena = ch_vec_push(&je->arenas);
	if (!arena)
		return NULL;
	*arena = (struct jemalloc_arena){ .tree = tree, .index = index };
	*number = (uint32_t)je->arenas.count;
	return arena;
}

static void add_extent(struct jemalloc_arena *arena, const struct jemalloc_extent *extent)
{
	switch (extent->state) {
	case JEMALLOC_ACTIVE:
		arena->slabs_count += extent->is_slab;
		arena->large_count += !extent->is_slab && !extent->is_spare;
		break;
	case JEMALLOC_DIRTY:
		arena->dirty_bytes += extent->bytes;
		break;
	case JEMALLOC_MUZZY:
		arena->muzzy_bytes += extent->bytes;
		break;
	case JEMALLOC_RETAINED:
		arena->retained_bytes += extent->bytes;
		break;
	default:
		break;
	}
}

static struct ch_error *count_arenas(struct jemalloc *je, const struct numbers *numbers)
{
	const struct jemalloc_extent *extents = je->extents.items, *extent;
	const struct jemalloc_base *bases = je->bases.items;
	const uint64_t *cached = je->cached.items;
	struct jemalloc_arena *arena;
	size_t i;

	for (i = 0; i < je->extents.count; i++) {
		arena = arena_of(je, numbers, extents[i].tree, extents[i].arena);
		if (!arena)
			return &ch_enomem;
		add_extent(arena, &extents[i]);
	}
	for (i = 0; i < je->bases.count; i++) {
		arena = arena_of(je, numbers, bases[i].tree, bases[i].arena);
		if (!arena)
			return &ch_enomem;
		arena->base_bytes += bases[i].end - bases[i].start;
	}
	for (i = 0; i < je->cached.count; i++) {
		extent = jemalloc_extent_at(je, cached[i]);
		arena = extent ? arena_of(je, numbers, extent->tree, extent->arena) : NULL;
		if (!arena)
			continue;
		arena->cached_count++;
		arena->cached_bytes += extent->is_slab ? jemalloc_extent_class(extent)
						       : jemalloc_large_bytes(je, extent);
	}
	return NULL;
}

static int compare_arenas(const void *a, const void *b)
{
	const struct jemalloc_arena *x = a, *y = b;

	if (x->tree != y->tree)
		return x->tree < y->tree ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void order_arenas(struct jemalloc *je, const struct numbers *numbers)
{
	const struct jemalloc_arena *arenas = je->arenas.items;
	uint32_t i;

	ch_vec_sort(&je->arenas, compare_arenas);
	for (i = 0; i < je->arenas.count; i++)
		numbers->heaps[(size_t)arenas[i].tree * ARENAS_PER_TREE + arenas[i].index] = i + 1;
}

/* ---- spans ------------------------------------------------------------------- */

static bool is_space(const struct jemalloc_extent *extent)
{
	return extent->state == JEMALLOC_RETAINED;
}

static bool add_extent_spans(struct jemalloc *je, const struct numbers *numbers)
{
	const struct jemalloc_extent *extents = je->extents.items;
	struct ch_span *last = NULL;
	uint32_t heap;
	size_t i;

	for (i = 0; i < je->extents.count; i++) {
		const struct jemalloc_extent *extent = &extents[i];
		const uint64_t end = extent->start + extent->bytes;

		heap = numbers->heaps[(size_t)extent->tree * ARENAS_PER_TREE + extent->arena] - 1;
		if (last && last->end == extent->start && last->heap == heap &&
		    is_space(extent) == (last->committed_end == last->start)) {
			last->end = end;
			if (!is_space(extent))
				last->committed_end = end;
			continue;
		}
		last = ch_vec_push(&je->out.spans);
		if (!last)
			return false;
		*last = (struct ch_span){ .start = extent->start,
					  .end = end,
					  .committed_end = is_space(extent) ? extent->start : end,
					  .kind = is_space(extent) ? "retained" : "extents",
					  .heap = heap,
					  .usage = CH_USAGE_ARENA,
					  .basis = CH_BASIS_DERIVED };
	}
	return true;
}

static bool add_base_spans(struct jemalloc *je, const struct numbers *numbers)
{
	const struct jemalloc_base *bases = je->bases.items;
	struct ch_span *span;
	size_t i;

	for (i = 0; i < je->bases.count; i++) {
		span = ch_vec_push(&je->out.spans);
		if (!span)
			return false;
		*span = (struct ch_span){
			.start = bases[i].start,
			.end = bases[i].end,
			.committed_end = bases[i].end,
			.kind = "metadata",
			.heap = numbers->heaps[(size_t)bases[i].tree * ARENAS_PER_TREE +
					       bases[i].arena] -
				1,
			.usage = CH_USAGE_ARENA,
			.basis = CH_BASIS_DERIVED,
			.cookie = JEMALLOC_COOKIE_BASE,
		};
	}
	return true;
}

/* ---- heaps ------------------------------------------------------------------- */

static bool add_facts(struct jemalloc *je, struct jemalloc_arena *arena)
{
	struct ch_vec *facts = &je->out.heap_facts;

	arena->facts_at = facts->count;
	if (chp_fact_add(facts, "slabs_count", arena->slabs_count, NULL) ||
	    chp_fact_add(facts, "large_count", arena->large_count, NULL) ||
	    chp_fact_add(facts, "tcache_bytes", arena->cached_bytes, NULL) ||
	    chp_fact_add(facts, "tcache_count", arena->cached_count, NULL) ||
	    chp_fact_add(facts, "dirty_bytes", arena->dirty_bytes, NULL) ||
	    chp_fact_add(facts, "muzzy_bytes", arena->muzzy_bytes, NULL) ||
	    chp_fact_add(facts, "retained_bytes", arena->retained_bytes, NULL) ||
	    chp_fact_add(facts, "metadata_mapped_bytes", arena->base_bytes, NULL))
		return false;
	arena->facts_count = facts->count - arena->facts_at;
	return true;
}

static bool add_tids(struct jemalloc *je, struct jemalloc_arena *arena)
{
	const struct jemalloc_thread *threads = je->threads.items;
	uint32_t *tid;
	size_t i;

	arena->tids_at = je->tids.count;
	for (i = 0; i < je->threads.count; i++) {
		if (threads[i].tree != arena->tree || threads[i].arena != arena->index)
			continue;
		tid = ch_vec_push(&je->tids);
		if (!tid)
			return false;
		*tid = threads[i].tid;
	}
	arena->tids_count = je->tids.count - arena->tids_at;
	return true;
}

/* Arenas of several instances of the allocator go by their modules' names, too. */
static void name_arena(const struct jemalloc *je, struct jemalloc_arena *arena)
{
	const struct jemalloc_tree *tree = CH_VEC_AT(&je->trees, struct jemalloc_tree, arena->tree);

	if (je->trees.count == 1)
		snprintf(arena->name, sizeof(arena->name), "arena %u", arena->index);
	else
		snprintf(arena->name, sizeof(arena->name), "arena %u of %.40s", arena->index,
			 tree->module->name);
}

static bool add_heaps(struct jemalloc *je)
{
	struct jemalloc_arena *arenas = je->arenas.items;
	struct ch_heap_desc *heap;
	size_t i;

	for (i = 0; i < je->arenas.count; i++)
		if (!add_facts(je, &arenas[i]) || !add_tids(je, &arenas[i]))
			return false;
	/* All facts and threads are there: they stay where they are. */
	for (i = 0; i < je->arenas.count; i++) {
		heap = ch_vec_push(&je->out.heaps);
		if (!heap)
			return false;
		name_arena(je, &arenas[i]);
		*heap = (struct ch_heap_desc){
			.kind = "arena",
			.name = arenas[i].name,
			.facts = CH_VEC_AT(&je->out.heap_facts, struct ch_fact, arenas[i].facts_at),
			.facts_count = arenas[i].facts_count,
			.tids_count = arenas[i].tids_count,
			.tids_known = je->threads.count > 0,
		};
		if (arenas[i].tids_count)
			heap->tids = CH_VEC_AT(&je->tids, uint32_t, arenas[i].tids_at);
	}
	return true;
}

struct ch_error *jemalloc_make_heaps(struct jemalloc *je)
{
	struct numbers numbers = { .heaps = calloc(je->trees.count * ARENAS_PER_TREE,
						   sizeof(uint32_t)) };
	struct ch_error *err = numbers.heaps ? count_arenas(je, &numbers) : &ch_enomem;

	if (!err) {
		order_arenas(je, &numbers);
		if (!add_extent_spans(je, &numbers) || !add_base_spans(je, &numbers) ||
		    !add_heaps(je))
			err = &ch_enomem;
	}
	free(numbers.heaps);
	return err;
}
