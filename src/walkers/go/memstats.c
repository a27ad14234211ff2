/*
 * What the runtime counts of its heap, as runtime.ReadMemStats would report it: two structures
 * without names, found by what they must hold. gcController (mgcpacer.go) has bytes of spans in
 * use, of released and of free pages in a row, which are known from the spans; memstats
 * (mstats.go) has three sets of differences, whose sums are the same numbers.
 */
#include <limits.h>

#include "heap/signs.h"
#include "util/cleanup.h"
#include "walkers/go/go_priv.h"

/* mgcpacer.go, gcControllerState of Go 1.19 to 1.27, from heapInUse on, and before it. */
#define TOTAL_ALLOC_AT   24U
#define TOTAL_FREE_AT    32U
#define READY_AT         40U
#define GOAL_BEFORE      200U
#define SWEEP_BEFORE     192U
#define TRIGGERED_BEFORE 184U
/* mgcpacer.go, heapGoalInternal(): minRunway. */
#define RUNWAY_BYTES (64ULL << 10)
/* mgcpacer.go, defaultHeapMinimum, for GOGC=100. */
#define MINIMUM_BYTES (4ULL << 20)
/* Classes of sizes: sizeclasses.go. */
#define CLASSES 68U
/* As many as there are sets of differences: mstats.go, consistentHeapStats. */
#define SETS 3U

/* How much of gcControllerState lies before heapInUse. */
static const uint32_t controller_starts[] = { 272, 304 };

/* Where a set of differences (heapStatsDelta) has its fields; committed, released, inHeap,
 * inStacks and inWorkBufs lead it. */
static const struct deltas {
	uint32_t bytes, pointer_bits, tiny_count, large_alloc, large_allocs, small_allocs,
		large_free, large_frees, small_frees;
	const char *source;
} deltas_rows[] = {
	{ 1176, 40, 48, 56, 64, 72, 616, 624, 632, "Go 1.19.8 and 1.24.4, mstats.go" },
	{ 1168, 0, 40, 48, 56, 64, 608, 616, 624, "Go 1.27.3, mstats.go" },
};
#define RELEASED_AT 8U
#define IN_HEAP_AT  16U
#define STACKS_AT   24U
#define WORKBUFS_AT 32U

/* A number that is the sum of those in the three sets at p. */
static uint64_t sum_of(const uint8_t *p, const struct deltas *row, uint32_t at)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < SETS; i++)
		sum += ch_get64(p + (size_t)row->bytes * i + at);
	return sum;
}

/* Whether p has the three sums of pages; what is in no span is free or released. */
static bool is_controller(const struct go *go, const uint8_t *p)
{
	uint64_t idle = go->sums.pages_bytes - go->sums.heap_bytes - go->sums.manual_bytes;

	return ch_get64(p) == go->sums.heap_bytes && ch_get64(p + 8) <= idle &&
	       ch_get64(p + 16) == idle - ch_get64(p + 8) &&
	       ch_get64(p + TOTAL_ALLOC_AT) >= ch_get64(p + TOTAL_FREE_AT);
}

static bool are_deltas(const struct go *go, const uint8_t *p, const struct deltas *row)
{
	uint64_t manual;

	if (sum_of(p, row, IN_HEAP_AT) != go->sums.heap_bytes)
		return false;
	manual = sum_of(p, row, STACKS_AT) + sum_of(p, row, WORKBUFS_AT) +
		 (row->pointer_bits ? sum_of(p, row, row->pointer_bits) : 0);
	return manual == go->sums.manual_bytes && sum_of(p, row, STACKS_AT) <= manual;
}

static void read_controller(struct go_stats *stats, const uint8_t *p)
{
	stats->heap_inuse = ch_get64(p);
	stats->heap_released = ch_get64(p + 8);
	stats->heap_free = ch_get64(p + 16);
	stats->total_alloc = ch_get64(p + TOTAL_ALLOC_AT);
	stats->total_free = ch_get64(p + TOTAL_FREE_AT);
	stats->mapped_ready = ch_get64(p + READY_AT);
}

/* mgcpacer.go, heapGoalInternal(), where no limit of memory holds it down. */
static uint64_t goal_of(uint64_t by_percent, uint64_t by_sweep, uint64_t triggered)
{
	uint64_t goal = ch_max(by_percent, by_sweep);

	return triggered != UINT64_MAX ? ch_max(goal, triggered + RUNWAY_BYTES) : goal;
}

/* GOGC, the limit, and the next goal: believed if the smallest heap is that of GOGC. */
static void read_settings(struct go *go)
{
	struct go_stats *stats = &go->stats;
	uint64_t start, minimum, goal, sweep, triggered;
	uint32_t percent, i;

	for (i = 0; i < CH_COUNT_OF(controller_starts) && !stats->has_settings; i++) {
		start = stats->controller - controller_starts[i];
		if (!ch_core_read_u32(go->env.core, start, &percent) ||
		    !ch_core_read_u64(go->env.core, start + 8, &stats->limit_bytes) ||
		    !ch_core_read_u64(go->env.core, start + 16, &minimum) ||
		    stats->limit_bytes > INT64_MAX ||
		    minimum != (percent <= INT32_MAX ? MINIMUM_BYTES * percent / 100 : UINT64_MAX))
			continue;
		stats->percent = (int32_t)percent;
		stats->has_settings = true;
	}
	if (!stats->has_settings ||
	    !ch_core_read_u64(go->env.core, stats->controller - GOAL_BEFORE, &goal) ||
	    !ch_core_read_u64(go->env.core, stats->controller - SWEEP_BEFORE, &sweep) ||
	    !ch_core_read_u64(go->env.core, stats->controller - TRIGGERED_BEFORE, &triggered))
		return;
	/* Near the limit the goal depends on more than these. */
	if (stats->limit_bytes / 2 > ch_max(stats->mapped_ready, goal))
		stats->next_gc_bytes = goal_of(goal, sweep, triggered);
}

static void read_deltas(struct go_stats *stats, const uint8_t *p, const struct deltas *row)
{
	uint64_t tiny = sum_of(p, row, row->tiny_count);
	uint32_t i;

	stats->stacks_bytes = sum_of(p, row, STACKS_AT);
	stats->workbuf_bytes = sum_of(p, row, WORKBUFS_AT);
	stats->pointer_bits_bytes = row->pointer_bits ? sum_of(p, row, row->pointer_bits) : 0;
	stats->mallocs_count = tiny + sum_of(p, row, row->large_allocs);
	stats->frees_count = tiny + sum_of(p, row, row->large_frees);
	for (i = 0; i < CLASSES; i++) {
		stats->mallocs_count += sum_of(p, row, row->small_allocs + 8 * i);
		stats->frees_count += sum_of(p, row, row->small_frees + 8 * i);
	}
}

static void look_at_run(struct go *go, const struct ch_data_run *run)
{
	size_t at = ch_align_up(run->addr, 8) - run->addr, i;
	const uint8_t *p;

	for (; ch_inside(at, READY_AT + 8, run->len); at += 8) {
		p = run->bytes + at;
		if (!go->stats.controller && is_controller(go, p)) {
			go->stats.controller = run->addr + at;
			read_controller(&go->stats, p);
		}
		for (i = 0; i < CH_COUNT_OF(deltas_rows) && !go->stats.deltas; i++)
			if (ch_inside(at, (uint64_t)SETS * deltas_rows[i].bytes, run->len) &&
			    are_deltas(go, p, &deltas_rows[i])) {
				go->stats.deltas = run->addr + at;
				read_deltas(&go->stats, p, &deltas_rows[i]);
			}
	}
}

void go_stats_find(struct go *go)
{
	const struct ch_module *module = ch_sym_module_at(go->env.sym, go->pages);
	struct ch_data_run run = { 0 };
	uint64_t at;

	if (!module || !go->sums.heap_bytes || !go->sums.manual_bytes)
		return;
	at = module->start;
	while (chp_data_next(&go->env, module, &at, &run))
		look_at_run(go, &run);
	if (go->stats.controller)
		read_settings(go);
}

static struct ch_error *settings_facts(struct go *go)
{
	const struct go_stats *stats = &go->stats;
	struct ch_vec *facts = &go->out.heap_facts;
	struct ch_error *err = NULL;

	if (stats->next_gc_bytes)
		err = chp_fact_add(facts, "next_gc_bytes", stats->next_gc_bytes, NULL);
	if (!err && stats->percent >= 0)
		err = chp_fact_add(facts, "gogc_percent", (uint64_t)stats->percent, NULL);
	if (!err && stats->percent < 0)
		err = chp_fact_add(facts, "gogc_percent", 0, "off");
	if (!err && stats->limit_bytes != INT64_MAX)
		err = chp_fact_add(facts, "memory_limit_bytes", stats->limit_bytes, NULL);
	return err;
}

struct ch_error *go_stats_facts(struct go *go)
{
	const struct go_stats *stats = &go->stats;
	const struct go_sums *sums = &go->sums;
	uint64_t idle = sums->pages_bytes - sums->heap_bytes - sums->manual_bytes;
	const struct {
		const char *key;
		uint64_t number;
		bool known;
	} rows[] = {
		{ "heap_alloc_bytes", sums->objects_bytes, true },
		{ "heap_objects_count", sums->objects_count, true },
		{ "heap_inuse_bytes", sums->heap_bytes, true },
		{ "heap_idle_bytes", idle, true },
		{ "heap_released_bytes", stats->heap_released, stats->controller },
		{ "stack_inuse_bytes", stats->deltas ? stats->stacks_bytes : sums->stack_bytes,
		  true },
		{ "total_alloc_bytes", stats->total_alloc, stats->controller },
		{ "mallocs_count", stats->mallocs_count, stats->deltas },
		{ "frees_count", stats->frees_count, stats->deltas },
		{ "gc_cycles_count", go->sweepgen / 2, true },
		{ "spans_count", sums->spans_count, true },
		{ "unswept_spans_count", sums->unswept_count, sums->unswept_count },
	};
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < CH_COUNT_OF(rows); i++)
		if (rows[i].known)
			err = chp_fact_add(&go->out.heap_facts, rows[i].key, rows[i].number, NULL);
	if (!err && stats->has_settings)
		err = settings_facts(go);
	return err;
}
