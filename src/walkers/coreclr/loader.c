/*
 * Memory that the runtime has for itself: loader heaps, code, tables of the collector
 * and of handles.
 *
 * dotnet/runtime, release/9.0, src/coreclr/vm/loaderallocator.hpp (LoaderAllocator),
 * utilcode/loaderheap.h (LoaderHeap: vtable, first block; LoaderHeapBlock: next,
 * address, size), gc/gcinterface.dac.h (dac_card_table_info); measured on 9.0.7 and
 * 10.0.12.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/context.h"
#include "util/search.h"

enum {
	/* LoaderHeap. */
	HEAP_BLOCK = 8,
	HEAP_WORDS_START = 16,
	HEAP_WORDS_END = 64,
	/* LoaderHeapBlock. */
	BLOCK_NEXT = 0,
	BLOCK_ADDR = 8,
	BLOCK_SIZE = 16,
	/* GcDacVars: the collector's tables. */
	VAR_BOOKKEEPING = 256,
	TABLE_SIZE = 8,
	HANDLE_SEGMENT_BYTES = 65536,
};

/* Bytes of a domain that are looked through for its LoaderAllocator, and of that one
 * for heaps; of what else it leads to. */
#define DOMAIN_BYTES    8192
#define ALLOCATOR_BYTES 2560
#define MANAGER_BYTES   512
/* Blocks of all heaps together. */
#define BLOCKS_MAX      (1U << 22)
#define BLOCK_BYTES_MAX (1ULL << 32)

/* By how far a heap's pointer lies behind that to the low frequency heap. */
static const struct {
	uint32_t offset;
	const char *label;
} names[] = {
	{ 0, "low frequency heap" }, { 8, "high frequency heap" }, { 16, "statics heap" },
	{ 24, "stub heap" },         { 32, "executable heap" },    { 40, "precode heaps" },
};

static struct ch_error *add_claim(struct clr *clr, uint64_t start, uint64_t end,
				  enum ch_usage usage, const char *label)
{
	struct ch_walker_claim *claim;

	if (start >= end || start < CH_PAGE_BYTES)
		return NULL;
	claim = ch_vec_push(&clr->claims);
	if (!claim)
		return &ch_enomem;
	*claim = (struct ch_walker_claim){ .start = start,
					   .end = end,
					   .usage = usage,
					   .basis = CH_BASIS_DERIVED,
					   .label = label };
	return NULL;
}

static bool read_block(const struct clr *clr, uint64_t block, uint64_t *next, uint64_t *start,
		       uint64_t *bytes)
{
	return block && block % 8 == 0 && clr_read_ptr(clr, block + BLOCK_NEXT, next) &&
	       clr_read_ptr(clr, block + BLOCK_ADDR, start) &&
	       clr_read_ptr(clr, block + BLOCK_SIZE, bytes) && *start >= CH_PAGE_BYTES &&
	       *start % CH_PAGE_BYTES == 0 && *bytes && *bytes % CH_PAGE_BYTES == 0 &&
	       *bytes < BLOCK_BYTES_MAX;
}

/* A loader heap: a vtable of the runtime's, a first block, and a word that leads into
 * that block, where the next allocation goes. */
static bool is_heap(const struct clr *clr, uint64_t heap)
{
	uint64_t vtable, block, next, start, bytes, word, at;

	if (heap % 8 || !clr_read_ptr(clr, heap, &vtable) || vtable < clr->runtime->start ||
	    vtable >= clr->runtime->end || !clr_read_ptr(clr, heap + HEAP_BLOCK, &block) ||
	    !read_block(clr, block, &next, &start, &bytes))
		return false;
	for (at = HEAP_WORDS_START; at < HEAP_WORDS_END; at += 8)
		if (clr_read_ptr(clr, heap + at, &word) && word >= start && word <= start + bytes)
			return true;
	return false;
}

static struct ch_error *add_heap(struct clr *clr, uint64_t heap, const char *label,
				 uint64_t *bytes_ret)
{
	uint64_t block, next, start, bytes, mark = 0;
	struct ch_error *err = NULL;
	uint32_t i;

	if (!clr_read_ptr(clr, heap + HEAP_BLOCK, &block))
		return NULL;
	for (i = 0; !err && clr->claims.count < BLOCKS_MAX && block != mark &&
		    read_block(clr, block, &next, &start, &bytes);
	     i++) {
		/* A ring comes back to where it was at a power of two. */
		if ((i & (i + 1)) == 0)
			mark = block;
		err = add_claim(clr, start, start + bytes, CH_USAGE_MANAGED_LOADER, label);
		*bytes_ret += bytes;
		block = next;
	}
	return err;
}

/* What is at offset of a LoaderAllocator whose first heap is at first. */
static const char *label_of(uint32_t offset, uint32_t first)
{
	size_t i;

	for (i = sizeof(names) / sizeof(names[0]); i > 0; i--)
		if (offset - first >= names[i - 1].offset)
			return names[i - 1].label;
	return names[0].label;
}

/* Heaps of what a LoaderAllocator leads to: its manager of virtual call stubs, which
 * has a vtable, points back at it, and has made its heaps itself. */
static struct ch_error *add_manager(struct clr *clr, uint64_t manager, uint64_t allocator,
				    const char *label, uint64_t *bytes_ret)
{
	uint64_t vtable, heap, last = 0;
	struct ch_error *err = NULL;
	bool back = false;
	uint32_t at;

	if (manager % 8 || !clr_read_ptr(clr, manager, &vtable) || vtable < clr->runtime->start ||
	    vtable >= clr->runtime->end)
		return NULL;
	for (at = 8; at < MANAGER_BYTES && !back; at += 8)
		back = clr_read_ptr(clr, manager + at, &heap) && heap == allocator;
	for (at = 8; back && !err && at < MANAGER_BYTES; at += 8) {
		if (!clr_read_ptr(clr, manager + at, &heap) || heap == last || !is_heap(clr, heap))
			continue;
		last = heap;
		err = add_heap(clr, heap, label, bytes_ret);
	}
	return err;
}

/* All heaps of the LoaderAllocator at [start, start + size). label NULL: each has its
 * own. */
static struct ch_error *add_allocator(struct clr *clr, uint64_t start, uint32_t size,
				      const char *label, uint64_t *bytes_ret)
{
	uint64_t heap, last = 0, seen[32];
	struct ch_error *err = NULL;
	uint32_t at, first = 0, count = 0, i;

	for (at = 8; !err && at < size; at += 8) {
		if (!clr_read_ptr(clr, start + at, &heap) || !heap || heap == last)
			continue;
		for (i = 0; i < count && seen[i] != heap; i++)
			;
		if (i < count || count == 32)
			continue;
		if (is_heap(clr, heap)) {
			if (!first)
				first = at;
			seen[count++] = heap;
			err = add_heap(clr, heap,
				       label             ? label
				       : clr->layout.old ? "loader heaps"
							 : label_of(at, first),
				       bytes_ret);
		} else if (first && (heap < start || heap >= start + size) &&
			   !(heap >= clr->runtime->start && heap < clr->runtime->end)) {
			err = add_manager(clr, heap, start, label ? label : "virtual call stubs",
					  bytes_ret);
		}
		last = heap;
	}
	return err;
}

/* LoaderAllocators of types that can be unloaded, each once. */
static int compare_addrs(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static struct ch_error *list_allocators(struct clr *clr, struct ch_vec *allocators)
{
	const struct clr_module *entry;
	uint64_t module, allocator, *slot;
	size_t i;

	for (i = 0; i < clr->module_list.count; i++) {
		module = *CH_VEC_AT(&clr->module_list, uint64_t, i);
		entry = clr_module_entry(clr, module);
		clr->dynamic_count += entry && !entry->image;
		if (!clr_module_allocator(clr, module, &allocator) || !allocator)
			continue;
		slot = ch_vec_push(allocators);
		if (!slot)
			return &ch_enomem;
		*slot = allocator;
	}
	ch_vec_sort(allocators, compare_addrs);
	return NULL;
}

/* The one that most modules have is that of what is never unloaded. */
static uint64_t find_global(const struct clr *clr)
{
	uint64_t module, allocator;

	/* System.Private.CoreLib is never unloaded. */
	return clr_type_module(clr, clr->object_mt, &module) &&
			       clr_module_allocator(clr, module, &allocator)
		       ? allocator
		       : 0;
}

static struct ch_error *add_allocators(struct clr *clr)
{
	struct ch_vec allocators = CH_VEC(uint64_t);
	uint64_t global = find_global(clr), unused = 0, last = 0, *items;
	struct clr_allocator *slot;
	struct ch_error *err = NULL;
	size_t i;

	if (global)
		err = add_allocator(clr, global, ALLOCATOR_BYTES, NULL, &unused);
	if (!err)
		err = list_allocators(clr, &allocators);
	items = allocators.items;
	for (i = 0; !err && i < allocators.count; i++) {
		if (items[i] == global || items[i] == last)
			continue;
		last = items[i];
		slot = ch_vec_push(&clr->allocators);
		if (!slot) {
			err = &ch_enomem;
			break;
		}
		slot->addr = items[i];
		err = add_allocator(clr, items[i], ALLOCATOR_BYTES, "collectible loaders",
				    &slot->bytes);
		clr->collectible_count++;
		clr->collectible_bytes += slot->bytes;
		if (!err && i % 1024 == 0)
			err = chp_context_check(clr->env->ctx);
	}
	ch_vec_deinit(&allocators);
	return err;
}

uint64_t clr_loader_bytes(const struct clr *clr, uint64_t allocator)
{
	const struct clr_allocator *allocators = clr->allocators.items;
	size_t low = ch_search(allocators, clr->allocators.count, it, it->addr < allocator);

	return low < clr->allocators.count && allocators[low].addr == allocator
		       ? allocators[low].bytes
		       : 0;
}

static struct ch_error *add_code(void *arg, uint64_t start, uint64_t end)
{
	return add_claim(arg, start, end, CH_USAGE_JIT, "JIT code");
}

/* Card tables, mark bits, and the map of regions. */
static struct ch_error *add_bookkeeping(struct clr *clr)
{
	uint64_t variable, start, bytes;

	if (!clr_gc_variable(clr, VAR_BOOKKEEPING, &variable) ||
	    !clr_read_ptr(clr, variable, &start) || !start ||
	    !clr_read_ptr(clr, start + TABLE_SIZE, &bytes) || bytes % CH_PAGE_BYTES ||
	    bytes > 1ULL << 40)
		return NULL;
	return add_claim(clr, start, start + bytes, CH_USAGE_MANAGED_OTHER, "GC bookkeeping");
}

static struct ch_error *add_handles(struct clr *clr)
{
	struct ch_error *err = clr_handles_find(clr);
	uint64_t segment;
	size_t i;

	for (i = 0; !err && i < clr->handle_segments.count; i++) {
		segment = *CH_VEC_AT(&clr->handle_segments, uint64_t, i);
		err = add_claim(clr, segment, segment + HANDLE_SEGMENT_BYTES,
				CH_USAGE_MANAGED_OTHER, "handle table");
	}
	return err;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct clr_region *x = *(const struct clr_region *const *)a;
	const struct clr_region *y = *(const struct clr_region *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Between regions, which lie in one reservation, are those that no generation has. */
static struct ch_error *add_free_regions(struct clr *clr)
{
	const struct clr_region **regions;
	struct ch_error *err = NULL;
	size_t count = 0, i;

	if (!clr->regions)
		return NULL;
	regions = calloc(clr->regions_list.count + 1, sizeof(*regions));
	if (!regions)
		return &ch_enomem;
	for (i = 0; i < clr->regions_list.count; i++) {
		regions[count] = CH_VEC_AT(&clr->regions_list, struct clr_region, i);
		count += !regions[count]->frozen;
	}
	qsort(regions, count, sizeof(*regions), compare_ranges);
	for (i = 0; !err && i + 1 < count; i++)
		err = add_claim(clr, regions[i]->end, regions[i + 1]->start, CH_USAGE_MANAGED_OTHER,
				"GC regions not in use");
	free(regions);
	return err;
}

struct ch_error *clr_loader_find(struct clr *clr)
{
	struct ch_error *err;

	err = clr_modules_find(clr);
	if (!err)
		err = add_allocators(clr);
	if (!err)
		err = clr_code_heaps_visit(clr, add_code, clr);
	if (!err)
		err = add_handles(clr);
	if (!err)
		err = add_bookkeeping(clr);
	if (!err)
		err = add_free_regions(clr);
	return err;
}

const struct ch_walker_claim *clr_loader_claims(void *state, size_t *count_ret)
{
	const struct clr *clr = state;

	*count_ret = clr->claims.count;
	return clr->claims.items;
}
