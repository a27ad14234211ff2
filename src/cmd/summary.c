#include "report/summary.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cmd/cmd.h"
#include "cmd/suspects.h"
#include "report/heap.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"

struct options {
	bool quick;
};

static const struct ch_option option_rows[] = {
	{ "quick", NULL, CH_OPTION_FLAG, offsetof(struct options, quick),
	  "only count: do not ask who holds what, and what nothing holds" },
	{ NULL, NULL, CH_OPTION_FLAG, 0, NULL },
};

static struct ch_error *measure_stacks(struct ch_session *session, struct ch_summary *summary)
{
	const struct ch_core *core = ch_session_core(session);
	_cleanup_free_ struct ch_stack_use *stacks = NULL;
	const struct ch_thread *threads;
	struct ch_stack_sums sums;
	struct ch_error *err;
	struct ch_map *map;
	size_t count, i, kept = 0;

	err = ch_session_map(session, &map);
	if (err)
		return err;
	threads = ch_core_threads(core, &count);
	summary->threads_count = count;
	stacks = calloc(count + 1, sizeof(*stacks));
	if (!stacks)
		return &ch_enomem;
	for (i = 0; i < count; i++) {
		if (!ch_map_thread_stack(map, i, &stacks[kept].start, &stacks[kept].end))
			continue;
		stacks[kept++].sp = threads[i].sp;
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
		.closes = true,
	};
	summary->used_bytes =
		summary->input.native_used_bytes + rows[CH_ACCOUNT_MANAGED_USED].bytes;
	for (i = 0; i < CH_ACCOUNT_INVARIANTS; i++)
		summary->input.closes = summary->input.closes && account->invariants[i].ok;
	chp_verdict_make(&summary->input, &summary->verdict);
}

/* Parts that are not zero, and their sum. */
static struct ch_error *write_arithmetic(struct ch_summary *summary)
{
	const struct ch_verdict_input *input = &summary->input;
	const struct {
		const char *name;
		uint64_t bytes;
	} parts[] = {
		{ "native used", input->native_used_bytes },
		{ "native free", input->native_free_bytes },
		{ "overhead", input->native_overhead_bytes },
		{ "heap not walked", input->unwalked_bytes },
		{ "managed", input->managed_bytes },
		{ "loader", input->loader_bytes },
		{ "stacks touched and TLS", input->stacks_bytes },
		{ "files", input->files_bytes },
		{ "unattributed", input->unattributed_bytes },
	};
	const struct ch_verdict *verdict = &summary->verdict;
	char number[CH_BYTES_TEXT_MAX];
	const char *separator = "";
	size_t i, size = 0;
	FILE *out = open_memstream(&summary->arithmetic, &size);

	if (!out)
		return &ch_enomem;
	for (i = 0; i < CH_COUNT_OF(parts); i++) {
		if (!parts[i].bytes)
			continue;
		fprintf(out, "%s%s %s", separator, parts[i].name,
			chp_count_text(parts[i].bytes, number));
		separator = " + ";
	}
	fprintf(out, "%s%s bytes; %s is %" PRIu64 ".%02" PRIu64 "%%", separator[0] ? " = " : "",
		chp_count_text(verdict->total_bytes, number), verdict->leader, verdict->share / 100,
		verdict->share % 100);
	return fclose(out) == 0 ? NULL : &ch_enomem;
}

static struct ch_error *pick_types(struct ch_summary *summary)
{
	const struct ch_type_stat *stats;
	struct ch_error *err;
	size_t count, i;

	if (!summary->walked)
		return NULL;
	err = ch_heaps_types(summary->heaps, &stats, &count);
	for (i = 0; !err && i < count && summary->types_count < CH_SUMMARY_TYPES; i++)
		if (stats[i].kind == CH_TYPE_OBJECT)
			summary->types[summary->types_count++] = &stats[i];
	return err;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_summary summary = { .quick = options->quick,
				      .suspects = CH_VEC(struct ch_suspect) };
	struct ch_error *err;
	size_t i;

	chp_death_find(ch_session_core(env->session), &summary.death);
	err = ch_session_heaps(env->session, &summary.heaps);
	if (!err)
		err = measure_stacks(env->session, &summary);
	if (!err)
		err = make_account(env->session, &summary);
	if (!err)
		err = pick_types(&summary);
	if (err)
		return err;
	if (!chp_heaps_present(summary.heaps))
		chp_context_finding(ch_session_context(env->session), CH_SEVERITY_INCOMPLETE,
				    "no-allocator",
				    "no known allocator was found: what the heap holds is not "
				    "known");
	judge(env->session, &summary);
	err = write_arithmetic(&summary);
	if (!err)
		err = chp_suspects_find(env, &summary, options->quick);
	if (!err)
		err = ch_report_summary(env->report, &summary);
	for (i = 0; i < summary.suspects.count; i++)
		chp_suspect_deinit(CH_VEC_AT(&summary.suspects, struct ch_suspect, i));
	ch_vec_deinit(&summary.suspects);
	free(summary.arithmetic);
	return err;
}

const struct ch_cmd ch_cmd_summary = {
	.name = "summary",
	.summary = "where the memory went, on one screen, with a verdict",
	.synopsis = "[OPTIONS] CORE...",
	.examples = "  coreheap summary core.1234\n"
		    "  coreheap summary --quick core.1234              only the sums, in no time\n"
		    "  coreheap summary --markdown core.1234           for a ticket\n"
		    "  coreheap summary --jsonl *.core.zst | jq .verdict.class   a line for each\n",
	.options = option_rows,
	.options_size = sizeof(struct options),
	.cores = CH_CORES_EACH,
	.markdown = true,
	.run = run,
};
