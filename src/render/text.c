/*
 * Lines of a report on the screen: labels and values, wrapped paragraphs, headings, and the
 * findings that every report ends with.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "render/html.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define LABEL_WIDTH 16

/* Out of memory, a page lacks a paragraph; its allocation was counted as failed (util/alloc.c). */
static void put_fact(const struct ch_report *report, const char *label, const char *format,
		     va_list args) __attribute__((format(printf, 3, 0)));

static void put_fact(const struct ch_report *report, const char *label, const char *format,
		     va_list args)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	else
		chp_html_fact(report->out, NULL, label, text);
}

void chp_report_field(const struct ch_report *report, const char *label, const char *format, ...)
{
	va_list args;

	if (report->format == CH_FORMAT_HTML) {
		va_start(args, format);
		put_fact(report, label, format, args);
		va_end(args);
		return;
	}
	if (report->format == CH_FORMAT_PLAIN)
		fprintf(report->out, "%s\t", label);
	else
		fprintf(report->out, "%-*s ", LABEL_WIDTH, label);
	va_start(args, format);
	vfprintf(report->out, format, args);
	va_end(args);
	fputc('\n', report->out);
}

char *chp_report_bytes_text(const struct ch_report *report, uint64_t bytes,
			    char buf[CH_BYTES_TEXT_MAX])
{
	if (report->format != CH_FORMAT_PLAIN)
		return chp_bytes_text(bytes, buf);
	snprintf(buf, CH_BYTES_TEXT_MAX, "%" PRIu64, bytes);
	return buf;
}

void chp_report_bytes_field(const struct ch_report *report, const char *label, uint64_t bytes)
{
	char text[CH_BYTES_TEXT_MAX];

	chp_report_field(report, label, "%s", chp_report_bytes_text(report, bytes, text));
}

void chp_report_count_field(const struct ch_report *report, const char *label, uint64_t count)
{
	char text[CH_BYTES_TEXT_MAX];

	if (report->format == CH_FORMAT_PLAIN)
		chp_report_field(report, label, "%" PRIu64, count);
	else
		chp_report_field(report, label, "%s", chp_count_text(count, text));
}

size_t chp_report_width(const struct ch_report *report)
{
	return report->width ? report->width : CH_WIDTH_DEFAULT;
}

const char *chp_bold(const struct ch_report *report)
{
	return report->bold ? "\033[1m" : "";
}

const char *chp_not_bold(const struct ch_report *report)
{
	return report->bold ? "\033[0m" : "";
}

size_t chp_bar_len(uint64_t share, size_t most)
{
	return (size_t)((ch_min(share, (uint64_t)10000) * most + 5000) / 10000);
}

void chp_bar(FILE *out, uint64_t share, size_t most)
{
	static const char whole[] = "########################";
	_Static_assert(sizeof(whole) == CH_BAR_MAX + 1, "a bar of 100 percent");

	fprintf(out, "%.*s", (int)chp_bar_len(share, most), whole);
}

/* Columns that len bytes of UTF-8 take; wide and combining characters count as one. */
static size_t columns_of(const char *text, size_t len)
{
	size_t i, count = 0;

	for (i = 0; i < len; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

/* Bytes of the part of a word that goes on a line with room for so many columns: all, or up
 * to the last place where a name has a joint, or as much as there is room for. */
static size_t part_of_word(const char *word, size_t len, size_t room)
{
	size_t i, columns = 0, joint = 0;

	if (columns_of(word, len) <= room)
		return len;
	for (i = 0; i < len && columns < room; i++) {
		columns++;
		while (i + 1 < len && ((unsigned char)word[i + 1] & 0xc0) == 0x80)
			i++;
		if (strchr(".,+<>/[]:;$", word[i]))
			joint = i + 1;
	}
	return joint > i / 2 ? joint : i;
}

/* Least columns that a part of a long word is worth. */
#define PART_MIN 20

static size_t next_line(FILE *out, size_t indent)
{
	fprintf(out, "\n%*s", (int)indent, "");
	return indent;
}

/* A word from column on; returns the column behind it. */
static size_t put_word(FILE *out, size_t width, size_t column, size_t indent, const char *word,
		       size_t len)
{
	size_t part;

	while (len) {
		part = part_of_word(word, len, column < width ? width - column : 1);
		fprintf(out, "%.*s", (int)part, word);
		column += columns_of(word, part);
		word += part;
		len -= part;
		if (len)
			column = next_line(out, indent);
	}
	return column;
}

/* "MiB" and the like, with what may stand behind it. */
static bool is_unit(const char *word, size_t len)
{
	size_t unit = word[0] == 'B' ? 1 : 3;

	if (len < unit ||
	    (unit == 3 && (!strchr("KMGTPE", word[0]) || strncmp(word + 1, "iB", 2) != 0)))
		return false;
	return strspn(word + unit, "),;:.") >= len - unit;
}

/* Bytes up to the end of a word. A number and its unit are one: people read them together. */
static size_t word_len(const char *text)
{
	size_t len = strcspn(text, " "), unit = text[len] ? strcspn(text + len + 1, " ") : 0;

	if (unit && len && text[len - 1] >= '0' && text[len - 1] <= '9' &&
	    is_unit(text + len + 1, unit))
		len += 1 + unit;
	return len;
}

void chp_wrap(FILE *out, size_t width, size_t column, size_t indent, const char *text)
{
	size_t len, columns;
	bool first = true;

	for (; *text; text += strspn(text, " ")) {
		len = word_len(text);
		columns = columns_of(text, len);
		if (!first && column + 1 + columns > width &&
		    (indent + columns <= width || column + PART_MIN > width)) {
			column = next_line(out, indent);
		} else if (!first) {
			fputc(' ', out);
			column++;
		}
		first = false;
		column = put_word(out, width, column, indent, text, len);
		text += len;
	}
	fputc('\n', out);
}

void chp_report_wrapped(const struct ch_report *report, const char *label, const char *value)
{
	if (report->format == CH_FORMAT_PLAIN) {
		fprintf(report->out, "%s\t%s\n", label, value);
		return;
	}
	if (report->format == CH_FORMAT_HTML) {
		chp_html_fact(report->out, NULL, label, value);
		return;
	}
	fprintf(report->out, "%-*s ", LABEL_WIDTH, label);
	chp_wrap(report->out, chp_report_width(report), LABEL_WIDTH + 1, LABEL_WIDTH + 1, value);
}

void chp_report_heading(const struct ch_report *report, const char *title, bool first)
{
	if (report->format == CH_FORMAT_PLAIN)
		fprintf(report->out, "[%s]\n", title);
	else if (report->format == CH_FORMAT_HTML)
		chp_html_heading(report->out, title);
	else
		fprintf(report->out, "%s%s\n", first ? "" : "\n", title);
}

uint64_t chp_report_rows(const struct ch_report *report, uint64_t count)
{
	return report->limit && report->limit < count ? report->limit : count;
}

void chp_report_say(const struct ch_report *report, const char *format, ...)
{
	va_list args;

	if (report->format != CH_FORMAT_TEXT)
		return;
	va_start(args, format);
	vfprintf(report->out, format, args);
	va_end(args);
}

bool chp_report_is_json(const struct ch_report *report)
{
	return report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL;
}

void chp_report_cut(const struct ch_report *report, uint64_t shown, uint64_t matched,
		    uint64_t shown_bytes, uint64_t matched_bytes)
{
	char texts[4][CH_BYTES_TEXT_MAX];

	if (shown >= matched || report->format != CH_FORMAT_TEXT)
		return;
	fprintf(report->out, "showing %s of %s (%s of %s bytes)\n", chp_count_text(shown, texts[0]),
		chp_count_text(matched, texts[1]), chp_count_text(shown_bytes, texts[2]),
		chp_count_text(matched_bytes, texts[3]));
}

void chp_report_finding(FILE *out, const struct ch_finding *finding)
{
	fprintf(out, "%s: %s", finding->severity == CH_SEVERITY_NOTE ? "note" : "warning",
		finding->message);
	if (finding->count > 1)
		fprintf(out, " (and %" PRIu64 " more of this kind)", finding->count - 1);
	fputc('\n', out);
}

static void put_finding(const struct ch_report *report, const struct ch_finding *finding)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	chp_report_finding(out, finding);
	if (chp_text_end(out, &text))
		chp_html_fact(report->out, NULL, NULL, text);
}

void chp_report_findings(const struct ch_report *report)
{
	const struct ch_finding *findings;
	size_t count, i;

	if (report->format != CH_FORMAT_TEXT && report->format != CH_FORMAT_HTML)
		return;
	findings = ch_context_findings(ch_session_context(report->session), &count);
	if (count && report->format == CH_FORMAT_TEXT)
		fputc('\n', report->out);
	for (i = 0; i < count; i++)
		if (report->format == CH_FORMAT_HTML)
			put_finding(report, &findings[i]);
		else
			chp_report_finding(report->out, &findings[i]);
}
