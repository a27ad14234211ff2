/*
 * Values of fields, as cells and as JSON.
 */
#include "render/fields.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"
#include "util/vec.h"

/* Structs inside of structs: tables are ours, and none is deeper. */
#define LEVELS_MAX 8
/* Longest text in a block of facts, in bytes before escaping. */
#define TEXT_BYTES_MAX 4096

struct ch_cell chp_field_none(const void *row)
{
	(void)row;
	return CH_CELL_NONE;
}

bool chp_field_is_end(const struct ch_field_spec *field)
{
	return !field->key && !field->title && !(field->flags & CH_FIELD_FLAT);
}

size_t chp_fields_columns(const struct ch_field_spec *fields,
			  const struct ch_field_spec *ret[CH_COLUMNS_MAX + 1])
{
	size_t count = 0, i;

	for (; !chp_field_is_end(fields); fields++) {
		if (!fields->title)
			continue;
		for (i = count++; i && ret[i - 1]->column > fields->column; i--)
			ret[i] = ret[i - 1];
		ret[i] = fields;
	}
	ret[count] = NULL;
	return count;
}

static const void *field_at(const struct ch_field_spec *field, const void *row)
{
	return (const char *)row + field->offset;
}

bool chp_field_is_known(const struct ch_field_spec *field, const void *row)
{
	return !field->known || *((const bool *)row + field->known - 1);
}

static uint64_t number_at(const void *at, size_t size, bool is_signed)
{
	uint64_t number = 0;

	/* little-endian, as all that this program runs on */
	memcpy(&number, at, size);
	if (is_signed && size == sizeof(int32_t))
		number = (uint64_t)(int64_t)(int32_t)number;
	return number;
}

static bool is_text(enum ch_cell_kind kind)
{
	return kind == CH_CELL_TEXT || kind == CH_CELL_NAME || kind == CH_CELL_SAFE;
}

static struct ch_cell text_cell(const struct ch_field_spec *field, const void *at)
{
	const char *text = field->flags & CH_FIELD_INSIDE ? at : *(const char *const *)at;

	if (text && !*text && field->flags & CH_FIELD_NOT_ZERO)
		text = NULL;
	return (struct ch_cell){ .text = text, .absent = !text };
}

/* What a list says of itself. */
static struct ch_cell list_cell(enum ch_cell_kind kind, const struct ch_list_state *list)
{
	return CH_CELL_NUM(kind == CH_CELL_SHOWN     ? list->shown
			   : kind == CH_CELL_MATCHED ? list->matched
						     : list->matched_bytes);
}

struct ch_cell chp_field_cell(const struct ch_field_spec *field, const void *row)
{
	const void *at = field_at(field, row);
	uint64_t number;

	if (!chp_field_is_known(field, row))
		return CH_CELL_NONE;
	if (field->get)
		return field->get(row);
	if (is_text(field->kind))
		return text_cell(field, at);
	if (field->kind >= CH_CELL_SHOWN)
		return list_cell(field->kind, *(const struct ch_list_state *const *)at);
	number = number_at(at, field->size, field->kind == CH_CELL_SIGNED);
	return (struct ch_cell){ .number = number,
				 .absent = !number && field->flags & CH_FIELD_NOT_ZERO };
}

/* ---- JSON -------------------------------------------------------------------------------- */

static json_t *id_json(uint64_t id)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, id);
	return json_string(text);
}

static json_t *cell_json(const struct ch_field_spec *field, const void *row)
{
	struct ch_cell cell = chp_field_cell(field, row);

	if (cell.absent || (is_text(field->kind) && !cell.text))
		return json_null();
	switch (field->kind) {
	case CH_CELL_TEXT:
	case CH_CELL_NAME:
		return chp_json_text(cell.text);
	case CH_CELL_SAFE:
		return json_string(cell.text);
	case CH_CELL_ADDR:
		return chp_json_addr(cell.number);
	case CH_CELL_PERCENT:
		return chp_json_percent(cell.number);
	case CH_CELL_SIGNED:
		return json_integer((json_int_t)cell.number);
	case CH_CELL_BOOL:
		return json_boolean(cell.number);
	case CH_CELL_ID:
		return id_json(cell.number);
	default:
		return chp_json_uint(cell.number);
	}
}

/* A struct that becomes an object, as far as it is. */
struct level {
	const struct ch_field_spec *field;
	const void *row;
	json_t *object;
	/* Of a field that is a list: its rows so far. */
	struct ch_rows rows;
	json_t *array;
};

struct writer {
	const struct ch_report *report;
	struct level levels[LEVELS_MAX];
	size_t depth;
	bool failed;
};

/* Release what is under way; the tables end here. */
static void fail(struct writer *writer)
{
	size_t i;

	for (i = 0; i < writer->depth; i++) {
		json_decref(writer->levels[i].object);
		json_decref(writer->levels[i].array);
	}
	writer->depth = 0;
	writer->failed = true;
}

/* Takes object. */
static void enter(struct writer *writer, const struct ch_field_spec *fields, const void *row,
		  json_t *object)
{
	if (!object || writer->depth == LEVELS_MAX) {
		json_decref(object);
		fail(writer);
		return;
	}
	writer->levels[writer->depth++] =
		(struct level){ .field = fields, .row = row, .object = object };
}

/* Takes value. */
static void set(struct writer *writer, struct level *level, json_t *value)
{
	if (json_object_set_new(level->object, level->field->key, value) == 0)
		level->field++;
	else
		fail(writer);
}

/* The next row of the list that a level stands at, or the list as it is done. */
static void next_row(struct writer *writer, struct level *level)
{
	const struct ch_rows *rows = &level->rows;
	size_t done = json_array_size(level->array);
	json_t *array = level->array;

	if (done < rows->count) {
		enter(writer, level->field->fields,
		      (const char *)rows->items + done * rows->item_size, json_object());
		return;
	}
	level->array = NULL;
	set(writer, level, array);
}

static void write_object(struct writer *writer, struct level *level)
{
	const struct ch_field_spec *field = level->field;
	const void *at = field_at(field, level->row);

	if (field->flags & CH_FIELD_POINTED)
		at = *(const void *const *)at;
	if (field->flags & CH_FIELD_FLAT)
		enter(writer, field->fields, at, json_incref(level->object));
	else if (!at || !chp_field_is_known(field, level->row))
		set(writer, level, json_null());
	else
		enter(writer, field->fields, at, json_object());
}

static struct ch_rows rows_at(const struct ch_field_spec *field, const void *at)
{
	const struct ch_vec *vec = at;

	if (field->flags & CH_FIELD_VEC)
		return CH_VEC_ROWS(vec);
	return *(const struct ch_rows *)at;
}

static json_t *values_json(const struct ch_field_spec *value, struct ch_rows rows)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < rows.count; i++)
		chp_json_append_take(
			&array, cell_json(value, (const char *)rows.items + i * rows.item_size));
	return array;
}

/* NULL: a list that was not asked for. */
static json_t *list_json(struct ch_list_state *list)
{
	json_t *array;

	if (!list)
		return json_null();
	array = list->array;
	list->array = NULL;
	return array;
}

static void write_field(struct writer *writer, struct level *level)
{
	const struct ch_field_spec *field = level->field;
	const void *at = field_at(field, level->row);

	if ((!field->key && !(field->flags & CH_FIELD_FLAT)) ||
	    (field->flags & CH_FIELD_ASKED && !chp_field_is_known(field, level->row))) {
		level->field++;
	} else if (field->kind == CH_CELL_OBJECT) {
		write_object(writer, level);
	} else if (field->kind == CH_CELL_ROWS && chp_field_is_known(field, level->row)) {
		level->rows = rows_at(field, at);
		level->array = json_array();
		if (level->array)
			next_row(writer, level);
		else
			fail(writer);
	} else if (field->kind == CH_CELL_VALUES && chp_field_is_known(field, level->row)) {
		set(writer, level, values_json(field->fields, rows_at(field, at)));
	} else if (field->kind == CH_CELL_LIST) {
		set(writer, level, list_json(*(struct ch_list_state *const *)at));
	} else if (field->kind == CH_CELL_PART) {
		set(writer, level, field->part(writer->report, level->row));
	} else if (field->kind == CH_CELL_ROWS || field->kind == CH_CELL_VALUES) {
		set(writer, level, json_null());
	} else {
		set(writer, level, cell_json(field, level->row));
	}
}

/* A level has no more fields: it becomes a value of the one around it. */
static void leave(struct writer *writer)
{
	json_t *object = writer->levels[--writer->depth].object;
	struct level *outer = &writer->levels[writer->depth - 1];

	if (outer->array) {
		if (json_array_append_new(outer->array, object) == 0)
			next_row(writer, outer);
		else
			fail(writer);
	} else if (outer->field->flags & CH_FIELD_FLAT) {
		json_decref(object);
		outer->field++;
	} else {
		set(writer, outer, object);
	}
}

json_t *chp_fields_json(const struct ch_report *report, const struct ch_field_spec *fields,
			const void *row)
{
	struct writer writer = { .report = report };
	struct level *level;

	enter(&writer, fields, row, json_object());
	while (!writer.failed) {
		level = &writer.levels[writer.depth - 1];
		if (!chp_field_is_end(level->field))
			write_field(&writer, level);
		else if (writer.depth > 1)
			leave(&writer);
		else
			return level->object;
	}
	return NULL;
}

/* ---- Text -------------------------------------------------------------------------------- */

static struct ch_error *print_text(const struct ch_report *report,
				   const struct ch_field_spec *field, const char *text)
{
	_cleanup_free_ char *safe =
		field->kind == CH_CELL_SAFE ? strdup(text) : chp_text_escape(text, TEXT_BYTES_MAX);

	if (!safe)
		return &ch_enomem;
	chp_report_field(report, field->title, "%s", safe);
	return NULL;
}

static struct ch_error *print_field(const struct ch_report *report,
				    const struct ch_field_spec *field, const void *row)
{
	struct ch_cell cell = chp_field_cell(field, row);

	if (cell.absent)
		return NULL;
	if (is_text(field->kind))
		return cell.text ? print_text(report, field, cell.text) : NULL;
	if (field->kind == CH_CELL_ADDR)
		chp_report_field(report, field->title, "0x%" PRIx64, cell.number);
	else if (field->kind == CH_CELL_BYTES)
		chp_report_bytes_field(report, field->title, cell.number);
	else
		chp_report_count_field(report, field->title, cell.number);
	return NULL;
}

struct ch_error *chp_fields_print(const struct ch_report *report,
				  const struct ch_field_spec *fields, const void *row)
{
	struct ch_error *err = NULL;

	for (; !err && !chp_field_is_end(fields); fields++)
		if (fields->title && fields->kind < CH_CELL_OBJECT)
			err = print_field(report, fields, row);
	return err;
}
