/*
 * Equal strings.
 */
#include "report/strings.h"

#include <stdlib.h>

#include "analysis/text16.h"
#include "render/document.h"
#include "util/cleanup.h"
#include "util/context.h"

/* Characters of a text that are shown. */
#define TEXT_CHARS_MAX 200

struct row {
	struct ch_string_stat of;
	uint64_t waste_bytes;
	const char *text;
};

struct result {
	struct ch_strings_stat of;
	struct ch_listing *strings;
};

#define ROW(member)    CH_AT(struct row, member)
#define RESULT(member) CH_AT(struct result, member)

static const struct ch_field_spec row_fields[] = {
	{ "count", "COUNT", CH_CELL_COUNT, "Strings with this text.", ROW(of.count) },
	{ "total_bytes", "TOTAL", CH_CELL_BYTES, "What they take in the heap.",
	  ROW(of.total_bytes) },
	{ "each_bytes", NULL, CH_CELL_BYTES, "What one of them takes.", ROW(of.each_bytes) },
	{ "characters_count", "CHARACTERS", CH_CELL_COUNT, "Length of the text.",
	  ROW(of.text.count), .column = 1 },
	{ "waste_bytes", "WASTE", CH_CELL_BYTES, "What all but one of them take.",
	  ROW(waste_bytes) },
	{ "sample_addr", "SAMPLE", CH_CELL_ADDR, "One of them.", ROW(of.sample_addr), .column = 1 },
	{ "text", "TEXT", CH_CELL_TEXT, "The text, with --reveal.", ROW(text),
	  .flags = CH_FIELD_OPTIONAL, .column = 1 },
	CH_FIELDS_END,
};

static const struct ch_list strings_list = { .fields = row_fields,
					     CH_WEIGHT(struct row, of.total_bytes) };

static const struct ch_field_spec fields[] = {
	{ "total_count", NULL, CH_CELL_COUNT, "All strings.", RESULT(of.count) },
	{ "total_bytes", NULL, CH_CELL_BYTES, "What they take in the heap.",
	  RESULT(of.total_bytes) },
	{ "distinct_count", NULL, CH_CELL_COUNT, "Different texts.", RESULT(of.rows.count) },
	{ "waste_bytes", NULL, CH_CELL_BYTES, "What all but one of each text take.",
	  RESULT(of.waste_bytes) },
	{ "absent_count", NULL, CH_CELL_COUNT, "Strings whose characters are not in the core.",
	  RESULT(of.absent_count) },
	{ "unset_count", NULL, CH_CELL_COUNT,
	  "Strings that have no characters yet, or none that can be read: in the totals, in no "
	  "row.",
	  RESULT(of.unset_count) },
	{ "showing_count", NULL, CH_CELL_SHOWN, "How many rows are here.", RESULT(strings) },
	{ "strings", NULL, CH_CELL_LIST, "Texts, most bytes first.", RESULT(strings),
	  .list = &strings_list },
	CH_FIELDS_END,
};

static void print_totals(const struct ch_report *report, const void *result)
{
	const struct ch_strings_stat *strings = &((const struct result *)result)->of;
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	char distinct[CH_BYTES_TEXT_MAX], waste[CH_BYTES_TEXT_MAX];

	fprintf(report->out, "total: %s strings, %s; %s different texts; %s in repetitions\n",
		chp_count_text(strings->count, count), chp_bytes_text(strings->total_bytes, bytes),
		chp_count_text(strings->rows.count, distinct),
		chp_bytes_text(strings->waste_bytes, waste));
	if (strings->unset_count)
		fprintf(report->out,
			"%s strings have no characters yet (a thread was making them), or none "
			"that "
			"can be read (garbage whose array is gone).\n",
			chp_count_text(strings->unset_count, count));
	if (!report->reveal && strings->rows.count)
		fputs("Texts are not shown without --reveal.\n", report->out);
}

const struct ch_document ch_document_strings = {
	.name = "strings",
	.title = "Equal strings (types --strings)",
	.fields = fields,
	.tail = print_totals,
};

/* The text of a row, unescaped; NULL when it is not to be shown. */
static struct ch_error *text_of(const struct ch_report *report, const struct ch_core *core,
				const struct ch_string_stat *row, char **ret)
{
	*ret = NULL;
	if (!report->reveal)
		return NULL;
	*ret = chp_text16(core, row->text.addr, row->text.bytes, row->text.count, TEXT_CHARS_MAX);
	return *ret ? NULL : &ch_enomem;
}

static void report_findings(const struct ch_report *report, const struct ch_strings_stat *strings)
{
	struct ch_context *ctx = ch_session_context(report->session);

	if (strings->absent_count)
		chp_context_finding(ctx, CH_SEVERITY_INCOMPLETE, "strings-absent",
				    "the characters of %llu strings are not in the core",
				    (unsigned long long)strings->absent_count);
	if (strings->left_out_count)
		chp_context_finding(ctx, CH_SEVERITY_INCOMPLETE, "strings-limit",
				    "there are more different texts than %zu: %llu strings are in "
				    "the totals only",
				    strings->rows.count,
				    (unsigned long long)strings->left_out_count);
}

static struct ch_error *put(struct ch_listing *listing, const struct ch_report *report,
			    const struct ch_core *core, const struct ch_string_stat *of)
{
	_cleanup_free_ char *text = NULL;
	struct ch_error *err = text_of(report, core, of, &text);
	const struct row row = { *of, ch_string_waste(of), text };

	return err ? err : chp_listing_row(listing, &row);
}

struct ch_error *ch_report_strings(const struct ch_report *report, const struct ch_core *core,
				   const struct ch_strings_stat *strings)
{
	struct result result = { *strings, chp_listing_create(report, &strings_list) };
	uint64_t rows = chp_report_rows(report, strings->rows.count), i;
	struct ch_error *err = result.strings ? NULL : &ch_enomem;

	report_findings(report, strings);
	if (!err && !report->reveal)
		err = chp_listing_hide(result.strings, "TEXT");
	for (i = 0; !err && i < rows; i++)
		err = put(result.strings, report, core,
			  CH_VEC_AT(&strings->rows, struct ch_string_stat, i));
	if (!err)
		chp_listing_total(result.strings, strings->rows.count, strings->total_bytes);
	if (!err)
		err = chp_document_print(report, &ch_document_strings, &result);
	chp_listing_destroy(result.strings);
	return err;
}
