/*
 * Rows of a section become JSON or a table by the fields of its shape. What a text in the core
 * holds may be anybody's secret: it is shown with --reveal.
 */
#include "report/sections.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

/* Bytes of a text. */
#define TEXT_BYTES_MAX 4096
#define CELL_BYTES_MAX 128

/* A row being shown. */
struct row {
	const struct ch_report *report;
	const struct ch_section *section;
	const char *runtime;
	const char *at;
	/* A text of it was not shown. */
	bool hides;
};

static uint64_t number_of(const struct row *row, size_t offset)
{
	uint64_t number;

	memcpy(&number, row->at + offset, sizeof(number));
	return number;
}

static bool flag_of(const struct row *row, size_t offset)
{
	bool flag;

	memcpy(&flag, row->at + offset, sizeof(flag));
	return flag;
}

static const char *word_of(const struct row *row, const struct ch_section_field *field)
{
	const char *word;

	if (field->kind == CH_SECTION_RUNTIME)
		return row->runtime;
	memcpy(&word, row->at + field->offset, sizeof(word));
	return word;
}

/* Escaped, owned; NULL: it may not be shown, or nothing is there. */
static char *text_of(struct row *row, const struct ch_section_field *field)
{
	const uint64_t addr = field->secret ? number_of(row, field->secret - 1) : 0;
	char text[TEXT_BYTES_MAX];

	if (!addr)
		return chp_text_escape(word_of(row, field), TEXT_BYTES_MAX);
	row->hides = row->hides || !row->report->reveal;
	if (!row->report->reveal ||
	    !ch_core_read_string(ch_session_core(row->report->session), addr, text, sizeof(text)))
		return NULL;
	return chp_text_escape(text, sizeof(text));
}

static bool is_left_out(const struct row *row, const struct ch_sections *sections)
{
	const struct ch_section_shape *shape = row->section->shape;

	return shape->notable && !sections->all && !flag_of(row, shape->notable - 1);
}

/* ---- JSON ------------------------------------------------------------------------ */

static json_t *json_value(struct row *row, const struct ch_section_field *field)
{
	_cleanup_free_ char *text = NULL;
	uint64_t number;

	switch (field->kind) {
	case CH_SECTION_FLAG:
		return json_boolean(flag_of(row, field->offset));
	case CH_SECTION_RUNTIME:
	case CH_SECTION_WORD:
		return word_of(row, field) ? json_string(word_of(row, field)) : json_null();
	case CH_SECTION_TEXT:
		text = text_of(row, field);
		return text ? json_string(text) : json_null();
	default:
		number = number_of(row, field->offset);
		if (!number && field->not_zero)
			return json_null();
		return field->kind == CH_SECTION_ADDR ? chp_json_addr(number)
						      : chp_json_uint(number);
	}
}

static json_t *json_row(struct row *row)
{
	const struct ch_section_shape *shape = row->section->shape;
	json_t *object = json_object();
	size_t i;

	for (i = 0; object && i < shape->fields_count; i++)
		if (json_object_set_new(object, shape->fields[i].key,
					json_value(row, &shape->fields[i]))) {
			json_decref(object);
			object = NULL;
		}
	return object;
}

static struct row begin_rows(const struct ch_report *report, const struct ch_runtime *runtimes,
			     const struct ch_section *section)
{
	return (struct row){ .report = report,
			     .section = section,
			     .runtime = runtimes[section->walker].name };
}

json_t *chp_json_sections(const struct ch_report *report, const struct ch_runtime *runtimes,
			  const struct ch_sections *sections)
{
	const struct ch_section *list = sections->list.items;
	json_t *array = json_array();
	struct row row;
	size_t i, k;

	for (i = 0; i < sections->list.count; i++) {
		row = begin_rows(report, runtimes, &list[i]);
		for (k = 0; k < list[i].rows_count; k++) {
			row.at = (const char *)list[i].rows + k * list[i].shape->row_bytes;
			if (!is_left_out(&row, sections))
				chp_json_append_take(&array, json_row(&row));
		}
	}
	return array;
}

/* ---- Tables ---------------------------------------------------------------------- */

/* What cells of one row point to. */
struct cell_texts {
	char beside[CH_COLUMNS_MAX][CELL_BYTES_MAX];
	char *owned[CH_COLUMNS_MAX];
};

static enum ch_cell_kind cell_kind(enum ch_section_kind kind)
{
	switch (kind) {
	case CH_SECTION_COUNT:
		return CH_CELL_COUNT;
	case CH_SECTION_BYTES:
		return CH_CELL_BYTES;
	case CH_SECTION_ADDR:
		return CH_CELL_ADDR;
	default:
		return CH_CELL_TEXT;
	}
}

static size_t fill_columns(const struct ch_section_shape *shape, struct ch_column *columns)
{
	const struct ch_section_field *field;
	size_t count = 0, i;

	for (i = 0; i < shape->fields_count; i++) {
		field = &shape->fields[i];
		if (!field->title)
			continue;
		columns[field->column - 1] =
			(struct ch_column){ field->title, cell_kind(field->kind) };
		count++;
	}
	return count;
}

static void fill_cell(struct row *row, const struct ch_section_field *field, struct ch_cell *cell,
		      struct cell_texts *texts)
{
	const size_t column = field->column - 1;

	switch (field->kind) {
	case CH_SECTION_FLAG:
		if (!field->title && flag_of(row, field->offset)) {
			snprintf(texts->beside[column], CELL_BYTES_MAX, "%s, %s",
				 cell->text ? cell->text : "", field->key);
			cell->text = texts->beside[column];
		}
		if (field->title)
			cell->text = flag_of(row, field->offset) ? "yes" : "no";
		return;
	case CH_SECTION_RUNTIME:
	case CH_SECTION_WORD:
		cell->text = word_of(row, field);
		return;
	case CH_SECTION_TEXT:
		texts->owned[column] = text_of(row, field);
		cell->text = texts->owned[column];
		return;
	default:
		cell->number = number_of(row, field->offset);
		cell->absent = field->not_zero && !cell->number;
	}
}

static struct ch_error *add_row(struct ch_table *table, struct row *row)
{
	const struct ch_section_shape *shape = row->section->shape;
	struct ch_cell cells[CH_COLUMNS_MAX] = { { .text = NULL } };
	struct cell_texts texts = { .owned = { NULL } };
	struct ch_error *err;
	size_t i;

	for (i = 0; i < shape->fields_count; i++)
		if (shape->fields[i].column)
			fill_cell(row, &shape->fields[i], &cells[shape->fields[i].column - 1],
				  &texts);
	err = chp_table_row(table, cells);
	for (i = 0; i < CH_COLUMNS_MAX; i++)
		free(texts.owned[i]);
	return err;
}

/* The rows in a table; how many. */
static struct ch_error *add_rows(struct ch_table *table, struct row *row,
				 const struct ch_sections *sections, size_t *shown_ret)
{
	const struct ch_section *section = row->section;
	const uint64_t most = section->shape->many
				      ? chp_report_rows(row->report, section->rows_count)
				      : section->rows_count;
	struct ch_error *err = NULL;
	size_t i;

	*shown_ret = 0;
	for (i = 0; !err && i < section->rows_count && *shown_ret < most; i++) {
		row->at = (const char *)section->rows + i * section->shape->row_bytes;
		if (is_left_out(row, sections))
			continue;
		err = add_row(table, row);
		++*shown_ret;
	}
	return err;
}

static void print_heading(const struct row *row, const struct ch_sections *sections)
{
	const struct ch_section_shape *shape = row->section->shape;
	const char *title = shape->notable && !sections->all ? shape->notable_title : shape->title;
	char text[CELL_BYTES_MAX];

	snprintf(text, sizeof(text), "%s (%s)", title, row->runtime);
	chp_report_heading(row->report, sections->list.count > 1 ? text : title, false);
}

static struct ch_error *print_section(struct row *row, const struct ch_sections *sections)
{
	struct ch_column columns[CH_COLUMNS_MAX];
	size_t count = fill_columns(row->section->shape, columns), shown;
	struct ch_table *table = chp_table_create(columns, count);
	struct ch_error *err;

	if (!table)
		return &ch_enomem;
	err = add_rows(table, row, sections, &shown);
	if (!err && shown) {
		print_heading(row, sections);
		chp_table_print(table, row->report);
		if (row->hides && row->report->format == CH_FORMAT_TEXT)
			fputs("Texts are not shown without --reveal.\n", row->report->out);
	}
	chp_table_destroy(table);
	return err;
}

struct ch_error *chp_print_sections(const struct ch_report *report,
				    const struct ch_runtime *runtimes,
				    const struct ch_sections *sections)
{
	struct ch_error *err = NULL;
	struct row row;
	size_t i;

	for (i = 0; !err && i < sections->list.count; i++) {
		row = begin_rows(report, runtimes,
				 CH_VEC_AT(&sections->list, struct ch_section, i));
		err = print_section(&row, sections);
	}
	return err;
}
