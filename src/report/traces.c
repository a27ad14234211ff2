/*
 * Stack traces that objects carry: a block of lines for each type and stack; tab separated a
 * row for each frame.
 */
#include "report/traces.h"

#include <inttypes.h>
#include <string.h>

#include "render/document.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Frames of one trace that are shown. */
#define TEXT_FRAMES 32
#define JSON_FRAMES 1024

static bool is_shown(const struct ch_report *report, const struct ch_trace_frame *frame)
{
	return !frame->is_text || report->reveal;
}

/* ---- JSON -------------------------------------------------------------------------------- */

struct shown_row {
	const char *method, *source;
	uint32_t line;
	bool is_text;
};

#define SHOWN(member) CH_AT(struct shown_row, member)

static const struct ch_field_spec shown_fields[] = {
	{ "method", NULL, CH_CELL_TEXT, "The method.", SHOWN(method), .flags = CH_FIELD_NOT_ZERO },
	{ "source", NULL, CH_CELL_TEXT, "Its source file.", SHOWN(source),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "line", NULL, CH_CELL_NUMBER, "The line.", SHOWN(line), .flags = CH_FIELD_NOT_ZERO },
	{ "is_text", NULL, CH_CELL_BOOL, "A text that the program gave, shown with --reveal.",
	  SHOWN(is_text) },
	CH_FIELDS_END,
};

static json_t *json_frame(const struct ch_report *report, const struct ch_trace_frame *frame)
{
	bool shown = is_shown(report, frame);
	const struct shown_row row = {
		.method = shown ? frame->function : NULL,
		.source = shown ? frame->source : NULL,
		.line = frame->line,
		.is_text = frame->is_text,
	};

	return chp_fields_json(report, shown_fields, &row);
}

static json_t *json_frames(const struct ch_report *report, const struct ch_traces_row *row)
{
	json_t *array = json_array();
	struct ch_trace_frame frame;
	uint32_t i;

	for (i = 0; i < row->of.trace.count && i < JSON_FRAMES; i++) {
		if (!chp_traces_frame(row, i, &frame))
			break;
		chp_json_append_take(&array, json_frame(report, &frame));
	}
	return array;
}

struct trace_row {
	struct ch_trace of;
	const struct ch_trace_frame *frames;
	size_t count;
};

static json_t *trace_frames(const struct ch_report *report, const void *arg)
{
	const struct trace_row *row = arg;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < row->count; i++)
		chp_json_append_take(&array, json_frame(report, &row->frames[i]));
	return array;
}

static const struct ch_field_spec trace_fields[] = {
	{ "frames_count", NULL, CH_CELL_COUNT, "Frames of the trace.",
	  CH_AT(struct trace_row, of.count) },
	{ "frames_cut", NULL, CH_CELL_BOOL, "There are more that were not read.",
	  CH_AT(struct trace_row, of.cut) },
	{ "frames", NULL, CH_CELL_PART, "Innermost first.", .part = trace_frames,
	  .ref = "trace_frames" },
	CH_FIELDS_END,
};

json_t *chp_json_trace(const struct ch_report *report, const struct ch_trace *trace,
		       const struct ch_trace_frame *frames, size_t count)
{
	const struct trace_row row = { *trace, frames, count };

	return chp_fields_json(report, trace_fields, &row);
}

struct result {
	const struct ch_traces_result *from;
	struct ch_traces_stat of;
	struct ch_listing *traces;
};

#define ROW(member)    CH_AT(struct ch_traces_row, member)
#define RESULT(member) CH_AT(struct result, member)

static json_t *frames_of(const struct ch_report *report, const void *row)
{
	return json_frames(report, row);
}

static const struct ch_field_spec row_fields[] = {
	{ "type", NULL, CH_CELL_TEXT, "Type of the objects.", ROW(type) },
	{ "runtime", NULL, CH_CELL_SAFE, "Their runtime.", ROW(runtime) },
	{ "count", NULL, CH_CELL_COUNT, "Objects.", ROW(of.count) },
	{ "total_bytes", NULL, CH_CELL_BYTES, "What they take in the heap.", ROW(of.total_bytes) },
	{ "trace_bytes", NULL, CH_CELL_BYTES, "What their traces take.", ROW(of.trace_bytes) },
	{ "sample_addr", NULL, CH_CELL_ADDR, "The first of them.", ROW(of.sample_addr) },
	{ "frames_count", NULL, CH_CELL_COUNT, "Frames of the trace.", ROW(of.trace.count) },
	{ "frames_cut", NULL, CH_CELL_BOOL, "There are more that were not read.",
	  ROW(of.trace.cut) },
	{ "frames", NULL, CH_CELL_PART, "Innermost first, at most 1024.", .part = frames_of,
	  .ref = "trace_frames" },
	CH_FIELDS_END,
};

static const struct ch_list traces_list = { .fields = row_fields };

static const struct ch_field_spec fields[] = {
	{ "total_count", NULL, CH_CELL_COUNT, "Objects with or without frames.", RESULT(of.count) },
	{ "total_bytes", NULL, CH_CELL_BYTES, "What they take in the heap.",
	  RESULT(of.total_bytes) },
	{ "trace_bytes", NULL, CH_CELL_BYTES, "What their traces take.", RESULT(of.trace_bytes) },
	{ "bare_count", NULL, CH_CELL_COUNT, "Objects without any frame.", RESULT(of.bare_count) },
	CH_FIELDS_COUNTED(struct result, traces),
	{ "traces", NULL, CH_CELL_LIST, "Objects of one type with the same frames.", RESULT(traces),
	  .list = &traces_list },
	CH_FIELDS_END,
};

/* ---- Text -------------------------------------------------------------------------------- */

/* "shop.Cart.add (Cart.java:12)", escaped; owned, NULL when out of memory. */
static char *frame_text(const struct ch_report *report, const struct ch_trace_frame *frame)
{
	char text[sizeof(frame->function) + sizeof(frame->source) + 32];

	if (!is_shown(report, frame))
		snprintf(text, sizeof(text), "(a text that the program gave: shown with --reveal)");
	else if (frame->source[0] && frame->line)
		snprintf(text, sizeof(text), "%s (%s:%" PRIu32 ")", frame->function, frame->source,
			 frame->line);
	else
		snprintf(text, sizeof(text), "%s", frame->function);
	return chp_text_escape(text, sizeof(text));
}

/* Recursion takes one line, and what is not shown. */
static bool is_same(const struct ch_report *report, const struct ch_trace_frame *a,
		    const struct ch_trace_frame *b)
{
	if (!is_shown(report, a) || !is_shown(report, b))
		return !is_shown(report, a) && !is_shown(report, b);
	return a->line == b->line && strcmp(a->function, b->function) == 0 &&
	       strcmp(a->source, b->source) == 0;
}

static struct ch_error *print_frames(const struct ch_report *report,
				     const struct ch_traces_row *row)
{
	const struct ch_trace *trace = &row->of.trace;
	struct ch_trace_frame frame, next;
	uint32_t i, k, lines;

	for (i = lines = 0; i < trace->count && lines < TEXT_FRAMES; i = k, lines++) {
		_cleanup_free_ char *text = NULL;

		if (!chp_traces_frame(row, i, &frame))
			break;
		for (k = i + 1; k < trace->count; k++)
			if (!chp_traces_frame(row, k, &next) || !is_same(report, &frame, &next))
				break;
		text = frame_text(report, &frame);
		if (!text)
			return &ch_enomem;
		fprintf(report->out, "    at %s", text);
		if (k - i > 1)
			fprintf(report->out, ", %" PRIu32 " times", k - i);
		fputc('\n', report->out);
	}
	if (!trace->count)
		fputs("    without a stack trace\n", report->out);
	else if (i < trace->count)
		fprintf(report->out, "    %" PRIu32 " more%s\n", trace->count - i,
			trace->cut ? ", and those that were not read" : "");
	return NULL;
}

static struct ch_error *print_group(const struct ch_report *report, const struct ch_traces_row *row)
{
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], held[CH_BYTES_TEXT_MAX];
	const struct ch_trace_stat *of = &row->of;

	fprintf(report->out, "%s %s: bytes %s, of their traces %s, %s 0x%" PRIx64 "\n",
		chp_count_text(of->count, count), row->type, chp_bytes_text(of->total_bytes, bytes),
		chp_bytes_text(of->trace_bytes, held), of->count == 1 ? "at" : "the first at",
		of->sample_addr);
	return print_frames(report, row);
}

/* Tab separated, a frame is a row. */
struct frame_row {
	struct ch_trace_stat of;
	const char *type, *method;
	uint32_t index;
	bool has_frame;
};

#define FRAME(member) CH_AT(struct frame_row, member)

static const struct ch_field_spec frame_fields[] = {
	{ NULL, "TYPE", CH_CELL_TEXT, NULL, FRAME(type) },
	{ NULL, "COUNT", CH_CELL_COUNT, NULL, FRAME(of.count) },
	{ NULL, "TOTAL", CH_CELL_BYTES, NULL, FRAME(of.total_bytes) },
	{ NULL, "TRACES", CH_CELL_BYTES, NULL, FRAME(of.trace_bytes) },
	{ NULL, "SAMPLE", CH_CELL_ADDR, NULL, FRAME(of.sample_addr) },
	{ NULL, "FRAME", CH_CELL_COUNT, NULL, FRAME(index), CH_KNOWN(struct frame_row, has_frame) },
	{ NULL, "METHOD", CH_CELL_SAFE, NULL, FRAME(method) },
	CH_FIELDS_END,
};

static const struct ch_list frames_list = { .fields = frame_fields };

/* A row for each frame; one for a trace without any. */
static struct ch_error *add_rows(struct ch_listing *listing, const struct ch_report *report,
				 const struct ch_traces_row *from)
{
	uint32_t count = from->of.trace.count ? from->of.trace.count : 1;
	struct frame_row row = { .of = from->of, .type = from->type, .has_frame = true };
	struct ch_trace_frame frame;
	struct ch_error *err = NULL;

	for (; !err && row.has_frame && row.index < count; row.index++) {
		_cleanup_free_ char *text = NULL;

		row.has_frame = chp_traces_frame(from, row.index, &frame);
		row.method = text = row.has_frame ? frame_text(report, &frame) : NULL;
		err = chp_listing_row(listing, &row);
	}
	return err;
}

static struct ch_error *print_plain(const struct ch_report *report,
				    const struct ch_traces_result *traces, uint64_t rows)
{
	/* the limit is one of traces, not of frames */
	struct ch_report all = *report;
	struct ch_listing *listing;
	struct ch_error *err;
	uint64_t i;

	all.limit = 0;
	listing = chp_listing_create(&all, &frames_list);
	err = listing ? NULL : &ch_enomem;
	for (i = 0; !err && i < rows; i++)
		err = add_rows(listing, report, CH_VEC_AT(&traces->rows, struct ch_traces_row, i));
	if (!err)
		chp_listing_print(listing);
	chp_listing_destroy(listing);
	return err;
}

static struct ch_error *print_text(const struct ch_report *report,
				   const struct ch_traces_result *traces, uint64_t rows)
{
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], held[CH_BYTES_TEXT_MAX];
	const struct ch_traces_stat *sums = &traces->sums;
	const struct ch_traces_row *row;
	struct ch_error *err = NULL;
	uint64_t i, shown = 0;

	if (!sums->readable) {
		fputs("no runtime here has objects whose stack traces are read\n", report->out);
		return NULL;
	}
	for (i = 0; !err && i < rows; i++) {
		row = CH_VEC_AT(&traces->rows, struct ch_traces_row, i);
		err = print_group(report, row);
		shown += row->of.total_bytes;
		fputc('\n', report->out);
	}
	chp_report_cut(report, rows, traces->rows.count, shown, sums->total_bytes);
	fprintf(report->out, "total: %s objects, %s; their traces %s\n",
		chp_count_text(sums->count, count), chp_bytes_text(sums->total_bytes, bytes),
		chp_bytes_text(sums->trace_bytes, held));
	return err;
}

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct ch_traces_result *traces = ((const struct result *)arg)->from;
	uint64_t rows = chp_report_rows(report, traces->rows.count);

	return report->format == CH_FORMAT_PLAIN ? print_plain(report, traces, rows)
						 : print_text(report, traces, rows);
}

const struct ch_document ch_document_traces = {
	.name = "traces",
	.title = "Stack traces that objects carry (types --traces)",
	.fields = fields,
	.print = print,
};

struct ch_error *ch_report_traces(const struct ch_report *report,
				  const struct ch_traces_result *traces)
{
	struct result result = { traces, traces->sums, chp_listing_create(report, &traces_list) };
	struct ch_error *err = result.traces ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < traces->rows.count; i++)
		err = chp_listing_row(result.traces,
				      CH_VEC_AT(&traces->rows, struct ch_traces_row, i));
	if (!err)
		err = chp_document_print(report, &ch_document_traces, &result);
	chp_listing_destroy(result.traces);
	return err;
}

struct ch_error *chp_print_trace(const struct ch_report *report,
				 const struct ch_trace_frame *frames, size_t count, size_t skip)
{
	char label[40];
	size_t i;

	for (i = skip; i < count; i++) {
		_cleanup_free_ char *text = frame_text(report, &frames[i]);

		if (!text)
			return &ch_enomem;
		if (i)
			snprintf(label, sizeof(label), "called from %zu", i);
		else
			snprintf(label, sizeof(label), "thrown at");
		chp_report_field(report, label, "%s", text);
	}
	return NULL;
}
