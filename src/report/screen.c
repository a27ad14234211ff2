/*
 * The first screen: what died and how, what has the memory and who holds it, at most as many
 * lines as people see at once. What it leaves out, `summary --all` shows.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/html.h"
#include "report/heap.h"
#include "report/summary_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Where values begin. */
#define INDENT 10
/* Lines by default, and the least that a table gets however much is said before it. */
#define LINES_MAX 40
#define ROWS_MIN  3
/* Of the tables without their rows, of warnings, and of what share has names. */
#define FRAME_LINES       11
#define FRAME_LINES_NAMED 1
/* Suspects, rows and types where there is room. */
#define SUSPECTS_SHOWN 3
#define ROWS_SHOWN     8
#define TYPES_SHOWN    4
#define FINDINGS_SHOWN 2
#define GROUPS_SHOWN   4
/* How many a stack may take. */
#define STACK_LINES 3
/* Rows below this share of touched memory are told together, in hundredths of a percent. */
#define SHARE_MIN      100
#define TITLE_WIDTH    34
#define NAME_BYTES_MAX 256
#define LINE_BYTES_MAX 1024

/* ---- Who, and how it died ------------------------------------------------------ */

static void put_field(const struct ch_report *report, const char *label, const char *text)
{
	if (report->format == CH_FORMAT_HTML) {
		chp_html_fact(report->out, NULL, label, text);
		return;
	}
	fprintf(report->out, "%s%-*s%s", chp_bold(report), INDENT, label, chp_not_bold(report));
	if (strlen(label) >= INDENT)
		fputc(' ', report->out);
	chp_wrap(report->out, chp_report_width(report), ch_max(strlen(label) + 1, (size_t)INDENT),
		 INDENT, text);
}

/* "price-server (31842) died of SIGSEGV ..." */
static struct ch_error *print_identity(const struct ch_report *report,
				       const struct ch_summary *summary)
{
	const struct ch_process *process = ch_core_process(ch_session_core(report->session));
	const char *given = process->comm[0] ? process->comm : chp_base_name(process->argv0);
	_cleanup_free_ char *name = chp_text_escape(given[0] ? given : "process", NAME_BYTES_MAX);
	_cleanup_free_ char *death = chp_death_title(&summary->death, process->pid);
	_cleanup_free_ char *text = NULL;

	if (!name || !death)
		return &ch_enomem;
	if (asprintf(&text, "%s (%" PRIu32 ", %s)%s", name, process->pid,
		     ch_arch_name(ch_core_arch(ch_session_core(report->session))), death) < 0) {
		text = NULL;
		return &ch_enomem;
	}
	if (report->format == CH_FORMAT_HTML) {
		chp_html_title(report->out, text);
		return NULL;
	}
	fputs(chp_bold(report), report->out);
	chp_wrap(report->out, chp_report_width(report), 0, 2, text);
	fputs(chp_not_bold(report), report->out);
	return NULL;
}

/* Messages, exceptions and the like. */
static struct ch_error *print_details(const struct ch_report *report,
				      const struct ch_summary *summary)
{
	const char *label;
	size_t i;

	for (i = 0;; i++) {
		_cleanup_free_ char *detail = chp_death_detail(report, &summary->death, i, &label);
		char head[32];

		if (!detail)
			return NULL;
		snprintf(head, sizeof(head), "  %s:", label);
		put_field(report, head, detail);
	}
}

static size_t lines_of(const char *text)
{
	size_t lines = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		lines++;
	return lines;
}

/* "price_order() orders.c:118 <- handle() server.c:77", after its thread where there are more. */
static char *stack_text(const struct ch_thread_row *row, bool alone, size_t most)
{
	_cleanup_free_ char *stack = chp_crash_text(row, most);
	_cleanup_free_ char *name = chp_text_escape(row->name ? row->name : "", NAME_BYTES_MAX);
	const char *quote = name && name[0] ? "\"" : "";
	char *text = NULL;

	if (!stack || !name)
		return NULL;
	if (alone)
		return strdup(stack);
	if (asprintf(&text, "thread %" PRIu32 "%s%s%s%s%s%s", row->thread->tid, name[0] ? " " : "",
		     quote, name, quote, stack[0] ? ": " : "", stack) < 0)
		return NULL;
	return text;
}

/* As many frames as a few lines take. */
static struct ch_error *print_stack(const struct ch_report *report,
				    const struct ch_summary *summary)
{
	const struct ch_thread_row *row = chp_summary_crash(summary);
	struct ch_report part = *report;
	size_t most;

	for (most = CH_CRASH_FRAMES; row && most; most--) {
		_cleanup_free_ char *text = stack_text(row, summary->sums.threads_count < 2, most);
		_cleanup_free_ char *lines = NULL;
		size_t size = 0;

		part.out = text ? open_memstream(&lines, &size) : NULL;
		if (!part.out)
			return &ch_enomem;
		if (text[0])
			put_field(&part, "  in", text);
		if (!chp_text_end(part.out, &lines))
			return &ch_enomem;
		if (lines_of(lines) <= STACK_LINES || most == 1) {
			fputs(lines, report->out);
			return NULL;
		}
	}
	return NULL;
}

static struct ch_error *print_death(const struct ch_report *report,
				    const struct ch_summary *summary)
{
	struct ch_error *err = print_stack(report, summary);

	/* what a living process threw may have been handled long ago: it comes later */
	return err || summary->death.dumped_alive ? err : print_details(report, summary);
}

/* "core.31842 by kernel, complete; 12 threads; glibc malloc; .NET" */
static struct ch_error *print_core(const struct ch_report *report, const struct ch_summary *summary)
{
	const struct ch_core *core = ch_session_core(report->session);
	_cleanup_free_ char *name = chp_text_escape(
		report->reproducible ? "core" : chp_base_name(ch_core_path(core)), NAME_BYTES_MAX);
	char threads[CH_BYTES_TEXT_MAX];
	char complete[CH_SUMMARY_COMPLETE_MAX];
	const struct ch_runtime *runtimes;
	_cleanup_free_ char *text = NULL;
	size_t count, i, size = 0;
	FILE *out = name ? open_memstream(&text, &size) : NULL;

	if (!out)
		return &ch_enomem;
	chp_summary_complete(report, summary, complete);
	fprintf(out, "%s by %s%s, %s%s; %s thread%s", name,
		ch_producer_name(ch_core_producer(core)),
		summary->death.in_debugger && !summary->death.dumped_alive
			? " of a process that a debugger held"
			: "",
		complete,
		ch_session_heap_intact(report->session) == CH_INTACT_NO ? ", heap damaged" : "",
		chp_count_text(summary->sums.threads_count, threads),
		summary->sums.threads_count == 1 ? "" : "s");
	runtimes = summary->view.runtimes;
	count = summary->view.runtimes_count;
	for (i = 0; i < count; i++)
		if (runtimes[i].score)
			fprintf(out, "; %s%s%s%s", runtimes[i].title, runtimes[i].open ? "" : " (",
				runtimes[i].open ? "" : chp_runtime_words(&runtimes[i]),
				runtimes[i].open ? "" : ")");
	if (!chp_runtimes_present(runtimes, count))
		fputs("; no allocator or runtime was recognised", out);
	else if (!summary->sums.walked && chp_runtimes_any(runtimes, count))
		fputs("; heaps not walked to the end", out);
	if (!chp_text_end(out, &text))
		return &ch_enomem;
	put_field(report, "CORE", text);
	return NULL;
}

/* ---- Memory and verdict --------------------------------------------------------- */

/* A row of the accounting; behind the last one the zeros that runtimes wrote in native blocks. */
#define ROW_ZEROS CH_ACCOUNT_ROWS

/* Zeros that runtimes wrote: they were resident, though no page shows it. */
static uint64_t zeros_of(const struct ch_summary *summary)
{
	return summary->sums.input.filled_bytes + summary->sums.input.managed_filled_bytes;
}

/* Pages of files that are only read are the system's, and gcore reads in all of them: they are
 * told apart. */
static uint64_t in_use_of(const struct ch_summary *summary)
{
	return summary->sums.account.touched_bytes + zeros_of(summary) -
	       summary->sums.input.read_only_files_bytes;
}

/* Zeros in objects that a runtime cleared, of a row of the accounting. */
static uint64_t cleared_bytes(const struct ch_summary *summary, uint32_t row)
{
	const struct ch_account_row *rows = summary->sums.account.rows;
	const struct ch_account_row *dead = &rows[CH_ACCOUNT_MANAGED_DEAD];
	uint64_t all = summary->sums.input.managed_filled_bytes;
	uint64_t garbage = ch_min(all, dead->bytes - dead->touched_bytes);
	bool traced = !rows[CH_ACCOUNT_MANAGED_USED].bytes;

	if (row == CH_ACCOUNT_MANAGED_DEAD)
		return traced ? garbage : 0;
	if (row == (traced ? CH_ACCOUNT_MANAGED_LIVE : CH_ACCOUNT_MANAGED_USED))
		return traced ? all - garbage : all;
	return 0;
}

static uint64_t row_bytes(const struct ch_summary *summary, uint32_t row)
{
	uint64_t bytes;

	if (row == ROW_ZEROS)
		return summary->sums.input.filled_bytes;
	bytes = summary->sums.account.rows[row].touched_bytes + cleared_bytes(summary, row);
	return row == CH_ACCOUNT_FILES
		       ? bytes - ch_min(bytes, summary->sums.input.read_only_files_bytes)
		       : bytes;
}

static uint64_t bytes_of(const struct ch_summary *summary, enum ch_memory_group group)
{
	/* the zeros that runtimes wrote lie in native blocks */
	uint64_t bytes = group == CH_MEMORY_MALLOC ? row_bytes(summary, ROW_ZEROS) : 0;
	uint32_t i;

	for (i = 0; i < CH_ACCOUNT_ROWS; i++)
		if (chp_account_group((enum ch_account_id)i) == group)
			bytes += row_bytes(summary, i);
	return bytes;
}

/* The largest groups of one percent and more; what is left is told, too. */
static void put_groups(FILE *out, const struct ch_summary *summary)
{
	uint64_t left = in_use_of(summary), bytes, best_bytes;
	char text[CH_BYTES_TEXT_MAX];
	const char *separator = ": ";
	uint32_t done = 0;
	size_t i, n, best;

	for (n = 0; n < GROUPS_SHOWN; n++) {
		best_bytes = 0;
		for (best = i = 0; i < CH_MEMORY_OTHER; i++) {
			bytes = done >> i & 1 ? 0 : bytes_of(summary, (enum ch_memory_group)i);
			if (bytes > best_bytes) {
				best_bytes = bytes;
				best = i;
			}
		}
		if (!best_bytes || chp_percent(best_bytes, in_use_of(summary)) < SHARE_MIN)
			break;
		fprintf(out, "%s%s %s", separator,
			chp_memory_group_title((enum ch_memory_group)best),
			chp_binary_text(best_bytes, text));
		separator = ", ";
		left -= best_bytes;
		done |= 1U << best;
	}
	if (left && done)
		fprintf(out, ", other %s", chp_binary_text(left, text));
}

static struct ch_error *print_memory(const struct ch_report *report,
				     const struct ch_summary *summary)
{
	char touched[CH_BYTES_TEXT_MAX], busy[CH_BYTES_TEXT_MAX];
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return &ch_enomem;
	fprintf(out, "%s in use of %s mapped", chp_binary_text(in_use_of(summary), touched),
		chp_binary_text(summary->sums.account.busy_bytes, busy));
	put_groups(out, summary);
	if (!chp_text_end(out, &text))
		return &ch_enomem;
	put_field(report, "MEMORY", text);
	return NULL;
}

static void put_verdict(const struct ch_report *report, const char *text)
{
	if (report->format == CH_FORMAT_HTML) {
		chp_html_fact(report->out, "verdict", "VERDICT", text);
		return;
	}
	fprintf(report->out, "%s%-*s", chp_bold(report), INDENT, "VERDICT");
	chp_wrap(report->out, chp_report_width(report), INDENT, INDENT, text);
	fputs(chp_not_bold(report), report->out);
}

/* "a leak: ...; malloc blocks that ...: 99.9% of 57.22 MiB (programs' images left out)" */
static struct ch_error *print_verdict(const struct ch_report *report,
				      const struct ch_summary *summary)
{
	const struct ch_verdict *verdict = &summary->sums.verdict;
	char sentence[CH_VERDICT_SENTENCE_MAX], covers[CH_COVERAGE_TEXT_MAX];
	_cleanup_free_ char *text = NULL;

	chp_verdict_sentence(verdict, sentence);
	if (asprintf(&text, "%s%s%s%s%s%s%s", summary->headline, summary->headline[0] ? "; " : "",
		     sentence, verdict->doubt ? "; confidence " : "",
		     verdict->doubt ? verdict->confidence : "", verdict->doubt ? ": " : "",
		     verdict->doubt ? verdict->doubt : "") < 0) {
		text = NULL;
		return &ch_enomem;
	}
	put_verdict(report, text);
	if (chp_coverage_words(&summary->sums.coverage, covers))
		put_field(report, "covers", covers);
	return NULL;
}

/* Memory that a runtime counts against a limit, where that is near. */
static void print_limits(const struct ch_report *report, const struct ch_summary *summary)
{
	char text[CH_QUOTA_TEXT_MAX];
	const struct ch_quota *quota;
	size_t i;

	for (i = 0; i < summary->pooled.quotas_count; i++) {
		quota = &summary->pooled.quotas[i];
		if (chp_quota_is_near(quota))
			put_field(report, "LIMIT", chp_quota_text(quota, text));
	}
}

/* ---- Tables --------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct ch_summary *summary = *(const struct ch_summary *const *)arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	uint64_t x_bytes = row_bytes(summary, x), y_bytes = row_bytes(summary, y);

	if (x_bytes != y_bytes)
		return x_bytes > y_bytes ? -1 : 1;
	return x < y ? -1 : x > y;
}

static void put_row(FILE *out, const char *title, uint64_t bytes, uint64_t whole)
{
	uint64_t share = chp_percent(bytes, whole);
	char text[CH_BYTES_TEXT_MAX];

	fprintf(out, "%-*s %11s %4" PRIu64 ".%01" PRIu64 "%%%s", TITLE_WIDTH, title,
		chp_binary_text(bytes, text), (share + 5) / 100, (share + 5) / 10 % 10,
		chp_bar_len(share, CH_BAR_MAX) ? "  " : "");
	chp_bar(out, share, CH_BAR_MAX);
	fputc('\n', out);
}

/* What has the memory in use: most first, at most so many rows. */
static void print_rows(const struct ch_report *report, const struct ch_summary *summary,
		       size_t most)
{
	uint64_t whole = in_use_of(summary), left = whole, bytes;
	uint32_t order[ROW_ZEROS + 1], i;

	for (i = 0; i <= ROW_ZEROS; i++)
		order[i] = i;
	qsort_r(order, ROW_ZEROS + 1, sizeof(order[0]), compare_rows, &summary);
	fprintf(report->out, "\n%s%-*s %11s %6s%s\n", chp_bold(report), TITLE_WIDTH,
		"WHERE THE MEMORY IS", "IN USE", "SHARE", chp_not_bold(report));
	for (i = 0; i <= ROW_ZEROS && i < most; i++) {
		bytes = row_bytes(summary, order[i]);
		if (!bytes || chp_percent(bytes, whole) < SHARE_MIN)
			break;
		put_row(report->out,
			order[i] == ROW_ZEROS ? "zeros that a runtime wrote"
					      : chp_account_title((enum ch_account_id)order[i]),
			bytes, whole);
		left -= bytes;
	}
	if (left)
		put_row(report->out, "all others", left, whole);
}

/* "mapped beside it: 2.23 GiB reserved, without access; 152.82 MiB committed, never touched" */
struct ch_error *chp_summary_print_untouched(const struct ch_report *report,
					     const struct ch_summary *summary)
{
	struct ch_untouched_part parts[CH_UNTOUCHED_PARTS];
	const struct ch_account *account = &summary->sums.account;
	uint64_t files = summary->sums.input.read_only_files_bytes;
	size_t i, count = chp_summary_untouched(account, parts), size = 0;
	_cleanup_free_ char *text = NULL;
	char bytes[CH_BYTES_TEXT_MAX];
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return &ch_enomem;
	for (i = 0; i < count; i++)
		fprintf(out, "%s%s %s",
			i ? "; " : "mapped beside it: ", chp_binary_text(parts[i].bytes, bytes),
			parts[i].title);
	if (files)
		fprintf(out, "%s%s of files that are only read",
			count ? "; " : "mapped beside it: ", chp_binary_text(files, bytes));
	if (!chp_text_end(out, &text))
		return &ch_enomem;
	if ((count || files) && report->format == CH_FORMAT_HTML)
		chp_html_fact(report->out, NULL, NULL, text);
	else if (count || files)
		chp_wrap(report->out, chp_report_width(report), 0, 2, text);
	return NULL;
}

static void put_name(FILE *out, const char *name, size_t room)
{
	_cleanup_free_ char *cut = chp_text_cut(name, room);

	fprintf(out, "%s\n", cut ? cut : "");
}

static struct ch_error *print_types(const struct ch_report *report,
				    const struct ch_summary *summary, size_t most)
{
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	size_t width = chp_report_width(report), i;
	uint64_t share;
	int len;

	if (!summary->types_count || !most)
		return NULL;
	fprintf(report->out, "\n%s%12s %11s %6s  %s%s\n", chp_bold(report), "COUNT", "IN USE",
		"SHARE", "LARGEST TYPES", chp_not_bold(report));
	for (i = 0; i < summary->types_count && i < most; i++) {
		const struct ch_summary_type *type = &summary->types[i];
		_cleanup_free_ char *name = chp_text_escape(type->row.name, LINE_BYTES_MAX);

		if (!name)
			return &ch_enomem;
		share = chp_percent(type->in_use_bytes, in_use_of(summary));
		len = fprintf(report->out, "%12s %11s %4" PRIu64 ".%01" PRIu64 "%%  ",
			      chp_count_text(type->row.stat.count, count),
			      chp_binary_text(type->in_use_bytes, bytes), (share + 5) / 100,
			      (share + 5) / 10 % 10);
		put_name(report->out, name,
			 len > 0 && width > (size_t)len + 20 ? width - (size_t)len : 20);
	}
	return chp_summary_print_named(report, summary);
}

/* "2 more warnings, 1 note: summary --all"; nothing is told of none. */
static void print_more(const struct ch_report *report, size_t warnings, size_t notes)
{
	char text[64], *at = text, *end = text + sizeof(text);

	if (warnings)
		at += snprintf(at, (size_t)(end - at), "%zu more warning%s", warnings,
			       warnings == 1 ? "" : "s");
	if (notes)
		at += snprintf(at, (size_t)(end - at), "%s%zu note%s", warnings ? ", " : "", notes,
			       notes == 1 ? "" : "s");
	snprintf(at, (size_t)(end - at), ": summary --all");
	put_field(report, "NOTE", text);
}

/* What weakens the answer. */
static void print_findings(const struct ch_report *report, size_t most)
{
	const struct ch_finding *findings;
	size_t count, i, shown = 0, more = 0, notes = 0;
	bool damaged = false;

	findings = ch_context_findings(ch_session_context(report->session), &count);
	for (i = 0; i < count; i++) {
		if (findings[i].severity == CH_SEVERITY_NOTE && findings[i].hint && shown < most) {
			/* how to have names: a screen full of bare addresses must not hide it */
			fputs(shown++ ? "" : "\n", report->out);
			put_field(report, "NOTE", findings[i].message);
		} else if (findings[i].severity == CH_SEVERITY_NOTE) {
			notes++;
		} else if (findings[i].severity == CH_SEVERITY_DAMAGED) {
			/* one is a suspect */
			more += damaged;
			damaged = true;
		} else if (shown < most) {
			fputs(shown++ ? "" : "\n", report->out);
			put_field(report, "WARNING", findings[i].message);
		} else {
			more++;
		}
	}
	if (!more && !notes)
		return;
	fputs(shown ? "" : "\n", report->out);
	print_more(report, more, notes);
}

/* ---- All of it ------------------------------------------------------------------ */

struct ch_error *ch_report_summary_head(const struct ch_report *report,
					const struct ch_summary *summary)
{
	struct ch_error *err = print_identity(report, summary);

	if (!err)
		err = print_death(report, summary);
	return err ? err : print_memory(report, summary);
}

struct ch_error *chp_summary_print_upper(const struct ch_report *report,
					 const struct ch_summary *summary, size_t suspects,
					 bool begun)
{
	struct ch_error *err = begun ? NULL : ch_report_summary_head(report, summary);

	if (!err)
		err = print_verdict(report, summary);
	if (!err)
		print_limits(report, summary);
	if (!err)
		err = chp_suspects_print(report, summary->suspects.items, summary->suspects.count,
					 suspects);
	return err ? err : print_core(report, summary);
}

static size_t frame_lines(const struct ch_summary *summary)
{
	return FRAME_LINES + (summary->named.native_named ? FRAME_LINES_NAMED : 0);
}

/* What is printed by the upper part with so many suspects; the caller's. */
static struct ch_error *make_upper(const struct ch_report *report, const struct ch_summary *summary,
				   size_t suspects, char **ret)
{
	struct ch_report part = *report;
	struct ch_error *err;
	size_t size = 0;

	*ret = NULL;
	part.out = open_memstream(ret, &size);
	if (!part.out)
		return &ch_enomem;
	err = chp_summary_print_upper(&part, summary, suspects, false);
	return !chp_text_end(part.out, ret) && !err ? &ch_enomem : err;
}

/* The upper part, with as many suspects as leave room for the tables; *lines_ret: its lines. */
static struct ch_error *print_fitting(const struct ch_report *report,
				      const struct ch_summary *summary, bool begun,
				      size_t *lines_ret)
{
	size_t suspects = SUSPECTS_SHOWN;
	struct ch_error *err;

	for (;; suspects--) {
		_cleanup_free_ char *text = NULL;

		err = make_upper(report, summary, suspects, &text);
		if (err)
			return err;
		*lines_ret = lines_of(text);
		if (*lines_ret + 2 * ROWS_MIN + frame_lines(summary) <= LINES_MAX || suspects <= 1)
			return chp_summary_print_upper(report, summary, suspects, begun);
	}
}

struct ch_error *chp_summary_print_screen(const struct ch_report *report,
					  const struct ch_summary *summary, bool begun)
{
	size_t used = 0, left;
	struct ch_error *err = print_fitting(report, summary, begun, &used);

	if (err)
		return err;
	/* headings, empty lines, what is not touched, warnings */
	used += frame_lines(summary);
	left = LINES_MAX > used ? LINES_MAX - used : 0;
	print_rows(report, summary, ch_max(ch_min(left / 2, (size_t)ROWS_SHOWN), (size_t)ROWS_MIN));
	err = chp_summary_print_untouched(report, summary);
	if (!err && summary->death.dumped_alive)
		err = print_details(report, summary);
	if (!err)
		err = print_types(report, summary,
				  ch_max(ch_min(left / 2, (size_t)TYPES_SHOWN), (size_t)ROWS_MIN));
	if (!err)
		print_findings(report, FINDINGS_SHOWN);
	return err;
}
