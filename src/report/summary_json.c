/*
 * The summary as JSON.
 */
#include "report/heap.h"
#include "report/summary_priv.h"
#include "report/type_groups.h"
#include "util/cleanup.h"

static json_t *json_accounting(const struct ch_account *account)
{
	json_t *rows = json_array(), *invariants = json_array();
	size_t i;

	for (i = 0; i < CH_ACCOUNT_ROWS; i++) {
		const struct ch_account_row *row = &account->rows[i];

		chp_json_append_take(
			&rows,
			json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o}", "name",
				  chp_account_name((enum ch_account_id)i), "bytes",
				  chp_json_uint(row->bytes), "basis", ch_basis_name(row->basis),
				  "in_core_bytes",
				  row->has_core ? chp_json_uint(row->in_core_bytes) : json_null(),
				  "mapped_bytes", chp_json_uint(row->bytes), "touched_bytes",
				  chp_json_uint(row->touched_bytes), "percent_of_touched",
				  chp_json_percent(chp_percent(row->touched_bytes,
							       account->touched_bytes))));
	}
	for (i = 0; i < CH_ACCOUNT_INVARIANTS; i++)
		chp_json_append_take(&invariants,
				     json_pack("{s:s, s:b}", "name", account->invariants[i].name,
					       "ok", (int)account->invariants[i].ok));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rows", rows,
			 "total_bytes", chp_json_uint(account->busy_bytes), "unattributed_bytes",
			 chp_json_uint(account->rows[CH_ACCOUNT_UNATTRIBUTED].bytes), "invariants",
			 invariants, "touched_bytes", chp_json_uint(account->touched_bytes),
			 "untouched_bytes", chp_json_uint(account->untouched_bytes),
			 "undumped_bytes", chp_json_uint(account->undumped_bytes), "reserved_bytes",
			 chp_json_uint(account->reserved_bytes), "not_in_core_bytes",
			 chp_json_uint(account->absent_bytes));
}

static json_t *json_verdict(const struct ch_summary *summary)
{
	const struct ch_verdict_input *input = &summary->sums.input;
	const struct ch_verdict *verdict = &summary->sums.verdict;
	char covers[CH_COVERAGE_TEXT_MAX], sentence[CH_VERDICT_SENTENCE_MAX];

	chp_verdict_sentence(verdict, sentence);
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, "
		"s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s}",
		"class", verdict->class, "managed_bytes", chp_json_uint(input->managed_bytes),
		"loader_bytes", chp_json_uint(input->loader_bytes), "native_used_bytes",
		chp_json_uint(input->native_used_bytes), "native_free_bytes",
		chp_json_uint(input->native_free_bytes), "native_overhead_bytes",
		chp_json_uint(input->native_overhead_bytes), "native_unwalked_bytes",
		chp_json_uint(input->unwalked_bytes), "stacks_bytes",
		chp_json_uint(input->stacks_bytes), "files_bytes",
		chp_json_uint(input->files_bytes), "unattributed_bytes",
		chp_json_uint(input->unattributed_bytes), "total_bytes",
		chp_json_uint(verdict->total_bytes), "percent_of_total",
		chp_json_percent(verdict->share), "arithmetic", summary->arithmetic, "confidence",
		verdict->confidence, "confidence_reason", verdict->reason, "filled_bytes",
		chp_json_uint(input->filled_bytes), "of",
		"touched bytes, programs' images and files that are only read aside", "covers",
		chp_coverage_words(&summary->sums.coverage, covers) ? chp_json_text(covers)
								    : json_null(),
		"managed_garbage_bytes", chp_json_uint(input->managed_garbage_bytes),
		"managed_free_bytes", chp_json_uint(input->managed_free_bytes),
		"managed_filled_bytes", chp_json_uint(input->managed_filled_bytes),
		"read_only_files_bytes", chp_json_uint(input->read_only_files_bytes),
		"runtime_other_bytes", chp_json_uint(input->runtime_other_bytes), "text", sentence);
}

static json_t *json_heaps(const struct ch_summary *summary)
{
	json_t *array = json_array();
	const struct ch_heap *list = summary->view.heaps;
	size_t i;

	for (i = 0; i < summary->view.heaps_count; i++)
		chp_json_append_take(
			&array, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
					  "runtime", list[i].runtime, "kind", list[i].kind, "name",
					  chp_json_text(list[i].name), "addr",
					  list[i].addr ? chp_json_addr(list[i].addr) : json_null(),
					  "reserved_bytes", chp_json_uint(list[i].reserved_bytes),
					  "committed_bytes", chp_json_uint(list[i].committed_bytes),
					  "used_bytes", chp_json_uint(list[i].used_bytes),
					  "used_count", chp_json_uint(list[i].used_count),
					  "free_bytes", chp_json_uint(list[i].free_bytes),
					  "free_count", chp_json_uint(list[i].free_count),
					  "overhead_bytes", chp_json_uint(list[i].overhead_bytes)));
	return array;
}

static json_t *json_types(const struct ch_summary *summary)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < summary->types_count; i++) {
		const struct ch_named_type *row = &summary->types[i].row;
		const struct ch_type_stat *stat = &row->stat;

		chp_json_append_take(
			&array,
			json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "name",
				  chp_json_text(row->name), "runtime", row->runtime, "kind",
				  ch_type_kind_name(stat->kind), "count",
				  chp_json_uint(stat->count), "total_bytes",
				  chp_json_uint(stat->total_bytes), "smallest_bytes",
				  chp_json_uint(stat->smallest_bytes), "largest_bytes",
				  chp_json_uint(stat->largest_bytes), "sample_addr",
				  chp_json_addr(stat->sample_addr), "basis",
				  ch_basis_name(row->basis), "touched_bytes",
				  chp_json_uint(stat->total_bytes - stat->untouched_bytes)));
	}
	return array;
}

struct ch_error *chp_summary_print_json(const struct ch_report *report,
					const struct ch_summary *summary)
{
	const struct ch_core *core = ch_session_core(report->session);
	const struct ch_account *account = &summary->sums.account;
	const struct ch_crash crash = { &summary->death, chp_summary_crash(summary),
					&summary->signature };

	return chp_json_print_take(
		report,
		chp_json_document_take(
			report, "summary",
			json_pack(
				"{s:o, s:o, s:o, s:o, s:{s:o, s:o, s:o, s:o}, s:o, s:o, s:{s:o, "
				"s:o, "
				"s:o, "
				"s:o}, s:o, s:o, s:b, s:o, s:o, s:o, s:{s:b, s:b, s:s}, s:o, s:o, "
				"s:o, s:s?}",
				"process", chp_json_process(core), "executable",
				chp_json_executable(summary->executable), "death",
				chp_json_death(report, &summary->death), "crash",
				chp_json_crash(report, &crash), "address_space", "total_bytes",
				chp_json_uint(account->total_bytes), "busy_bytes",
				chp_json_uint(account->busy_bytes), "in_core_bytes",
				chp_json_uint(account->in_core_bytes), "missing_bytes",
				chp_json_uint(account->busy_bytes - account->in_core_bytes),
				"runtimes", chp_json_runtimes(&summary->view), "native_heaps",
				json_heaps(summary), "threads", "threads_count",
				chp_json_uint(summary->sums.threads_count), "stack_bytes",
				chp_json_uint(summary->sums.stack_bytes), "stack_used_bytes",
				chp_json_uint(summary->sums.stack_used_bytes),
				"stack_touched_bytes",
				chp_json_uint(summary->sums.stack_touched_bytes), "accounting",
				json_accounting(account), "verdict", json_verdict(summary), "quick",
				(int)summary->quick, "suspects",
				chp_suspects_json(summary->suspects.items, summary->suspects.count),
				"types_top", json_types(summary), "native_tracking",
				chp_json_tracking(summary->view.runtimes, summary->tracking),
				"redaction", "memory_contents", 0, "environment", 0, "arguments",
				"argv[0] only", "limits", chp_json_quotas(&summary->pooled),
				"pools", chp_json_pools(&summary->pooled), "named",
				summary->quick ? json_null()
					       : chp_fields_json(report, chp_named_fields,
								 &summary->named),
				"headline", summary->headline[0] ? summary->headline : NULL)));
}
