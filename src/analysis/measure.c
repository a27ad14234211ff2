/*
 * The sums of a dump: stacks, accounting, zeros, and the verdict that follows from them.
 */
#include "analysis/measure.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/presence.h"
#include "heap/walker.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"

/* Interrupted, it counts what may be touched: the walk that follows says so. */
static struct ch_error *count_touched(struct ch_session *session, uint32_t threads)
{
	struct ch_error *err;
	struct ch_map *map;

	err = ch_session_map(session, &map);
	if (!err)
		err = ch_map_count_touched(map, threads);
	return err && err->code == CH_ERROR_STOP ? NULL : err;
}

/* Stacks that are blocks or variables count as those. */
static struct ch_error *measure_stacks(struct ch_session *session, struct ch_measured *ret)
{
	const struct ch_core *core = ch_session_core(session);
	_cleanup_free_ struct ch_stack_use *stacks = NULL;
	const struct ch_thread_stack *uses;
	const struct ch_region *region;
	struct ch_stack_sums sums;
	struct ch_error *err;
	struct ch_map *map;
	size_t count, i, kept = 0;

	err = ch_session_map(session, &map);
	if (err)
		return err;
	ch_core_threads(core, &count);
	ret->threads_count = count;
	uses = ch_map_thread_stacks(map, &count);
	stacks = calloc(count + 1, sizeof(*stacks));
	if (!stacks)
		return &ch_enomem;
	for (i = 0; i < count; i++) {
		region = uses[i].end ? ch_map_region_at(map, uses[i].start) : NULL;
		if (region && region->usage == CH_USAGE_STACK)
			stacks[kept++] =
				(struct ch_stack_use){ uses[i].start, uses[i].end, uses[i].sp };
	}
	sums = chp_stack_sum_up(core, stacks, kept);
	ret->stack_bytes = sums.bytes;
	ret->stack_used_bytes = sums.used_bytes;
	ret->stack_touched_bytes = sums.touched_bytes;
	return NULL;
}

/* Where sums contradict each other, some of them are wrong, and nobody knows which. */
static void tell_open(struct ch_context *ctx, const struct ch_account *account)
{
	size_t i;

	for (i = 0; i < CH_ACCOUNT_INVARIANTS; i++)
		if (!account->invariants[i].ok)
			chp_context_finding(ctx, CH_SEVERITY_INCOMPLETE, "accounting-open",
					    "the accounting contradicts itself: %s does not hold, "
					    "so that some of its rows are wrong",
					    account->invariants[i].name);
}

/* An interrupted walk leaves the heap in one row. */
static struct ch_error *make_account(struct ch_session *session, struct ch_map *map,
				     struct ch_heaps *heaps, struct ch_measured *ret)
{
	struct ch_account_heaps sums;
	const struct ch_region *regions;
	struct ch_error *err;
	size_t count;

	err = chp_account_heaps(heaps, &sums);
	if (err && err->code != CH_ERROR_STOP)
		return err;
	ret->walked = !err;
	if (err)
		chp_context_finding(ch_session_context(session), CH_SEVERITY_INCOMPLETE,
				    "interrupted", "interrupted: the heaps were not walked");
	regions = ch_map_regions(map, &count);
	chp_account_make(regions, count, ch_map_space_end(map),
			 ret->walked && chp_runtimes_any(ret->coverage.runtimes,
							 ret->coverage.runtimes_count)
				 ? &sums
				 : NULL,
			 &ret->account);
	tell_open(ch_session_context(session), &ret->account);
	return NULL;
}

static uint64_t touched(const struct ch_account_row *rows, enum ch_account_id id)
{
	return rows[id].touched_bytes;
}

/* Zeros in native blocks, and those of them that a runtime wrote itself: java.nio does so with
 * each direct buffer that it counts. Zeros are then no sign that nobody touched them. */
static void measure_zeros(const struct ch_heaps *heaps, struct ch_measured *ret)
{
	const struct ch_account_row *rows = ret->account.rows;
	const struct ch_runtime *runtimes;
	const struct ch_fact *facts;
	size_t count, facts_count, i, k;
	uint64_t filled = 0;

	ret->zero_bytes = rows[CH_ACCOUNT_HEAP_USED].bytes + rows[CH_ACCOUNT_HEAP_MMAPPED].bytes -
			  rows[CH_ACCOUNT_HEAP_USED].touched_bytes -
			  rows[CH_ACCOUNT_HEAP_MMAPPED].touched_bytes;
	runtimes = ch_heaps_runtimes(heaps, &count);
	for (i = 0; i < count; i++) {
		facts = ch_heaps_facts(heaps, (uint32_t)i, &facts_count);
		for (k = 0; runtimes[i].open && k < facts_count; k++)
			if (strcmp(facts[k].key, "direct_reserved_bytes") == 0)
				filled = ch_max(filled, facts[k].number);
	}
	ret->input.filled_bytes = ch_min(filled, ret->zero_bytes);
	ret->zeros_count =
		ret->input.filled_bytes && 2 * ret->input.filled_bytes >= ret->zero_bytes;
}

/* Zeros in objects that a runtime cleared when it made them. */
static uint64_t cleared_bytes(const struct ch_heaps *heaps)
{
	const struct ch_heap *list;
	uint64_t bytes = 0;
	size_t count, i;

	list = ch_heaps_list(heaps, &count);
	for (i = 0; i < count; i++)
		if (chp_heaps_clears(heaps, list[i].walker))
			bytes += list[i].untouched_used_bytes;
	return bytes;
}

bool chp_region_is_only_read(const struct ch_heaps *heaps, const struct ch_region *region)
{
	return region->usage == CH_USAGE_FILE &&
	       (!(region->prot & (CH_PROT_UNKNOWN | CH_SEGMENT_WRITE)) ||
		chp_heaps_is_archive(heaps, region->start));
}

static uint64_t read_only_bytes(struct ch_map *map, const struct ch_heaps *heaps)
{
	uint64_t bytes = 0;
	const struct ch_region *regions;
	size_t count, i;

	regions = ch_map_regions(map, &count);
	for (i = 0; i < count; i++)
		if (chp_region_is_only_read(heaps, &regions[i]))
			bytes += regions[i].touched_bytes;
	return bytes;
}

/* Whether what a runtime has beside its heap is told apart from it. */
static bool heap_is_known(const struct ch_account_row *rows)
{
	return rows[CH_ACCOUNT_MANAGED_USED].bytes + rows[CH_ACCOUNT_MANAGED_FREE].bytes +
	       rows[CH_ACCOUNT_MANAGED_HEAP].bytes;
}

static void judge(struct ch_session *session, struct ch_map *map, const struct ch_heaps *heaps,
		  struct ch_measured *ret)
{
	const struct ch_account *account = &ret->account;
	const struct ch_account_row *rows = account->rows;
	size_t i;

	ret->input = (struct ch_verdict_input){
		.native_used_bytes = touched(rows, CH_ACCOUNT_HEAP_USED) +
				     touched(rows, CH_ACCOUNT_HEAP_MMAPPED),
		.native_free_bytes =
			touched(rows, CH_ACCOUNT_HEAP_FREE) + touched(rows, CH_ACCOUNT_HEAP_TOP),
		.native_overhead_bytes = touched(rows, CH_ACCOUNT_HEAP_OVERHEAD),
		.unwalked_bytes = touched(rows, CH_ACCOUNT_HEAP_UNWALKED),
		.managed_bytes = touched(rows, CH_ACCOUNT_MANAGED_USED) +
				 touched(rows, CH_ACCOUNT_MANAGED_FREE) +
				 touched(rows, CH_ACCOUNT_MANAGED_HEAP),
		.loader_bytes = touched(rows, CH_ACCOUNT_MANAGED_LOADER),
		.stacks_bytes = touched(rows, CH_ACCOUNT_STACKS) + touched(rows, CH_ACCOUNT_TLS),
		.managed_free_bytes = touched(rows, CH_ACCOUNT_MANAGED_FREE) +
				      touched(rows, CH_ACCOUNT_MANAGED_HEAP),
		.managed_filled_bytes = cleared_bytes(heaps),
		.files_bytes = touched(rows, CH_ACCOUNT_FILES) + touched(rows, CH_ACCOUNT_SHARED),
		.read_only_files_bytes = read_only_bytes(map, heaps),
		.unattributed_bytes = touched(rows, CH_ACCOUNT_UNATTRIBUTED),
		.complete = ch_context_complete(ch_session_context(session)),
		.damaged = ch_context_damaged(ch_session_context(session)),
		.closes = true,
	};
	*(heap_is_known(rows) ? &ret->input.runtime_other_bytes : &ret->input.managed_bytes) +=
		touched(rows, CH_ACCOUNT_MANAGED_OTHER);
	ret->input.read_only_files_bytes =
		ch_min(ret->input.read_only_files_bytes, ret->input.files_bytes);
	ret->input.files_bytes -= ret->input.read_only_files_bytes;
	measure_zeros(heaps, ret);
	ret->used_bytes = ret->input.native_used_bytes + chp_zeros_that_count(ret) +
			  touched(rows, CH_ACCOUNT_MANAGED_USED) + ret->input.managed_filled_bytes;
	for (i = 0; i < CH_ACCOUNT_INVARIANTS; i++)
		ret->input.closes = ret->input.closes && account->invariants[i].ok;
	chp_verdict_make(&ret->input, &ret->verdict);
}

struct ch_error *chp_measure(struct ch_session *session, uint32_t threads, struct ch_measured *ret)
{
	struct ch_heaps *heaps;
	struct ch_error *err;
	struct ch_map *map;

	err = ch_session_heaps(session, &heaps);
	if (!err)
		err = ch_session_map(session, &map);
	if (!err)
		err = count_touched(session, threads);
	if (!err)
		err = chp_coverage_find(session, &ret->coverage);
	if (!err)
		err = measure_stacks(session, ret);
	if (!err)
		err = make_account(session, map, heaps, ret);
	if (!err)
		chp_heaps_tell_none(heaps, ch_session_context(session));
	if (!err)
		judge(session, map, heaps, ret);
	return err;
}

bool chp_graph_is_bloated(struct ch_session *session, const struct ch_graph *graph)
{
	const struct ch_root_range *ranges;
	uint64_t bytes = 0;
	size_t count, i;

	ranges = ch_graph_root_ranges(graph, &count);
	for (i = 0; i < count; i++)
		bytes += ranges[i].end - ranges[i].start - ranges[i].absent_bytes;
	if (bytes / 2 <= ch_core_stats(ch_session_core(session))->file_bytes)
		return false;
	chp_context_finding(ch_session_context(session), CH_SEVERITY_INCOMPLETE, "shared-roots",
			    "segments of the core share bytes of the file: who holds what was not "
			    "asked (see coreheap roots, leaks)");
	return true;
}
