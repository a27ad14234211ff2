#include "report/exceptions.h"

#include <stdlib.h>

#include "render/listing.h"
#include "util/cleanup.h"
#include "util/text.h"

static const struct ch_column columns[] = {
	{ "THREAD", CH_CELL_COUNT }, { "DEPTH", CH_CELL_COUNT },  { "ADDRESS", CH_CELL_ADDR },
	{ "TYPE", CH_CELL_TEXT },    { "HRESULT", CH_CELL_TEXT }, { "MESSAGE", CH_CELL_TEXT },
	{ "FRAME", CH_CELL_COUNT },  { "METHOD", CH_CELL_TEXT },
};

static const char *frame_at(const struct ch_exception_row *row, size_t i)
{
	return *CH_VEC_AT(&row->frames, char *, i);
}

static const char *hresult_text(const struct ch_exception_row *row, char buf[16])
{
	snprintf(buf, 16, "0x%08x", row->hresult);
	return row->has_hresult ? buf : NULL;
}

/* ---- JSON -------------------------------------------------------------------- */

static json_t *json_frames(const struct ch_exception_row *row)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < row->frames.count; i++)
		chp_json_append_take(&array, chp_json_text(frame_at(row, i)));
	return array;
}

static json_t *json_row(const struct ch_exception_row *row)
{
	return json_pack("{s:o, s:o, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "tid",
			 row->tid ? chp_json_uint(row->tid) : json_null(), "thread_name",
			 chp_json_text(row->thread_name[0] ? row->thread_name : NULL), "found",
			 row->tid ? ch_exception_found_name(row->found) : NULL, "depth",
			 chp_json_uint(row->depth), "addr",
			 row->addr ? chp_json_addr(row->addr) : json_null(), "type",
			 chp_json_text(row->type), "hresult",
			 row->has_hresult ? chp_json_uint(row->hresult) : json_null(), "message",
			 chp_json_text(row->message), "frames", json_frames(row), "frames_cut",
			 (int)row->frames_cut);
}

static struct ch_error *print_json(const struct ch_report *report, const struct ch_vec *rows)
{
	uint64_t shown = chp_report_rows(report, rows->count), i;
	json_t *array = json_array();

	for (i = 0; i < shown; i++)
		chp_json_append_take(&array, json_row(CH_VEC_AT(rows, struct ch_exception_row, i)));
	return chp_json_print_take(
		report,
		chp_json_document_take(report, "exceptions",
				       json_pack("{s:o, s:o, s:o}", "showing_count",
						 chp_json_uint(shown), "matched_count",
						 chp_json_uint(rows->count), "exceptions", array)));
}

/* ---- Text -------------------------------------------------------------------- */

/* One row for each frame, or one without. */
static struct ch_error *add_rows(struct ch_table *table, const struct ch_exception_row *row)
{
	struct ch_error *err = NULL;
	char hresult[16];
	size_t i = 0;

	do {
		bool has_frame = i < row->frames.count;
		const struct ch_cell cells[] = {
			row->tid ? CH_CELL_NUM(row->tid) : CH_CELL_NONE,
			CH_CELL_NUM(row->depth),
			row->addr ? CH_CELL_NUM(row->addr) : CH_CELL_NONE,
			CH_CELL_STR(row->type),
			CH_CELL_STR(hresult_text(row, hresult)),
			CH_CELL_STR(row->message),
			has_frame ? CH_CELL_NUM(i) : CH_CELL_NONE,
			CH_CELL_STR(has_frame ? frame_at(row, i) : NULL),
		};
		err = chp_table_row(table, cells);
	} while (!err && ++i < row->frames.count);
	return err;
}

static struct ch_error *print_plain(const struct ch_report *report, const struct ch_vec *rows)
{
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	uint64_t shown = chp_report_rows(report, rows->count), i;
	struct ch_error *err = table ? NULL : &ch_enomem;

	for (i = 0; !err && i < shown; i++)
		err = add_rows(table, CH_VEC_AT(rows, struct ch_exception_row, i));
	if (!err)
		chp_table_print(table, report);
	chp_table_destroy(table);
	return err;
}

static void put(FILE *out, const char *before, const char *text, const char *after)
{
	_cleanup_free_ char *safe = text ? chp_text_escape(text, 4096) : NULL;

	fprintf(out, "%s%s%s", before, safe ? safe : "", after);
}

static void print_thread(FILE *out, const struct ch_exception_row *row)
{
	static const char *const words[] = {
		[CH_EXCEPTION_LAST] = "thrown last; it may be handled by now",
		[CH_EXCEPTION_ANNOUNCED] = "about to be thrown",
		[CH_EXCEPTION_PENDING] = "thrown, and no handler has it yet",
		[CH_EXCEPTION_ON_STACK] = "on its stack (heuristic)",
	};

	fprintf(out, "thread %u", row->tid);
	if (row->thread_name[0])
		put(out, " (", row->thread_name, ")");
	fprintf(out, ": %s\n", words[row->found]);
}

static void print_text(const struct ch_report *report, const struct ch_exception_row *row,
		       bool first)
{
	FILE *out = report->out;
	char hresult[16];
	size_t i;

	if (!row->depth && !first)
		fputc('\n', out);
	if (!row->depth && row->tid)
		print_thread(out, row);
	put(out, row->depth ? "  inside: " : "  ", row->type, "");
	if (row->addr)
		fprintf(out, "  0x%llx", (unsigned long long)row->addr);
	if (row->has_hresult)
		fprintf(out, "  HResult %s", hresult_text(row, hresult));
	if (row->message)
		put(out, "\n    message: ", row->message, "");
	fputc('\n', out);
	for (i = 0; i < row->frames.count; i++)
		put(out, "    at ", frame_at(row, i), "\n");
	if (row->frames_cut)
		fputs("    ... there are more\n", out);
}

struct ch_error *ch_report_exceptions(const struct ch_report *report, const struct ch_vec *rows)
{
	uint64_t shown = chp_report_rows(report, rows->count), i;

	if (chp_report_is_json(report))
		return print_json(report, rows);
	if (report->format == CH_FORMAT_PLAIN)
		return print_plain(report, rows);
	for (i = 0; i < shown; i++)
		print_text(report, CH_VEC_AT(rows, struct ch_exception_row, i), i == 0);
	if (!rows->count)
		fputs("no thread here has an exception that a runtime knows of\n", report->out);
	else if (!report->reveal)
		fputs("\nMessages are not shown without --reveal.\n", report->out);
	chp_report_cut(report, shown, rows->count, 0, 0);
	chp_report_findings(report);
	return NULL;
}
