/*
 * The summary as Markdown, to be sent to somebody who has no core.
 */
#include <inttypes.h>

#include "report/heap.h"
#include "report/summary_priv.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Text from the core, escaped, as a code span. */
static char *code_of(const char *text)
{
	_cleanup_free_ char *safe = chp_text_escape(text, 1024);

	return safe ? chp_markdown_code(safe) : NULL;
}

/* Of a crash what happened, else what has the memory. */
static struct ch_error *print_title(const struct ch_report *report,
				    const struct ch_summary *summary)
{
	const struct ch_process *process = ch_core_process(ch_session_core(report->session));
	_cleanup_free_ char *name = code_of(process->comm[0] ? process->comm : "a process");
	const struct ch_thread_row *row = chp_summary_crash(summary);
	_cleanup_free_ char *title = row ? chp_crash_title(&summary->death, row) : NULL;
	_cleanup_free_ char *safe = title ? chp_markdown_text(title) : NULL;
	char total[CH_BYTES_TEXT_MAX];

	if (!name || (row && !safe))
		return &ch_enomem;
	if (row)
		fprintf(report->out, "# %s: %s\n\n", name, safe);
	else
		fprintf(report->out, "# %s: %s, %s in use\n\n", name,
			summary->headline[0] ? summary->headline : summary->sums.verdict.class,
			chp_binary_text(summary->sums.verdict.total_bytes, total));
	return NULL;
}

/* What the process left that says why. */
static struct ch_error *print_death(const struct ch_report *report, const struct ch_death *death)
{
	const char *label;
	size_t i;

	for (i = 0;; i++) {
		_cleanup_free_ char *detail = chp_death_detail(report, death, i, &label);
		_cleanup_free_ char *safe = detail ? chp_markdown_text(detail) : NULL;

		if (!detail)
			return NULL;
		if (!safe)
			return &ch_enomem;
		fprintf(report->out, "- %s: %s\n", label, safe);
	}
}

/* The thread that died: frames that say what happened, and what tickets of one crash share. */
static struct ch_error *print_crash(const struct ch_report *report,
				    const struct ch_summary *summary)
{
	const struct ch_thread_row *row = chp_summary_crash(summary);
	const struct ch_signature *signature = &summary->signature;
	_cleanup_free_ char *text = row ? chp_crash_text(row, CH_CRASH_FRAMES) : NULL;
	_cleanup_free_ char *safe = text ? chp_markdown_text(text) : NULL;

	if (row && !safe)
		return &ch_enomem;
	if (row && safe[0])
		fprintf(report->out, "- stack: %s\n", safe);
	if (row && signature->basis)
		fprintf(report->out, "- crash id: `%016" PRIx64 "`%s\n", signature->id,
			signature->basis == CH_SIGNATURE_OFFSETS
				? ", of this build alone: a function has no name"
				: "");
	return NULL;
}

/* Its stack, whole. */
static struct ch_error *print_frames(const struct ch_report *report,
				     const struct ch_thread_row *row)
{
	size_t i;

	fputs("\n## Stack of the thread that died\n\n", report->out);
	for (i = 0; i < row->frames_count; i++) {
		_cleanup_free_ char *text = chp_crash_frame(&row->frames[i]);
		_cleanup_free_ char *safe = text ? chp_markdown_code(text) : NULL;

		if (!safe)
			return &ch_enomem;
		fprintf(report->out, "%zu. %s\n", i + 1, safe);
	}
	return NULL;
}

static struct ch_error *print_verdict(const struct ch_report *report,
				      const struct ch_summary *summary)
{
	const struct ch_core *core = ch_session_core(report->session);
	const struct ch_process *process = ch_core_process(core);
	char a[CH_BYTES_TEXT_MAX], b[CH_BYTES_TEXT_MAX], c[CH_BYTES_TEXT_MAX];
	char verdict[CH_VERDICT_TEXT_MAX];
	_cleanup_free_ char *arithmetic = chp_markdown_text(summary->arithmetic);
	_cleanup_free_ char *text = chp_death_text(&summary->death);
	_cleanup_free_ char *died = text ? chp_markdown_text(text) : NULL;
	FILE *out = report->out;
	struct ch_error *err;
	size_t i;

	if (!arithmetic || !died)
		return &ch_enomem;
	chp_verdict_text(&summary->sums.verdict, verdict);
	fprintf(out, "**Verdict:** %s%s%s\n\n%s\n\n", summary->headline,
		summary->headline[0] ? "; " : "", verdict, arithmetic);
	fprintf(out, "- process %" PRIu32 ", %s, dumped by %s; died of: %s\n", process->pid,
		ch_arch_name(ch_core_arch(core)), ch_producer_name(ch_core_producer(core)), died);
	fprintf(out, "- %s threads; of %s mapped bytes the core holds %s\n",
		chp_count_text(summary->sums.threads_count, a),
		chp_count_text(summary->sums.account.busy_bytes, b),
		chp_count_text(summary->sums.account.in_core_bytes, c));
	err = print_death(report, &summary->death);
	if (!err)
		err = print_crash(report, summary);
	for (i = 0; i < CH_ACCOUNT_INVARIANTS; i++)
		if (!summary->sums.account.invariants[i].ok)
			fprintf(out, "- **does not hold:** %s\n",
				summary->sums.account.invariants[i].name);
	return err;
}

static struct ch_error *print_runtimes(const struct ch_report *report,
				       const struct ch_summary *summary)
{
	const struct ch_runtime *runtimes = summary->view.runtimes;
	size_t i;

	for (i = 0; i < summary->view.runtimes_count; i++) {
		_cleanup_free_ char *evidence = NULL;

		if (!runtimes[i].score)
			continue;
		evidence = chp_markdown_code(runtimes[i].evidence);
		if (!evidence)
			return &ch_enomem;
		fprintf(report->out, "- %s: %s (%s)\n", runtimes[i].title,
			chp_runtime_words(&runtimes[i]), evidence);
	}
	return NULL;
}

/* What weakens the answer. */
static struct ch_error *print_unknown(const struct ch_report *report,
				      const struct ch_summary *summary)
{
	const struct ch_account *account = &summary->sums.account;
	uint64_t unknown = account->rows[CH_ACCOUNT_UNATTRIBUTED].bytes +
			   account->rows[CH_ACCOUNT_HEAP_UNWALKED].bytes;
	const struct ch_finding *findings;
	char bytes[CH_BYTES_TEXT_MAX];
	FILE *out = report->out;
	size_t count, i;

	fputs("\n## What could not be known\n\n", out);
	fprintf(out, "- %s belong to nobody that is known\n", chp_bytes_text(unknown, bytes));
	if (summary->quick)
		fputs("- what blocks of malloc are, and who holds what, was not asked "
		      "(`--quick`)\n",
		      out);
	findings = ch_context_findings(ch_session_context(report->session), &count);
	for (i = 0; i < count; i++) {
		_cleanup_free_ char *message = chp_markdown_text(findings[i].message);

		if (!message)
			return &ch_enomem;
		fprintf(out, "- %s%s\n",
			findings[i].severity == CH_SEVERITY_NOTE      ? ""
			: findings[i].severity == CH_SEVERITY_DAMAGED ? "**damaged:** "
								      : "**incomplete:** ",
			message);
	}
	return NULL;
}

static struct ch_error *print_foot(const struct ch_report *report)
{
	_cleanup_free_ char *name = NULL;
	struct ch_dump dump;
	struct ch_error *err = chp_dump_make(ch_session_core(report->session), &dump);

	name = err ? NULL : chp_markdown_code(dump.file);
	if (name) {
		fprintf(report->out, "\n---\ncoreheap %s, dump `%s`", CH_VERSION, dump.id);
		if (!report->reproducible)
			fprintf(report->out, ", file %s", name);
		fputs("; no memory contents, environment or arguments are in this text\n",
		      report->out);
	} else if (!err) {
		err = &ch_enomem;
	}
	chp_dump_deinit(&dump);
	return err;
}

struct ch_error *chp_summary_print_markdown(const struct ch_report *report,
					    const struct ch_summary *summary)
{
	struct ch_error *err = print_title(report, summary);

	if (!err)
		err = print_verdict(report, summary);
	if (!err)
		err = print_runtimes(report, summary);
	if (!err && chp_summary_crash(summary))
		err = print_frames(report, chp_summary_crash(summary));
	if (!err && summary->suspects.count) {
		fputs("\n## Suspects\n\n", report->out);
		err = chp_suspects_print(report, summary->suspects.items, summary->suspects.count,
					 SIZE_MAX);
	}
	if (!err) {
		fputs("\n## Where the bytes are\n\n", report->out);
		err = chp_summary_print_rows(report, summary);
	}
	if (!err && summary->tracking) {
		fputs("\n## Whose blocks of malloc they are\n\n", report->out);
		err = chp_summary_print_tracked(report, summary);
	}
	if (!err && summary->types_count) {
		fputs("\n## Largest types\n\n", report->out);
		err = chp_summary_print_types(report, summary);
	}
	if (!err)
		err = print_unknown(report, summary);
	return err ? err : print_foot(report);
}
