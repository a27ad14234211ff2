#include "report/strings.h"

#include <stdlib.h>

#include "analysis/text16.h"
#include "util/cleanup.h"
#include "util/context.h"

/* Characters of a text that are shown. */
#define TEXT_CHARS_MAX 200

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

static struct ch_error *json_rows(const struct ch_report *report, const struct ch_core *core,
				  const struct ch_strings_stat *strings, json_t **array)
{
	uint64_t rows = chp_report_rows(report, strings->rows.count), i;
	const struct ch_string_stat *row;
	struct ch_error *err;

	*array = json_array();
	for (i = 0; i < rows; i++) {
		_cleanup_free_ char *text = NULL;

		row = CH_VEC_AT(&strings->rows, struct ch_string_stat, i);
		err = text_of(report, core, row, &text);
		if (err) {
			json_decref(*array);
			return err;
		}
		chp_json_append_take(array,
				     json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "count",
					       chp_json_uint(row->count), "total_bytes",
					       chp_json_uint(row->total_bytes), "each_bytes",
					       chp_json_uint(row->each_bytes), "characters_count",
					       chp_json_uint(row->text.count), "waste_bytes",
					       chp_json_uint(ch_string_waste(row)), "sample_addr",
					       chp_json_addr(row->sample_addr), "text",
					       chp_json_text(text)));
	}
	return NULL;
}

static struct ch_error *print_json(const struct ch_report *report, const struct ch_core *core,
				   const struct ch_strings_stat *strings)
{
	json_t *array;
	struct ch_error *err = json_rows(report, core, strings, &array);

	if (err)
		return err;
	return chp_json_print_take(
		report,
		chp_json_document_take(
			report, "strings",
			json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "total_count",
				  chp_json_uint(strings->count), "total_bytes",
				  chp_json_uint(strings->total_bytes), "distinct_count",
				  chp_json_uint(strings->rows.count), "waste_bytes",
				  chp_json_uint(strings->waste_bytes), "absent_count",
				  chp_json_uint(strings->absent_count), "showing_count",
				  chp_json_uint(chp_report_rows(report, strings->rows.count)),
				  "strings", array)));
}

static struct ch_error *add_row(struct ch_table *table, const struct ch_report *report,
				const struct ch_core *core, const struct ch_string_stat *row)
{
	_cleanup_free_ char *text = NULL;
	struct ch_error *err = text_of(report, core, row, &text);
	const struct ch_cell cells[] = {
		CH_CELL_NUM(row->count),           CH_CELL_NUM(row->total_bytes),
		CH_CELL_NUM(ch_string_waste(row)), CH_CELL_NUM(row->text.count),
		CH_CELL_NUM(row->sample_addr),     CH_CELL_STR(text),
	};

	return err ? err : chp_table_row(table, cells);
}

static void print_totals(const struct ch_report *report, const struct ch_strings_stat *strings)
{
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	char distinct[CH_BYTES_TEXT_MAX], waste[CH_BYTES_TEXT_MAX];

	fprintf(report->out, "total: %s strings, %s; %s different texts; %s in repetitions\n",
		chp_count_text(strings->count, count), chp_bytes_text(strings->total_bytes, bytes),
		chp_count_text(strings->rows.count, distinct),
		chp_bytes_text(strings->waste_bytes, waste));
	if (!report->reveal && strings->rows.count)
		fputs("Texts are not shown without --reveal.\n", report->out);
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

struct ch_error *ch_report_strings(const struct ch_report *report, const struct ch_core *core,
				   const struct ch_strings_stat *strings)
{
	static const struct ch_column columns[] = {
		{ "COUNT", CH_CELL_COUNT }, { "TOTAL", CH_CELL_BYTES },
		{ "WASTE", CH_CELL_BYTES }, { "CHARACTERS", CH_CELL_COUNT },
		{ "SAMPLE", CH_CELL_ADDR }, { "TEXT", CH_CELL_TEXT },
	};
	uint64_t rows = chp_report_rows(report, strings->rows.count), shown = 0, i;
	const struct ch_string_stat *row;
	struct ch_error *err = NULL;
	struct ch_table *table;

	report_findings(report, strings);
	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(report, core, strings);
	table = chp_table_create(columns,
				 report->reveal ? CH_COUNT_OF(columns) : CH_COUNT_OF(columns) - 1);
	if (!table)
		return &ch_enomem;
	for (i = 0; !err && i < rows; i++) {
		row = CH_VEC_AT(&strings->rows, struct ch_string_stat, i);
		err = add_row(table, report, core, row);
		shown += row->total_bytes;
	}
	if (!err)
		chp_table_print(table, report);
	chp_table_destroy(table);
	if (err || report->format != CH_FORMAT_TEXT)
		return err;
	chp_report_cut(report, rows, strings->rows.count, shown, strings->total_bytes);
	print_totals(report, strings);
	chp_report_findings(report);
	return NULL;
}
