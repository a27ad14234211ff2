/*
 * Where pointers may come from: ranges of stacks, module data and other writable memory,
 * registers, and what tracers name. Each range has a kind, and what a stack no longer uses is
 * told apart from it.
 */
#include <elf.h>

#include "graph/graph_priv.h"
#include "graph/rootname.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/search.h"

/* Memory below the stack pointer that a leaf function may use (psABI). */
#define RED_ZONE_BYTES 128

/* Stacks in one region that are told apart; of more all counts as in use. */
#define MERGED_MAX 64
/* Threads that are unwound for where their stack is, if they run on memory that
 * the program made one. */
#define UNWOUND_MAX 1024

/* Memory that roots do not lie in, or roots of another kind: [start, end). */
struct hole {
	uint64_t start, end;
};

/* A thread by an address: where its stack begins, or its descriptor lies. */
struct place {
	uint64_t at, end;
	uint64_t sp;
	uint32_t thread;
};

struct collector {
	struct ch_graph *graph;
	/* of struct hole, ascending, without overlap */
	struct ch_vec holes;
	/* of struct place, ascending: threads on their own stacks, and descriptors */
	struct ch_vec stacks, descriptors;
	/* Threads whose frames told where their stack is. */
	uint32_t unwound_count;
};

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
	case CH_USAGE_MANAGED_LOADER:
	case CH_USAGE_MANAGED_OTHER:
	case CH_USAGE_JIT:
	/* Memory from sbrk() that is in no span was not malloc's to take. */
	case CH_USAGE_HEAP:
		*ret = CH_ROOT_MEMORY;
		return true;
	default:
		return false;
	}
}

static int compare_starts(const void *a, const void *b)
{
	/* First member of all that is sorted here. */
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The first of ascending holes that ends behind addr. */
static size_t hole_after(const struct collector *collector, uint64_t addr)
{
	const struct hole *holes = collector->holes.items;

	return ch_search(holes, collector->holes.count, it, it->end <= addr);
}

static uint64_t count_absent(const struct ch_core *core, uint64_t start, uint64_t end)
{
	uint64_t at = start, next, absent = 0;
	size_t len;

	while (at < end) {
		next = ch_core_next_present(core, at, end);
		absent += next - at;
		if (next >= end || !ch_core_span(core, next, &len) || !len)
			break;
		at = next + ch_min(len, end - next);
	}
	return absent;
}

/* [start, end) of range, which lies in region, if there is anything of it. */
static struct ch_error *push_range(struct collector *collector, const struct ch_root_range *range,
				   const struct ch_region *region, uint64_t start, uint64_t end)
{
	struct ch_root_range *slot;

	start = ch_align_up(start, 8);
	if (start >= end)
		return NULL;
	slot = ch_vec_push(&collector->graph->ranges);
	if (!slot)
		return &ch_enomem;
	*slot = *range;
	slot->start = start;
	slot->end = end;
	if (region->in_core_bytes < region->end - region->start)
		slot->absent_bytes = count_absent(collector->graph->core, start, end);
	slot->lost_bytes = ch_min(slot->absent_bytes, region->lost_bytes);
	return NULL;
}

/* A range without its holes. */
static struct ch_error *push_rest(struct collector *collector, const struct ch_root_range *range,
				  const struct ch_region *region)
{
	const struct hole *holes = collector->holes.items;
	struct ch_error *err = NULL;
	uint64_t at = range->start;
	size_t i;

	for (i = hole_after(collector, at);
	     !err && i < collector->holes.count && holes[i].start < range->end; i++) {
		if (holes[i].start > at)
			err = push_range(collector, range, region, at, holes[i].start);
		at = holes[i].end;
	}
	return err ? err : push_range(collector, range, region, at, range->end);
}

static struct ch_error *push_hole(struct collector *collector, uint64_t start, uint64_t end)
{
	struct hole *slot;

	if (start >= end)
		return NULL;
	slot = ch_vec_push(&collector->holes);
	if (!slot)
		return &ch_enomem;
	*slot = (struct hole){ .start = start, .end = end };
	return NULL;
}

static struct ch_error *push_place(struct ch_vec *places, uint64_t at, uint64_t end, uint64_t sp,
				   size_t thread)
{
	struct place *slot = ch_vec_push(places);

	if (!slot)
		return &ch_enomem;
	*slot = (struct place){ .at = at, .end = end, .sp = sp, .thread = (uint32_t)thread };
	return NULL;
}

/* The last of ascending places at or below addr, or NULL. */
static const struct place *place_below(const struct ch_vec *places, uint64_t addr)
{
	const struct place *items = places->items;
	size_t low = ch_search(items, places->count, it, it->at <= addr);

	return low ? &items[low - 1] : NULL;
}

/* Lowest address that a thread uses of the stack that sp points into. */
static uint64_t live_start(const struct ch_graph *graph, uint64_t sp)
{
	if (ch_core_arch(graph->core) == CH_ARCH_X86_64)
		sp -= ch_min(sp, RED_ZONE_BYTES);
	return ch_align_down(sp, 8);
}

/*
 * A thread that runs elsewhere than on its stack: on a block, or on memory that
 * the program made its stack. Of a block all from the stack pointer up is stack;
 * of other memory what its frames cover, as it may hold anything behind them.
 */
static struct ch_error *add_elsewhere(struct collector *collector, uint32_t thread, uint64_t sp)
{
	struct ch_graph *graph = collector->graph;
	const struct ch_region *region = ch_map_region_at(graph->map, sp);
	struct ch_root_range range = { .kind = CH_ROOT_STACK, .thread = thread };
	const struct ch_frame *frames;
	struct ch_object object;
	enum ch_root_kind kind;
	struct ch_error *err;
	size_t count;

	if (!region)
		return NULL;
	range.sp = sp;
	range.start = ch_max(region->start, live_start(graph, sp));
	if (ch_heaps_object_at(graph->heaps, sp, &object) && object.state == CH_OBJECT_USED &&
	    sp >= object.addr) {
		range.start = ch_max(object.addr, live_start(graph, sp));
		range.end = object.addr + object.size_bytes;
		return push_range(collector, &range, region, range.start, range.end);
	}
	if (!kind_of(region, &kind) || kind != CH_ROOT_MEMORY ||
	    collector->unwound_count++ >= UNWOUND_MAX)
		return NULL;
	err = chp_rootnames_frames(graph, thread, &frames, &count);
	if (err)
		return err;
	for (range.end = sp; count && frames->sp >= range.end && frames->sp < region->end;
	     frames++, count--)
		range.end = frames->sp;
	range.end = ch_min(region->end, ch_align_up(range.end, 8) + 8);
	err = push_hole(collector, range.start, range.end);
	return err ? err : push_range(collector, &range, region, range.start, range.end);
}

/* Whether a walker claimed what the map took for a stack before. */
static bool is_in_heap(const struct ch_graph *graph, uint64_t sp)
{
	const struct ch_region *region = ch_map_region_at(graph->map, sp);

	return region &&
	       (region->usage == CH_USAGE_HEAP || region->usage == CH_USAGE_ARENA ||
		region->usage == CH_USAGE_MMAP_CHUNK || region->usage == CH_USAGE_MANAGED_HEAP);
}

static struct ch_error *add_threads(struct collector *collector)
{
	struct ch_graph *graph = collector->graph;
	const struct ch_thread_stack *stacks;
	const struct ch_thread *threads;
	struct ch_error *err = NULL;
	size_t count, i;

	threads = ch_core_threads(graph->core, &count);
	for (i = 0; !err && i < count; i++)
		if (threads[i].tls_base)
			err = push_place(&collector->descriptors, threads[i].tls_base, 0, 0, i);
	stacks = ch_map_thread_stacks(graph->map, &count);
	for (i = 0; !err && i < count; i++) {
		if (stacks[i].end && !is_in_heap(graph, stacks[i].sp))
			err = push_place(&collector->stacks, stacks[i].start, stacks[i].end,
					 stacks[i].sp, stacks[i].thread);
		else
			err = add_elsewhere(collector, stacks[i].thread, stacks[i].sp);
		if (!err)
			err = chp_context_check(graph->ctx);
	}
	ch_vec_sort(&collector->stacks, compare_starts);
	ch_vec_sort(&collector->descriptors, compare_starts);
	return err;
}

/* Words of one runtime. */
struct of_runtime {
	struct collector *collector;
	const struct ch_traced *traced;
};

static struct ch_error *take_words(void *arg, enum ch_stack_words what, uint64_t start,
				   uint64_t end)
{
	struct of_runtime *of = arg;
	struct ch_native_words *slot;

	if (what == CH_WORDS_DEAD)
		return push_hole(of->collector, start, end);
	slot = ch_vec_push(&of->collector->graph->native_words);
	if (!slot)
		return &ch_enomem;
	*slot = (struct ch_native_words){ .start = start, .end = end, .traced = of->traced };
	return NULL;
}

/* What runtimes know of words on stacks. */
static struct ch_error *ask_runtimes(struct collector *collector)
{
	const struct ch_index *index = collector->graph->index;
	struct of_runtime of = { .collector = collector };
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < index->traced_count; i++) {
		of.traced = &index->traced[i];
		if (of.traced->tracer->stack_words)
			err = of.traced->tracer->stack_words(of.traced->state, take_words, &of);
	}
	ch_vec_sort(&collector->graph->native_words, compare_starts);
	return err;
}

/* What allocators keep for themselves holds nobody's blocks: glibc's main_arena
 * points at chunks, whose first words belong to the blocks before them. Nor does what a
 * runtime knows to be left on stacks. */
static struct ch_error *find_holes(struct collector *collector)
{
	const struct ch_span *spans;
	const struct ch_heap *heaps;
	struct ch_error *err = NULL;
	struct hole *holes;
	size_t count, i, kept;
	uint64_t end;

	heaps = ch_heaps_list(collector->graph->heaps, &count);
	for (i = 0; !err && i < count; i++)
		if (heaps[i].addr && ch_add(heaps[i].addr, heaps[i].addr_bytes, &end))
			err = push_hole(collector, heaps[i].addr, end);
	spans = ch_heaps_spans(collector->graph->heaps, &count);
	for (i = 0; !err && i < count; i++)
		err = push_hole(collector, spans[i].start, spans[i].end);
	if (!err)
		err = ask_runtimes(collector);
	ch_vec_sort(&collector->holes, compare_starts);
	holes = collector->holes.items;
	for (i = kept = 0; i < collector->holes.count; i++)
		if (kept && holes[i].start <= holes[kept - 1].end)
			holes[kept - 1].end = ch_max(holes[kept - 1].end, holes[i].end);
		else
			holes[kept++] = holes[i];
	collector->holes.count = kept;
	return err;
}

/* The thread whose descriptor lies in [start, end], or UINT32_MAX. */
static uint32_t thread_of_descriptor(const struct collector *collector, uint64_t start,
				     uint64_t end)
{
	const struct place *place = place_below(&collector->descriptors, end);

	return place && place->at >= start ? place->thread : UINT32_MAX;
}

/* The thread that a stack was made for, which does not run on it now. */
static uint32_t thread_away(const struct collector *collector, const struct ch_region *region,
			    const struct ch_region *next)
{
	const struct ch_core *core = collector->graph->core;
	const struct ch_thread *threads;
	size_t count, i;
	uint64_t addr;

	if (next && next->start == region->end && next->usage == CH_USAGE_TLS)
		return thread_of_descriptor(collector, next->start, next->end);
	/* What the kernel left on the stack of the process's first thread. */
	if (!ch_core_auxv(core, AT_RANDOM, &addr) || addr < region->start || addr >= region->end)
		return UINT32_MAX;
	threads = ch_core_threads(core, &count);
	for (i = 0; i < count; i++)
		if (threads[i].tid == ch_core_process(core)->pid)
			return (uint32_t)i;
	return UINT32_MAX;
}

static int compare_sps(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->sp < y->sp ? -1 : x->sp > y->sp;
}

/*
 * What threads use of a region in which they run, up to the place last. The kernel merges
 * mappings that touch, so that the stacks of several threads may be one region: each has
 * from its stack pointer up to where the next stack begins or, if that is not known, is
 * used from.
 */
static struct ch_error *add_used(struct collector *collector, struct ch_root_range *range,
				 const struct ch_region *region, const struct place *last)
{
	uint64_t start = range->start, end = range->end;
	struct place places[MERGED_MAX];
	struct ch_error *err = NULL;
	size_t count = 0, i;

	for (; count < MERGED_MAX && last >= (const struct place *)collector->stacks.items &&
	       last->end > start;
	     last--)
		places[count++] = *last;
	if (count == MERGED_MAX)
		return push_rest(collector, range, region);
	qsort(places, count, sizeof(*places), compare_sps);
	for (i = 0; !err && i < count; i++) {
		range->thread = places[i].thread;
		range->sp = places[i].sp;
		range->start = ch_max(start, live_start(collector->graph, places[i].sp));
		range->end = end;
		if (i + 1 < count && places[i + 1].at > places[i].sp)
			range->end = ch_min(end, places[i + 1].at);
		else if (i + 1 < count)
			range->end = ch_min(end, live_start(collector->graph, places[i + 1].sp));
		err = push_rest(collector, range, region);
	}
	return err;
}

/*
 * The part of a stack that its thread still uses. Of a thread that runs elsewhere
 * (on a stack for signals, or a coroutine's) what lies above the frame that the
 * signal came upon, or all of it if that is not known. A stack without a thread
 * was left behind.
 */
static struct ch_error *add_stack(struct collector *collector, struct ch_root_range *range,
				  const struct ch_region *region, const struct ch_region *next)
{
	const struct place *place = place_below(&collector->stacks, range->end - 1);
	struct ch_graph *graph = collector->graph;
	const struct ch_frame *frames;
	struct ch_error *err;
	size_t count;

	if (place && place->end > range->start)
		return add_used(collector, range, region, place);
	range->thread = thread_away(collector, region, next);
	if (range->thread == UINT32_MAX)
		range->kind = CH_ROOT_LEFTOVER;
	else
		range->sp = range->end;
	if (range->thread == UINT32_MAX || collector->unwound_count++ >= UNWOUND_MAX)
		return push_rest(collector, range, region);
	err = chp_rootnames_frames(graph, range->thread, &frames, &count);
	if (err)
		return err;
	for (; count && frames->sp && frames->basis != CH_FRAME_FP; frames++, count--) {
		if (frames->sp < range->start || frames->sp >= range->end)
			continue;
		range->sp = frames->sp;
		range->start = ch_max(range->start, live_start(graph, frames->sp));
		break;
	}
	return push_rest(collector, range, region);
}

/*
 * The part of a region that is data of a module and became read only after it was filled. The
 * kernel may have merged it with constants before it, whose texts read like addresses.
 */
static bool find_relro(const struct ch_graph *graph, const struct ch_region *region,
		       struct ch_root_range *range)
{
	const struct ch_module *module;
	const struct ch_region *next;
	uint64_t start, end;

	if (region->usage != CH_USAGE_EXE && region->usage != CH_USAGE_LIB)
		return false;
	if (region->prot != CH_SEGMENT_READ || !region->in_core_bytes)
		return false;
	module = ch_sym_module_at(graph->sym, region->start);
	next = ch_map_region_at(graph->map, region->end);
	if (!module || !next || !(next->prot & CH_SEGMENT_WRITE) || next->prot == CH_PROT_UNKNOWN ||
	    ch_sym_module_at(graph->sym, next->start) != module)
		return false;
	if (ch_sym_module_relro(graph->sym, module, &start, &end)) {
		range->start = ch_max(range->start, start);
		range->end = ch_min(range->end, end);
	}
	range->kind = CH_ROOT_DATA;
	return range->start < range->end;
}

static struct ch_error *add_region(struct collector *collector, const struct ch_region *region,
				   const struct ch_region *next)
{
	struct ch_graph *graph = collector->graph;
	struct ch_root_range range = { .start = region->start,
				       .end = region->end,
				       .thread = UINT32_MAX };

	if (!find_relro(graph, region, &range) && !kind_of(region, &range.kind))
		return NULL;
	switch (range.kind) {
	case CH_ROOT_STACK:
		return add_stack(collector, &range, region, next);
	case CH_ROOT_TLS:
		range.thread = thread_of_descriptor(collector, range.start, range.end);
		return push_range(collector, &range, region, range.start, range.end);
	case CH_ROOT_DATA:
		range.module = ch_sym_module_at(graph->sym, range.start);
		break;
	default:
		break;
	}
	return push_rest(collector, &range, region);
}

/* Memory of others inside of spans. */
static struct ch_error *add_foreign(struct collector *collector)
{
	const struct ch_foreign *foreign = collector->graph->index->foreign.items;
	struct ch_root_range range = { .kind = CH_ROOT_MEMORY, .thread = UINT32_MAX };
	const struct ch_region *region;
	struct ch_error *err = NULL;
	uint64_t at, end;
	size_t i;

	for (i = 0; !err && i < collector->graph->index->foreign.count; i++) {
		for (at = foreign[i].start; !err && at < foreign[i].end; at = end) {
			region = ch_map_region_at(collector->graph->map, at);
			if (!region)
				break;
			end = ch_min(region->end, foreign[i].end);
			if (region->usage == CH_USAGE_HEAP)
				err = push_range(collector, &range, region, at, end);
		}
	}
	return err;
}

/* Threads of a damaged core may claim the same memory: the first one has it. */
static void drop_overlap(struct ch_vec *ranges)
{
	struct ch_root_range *items = ranges->items;
	uint64_t end = 0;
	size_t i, kept;

	for (i = kept = 0; i < ranges->count; i++) {
		items[kept] = items[i];
		items[kept].start = ch_max(items[i].start, end);
		if (items[kept].start >= items[kept].end)
			continue;
		end = items[kept++].end;
	}
	ranges->count = kept;
}

static struct ch_error *collect(struct collector *collector)
{
	struct ch_graph *graph = collector->graph;
	const struct ch_region *regions;
	struct ch_error *err;
	size_t count, i;

	err = add_threads(collector);
	if (!err)
		err = find_holes(collector);
	regions = ch_map_regions(graph->map, &count);
	for (i = 0; !err && i < count; i++)
		err = add_region(collector, &regions[i], i + 1 < count ? &regions[i + 1] : NULL);
	if (!err)
		err = add_foreign(collector);
	ch_vec_sort(&graph->ranges, compare_starts);
	drop_overlap(&graph->ranges);
	return err;
}

struct ch_error *chp_roots_collect(struct ch_graph *graph)
{
	struct collector collector = { .graph = graph,
				       .holes = CH_VEC(struct hole),
				       .stacks = CH_VEC(struct place),
				       .descriptors = CH_VEC(struct place) };
	struct ch_error *err;

	graph->ranges = CH_VEC(struct ch_root_range);
	graph->native_words = CH_VEC(struct ch_native_words);
	err = collect(&collector);
	ch_vec_deinit(&collector.holes);
	ch_vec_deinit(&collector.stacks);
	ch_vec_deinit(&collector.descriptors);
	return err;
}

const struct ch_root_range *ch_graph_root_ranges(const struct ch_graph *graph, size_t *count_ret)
{
	*count_ret = graph->ranges.count;
	return graph->ranges.items;
}
