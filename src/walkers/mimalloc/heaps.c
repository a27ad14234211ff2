/*
 * Heaps and spans: what a thread owns is a heap, and what no thread does is one; areas that touch
 * are one span of it.
 */
#include "walkers/mimalloc/mimalloc_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/search.h"

/* Where the thread id is the address of a thread-local variable, it lies so near below the
 * thread pointer (prim.h, _mi_prim_thread_id()). */
#define TLS_BYTES_MAX (1ULL << 20)
/* Behind all places: threads that the core has not, and what no thread owns. */
#define LOST_THREAD UINT32_MAX
#define NO_THREAD   (1ULL << 32)

/* A thread by its thread pointer, which mimalloc takes for its id; its place by tid, from 1 on: the
 * first one is the main thread. */
struct thread {
	uint64_t tls_base;
	uint32_t tid, place;
};

static int compare_tids(const void *a, const void *b)
{
	const struct thread *x = a, *y = b;

	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static int compare_threads(const void *a, const void *b)
{
	const struct thread *x = a, *y = b;

	return x->tls_base < y->tls_base ? -1 : x->tls_base > y->tls_base;
}

static struct ch_error *list_threads(const struct mimalloc *mi, struct ch_vec *ret)
{
	const struct ch_thread *threads;
	struct thread *slot;
	size_t count, i;

	threads = ch_core_threads(mi->env.core, &count);
	for (i = 0; i < count; i++) {
		slot = ch_vec_push(ret);
		if (!slot)
			return &ch_enomem;
		*slot = (struct thread){ .tls_base = threads[i].tls_base, .tid = threads[i].tid };
	}
	ch_vec_sort(ret, compare_tids);
	for (i = 0; i < ret->count; i++)
		CH_VEC_AT(ret, struct thread, i)->place = (uint32_t)i + 1;
	ch_vec_sort(ret, compare_threads);
	return NULL;
}

/* Instead of its id, whose thread's place it is. */
static uint64_t place_of(const struct ch_vec *threads, uint64_t owner)
{
	const struct thread *items = threads->items;
	size_t at = ch_search(items, threads->count, it, it->tls_base < owner);

	if (!owner)
		return NO_THREAD;
	return at < threads->count && items[at].tls_base - owner <= TLS_BYTES_MAX ? items[at].place
										  : LOST_THREAD;
}

static int compare_heaps(const void *a, const void *b)
{
	const struct mimalloc_heap *x = a, *y = b;

	if (x->instance != y->instance)
		return x->instance < y->instance ? -1 : 1;
	return x->owner < y->owner ? -1 : x->owner > y->owner;
}

static struct ch_error *list_owners(struct mimalloc *mi)
{
	const struct mimalloc_area *areas = mi->areas.items;
	struct mimalloc_heap *items, *slot;
	size_t i, kept = 0;

	for (i = 0; i < mi->areas.count; i++) {
		if (i && areas[i].owner == areas[i - 1].owner &&
		    areas[i].instance == areas[i - 1].instance)
			continue;
		slot = ch_vec_push(&mi->owners);
		if (!slot)
			return &ch_enomem;
		*slot = (struct mimalloc_heap){ .owner = areas[i].owner,
						.instance = areas[i].instance };
	}
	ch_vec_sort(&mi->owners, compare_heaps);
	items = mi->owners.items;
	for (i = 0; i < mi->owners.count; i++)
		if (!kept || compare_heaps(&items[kept - 1], &items[i]) != 0)
			items[kept++] = items[i];
	mi->owners.count = kept;
	return NULL;
}

/* The kernel's id of the thread that owns a heap: threads are in the order of places. */
static void set_tids(struct mimalloc *mi, const struct ch_vec *threads)
{
	struct mimalloc_heap *heaps = mi->owners.items;
	size_t i;

	for (i = 0; i < mi->owners.count; i++)
		if (heaps[i].owner <= threads->count)
			heaps[i].tid = CH_VEC_AT(threads, struct thread, heaps[i].owner - 1)->tid;
}

static void add_sums(struct mimalloc_heap *heap, const struct mimalloc_area *area)
{
	switch (area->kind) {
	case MIMALLOC_AREA_BLOCKS:
		heap->pages_count++;
		break;
	case MIMALLOC_AREA_FREE:
		heap->free_pages_bytes += area->end - area->start;
		break;
	case MIMALLOC_AREA_META:
		heap->metadata_bytes += area->end - area->start;
		break;
	default:
		break;
	}
}

static void assign_areas(struct mimalloc *mi)
{
	struct mimalloc_area *areas = mi->areas.items;
	struct mimalloc_heap *heaps = mi->owners.items;
	size_t i;

	for (i = 0; i < mi->areas.count; i++) {
		const struct mimalloc_heap key = { .owner = areas[i].owner,
						   .instance = areas[i].instance };

		areas[i].heap = (uint32_t)ch_search(heaps, mi->owners.count, it,
						    compare_heaps(it, &key) < 0);
		add_sums(&heaps[areas[i].heap], &areas[i]);
	}
}

static bool is_space(const struct mimalloc_area *area)
{
	return area->kind == MIMALLOC_AREA_SPACE;
}

static bool add_spans(struct mimalloc *mi)
{
	const struct mimalloc_area *areas = mi->areas.items;
	struct ch_span *last = NULL;
	size_t i;

	for (i = 0; i < mi->areas.count; i++) {
		const struct mimalloc_area *area = &areas[i];

		if (last && last->end == area->start && last->heap == area->heap &&
		    is_space(area) == (last->committed_end == last->start)) {
			last->end = area->end;
			if (!is_space(area))
				last->committed_end = area->end;
			continue;
		}
		last = ch_vec_push(&mi->out.spans);
		if (!last)
			return false;
		*last = (struct ch_span){ .start = area->start,
					  .end = area->end,
					  .committed_end = is_space(area) ? area->start : area->end,
					  .kind = is_space(area) ? "reserved" : "pages",
					  .heap = area->heap,
					  .usage = CH_USAGE_ARENA,
					  .basis = CH_BASIS_DERIVED };
	}
	return true;
}

static bool add_facts(struct mimalloc *mi, struct mimalloc_heap *heap)
{
	struct ch_vec *facts = &mi->out.heap_facts;

	heap->facts_at = facts->count;
	if (chp_fact_add(facts, "pages_count", heap->pages_count, NULL) ||
	    chp_fact_add(facts, "free_pages_bytes", heap->free_pages_bytes, NULL) ||
	    chp_fact_add(facts, "metadata_bytes", heap->metadata_bytes, NULL))
		return false;
	heap->facts_count = facts->count - heap->facts_at;
	return true;
}

/* Names are the same in each run of a program, for diff. Heaps of several instances of the
 * allocator go by their modules' names, too. */
static void name_heap(const struct mimalloc *mi, struct mimalloc_heap *heap)
{
	const struct mimalloc_instance *instance =
		CH_VEC_AT(&mi->instances, struct mimalloc_instance, heap->instance);
	char owner[40] = "no thread";

	if (heap->owner == 1)
		snprintf(owner, sizeof(owner), "main thread");
	else if (heap->owner == LOST_THREAD)
		snprintf(owner, sizeof(owner), "threads not in the core");
	else if (heap->owner != NO_THREAD)
		snprintf(owner, sizeof(owner), "thread %llu", (unsigned long long)heap->owner);
	if (mi->instances.count == 1)
		snprintf(heap->name, sizeof(heap->name), "%s", owner);
	else
		snprintf(heap->name, sizeof(heap->name), "%s, %.30s", owner,
			 instance->module->name);
}

static bool add_heaps(struct mimalloc *mi)
{
	struct mimalloc_heap *heaps = mi->owners.items;
	struct ch_heap_desc *desc;
	size_t i;

	for (i = 0; i < mi->owners.count; i++)
		if (!add_facts(mi, &heaps[i]))
			return false;
	/* All facts are there: they stay where they are. */
	for (i = 0; i < mi->owners.count; i++) {
		desc = ch_vec_push(&mi->out.heaps);
		if (!desc)
			return false;
		name_heap(mi, &heaps[i]);
		*desc = (struct ch_heap_desc){
			.kind = "thread",
			.name = heaps[i].name,
			.facts = CH_VEC_AT(&mi->out.heap_facts, struct ch_fact, heaps[i].facts_at),
			.facts_count = heaps[i].facts_count,
			.tids = heaps[i].tid ? &heaps[i].tid : NULL,
			.tids_count = heaps[i].tid ? 1 : 0,
			.tids_known = true,
		};
	}
	return true;
}

struct ch_error *mimalloc_make_heaps(struct mimalloc *mi)
{
	struct ch_vec threads = CH_VEC(struct thread);
	struct mimalloc_area *areas = mi->areas.items;
	struct ch_error *err = list_threads(mi, &threads);
	size_t i;

	for (i = 0; !err && i < mi->areas.count; i++)
		areas[i].owner = place_of(&threads, areas[i].owner);
	if (!err)
		err = list_owners(mi);
	ch_vec_sort(&threads, compare_tids);
	if (!err)
		set_tids(mi, &threads);
	ch_vec_deinit(&threads);
	if (err)
		return err;
	assign_areas(mi);
	return add_spans(mi) && add_heaps(mi) ? NULL : &ch_enomem;
}
