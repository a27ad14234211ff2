#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "report/report.h"
#include "util/cleanup.h"

#define LABEL_WIDTH 16
#define LINE_WIDTH  100

void chp_report_field(const struct ch_report *report, const char *label, const char *format, ...)
{
	va_list args;

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

void chp_report_wrapped(const struct ch_report *report, const char *label, const char *value)
{
	size_t word, column = LABEL_WIDTH + 1;
	const char *separator = "";

	if (report->format == CH_FORMAT_PLAIN) {
		fprintf(report->out, "%s\t%s\n", label, value);
		return;
	}
	fprintf(report->out, "%-*s ", LABEL_WIDTH, label);
	while (*value) {
		word = strcspn(value, " ");
		if (separator[0] && column + 1 + word > LINE_WIDTH) {
			fprintf(report->out, "\n%*s", LABEL_WIDTH + 1, "");
			column = LABEL_WIDTH + 1;
			separator = "";
		}
		fprintf(report->out, "%s%.*s", separator, (int)word, value);
		column += strlen(separator) + word;
		separator = " ";
		value += word;
		value += strspn(value, " ");
	}
	fputc('\n', report->out);
}

void chp_report_heading(const struct ch_report *report, const char *title, bool first)
{
	if (report->format == CH_FORMAT_PLAIN)
		fprintf(report->out, "[%s]\n", title);
	else
		fprintf(report->out, "%s%s\n", first ? "" : "\n", title);
}

uint64_t chp_report_rows(const struct ch_report *report, uint64_t count)
{
	return report->limit && report->limit < count ? report->limit : count;
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

void chp_report_findings(const struct ch_report *report)
{
	const struct ch_finding *findings;
	size_t count, i;

	if (report->format != CH_FORMAT_TEXT)
		return;
	findings = ch_context_findings(ch_session_context(report->session), &count);
	if (count)
		fputc('\n', report->out);
	for (i = 0; i < count; i++)
		chp_report_finding(report->out, &findings[i]);
}
