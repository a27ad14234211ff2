#include "graph/graph_priv.h"

#include "util/cleanup.h"
#include "util/context.h"

/* Memory below the stack pointer that a leaf function may use (psABI). */
#define RED_ZONE_BYTES 128

/* Roots handed out at a time. */
#define BATCH 256

static bool kind_of(const struct ch_region *region, enum ch_root_kind *ret)
{
	if (region->state != CH_STATE_COMMIT || !(region->prot & CH_SEGMENT_WRITE) ||
	    region->prot == CH_PROT_UNKNOWN)
		return false;
	switch (region->usage) {
	case CH_USAGE_TLS:
		*ret = CH_ROOT_TLS;
		return true;
	case CH_USAGE_STACK:
		*ret = CH_ROOT_STACK;
		return true;
	case CH_USAGE_EXE:
	case CH_USAGE_LIB:
	case CH_USAGE_BSS:
		*ret = CH_ROOT_DATA;
		return true;
	case CH_USAGE_FILE:
	case CH_USAGE_SHM:
	case CH_USAGE_MEMFD:
	case CH_USAGE_OTHER:
	case CH_USAGE_UNDUMPED:
	case CH_USAGE_ANON:
		*ret = CH_ROOT_MEMORY;
		return true;
	default:
		return false;
	}
}

static struct ch_error *push_range(struct ch_graph *graph, const struct ch_root_range *range,
				   uint64_t start, uint64_t end)
{
	struct ch_root_range *slot;

	start = ch_align_up(start, 8);
	if (start >= end)
		return NULL;
	slot = ch_vec_push(&graph->ranges);
	if (!slot)
		return &ch_enomem;
	*slot = *range;
	slot->start = start;
	slot->end = end;
	return NULL;
}

/* What allocators keep for themselves holds nobody's blocks: glibc's main_arena
 * points at chunks, whose first words belong to the blocks before them. */
static struct ch_error *add_range(struct ch_graph *graph, const struct ch_root_range *range)
{
	uint64_t at = range->start, start, end;
	const struct ch_heap *heaps;
	struct ch_error *err = NULL;
	size_t count, i;

	heaps = ch_heaps_list(graph->heaps, &count);
	for (i = 0; !err && i < count; i++) {
		start = heaps[i].addr;
		if (start < at || start >= range->end || !heaps[i].addr_bytes)
			continue;
		end = start + ch_min(heaps[i].addr_bytes, range->end - start);
		err = push_range(graph, range, at, start);
		at = end;
	}
	return err ? err : push_range(graph, range, at, range->end);
}

/* The thread whose descriptor lies in [start, end), or UINT32_MAX. */
static uint32_t thread_of_descriptor(const struct ch_graph *graph, uint64_t start, uint64_t end)
{
	const struct ch_thread *threads;
	size_t count, i;

	threads = ch_core_threads(graph->core, &count);
	for (i = 0; i < count; i++)
		if (threads[i].tls_base >= start && threads[i].tls_base <= end &&
		    threads[i].tls_base)
			return (uint32_t)i;
	return UINT32_MAX;
}

/*
 * The part of a stack that its thread still uses. Of a thread that runs
 * elsewhere (on a stack for signals, or a coroutine's) all of it: where it came
 * from is not known. A stack without a thread was left behind.
 */
static struct ch_error *add_stack(struct ch_graph *graph, struct ch_root_range *range,
				  const struct ch_region *next)
{
	const struct ch_thread *threads;
	uint64_t start, end, sp;
	size_t count, i;

	threads = ch_core_threads(graph->core, &count);
	for (i = 0; i < count; i++) {
		if (!ch_map_thread_stack(graph->map, i, &start, &end) || range->start >= end ||
		    range->end <= start)
			continue;
		sp = threads[i].sp;
		if (ch_core_arch(graph->core) == CH_ARCH_X86_64)
			sp -= ch_min(sp, RED_ZONE_BYTES);
		range->start = ch_max(range->start, sp);
		range->thread = (uint32_t)i;
		return range->start < range->end ? add_range(graph, range) : NULL;
	}
	if (!next || next->start != range->end || next->usage != CH_USAGE_TLS ||
	    thread_of_descriptor(graph, next->start, next->end) == UINT32_MAX)
		range->kind = CH_ROOT_LEFTOVER;
	return add_range(graph, range);
}

/* Stacks that are blocks of a heap: from the stack pointer to the block's end. */
static struct ch_error *add_heap_stacks(struct ch_graph *graph)
{
	const struct ch_thread *threads;
	struct ch_error *err = NULL;
	struct ch_root_range range;
	struct ch_object object;
	size_t count, i;

	threads = ch_core_threads(graph->core, &count);
	for (i = 0; !err && i < count; i++) {
		if (!ch_heaps_object_at(graph->heaps, threads[i].sp, &object) ||
		    object.state != CH_OBJECT_USED)
			continue;
		range = (struct ch_root_range){ .start = ch_max(object.addr, threads[i].sp),
						.end = object.addr + object.size_bytes,
						.kind = CH_ROOT_STACK,
						.thread = (uint32_t)i };
		err = add_range(graph, &range);
	}
	return err;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct ch_root_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Data of a module that became read only after it was filled. */
static bool is_relro(const struct ch_graph *graph, const struct ch_region *region)
{
	const struct ch_module *module;
	const struct ch_region *next;

	if (region->usage != CH_USAGE_EXE && region->usage != CH_USAGE_LIB)
		return false;
	if (region->prot != CH_SEGMENT_READ || !region->in_core_bytes)
		return false;
	module = ch_sym_module_at(graph->sym, region->start);
	next = ch_map_region_at(graph->map, region->end);
	return module && next && next->prot & CH_SEGMENT_WRITE && next->prot != CH_PROT_UNKNOWN &&
	       ch_sym_module_at(graph->sym, next->start) == module;
}

struct ch_error *chp_roots_collect(struct ch_graph *graph)
{
	const struct ch_region *regions, *next;
	struct ch_root_range range;
	struct ch_error *err = NULL;
	size_t count, i;

	graph->ranges = CH_VEC(struct ch_root_range);
	regions = ch_map_regions(graph->map, &count);
	for (i = 0; !err && i < count; i++) {
		next = i + 1 < count ? &regions[i + 1] : NULL;
		range = (struct ch_root_range){ .start = regions[i].start,
						.end = regions[i].end,
						.thread = UINT32_MAX };
		if (is_relro(graph, &regions[i]))
			range.kind = CH_ROOT_DATA;
		else if (!kind_of(&regions[i], &range.kind))
			continue;
		if (range.kind == CH_ROOT_DATA)
			range.module = ch_sym_module_at(graph->sym, range.start);
		if (range.kind == CH_ROOT_TLS)
			range.thread = thread_of_descriptor(graph, range.start, range.end);
		range.absent_bytes = regions[i].end - regions[i].start - regions[i].in_core_bytes;
		err = range.kind == CH_ROOT_STACK ? add_stack(graph, &range, next)
						  : add_range(graph, &range);
	}
	if (!err)
		err = add_heap_stacks(graph);
	ch_vec_sort(&graph->ranges, compare_ranges);
	return err;
}

const struct ch_root_range *ch_graph_root_ranges(const struct ch_graph *graph, size_t *count_ret)
{
	*count_ret = graph->ranges.count;
	return graph->ranges.items;
}

/* Roots on their way to the caller. */
struct batch {
	const struct ch_graph *graph;
	ch_roots_fn fn;
	void *arg;
	size_t count;
	struct ch_root items[BATCH];
};

static struct ch_error *flush(struct batch *batch)
{
	size_t n = batch->count;

	batch->count = 0;
	return n ? batch->fn(batch->arg, batch->items, n) : NULL;
}

/* Fill the rest of a root and keep it, if its value leads to a node. */
static struct ch_error *put(struct batch *batch, struct ch_root root)
{
	const struct ch_graph *graph = batch->graph;
	const struct ch_index_span *span;
	uint64_t start = 0;

	if (!chp_may_point(graph, root.value))
		return NULL;
	span = chp_index_span(graph, root.value);
	root.target = span ? chp_index_node(graph, span, root.value, &start) : CH_ID_NONE;
	if (root.target == CH_ID_NONE)
		return NULL;
	root.interior = root.value != start;
	batch->items[batch->count++] = root;
	return batch->count == BATCH ? flush(batch) : NULL;
}

static struct ch_error *visit_registers(struct batch *batch)
{
	const struct ch_thread *threads;
	struct ch_error *err = NULL;
	size_t count, i;
	uint32_t k;

	threads = ch_core_threads(batch->graph->core, &count);
	for (i = 0; i < count; i++)
		for (k = 0; !err && k < threads[i].regs_count; k++)
			err = put(batch, (struct ch_root){ .kind = CH_ROOT_REGISTER,
							   .value = threads[i].regs[k],
							   .thread = (uint32_t)i,
							   .reg = k,
							   .range = UINT32_MAX });
	return err;
}

static struct ch_error *visit_range(struct batch *batch, uint32_t index)
{
	const struct ch_core *core = batch->graph->core;
	const struct ch_root_range *range =
		CH_VEC_AT(&batch->graph->ranges, struct ch_root_range, index);
	struct ch_root root = { .kind = range->kind, .thread = range->thread, .range = index };
	struct ch_error *err = NULL;
	const uint8_t *bytes;
	uint64_t at, stop;
	size_t len;

	for (at = range->start; !err && at + 8 <= range->end; at = stop) {
		at = ch_align_up(ch_core_next_present(core, at, range->end), 8);
		bytes = at + 8 <= range->end ? ch_core_span(core, at, &len) : NULL;
		stop = bytes ? at + ch_align_down(ch_min(len, range->end - at), 8) : at + 8;
		if (bytes && stop == at)
			stop = at + 8;
		else
			for (; !err && bytes && at < stop; at += 8, bytes += 8) {
				root.addr = at;
				root.value = ch_get64(bytes);
				err = put(batch, root);
			}
		if (!err)
			err = chp_context_check(batch->graph->ctx);
	}
	return err;
}

struct ch_error *ch_graph_visit_roots(const struct ch_graph *graph, uint32_t kinds, ch_roots_fn fn,
				      void *arg)
{
	struct batch batch = { .graph = graph, .fn = fn, .arg = arg };
	struct ch_error *err = NULL;
	uint32_t i;

	if (kinds & 1U << CH_ROOT_REGISTER)
		err = visit_registers(&batch);
	for (i = 0; !err && i < graph->ranges.count; i++)
		if (kinds & 1U << CH_VEC_AT(&graph->ranges, struct ch_root_range, i)->kind)
			err = visit_range(&batch, i);
	return err ? err : flush(&batch);
}

const char *ch_root_kind_name(enum ch_root_kind kind)
{
	static const char *const names[] = { "register", "stack",  "tls",
					     "data",     "memory", "leftover" };

	return (size_t)kind < CH_COUNT_OF(names) ? names[kind] : "unknown";
}
