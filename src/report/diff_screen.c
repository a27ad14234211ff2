/*
 * A comparison on one screen: whether and what grew, what holds it, and where. What it leaves out,
 * `diff --all` shows.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/diff_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Where values begin; where names of growths do, and what follows them. */
#define INDENT        10
#define GROWTH_INDENT 17
#define LINES_MAX     40
/* Growths, where there is room; lines that one takes. */
#define GROWTHS_SHOWN 5
#define FINDINGS      2
/* Of names in sentences. */
#define PART_ROOM 40

/* What has tables, and rows of them at most and at least. */
static const struct section {
	enum ch_axis axis;
	const char *title;
	size_t most, least;
} sections[] = {
	{ CH_AXIS_TYPES, "TYPES OF USED BLOCKS", 8, 3 },
	{ CH_AXIS_TOTALS, "WHERE THE MEMORY IS", 5, 2 },
	{ CH_AXIS_HEAPS, "HEAPS", 4, 2 },
};

static void put_field(const struct ch_report *report, const char *label, const char *text,
		      bool strong)
{
	fprintf(report->out, "%s%-*s%s", chp_bold(report), INDENT, label,
		strong ? "" : chp_not_bold(report));
	chp_wrap(report->out, chp_report_width(report), INDENT, INDENT, text);
	fputs(strong ? chp_not_bold(report) : "", report->out);
}

static void print_dumps(const struct ch_report *report, const struct ch_diff *diff)
{
	const struct ch_snapshot *dump;
	char line[512], used[CH_BYTES_TEXT_MAX];
	size_t i;

	for (i = 0; i < diff->dumps_count; i++) {
		dump = &diff->dumps[i];
		/* of many the ends: between them there is only how it went on */
		if (i > 1 && i + 2 < diff->dumps_count)
			continue;
		snprintf(line, sizeof(line), "%.300s by %s, %s%s; %s in used blocks%s",
			 chp_diff_dump(report, dump), dump->dump.producer,
			 dump->complete ? "complete" : "incomplete",
			 dump->intact == CH_INTACT_NO ? ", heap damaged" : "",
			 chp_binary_text(dump->used_bytes, used),
			 i == 1 && diff->dumps_count > 3 ? "; and so on" : "");
		put_field(report,
			  !i                          ? "BEFORE"
			  : i + 1 < diff->dumps_count ? "THEN"
						      : "AFTER",
			  line, false);
	}
	if (diff->hours > 0) {
		snprintf(line, sizeof(line), "%.2f hours between them (%s)", diff->hours,
			 diff->hours_basis);
		put_field(report, "TIME", line, false);
	}
}

/* Those that weaken the answer. */
static void print_findings(const struct ch_report *report, const struct ch_diff *diff)
{
	const struct ch_dump_finding *findings;
	size_t i, k, weak = 0;
	char line[1024];

	for (i = 0; i < diff->notes.count; i++)
		put_field(report, "NOTE", *CH_VEC_AT(&diff->notes, const char *, i), false);
	for (i = 0; i < diff->dumps_count; i++) {
		findings = diff->dumps[i].findings.items;
		for (k = 0; k < diff->dumps[i].findings.count; k++) {
			if (findings[k].finding.severity == CH_SEVERITY_NOTE || weak++ >= FINDINGS)
				continue;
			snprintf(line, sizeof(line), "dump %zu: %.900s", i + 1,
				 findings[k].message);
			put_field(report, "WARNING", line, false);
		}
	}
	if (weak > FINDINGS) {
		snprintf(line, sizeof(line), "%zu more warnings: coreheap diff --all",
			 weak - FINDINGS);
		put_field(report, "", line, false);
	}
}

/* ---- What grew ------------------------------------------------------------------ */

static struct ch_error *print_growth(const struct ch_report *report, const struct ch_diff *diff,
				     size_t index)
{
	const struct ch_growth *growth = CH_VEC_AT(&diff->growths, struct ch_growth, index);
	size_t width = chp_report_width(report), room = 2 * (width - GROWTH_INDENT) - 8;
	_cleanup_free_ char *more = chp_growth_text(diff, growth, PART_ROOM);
	_cleanup_free_ char *name = chp_text_cut(chp_diff_name(growth->row), room);
	char bytes[CH_SIGNED_TEXT_MAX];

	if (!more || !name)
		return &ch_enomem;
	fprintf(report->out, "%2zu %12s  ", index + 1,
		chp_signed_bytes(growth->delta_bytes, bytes));
	chp_wrap(report->out, width, GROWTH_INDENT, GROWTH_INDENT, name);
	if (!more[0])
		return NULL;
	fprintf(report->out, "%*s", GROWTH_INDENT, "");
	chp_wrap(report->out, width, GROWTH_INDENT, GROWTH_INDENT, more);
	return NULL;
}

struct ch_error *chp_diff_print_growths(const struct ch_report *report, const struct ch_diff *diff,
					size_t most)
{
	struct ch_error *err = NULL;
	size_t i;

	if (!diff->growths.count)
		return NULL;
	fprintf(report->out, "\n%sGREW MOST%s\n", chp_bold(report), chp_not_bold(report));
	for (i = 0; !err && i < diff->growths.count && i < most; i++)
		err = print_growth(report, diff, i);
	if (!err && diff->growths.count > most)
		fprintf(report->out, "%*s%zu more: coreheap diff --all\n", GROWTH_INDENT, "",
			diff->growths.count - most);
	return err;
}

/* ---- Tables --------------------------------------------------------------------- */

static uint64_t size_of(int64_t delta)
{
	return delta < 0 ? -(uint64_t)delta : (uint64_t)delta;
}

static void print_row(const struct ch_report *report, const struct ch_diff_row *row)
{
	char delta[CH_SIGNED_TEXT_MAX], now[CH_BYTES_TEXT_MAX], before[CH_BYTES_TEXT_MAX];
	char count[CH_SIGNED_TEXT_MAX];
	size_t width = chp_report_width(report), room;
	_cleanup_free_ char *name = NULL;
	int len;

	len = fprintf(report->out, "%12s %11s %11s", chp_signed_bytes(row->delta_bytes, delta),
		      chp_binary_text(row->target_bytes, now),
		      chp_binary_text(row->baseline_bytes, before));
	if (row->axis != CH_AXIS_TOTALS)
		len += fprintf(report->out, " %10s", chp_signed_count(row->delta_count, count));
	len += fprintf(report->out, "  ");
	room = len > 0 && width > (size_t)len + 20 ? width - (size_t)len : 20;
	name = chp_text_cut(chp_diff_name(row), room);
	fprintf(report->out, "%s\n", name ? name : "");
}

/* What changed most of an axis, growth first: rows come by growth, so that is their ends. */
static void print_section(const struct ch_report *report, const struct ch_diff *diff,
			  const struct section *section, size_t most)
{
	const struct ch_diff_row *rows = diff->rows.items;
	size_t first, end = chp_diff_axis(diff, section->axis, &first), head, tail;

	most = ch_min(most, chp_report_rows(report, most));
	head = first;
	for (tail = end; head < tail && head - first + end - tail < most;) {
		if (size_of(rows[head].delta_bytes) >= size_of(rows[tail - 1].delta_bytes))
			head++;
		else
			tail--;
	}
	while (head > first && !rows[head - 1].delta_bytes)
		head--;
	if (head == first && tail == end)
		return;
	fprintf(report->out, "\n%s%12s %11s %11s%s  %s%s\n", chp_bold(report), "DELTA", "NEW",
		"OLD", section->axis == CH_AXIS_TOTALS ? "" : "      COUNT", section->title,
		chp_not_bold(report));
	for (; first < head; first++)
		print_row(report, &rows[first]);
	for (; tail < end; tail++)
		print_row(report, &rows[tail]);
}

/* ---- All of it ------------------------------------------------------------------ */

static struct ch_error *print_upper(const struct ch_report *report, const struct ch_diff *diff,
				    size_t growths)
{
	char line[768];

	chp_diff_verdict(diff, line, sizeof(line));
	put_field(report, "VERDICT", line, true);
	print_dumps(report, diff);
	print_findings(report, diff);
	return chp_diff_print_growths(report, diff, growths);
}

static size_t lines_of(const char *text)
{
	size_t lines = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		lines++;
	return lines;
}

/* Lines of the tables, with their empty lines and headings, at the least. */
static size_t table_lines(void)
{
	size_t i, lines = 0;

	for (i = 0; i < CH_COUNT_OF(sections); i++)
		lines += 2 + sections[i].least;
	return lines;
}

/* The upper part, with as many growths as leave room for the tables. */
static struct ch_error *print_fitting(const struct ch_report *report, const struct ch_diff *diff,
				      size_t *lines_ret)
{
	struct ch_report part = *report;
	size_t growths = GROWTHS_SHOWN;
	struct ch_error *err;

	for (;; growths--) {
		_cleanup_free_ char *text = NULL;
		size_t size = 0;

		part.out = open_memstream(&text, &size);
		if (!part.out)
			return &ch_enomem;
		err = print_upper(&part, diff, growths);
		if (!chp_text_end(part.out, &text) && !err)
			err = &ch_enomem;
		if (err)
			return err;
		*lines_ret = lines_of(text);
		if (*lines_ret + table_lines() <= LINES_MAX || growths == 1) {
			fwrite(text, 1, size, report->out);
			return NULL;
		}
	}
}

struct ch_error *chp_diff_print_screen(const struct ch_report *report, const struct ch_diff *diff)
{
	size_t used = 0, left, i, rows;
	struct ch_error *err = print_fitting(report, diff, &used);

	if (err)
		return err;
	used += table_lines();
	left = LINES_MAX > used ? LINES_MAX - used : 0;
	for (i = 0; i < CH_COUNT_OF(sections); i++) {
		rows = ch_min(sections[i].most, sections[i].least + left);
		left -= rows - sections[i].least;
		print_section(report, diff, &sections[i], rows);
	}
	return NULL;
}
