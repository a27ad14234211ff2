/*
 * The summary: which of its forms is wanted, and its plain text. Others are files of their own.
 */
#include "report/summary.h"

#include <inttypes.h>

#include "report/heap.h"
#include "report/summary_priv.h"
#include "util/cleanup.h"

#define LINE_BYTES_MAX 512

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
	_cleanup_free_ char *text = row ? chp_crash_text(row, CH_CRASH_FRAMES) : NULL;

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
	chp_verdict_text(&summary->sums.verdict, line);
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

static struct ch_error *print_all(const struct ch_report *report, const struct ch_summary *summary,
				  bool begun)
{
	struct ch_error *err = chp_summary_print_upper(report, summary, SIZE_MAX, begun);

	if (err)
		return err;
	print_evidence(report, summary);
	err = print_tables(report, summary);
	if (!err)
		chp_report_findings(report);
	return err;
}

struct ch_error *ch_report_summary(const struct ch_report *report, const struct ch_summary *summary,
				   bool all, bool begun)
{
	struct ch_error *err;

	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return chp_summary_print_json(report, summary);
	if (report->format == CH_FORMAT_MARKDOWN)
		return chp_summary_print_markdown(report, summary);
	if (report->format == CH_FORMAT_TEXT)
		return all ? print_all(report, summary, begun)
			   : chp_summary_print_screen(report, summary, begun);
	print_plain_head(report, summary);
	chp_print_quotas(report, &summary->pooled);
	err = print_tables(report, summary);
	if (!err)
		err = chp_suspects_print(report, summary->suspects.items, summary->suspects.count,
					 SIZE_MAX);
	return err;
}
