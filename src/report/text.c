#include <inttypes.h>
#include <stdarg.h>

#include "report/report.h"
#include "util/cleanup.h"

#define LABEL_WIDTH 16

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
