/*
 * Memory of native heaps that is not in use and not given back, by the reason for which it is
 * kept: the lists of the allocator, fragments, the top of an arena.
 */
#include "analysis/retention.h"

#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"

static const struct part_names {
	const char *title, *name;
} part_names[CH_PARTS] = {
	[CH_PART_USED] = { "used", "used" },
	[CH_PART_MMAPPED] = { "used in own mappings", "mmapped" },
	[CH_PART_BINS] = { "free in bins", "bins" },
	[CH_PART_FAST] = { "fast bins", "fastbins" },
	[CH_PART_CACHED] = { "thread caches", "thread_caches" },
	[CH_PART_TOP] = { "top", "top" },
	[CH_PART_OVERHEAD] = { "overhead", "overhead" },
	[CH_PART_UNWALKED] = { "not walked", "unwalked" },
	[CH_PART_MANAGED] = { "managed", "managed" },
};

const char *chp_part_title(enum ch_part_id id)
{
	return (size_t)id < CH_PARTS ? part_names[id].title : "";
}

const char *chp_part_name(enum ch_part_id id)
{
	return (size_t)id < CH_PARTS ? part_names[id].name : "";
}

static bool is_native(enum ch_usage usage)
{
	return usage == CH_USAGE_HEAP || usage == CH_USAGE_ARENA || usage == CH_USAGE_MMAP_CHUNK;
}

static void add_sum(struct ch_free_sum *to, const struct ch_free_sum *from)
{
	to->count += from->count;
	to->bytes += from->bytes;
}

static void add_free(struct ch_heap_free *total, const struct ch_heap_free *heap)
{
	size_t i;

	add_sum(&total->bins, &heap->bins);
	add_sum(&total->fast, &heap->fast);
	add_sum(&total->cached, &heap->cached);
	add_sum(&total->top, &heap->top);
	for (i = 0; i < CH_SIZE_CLASSES; i++)
		add_sum(&total->classes[i], &heap->classes[i]);
	if (heap->largest_bytes > total->largest_bytes) {
		total->largest_bytes = heap->largest_bytes;
		total->largest_addr = heap->largest_addr;
	}
	total->can_trim |= heap->can_trim;
	total->trim_pages_bytes += heap->trim_pages_bytes;
	total->trim_top_bytes += heap->trim_top_bytes;
	total->trapped_bytes += heap->trapped_bytes;
}

/* Used bytes by span, because own mappings are told by their usage. Marks the
 * heaps of managed runtimes: a heap's spans are all native, or none is. */
static void add_spans(const struct ch_heaps *heaps, bool *managed, struct ch_retention *ret)
{
	const struct ch_span_sums *sums;
	const struct ch_span *spans;
	size_t count, i;

	sums = ch_heaps_span_sums(heaps, &count);
	spans = ch_heaps_spans(heaps, &count);
	for (i = 0; i < count; i++) {
		if (!is_native(spans[i].usage)) {
			managed[spans[i].heap] = true;
			ret->parts[CH_PART_MANAGED] += spans[i].committed_end - spans[i].start;
			continue;
		}
		ret->parts[spans[i].usage == CH_USAGE_MMAP_CHUNK ? CH_PART_MMAPPED
								 : CH_PART_USED] +=
			sums[i].used_bytes;
		ret->parts[CH_PART_OVERHEAD] += sums[i].overhead_bytes - sums[i].unwalked_bytes;
		ret->parts[CH_PART_UNWALKED] += sums[i].unwalked_bytes;
	}
}

static void add_trim(struct ch_retention *ret, const char *name, const struct ch_heap_free *heap)
{
	size_t i;

	for (i = 0; i < ret->trims_count; i++)
		if (ret->trims[i].name == name)
			break;
	if (!name || i == CH_TRIM_CALLS_MAX)
		return;
	ret->trims_count = ch_max(ret->trims_count, i + 1);
	ret->trims[i].name = name;
	ret->trims[i].pages_bytes += heap->trim_pages_bytes;
	ret->trims[i].top_bytes += heap->trim_top_bytes;
}

/* The largest one first, the others as they came. */
static void order_trims(struct ch_retention *ret)
{
	struct ch_trim_call call;
	size_t i, k;

	for (i = 1; i < ret->trims_count; i++) {
		call = ret->trims[i];
		for (k = i;
		     k && chp_trim_call_bytes(&ret->trims[k - 1]) < chp_trim_call_bytes(&call); k--)
			ret->trims[k] = ret->trims[k - 1];
		ret->trims[k] = call;
	}
}

static void add_heaps(const struct ch_heaps *heaps, const bool *managed, struct ch_retention *ret)
{
	const struct ch_heap_free *frees;
	const struct ch_heap *list;
	uint64_t own;
	size_t count, i;

	frees = ch_heaps_free(heaps, &count);
	list = ch_heaps_list(heaps, &count);
	for (i = 0; i < count; i++) {
		if (managed[i])
			continue;
		add_free(&ret->free, &frees[i]);
		/* The allocator's own blocks are used in the walk, overhead here. */
		own = ch_min(list[i].allocator_bytes, ret->parts[CH_PART_USED]);
		ret->parts[CH_PART_USED] -= own;
		ret->parts[CH_PART_OVERHEAD] += own;
		if (frees[i].can_trim)
			add_trim(ret, ch_heaps_trim_name(heaps, list[i].walker), &frees[i]);
	}
	order_trims(ret);
	ret->parts[CH_PART_BINS] = ret->free.bins.bytes;
	ret->parts[CH_PART_FAST] = ret->free.fast.bytes;
	ret->parts[CH_PART_CACHED] = ret->free.cached.bytes;
	ret->parts[CH_PART_TOP] = ret->free.top.bytes;
}

static const char *meaning_of(const struct ch_retention *retention)
{
	const char *class = retention->verdict.class;

	if (strcmp(class, "native-live") == 0)
		return retention->largest == CH_PART_MMAPPED
			       ? "the program holds most of it, in large blocks with mappings of "
				 "their own: a leak, if it grows"
			       : "the program holds most of it: a leak, if it grows";
	if (strcmp(class, "native-retained") == 0)
		return retention->largest == CH_PART_TOP ? "retention, no leak: the program gave "
							   "it back, the allocator keeps "
							   "it at the top of its heaps"
							 : "retention, no leak: the program gave "
							   "it back, the allocator keeps "
							   "it in its lists";
	if (strcmp(class, "managed") == 0)
		return "most of it is the heap of a managed runtime";
	if (strcmp(class, "mixed") == 0)
		return "neither used nor free blocks are half of it";
	return "too little of it could be walked";
}

struct ch_error *chp_retention_make(const struct ch_heaps *heaps, const struct ch_context *ctx,
				    struct ch_retention *ret)
{
	struct ch_verdict_input input = { .complete = ch_context_complete(ctx),
					  .damaged = ch_context_damaged(ctx),
					  .closes = true };
	_cleanup_free_ bool *managed = NULL;
	const struct ch_heap *list;
	size_t count, i;

	list = ch_heaps_list(heaps, &count);
	managed = calloc(count + 1, sizeof(*managed));
	if (!managed)
		return &ch_enomem;
	*ret = (struct ch_retention){ .largest = CH_PART_USED };
	add_spans(heaps, managed, ret);
	add_heaps(heaps, managed, ret);
	for (i = 0; i < count; i++)
		input.closes = input.closes &&
			       list[i].used_bytes + list[i].free_bytes + list[i].overhead_bytes ==
				       list[i].committed_bytes;
	for (i = 0; i < CH_PARTS; i++)
		if (ret->parts[i] > ret->parts[ret->largest])
			ret->largest = (enum ch_part_id)i;
	input.native_used_bytes = ret->parts[CH_PART_USED] + ret->parts[CH_PART_MMAPPED];
	for (i = CH_PART_BINS; i <= CH_PART_TOP; i++)
		input.native_free_bytes += ret->parts[i];
	input.native_overhead_bytes = ret->parts[CH_PART_OVERHEAD];
	input.unwalked_bytes = ret->parts[CH_PART_UNWALKED];
	input.managed_bytes = ret->parts[CH_PART_MANAGED];
	chp_verdict_make(&input, &ret->verdict);
	ret->meaning = meaning_of(ret);
	return NULL;
}
