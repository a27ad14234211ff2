/*
 * Exceptions of threads, and those inside of them.
 */
#include "report/exceptions.h"

#include <stdlib.h>

#include "render/document.h"
#include "util/cleanup.h"
#include "util/text.h"

static const char *frame_at(const struct ch_exception_row *row, size_t i)
{
	return *CH_VEC_AT(&row->frames, char *, i);
}

static const char *hresult_text(const struct ch_exception_row *row, char buf[16])
{
	snprintf(buf, 16, "0x%08x", row->hresult);
	return row->has_hresult ? buf : NULL;
}

#define ROW(member) CH_AT(struct ch_exception_row, member)

struct result {
	const struct ch_vec *rows;
	struct ch_listing *exceptions;
};

static struct ch_cell found_of(const void *arg)
{
	const struct ch_exception_row *row = arg;

	return row->tid ? CH_CELL_STR(ch_exception_found_name(row->found)) : CH_CELL_NONE;
}

static const struct ch_field_spec frame_field[] = {
	{ "frame", NULL, CH_CELL_TEXT, "A method.", .offset = 0, .size = sizeof(char *) },
	CH_FIELDS_END,
};

static const struct ch_field_spec row_fields[] = {
	{ "tid", NULL, CH_CELL_NUMBER, "The thread, by the kernel's number; null of an object.",
	  ROW(tid), .flags = CH_FIELD_NOT_ZERO },
	{ "thread_name", NULL, CH_CELL_TEXT, "What the runtime calls the thread.", ROW(thread_name),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "found", NULL, CH_CELL_SAFE, "How it is known.", .get = found_of,
	  .flags = CH_FIELD_OPTIONAL, .words = "last-thrown|announced|pending|on-stack" },
	{ "depth", NULL, CH_CELL_COUNT, "0: the exception; 1: the one inside of it, and so on.",
	  ROW(depth) },
	{ "addr", NULL, CH_CELL_ADDR, "The object; null where there is none yet.", ROW(addr),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "type", NULL, CH_CELL_TEXT, "Its type.", ROW(type), .flags = CH_FIELD_OPTIONAL },
	{ "hresult", NULL, CH_CELL_NUMBER, "The number of .NET.", ROW(hresult),
	  CH_KNOWN(struct ch_exception_row, has_hresult) },
	{ "message", NULL, CH_CELL_TEXT, "With --reveal.", ROW(message),
	  .flags = CH_FIELD_OPTIONAL },
	{ "frames", NULL, CH_CELL_VALUES, "Methods of its trace, innermost first.", ROW(frames),
	  .flags = CH_FIELD_VEC, .fields = frame_field },
	{ "frames_cut", NULL, CH_CELL_BOOL, "There are more.", ROW(frames_cut) },
	CH_FIELDS_END,
};

static const struct ch_list exceptions_list = { .fields = row_fields };

static const struct ch_field_spec fields[] = {
	CH_FIELDS_COUNTED(struct result, exceptions),
	{ "exceptions", NULL, CH_CELL_LIST, "By thread, each followed by those inside of it.",
	  CH_AT(struct result, exceptions), .list = &exceptions_list },
	CH_FIELDS_END,
};

/* ---- Tab separated: a row for each frame, or one without ---------------------- */

struct frame_row {
	uint32_t tid, depth;
	uint64_t addr;
	const char *type, *hresult, *message, *method;
	size_t index;
	bool has_frame;
};

#define FRAME(member) CH_AT(struct frame_row, member)

static const struct ch_field_spec frame_fields[] = {
	{ NULL, "THREAD", CH_CELL_COUNT, NULL, FRAME(tid), .flags = CH_FIELD_NOT_ZERO },
	{ NULL, "DEPTH", CH_CELL_COUNT, NULL, FRAME(depth) },
	{ NULL, "ADDRESS", CH_CELL_ADDR, NULL, FRAME(addr), .flags = CH_FIELD_NOT_ZERO },
	{ NULL, "TYPE", CH_CELL_TEXT, NULL, FRAME(type) },
	{ NULL, "HRESULT", CH_CELL_SAFE, NULL, FRAME(hresult) },
	{ NULL, "MESSAGE", CH_CELL_TEXT, NULL, FRAME(message) },
	{ NULL, "FRAME", CH_CELL_COUNT, NULL, FRAME(index), CH_KNOWN(struct frame_row, has_frame) },
	{ NULL, "METHOD", CH_CELL_TEXT, NULL, FRAME(method) },
	CH_FIELDS_END,
};

static const struct ch_list frames_list = { .fields = frame_fields };

static struct ch_error *add_rows(struct ch_listing *listing, const struct ch_exception_row *of)
{
	struct frame_row row = { .tid = of->tid,
				 .depth = of->depth,
				 .addr = of->addr,
				 .type = of->type,
				 .message = of->message };
	struct ch_error *err = NULL;
	char hresult[16];

	row.hresult = hresult_text(of, hresult);
	do {
		row.has_frame = row.index < of->frames.count;
		row.method = row.has_frame ? frame_at(of, row.index) : NULL;
		err = chp_listing_row(listing, &row);
	} while (!err && ++row.index < of->frames.count);
	return err;
}

static struct ch_error *print_plain(const struct ch_report *report, const struct ch_vec *rows,
				    uint64_t shown)
{
	/* the limit is one of exceptions, not of frames */
	struct ch_report all = *report;
	struct ch_listing *listing;
	struct ch_error *err;
	uint64_t i;

	all.limit = 0;
	listing = chp_listing_create(&all, &frames_list);
	err = listing ? NULL : &ch_enomem;
	for (i = 0; !err && i < shown; i++)
		err = add_rows(listing, CH_VEC_AT(rows, struct ch_exception_row, i));
	if (!err)
		chp_listing_print(listing);
	chp_listing_destroy(listing);
	return err;
}

/* ---- Text -------------------------------------------------------------------- */

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

static struct ch_error *print(const struct ch_report *report, const void *result)
{
	const struct ch_vec *rows = ((const struct result *)result)->rows;
	uint64_t shown = chp_report_rows(report, rows->count), i;

	if (report->format == CH_FORMAT_PLAIN)
		return print_plain(report, rows, shown);
	for (i = 0; i < shown; i++)
		print_text(report, CH_VEC_AT(rows, struct ch_exception_row, i), i == 0);
	if (!rows->count)
		chp_report_say(report, "no thread here has an exception that a runtime knows of\n");
	else if (!report->reveal)
		chp_report_say(report, "\nMessages are not shown without --reveal.\n");
	chp_report_cut(report, shown, rows->count, 0, 0);
	return NULL;
}

const struct ch_document ch_document_exceptions = {
	.name = "exceptions",
	.title = "Exceptions of threads, or one object, and those inside of them",
	.fields = fields,
	.print = print,
};

struct ch_error *ch_report_exceptions(const struct ch_report *report, const struct ch_vec *rows)
{
	struct result result = { rows, chp_listing_create(report, &exceptions_list) };
	struct ch_error *err = result.exceptions ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < rows->count; i++)
		err = chp_listing_row(result.exceptions,
				      CH_VEC_AT(rows, struct ch_exception_row, i));
	if (!err)
		err = chp_document_print(report, &ch_document_exceptions, &result);
	chp_listing_destroy(result.exceptions);
	return err;
}
