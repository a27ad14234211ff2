#include "cmd/measure.h"

#include <stdlib.h>

#include "report/heap.h"
#include "util/cleanup.h"
#include "util/context.h"

/* Stacks that are blocks or variables count as those. */
static struct ch_error *measure_stacks(struct ch_session *session, struct ch_summary *summary)
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
	summary->threads_count = count;
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
	summary->stack_bytes = sums.bytes;
	summary->stack_used_bytes = sums.used_bytes;
	summary->stack_touched_bytes = sums.touched_bytes;
	return NULL;
}

/* An interrupted walk leaves the heap in one row. */
static struct ch_error *make_account(struct ch_session *session, struct ch_summary *summary)
{
	struct ch_account_heaps sums;
	const struct ch_region *regions;
	struct ch_error *err;
	struct ch_map *map;
	size_t count;

	err = ch_session_map(session, &map);
	if (err)
		return err;
	err = chp_account_heaps(summary->heaps, &sums);
	if (err && err->code != CH_ERROR_STOP)
		return err;
	summary->walked = !err;
	if (err)
		chp_context_finding(ch_session_context(session), CH_SEVERITY_INCOMPLETE,
				    "interrupted", "interrupted: the heaps were not walked");
	regions = ch_map_regions(map, &count);
	chp_account_make(regions, count, ch_map_space_end(map),
			 summary->walked && chp_heaps_any(summary->heaps) ? &sums : NULL,
			 &summary->account);
	return NULL;
}

static void judge(struct ch_session *session, struct ch_summary *summary)
{
	const struct ch_account *account = &summary->account;
	const struct ch_account_row *rows = account->rows;
	size_t i;

	summary->input = (struct ch_verdict_input){
		.native_used_bytes =
			rows[CH_ACCOUNT_HEAP_USED].bytes + rows[CH_ACCOUNT_HEAP_MMAPPED].bytes,
		.native_free_bytes =
			rows[CH_ACCOUNT_HEAP_FREE].bytes + rows[CH_ACCOUNT_HEAP_TOP].bytes,
		.native_overhead_bytes = rows[CH_ACCOUNT_HEAP_OVERHEAD].bytes,
		.unwalked_bytes = rows[CH_ACCOUNT_HEAP_UNWALKED].bytes,
		.managed_bytes =
			rows[CH_ACCOUNT_MANAGED_USED].bytes + rows[CH_ACCOUNT_MANAGED_FREE].bytes +
			rows[CH_ACCOUNT_MANAGED_HEAP].bytes + rows[CH_ACCOUNT_MANAGED_OTHER].bytes,
		.loader_bytes = rows[CH_ACCOUNT_MANAGED_LOADER].bytes,
		.stacks_bytes = summary->stack_touched_bytes + rows[CH_ACCOUNT_TLS].bytes,
		.files_bytes = rows[CH_ACCOUNT_FILES].bytes + rows[CH_ACCOUNT_SHARED].bytes,
		.unattributed_bytes = rows[CH_ACCOUNT_UNATTRIBUTED].bytes,
		.complete = ch_context_complete(ch_session_context(session)),
		.damaged = ch_context_damaged(ch_session_context(session)),
		.closes = true,
	};
	summary->used_bytes =
		summary->input.native_used_bytes + rows[CH_ACCOUNT_MANAGED_USED].bytes;
	for (i = 0; i < CH_ACCOUNT_INVARIANTS; i++)
		summary->input.closes = summary->input.closes && account->invariants[i].ok;
	chp_verdict_make(&summary->input, &summary->verdict);
}

struct ch_error *chp_summary_measure(struct ch_session *session, struct ch_summary *summary)
{
	struct ch_error *err;

	err = ch_session_heaps(session, &summary->heaps);
	if (!err)
		err = measure_stacks(session, summary);
	if (!err)
		err = make_account(session, summary);
	if (!err)
		chp_heaps_tell_none(summary->heaps, ch_session_context(session));
	if (!err)
		judge(session, summary);
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
