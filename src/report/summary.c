#include "report/summary.h"

#include <inttypes.h>
#include <string.h>

#include "report/heap.h"
#include "report/summary_priv.h"
#include "util/cleanup.h"
#include "util/text.h"

#define LINE_BYTES_MAX 512

size_t chp_summary_untouched(const struct ch_account *account,
			     struct ch_untouched_part ret[CH_UNTOUCHED_PARTS])
{
	const struct ch_untouched_part parts[CH_UNTOUCHED_PARTS] = {
		{ "committed, never touched", "untouched", account->untouched_bytes },
		{ "not dumped: untouched, or excluded", "undumped", account->undumped_bytes },
		{ "reserved, without access", "reserved", account->reserved_bytes },
		{ "not in the core, as files are", "not_in_core", account->absent_bytes },
	};
	size_t i, count = 0;

	for (i = 0; i < CH_UNTOUCHED_PARTS; i++)
		if (parts[i].bytes)
			ret[count++] = parts[i];
	return count;
}

static struct ch_error *add_untouched(struct ch_table *table, const struct ch_account *account,
				      bool plain)
{
	struct ch_untouched_part parts[CH_UNTOUCHED_PARTS];
	size_t i, count = chp_summary_untouched(account, parts);
	struct ch_error *err = NULL;
	char title[64];

	for (i = 0; !err && i < count; i++) {
		snprintf(title, sizeof(title), "%s%s", plain ? "of_total_" : "of it ",
			 plain ? parts[i].name : parts[i].title);
		err = chp_table_row(table, (struct ch_cell[]){ CH_CELL_STR(title),
							       { .absent = true },
							       { .absent = true },
							       CH_CELL_NUM(parts[i].bytes),
							       CH_CELL_STR(NULL),
							       { .absent = true } });
	}
	return err;
}

struct ch_error *chp_summary_print_rows(const struct ch_report *report,
					const struct ch_summary *summary)
{
	static const struct ch_column columns[] = { { "WHERE THE MEMORY IS", CH_CELL_TEXT },
						    { "TOUCHED", CH_CELL_BYTES },
						    { "OF TOUCHED", CH_CELL_PERCENT },
						    { "MAPPED", CH_CELL_COUNT },
						    { "BASIS", CH_CELL_TEXT },
						    { "IN CORE", CH_CELL_COUNT } };
	bool plain = report->format == CH_FORMAT_PLAIN;
	/* the screen is no wider */
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns) - !plain);
	const struct ch_account *account = &summary->sums.account;
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < CH_ACCOUNT_ROWS; i++) {
		const struct ch_account_row *row = &account->rows[i];
		enum ch_account_id id = (enum ch_account_id)i;

		/* unattributed is said also when it is nothing */
		if (!row->bytes && i != CH_ACCOUNT_UNATTRIBUTED)
			continue;
		err = chp_table_row(
			table,
			(struct ch_cell[]){
				{ .text = plain ? chp_account_name(id) : chp_account_title(id) },
				CH_CELL_NUM(row->touched_bytes),
				CH_CELL_NUM(
					chp_percent(row->touched_bytes, account->touched_bytes)),
				CH_CELL_NUM(row->bytes),
				{ .text = ch_basis_name(row->basis) },
				{ .number = row->in_core_bytes, .absent = !row->has_core } });
	}
	if (!err)
		err = chp_table_row(
			table, (struct ch_cell[]){
				       CH_CELL_STR("total"), CH_CELL_NUM(account->touched_bytes),
				       CH_CELL_NUM(chp_percent(account->touched_bytes,
							       account->touched_bytes)),
				       CH_CELL_NUM(account->busy_bytes), CH_CELL_STR(NULL),
				       CH_CELL_NUM(account->in_core_bytes) });
	if (!err)
		err = add_untouched(table, account, plain);
	if (!err)
		chp_table_print(table, report);
	chp_table_destroy(table);
	return err;
}

struct ch_error *chp_summary_print_types(const struct ch_report *report,
					 const struct ch_summary *summary)
{
	static const struct ch_column columns[] = { { "LARGEST TYPES OF USED BLOCKS",
						      CH_CELL_NAME },
						    { "COUNT", CH_CELL_COUNT },
						    { "TOUCHED", CH_CELL_BYTES },
						    { "OF USED", CH_CELL_PERCENT },
						    { "SAMPLE", CH_CELL_ADDR } };
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < summary->types_count; i++) {
		const struct ch_summary_type *type = &summary->types[i];

		err = chp_table_row(
			table,
			(struct ch_cell[]){ { .text = type->row.name },
					    CH_CELL_NUM(type->row.stat.count),
					    CH_CELL_NUM(type->in_use_bytes),
					    CH_CELL_NUM(chp_percent(type->in_use_bytes,
								    summary->sums.used_bytes)),
					    CH_CELL_NUM(type->row.stat.sample_addr) });
	}
	if (!err && summary->types_count) {
		fputs(report->format == CH_FORMAT_TEXT ? "\n" : "", report->out);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

struct ch_error *chp_summary_print_tracked(const struct ch_report *report,
					   const struct ch_summary *summary)
{
	if (!summary->tracking)
		return NULL;
	fputs(report->format == CH_FORMAT_TEXT ? "\n" : "", report->out);
	return chp_print_tracked_blocks(report, summary->view.runtimes, summary->tracking,
					SIZE_MAX);
}

static void print_heaps(const struct ch_report *report, const struct ch_summary *summary)
{
	const struct ch_heaps_view *view = &summary->view;
	const struct ch_runtime *runtimes = view->runtimes;
	char line[LINE_BYTES_MAX], number[CH_BYTES_TEXT_MAX];
	uint64_t n;
	size_t i, k;

	for (i = 0; i < view->runtimes_count; i++) {
		if (!runtimes[i].score)
			continue;
		for (n = 0, k = 0; k < view->heaps_count; k++)
			n += view->heaps[k].walker == i;
		if (runtimes[i].open)
			snprintf(line, sizeof(line), "%s: %s heap%s (%.300s)", runtimes[i].title,
				 chp_count_text(n, number), n == 1 ? "" : "s",
				 runtimes[i].evidence);
		else
			snprintf(line, sizeof(line), "%s: %s (%.300s)", runtimes[i].title,
				 chp_runtime_words(&runtimes[i]), runtimes[i].evidence);
		chp_report_wrapped(report, "heaps", line);
	}
	if (!chp_runtimes_present(runtimes, view->runtimes_count))
		chp_report_field(report, "heaps", "no allocator or runtime was recognised");
	else if (!summary->sums.walked && chp_runtimes_any(runtimes, view->runtimes_count))
		chp_report_field(report, "heaps", "not walked to the end");
}

static void print_crash(const struct ch_report *report, const struct ch_thread_row *row)
{
	_cleanup_free_ char *text = row ? chp_crash_text(row) : NULL;

	if (text && text[0])
		chp_report_wrapped(report, "stack", text);
}

/* What the head and the verdict say, one fact a line. */
static const char *intact_text(enum ch_intact intact)
{
	return intact == CH_INTACT_UNKNOWN ? "not known" : intact == CH_INTACT_YES ? "yes" : "no";
}

static void print_plain_head(const struct ch_report *report, const struct ch_summary *summary)
{
	const struct ch_core *core = ch_session_core(report->session);
	const struct ch_context *ctx = ch_session_context(report->session);
	const struct ch_verdict_input *input = &summary->sums.input;
	size_t i;

	chp_report_field(report, "producer", "%s", ch_producer_name(ch_core_producer(core)));
	chp_report_field(report, "arch", "%s", ch_arch_name(ch_core_arch(core)));
	chp_report_process(report, core);
	chp_report_death(report, &summary->death);
	print_crash(report, chp_summary_crash(summary));
	chp_report_field(report, "complete", "%s", ch_context_complete(ctx) ? "yes" : "no");
	chp_report_field(report, "heap intact", "%s",
			 intact_text(ch_session_heap_intact(report->session)));
	chp_report_count_field(report, "threads", summary->sums.threads_count);
	chp_report_bytes_field(report, "stack bytes", summary->sums.stack_bytes);
	chp_report_bytes_field(report, "stack used bytes", summary->sums.stack_used_bytes);
	chp_report_bytes_field(report, "stack touched bytes", summary->sums.stack_touched_bytes);
	chp_report_field(report, "verdict", "%s", summary->sums.verdict.class);
	chp_report_field(report, "confidence", "%s", summary->sums.verdict.confidence);
	chp_report_bytes_field(report, "native used bytes", input->native_used_bytes);
	chp_report_bytes_field(report, "native free bytes", input->native_free_bytes);
	for (i = 0; i < CH_ACCOUNT_INVARIANTS; i++)
		if (!summary->sums.account.invariants[i].ok)
			chp_report_field(report, "does not hold", "%s",
					 summary->sums.account.invariants[i].name);
}

void chp_summary_complete(const struct ch_report *report, const struct ch_summary *summary,
			  char ret[CH_SUMMARY_COMPLETE_MAX])
{
	char what[CH_COVERAGE_TEXT_MAX];

	/* the file of a heap that is not walked may be whole */
	if (ch_context_complete(ch_session_context(report->session)))
		snprintf(ret, CH_SUMMARY_COMPLETE_MAX, "complete");
	else if (chp_coverage_lacks(&summary->sums.coverage,
				    CH_NEED_HEAPS | CH_NEED_STACKS | CH_NEED_MEMORY, what))
		snprintf(ret, CH_SUMMARY_COMPLETE_MAX, "not complete: %.400s", what);
	else
		snprintf(ret, CH_SUMMARY_COMPLETE_MAX, "not complete: see the warnings");
}

/* What the first screen rests on. */
static void print_evidence(const struct ch_report *report, const struct ch_summary *summary)
{
	const struct ch_account *account = &summary->sums.account;
	char a[CH_BYTES_TEXT_MAX], b[CH_BYTES_TEXT_MAX], c[CH_BYTES_TEXT_MAX], d[CH_BYTES_TEXT_MAX];
	char line[LINE_BYTES_MAX];
	size_t i;

	chp_report_heading(report, "WHAT THIS RESTS ON", false);
	chp_report_process(report, ch_session_core(report->session));
	/* how a process died is said above */
	if (summary->death.dumped_alive)
		chp_report_death(report, &summary->death);
	snprintf(line, sizeof(line), "of %s mapped bytes the core holds %s",
		 chp_count_text(account->busy_bytes, a), chp_count_text(account->in_core_bytes, b));
	chp_report_wrapped(report, "core", line);
	snprintf(line, sizeof(line),
		 "%s touched: pages with a byte other than zero, the least that was resident",
		 chp_bytes_text(account->touched_bytes, a));
	chp_report_wrapped(report, "memory", line);
	snprintf(line, sizeof(line), "%s; stacks %s bytes, below the stack pointers %s, touched %s",
		 chp_count_text(summary->sums.threads_count, a),
		 chp_count_text(summary->sums.stack_bytes, b),
		 chp_count_text(summary->sums.stack_used_bytes, c),
		 chp_count_text(summary->sums.stack_touched_bytes, d));
	chp_report_wrapped(report, "threads", line);
	print_heaps(report, summary);
	chp_print_quotas(report, &summary->pooled);
	snprintf(line, sizeof(line), "%s (confidence %s: %s)", summary->sums.verdict.class,
		 summary->sums.verdict.confidence, summary->sums.verdict.reason);
	chp_report_wrapped(report, "verdict", line);
	chp_report_wrapped(report, "because", summary->arithmetic);
	for (i = 0; i < CH_ACCOUNT_INVARIANTS; i++)
		if (!account->invariants[i].ok)
			chp_report_field(report, "does not hold", "%s",
					 account->invariants[i].name);
	fputc('\n', report->out);
}

/* The tables, whole. */
static struct ch_error *print_tables(const struct ch_report *report,
				     const struct ch_summary *summary)
{
	struct ch_error *err = chp_summary_print_rows(report, summary);

	if (!err)
		err = chp_summary_print_tracked(report, summary);
	if (!err)
		err = chp_summary_print_types(report, summary);
	return err;
}

static struct ch_error *print_all(const struct ch_report *report, const struct ch_summary *summary)
{
	struct ch_error *err = chp_summary_print_upper(report, summary, SIZE_MAX);

	if (err)
		return err;
	print_evidence(report, summary);
	err = print_tables(report, summary);
	if (!err)
		chp_report_findings(report);
	return err;
}

struct ch_error *ch_report_summary(const struct ch_report *report, const struct ch_summary *summary,
				   bool all)
{
	struct ch_error *err;

	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return chp_summary_print_json(report, summary);
	if (report->format == CH_FORMAT_MARKDOWN)
		return chp_summary_print_markdown(report, summary);
	if (report->format == CH_FORMAT_TEXT)
		return all ? print_all(report, summary) : chp_summary_print_screen(report, summary);
	print_plain_head(report, summary);
	chp_print_quotas(report, &summary->pooled);
	err = print_tables(report, summary);
	if (!err)
		err = chp_suspects_print(report, summary->suspects.items, summary->suspects.count,
					 SIZE_MAX);
	return err;
}
