/*
 * Stack traces that objects carry: a block of lines for each type and stack; tab separated a
 * row for each frame.
 */
#include "report/traces.h"

#include <inttypes.h>
#include <string.h>

#include "heap/type_table.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/text.h"

/* Frames of one trace that are shown. */
#define TEXT_FRAMES 32
#define JSON_FRAMES 1024

static const char *runtime_of(struct ch_heaps *heaps, const struct ch_trace_stat *row)
{
	size_t count;

	return ch_heaps_runtimes(heaps, &count)[chp_type_walker(heaps, row->type)].name;
}

static bool is_shown(const struct ch_report *report, const struct ch_trace_frame *frame)
{
	return !frame->is_text || report->reveal;
}

/* ---- JSON -------------------------------------------------------------------------------- */

static json_t *json_frame(const struct ch_report *report, const struct ch_trace_frame *frame)
{
	bool shown = is_shown(report, frame);

	return json_pack("{s:o, s:o, s:o, s:b}", "method",
			 chp_json_text(shown && frame->function[0] ? frame->function : NULL),
			 "source", chp_json_text(shown && frame->source[0] ? frame->source : NULL),
			 "line", frame->line ? chp_json_uint(frame->line) : json_null(), "is_text",
			 (int)frame->is_text);
}

static json_t *json_frames(const struct ch_report *report, struct ch_heaps *heaps, uint64_t addr,
			   uint32_t count)
{
	json_t *array = json_array();
	struct ch_trace_frame frame;
	uint32_t i;

	for (i = 0; i < count && i < JSON_FRAMES; i++) {
		if (!chp_trace_frame(heaps, addr, i, &frame))
			break;
		chp_json_append_take(&array, json_frame(report, &frame));
	}
	return array;
}

json_t *chp_json_trace(const struct ch_report *report, const struct ch_trace *trace,
		       const struct ch_trace_frame *frames, size_t count)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < count; i++)
		chp_json_append_take(&array, json_frame(report, &frames[i]));
	return json_pack("{s:o, s:b, s:o}", "frames_count", chp_json_uint(trace->count),
			 "frames_cut", (int)trace->cut, "frames", array);
}

static struct ch_error *print_json(const struct ch_report *report, struct ch_heaps *heaps,
				   const struct ch_traces_stat *traces, uint64_t rows)
{
	json_t *array = json_array();
	const struct ch_trace_stat *row;
	struct ch_error *err;
	struct ch_type type;
	uint64_t i;

	for (i = 0; i < rows; i++) {
		row = CH_VEC_AT(&traces->rows, struct ch_trace_stat, i);
		err = ch_heaps_type(heaps, row->type, &type);
		if (err) {
			json_decref(array);
			return err;
		}
		chp_json_append_take(
			&array,
			json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "type",
				  chp_json_text(type.name), "runtime", runtime_of(heaps, row),
				  "count", chp_json_uint(row->count), "total_bytes",
				  chp_json_uint(row->total_bytes), "trace_bytes",
				  chp_json_uint(row->trace_bytes), "sample_addr",
				  chp_json_addr(row->sample_addr), "frames_count",
				  chp_json_uint(row->trace.count), "frames_cut",
				  (int)row->trace.cut, "frames",
				  json_frames(report, heaps, row->sample_addr, row->trace.count)));
	}
	return chp_json_print_take(
		report, chp_json_document_take(
				report, "traces",
				json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "total_count",
					  chp_json_uint(traces->count), "total_bytes",
					  chp_json_uint(traces->total_bytes), "trace_bytes",
					  chp_json_uint(traces->trace_bytes), "bare_count",
					  chp_json_uint(traces->bare_count), "showing_count",
					  chp_json_uint(rows), "matched_count",
					  chp_json_uint(traces->rows.count), "traces", array)));
}

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

static struct ch_error *print_frames(const struct ch_report *report, struct ch_heaps *heaps,
				     const struct ch_trace_stat *row)
{
	struct ch_trace_frame frame, next;
	uint32_t i, k, lines;

	for (i = lines = 0; i < row->trace.count && lines < TEXT_FRAMES; i = k, lines++) {
		_cleanup_free_ char *text = NULL;

		if (!chp_trace_frame(heaps, row->sample_addr, i, &frame))
			break;
		for (k = i + 1; k < row->trace.count; k++)
			if (!chp_trace_frame(heaps, row->sample_addr, k, &next) ||
			    !is_same(report, &frame, &next))
				break;
		text = frame_text(report, &frame);
		if (!text)
			return &ch_enomem;
		fprintf(report->out, "    at %s", text);
		if (k - i > 1)
			fprintf(report->out, ", %" PRIu32 " times", k - i);
		fputc('\n', report->out);
	}
	if (!row->trace.count)
		fputs("    without a stack trace\n", report->out);
	else if (i < row->trace.count)
		fprintf(report->out, "    %" PRIu32 " more%s\n", row->trace.count - i,
			row->trace.cut ? ", and those that were not read" : "");
	return NULL;
}

static struct ch_error *print_group(const struct ch_report *report, struct ch_heaps *heaps,
				    const struct ch_trace_stat *row)
{
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], held[CH_BYTES_TEXT_MAX];
	struct ch_type type;
	struct ch_error *err = ch_heaps_type(heaps, row->type, &type);

	if (err)
		return err;
	fprintf(report->out, "%s %s: bytes %s, of their traces %s, %s 0x%" PRIx64 "\n",
		chp_count_text(row->count, count), type.name,
		chp_bytes_text(row->total_bytes, bytes), chp_bytes_text(row->trace_bytes, held),
		row->count == 1 ? "at" : "the first at", row->sample_addr);
	return print_frames(report, heaps, row);
}

/* A row for each frame; one for a trace without any. */
static struct ch_error *add_rows(struct ch_table *table, const struct ch_report *report,
				 struct ch_heaps *heaps, const struct ch_trace_stat *row)
{
	struct ch_trace_frame frame;
	struct ch_type type;
	struct ch_error *err = ch_heaps_type(heaps, row->type, &type);
	uint32_t i;

	for (i = 0; !err && i < (row->trace.count ? row->trace.count : 1); i++) {
		bool found = chp_trace_frame(heaps, row->sample_addr, i, &frame);
		_cleanup_free_ char *text = found ? frame_text(report, &frame) : NULL;

		err = chp_table_row(table, (struct ch_cell[]){ CH_CELL_STR(type.name),
							       CH_CELL_NUM(row->count),
							       CH_CELL_NUM(row->total_bytes),
							       CH_CELL_NUM(row->trace_bytes),
							       CH_CELL_NUM(row->sample_addr),
							       { .number = i, .absent = !found },
							       CH_CELL_STR(text) });
		if (!found)
			break;
	}
	return err;
}

static struct ch_error *print_plain(const struct ch_report *report, struct ch_heaps *heaps,
				    const struct ch_traces_stat *traces, uint64_t rows)
{
	static const struct ch_column columns[] = {
		{ "TYPE", CH_CELL_TEXT },    { "COUNT", CH_CELL_COUNT }, { "TOTAL", CH_CELL_BYTES },
		{ "TRACES", CH_CELL_BYTES }, { "SAMPLE", CH_CELL_ADDR }, { "FRAME", CH_CELL_COUNT },
		{ "METHOD", CH_CELL_TEXT },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	uint64_t i;

	for (i = 0; !err && i < rows; i++)
		err = add_rows(table, report, heaps,
			       CH_VEC_AT(&traces->rows, struct ch_trace_stat, i));
	if (!err)
		chp_table_print(table, report);
	chp_table_destroy(table);
	return err;
}

static struct ch_error *print_text(const struct ch_report *report, struct ch_heaps *heaps,
				   const struct ch_traces_stat *traces, uint64_t rows)
{
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], held[CH_BYTES_TEXT_MAX];
	const struct ch_trace_stat *row;
	struct ch_error *err = NULL;
	uint64_t i, shown = 0;

	if (!traces->readable) {
		fputs("no runtime here has objects whose stack traces are read\n", report->out);
		return NULL;
	}
	for (i = 0; !err && i < rows; i++) {
		row = CH_VEC_AT(&traces->rows, struct ch_trace_stat, i);
		err = print_group(report, heaps, row);
		shown += row->total_bytes;
		fputc('\n', report->out);
	}
	chp_report_cut(report, rows, traces->rows.count, shown, traces->total_bytes);
	fprintf(report->out, "total: %s objects, %s; their traces %s\n",
		chp_count_text(traces->count, count), chp_bytes_text(traces->total_bytes, bytes),
		chp_bytes_text(traces->trace_bytes, held));
	return err;
}

struct ch_error *ch_report_traces(const struct ch_report *report, struct ch_heaps *heaps,
				  const struct ch_traces_stat *traces)
{
	uint64_t rows = chp_report_rows(report, traces->rows.count);
	struct ch_error *err;

	if (traces->left_out_count)
		chp_context_finding(ch_session_context(report->session), CH_SEVERITY_INCOMPLETE,
				    "traces-limit",
				    "there are more different stack traces than %zu: %" PRIu64
				    " objects are in the totals only",
				    traces->rows.count, traces->left_out_count);
	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(report, heaps, traces, rows);
	err = report->format == CH_FORMAT_TEXT ? print_text(report, heaps, traces, rows)
					       : print_plain(report, heaps, traces, rows);
	if (!err)
		chp_report_findings(report);
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
