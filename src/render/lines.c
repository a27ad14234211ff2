/*
 * Rows put together by hand, as millions of them may be asked for.
 */
#include "render/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

#define BUFFER_BYTES 65536
/* Longest text of a cell, and what numbers and padding need. */
#define TEXT_BYTES_MAX 4096
#define CELL_BYTES_MAX (6 * TEXT_BYTES_MAX)
#define KEY_BYTES_MAX  64
#define DUMP_KEY       ",\"dump_id\":\"\""

/* A field of JSON, with what is written before its value. */
struct member {
	const struct ch_field_spec *field;
	char before[KEY_BYTES_MAX];
	size_t before_len;
};

struct ch_lines {
	const struct ch_report *report;
	struct member members[CH_COLUMNS_MAX];
	size_t members_count;
	/* Fields with a title in the order of columns, ended by NULL. */
	const struct ch_field_spec *columns[CH_COLUMNS_MAX + 1];
	const char *document, *key;
	uint64_t count;
	bool begun;
	/* Behind the fields of a record (JSONL): which dump it is of. */
	char dump[CH_DUMP_ID_MAX + sizeof(DUMP_KEY)];
	size_t used;
	char buffer[BUFFER_BYTES];
};

static void add_member(struct ch_lines *lines, const struct ch_field_spec *field)
{
	struct member *member = &lines->members[lines->members_count];
	int len;

	len = snprintf(member->before, sizeof(member->before),
		       "%c\"%s\":", lines->members_count ? ',' : '{', field->key);
	member->field = field;
	member->before_len = len < 0 ? 0 : (size_t)len;
	lines->members_count++;
}

struct ch_lines *chp_lines_create(const struct ch_report *report,
				  const struct ch_field_spec *fields, const char *document,
				  const char *key)
{
	struct ch_lines *lines = calloc(1, sizeof(*lines));
	char id[CH_DUMP_ID_MAX];

	if (!lines)
		return NULL;
	lines->report = report;
	lines->document = document;
	lines->key = key;
	if (report->format == CH_FORMAT_JSONL && chp_json_dump_id(report, id)[0])
		snprintf(lines->dump, sizeof(lines->dump), ",\"dump_id\":\"%s\"", id);
	chp_fields_columns(fields, lines->columns);
	for (; !chp_field_is_end(fields); fields++)
		if (fields->key && lines->members_count < CH_COLUMNS_MAX)
			add_member(lines, fields);
	return lines;
}

void chp_lines_destroy(struct ch_lines *lines)
{
	free(lines);
}

static struct ch_error *write_out(struct ch_lines *lines)
{
	size_t used = lines->used;

	lines->used = 0;
	errno = 0;
	if (fwrite(lines->buffer, 1, used, lines->report->out) == used)
		return NULL;
	return ch_error_os(errno, "output", "cannot write");
}

/* ---- Parts of a row: there is room for a cell ---------------------------------- */

static void put(struct ch_lines *lines, const char *text, size_t len)
{
	memcpy(lines->buffer + lines->used, text, len);
	lines->used += len;
}

#define PUT(lines, literal) put(lines, literal, sizeof(literal) - 1)

static void put_text(struct ch_lines *lines, const char *text)
{
	put(lines, text, ch_min(strlen(text), TEXT_BYTES_MAX));
}

static void pad(struct ch_lines *lines, size_t len, size_t width)
{
	for (; len < width; len++)
		PUT(lines, " ");
}

static void put_hex(struct ch_lines *lines, uint64_t number)
{
	char digits[18], *p = digits + sizeof(digits);

	do
		*--p = "0123456789abcdef"[number & 15];
	while (number >>= 4);
	*--p = 'x';
	*--p = '0';
	put(lines, p, (size_t)(digits + sizeof(digits) - p));
}

static void put_number(struct ch_lines *lines, uint64_t number)
{
	char digits[20], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + number % 10);
	while (number /= 10);
	put(lines, p, (size_t)(digits + sizeof(digits) - p));
}

/* Whether JSON has another form of it. */
static bool is_special(char c)
{
	return (unsigned char)c < 0x20 || (unsigned char)c >= 0x7f || c == '"' || c == '\\';
}

static struct ch_error *put_escaped(struct ch_lines *lines, const char *text)
{
	_cleanup_free_ char *quoted = NULL;
	json_t *json = json_string(text);

	if (json)
		quoted = json_dumps(json, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	json_decref(json);
	if (!quoted)
		return &ch_enomem;
	put(lines, quoted, ch_min(strlen(quoted), CELL_BYTES_MAX / 2));
	return NULL;
}

static struct ch_error *put_quoted(struct ch_lines *lines, const char *text)
{
	char *to = lines->buffer + lines->used;
	size_t i;

	*to++ = '"';
	for (i = 0; text[i] && i < TEXT_BYTES_MAX; i++) {
		if (is_special(text[i]))
			return put_escaped(lines, text);
		*to++ = text[i];
	}
	*to++ = '"';
	lines->used = (size_t)(to - lines->buffer);
	return NULL;
}

/* ---- Rows ---------------------------------------------------------------------- */

static struct ch_error *put_value(struct ch_lines *lines, const struct member *member,
				  const void *row)
{
	struct ch_cell cell = chp_field_cell(member->field, row);

	put(lines, member->before, member->before_len);
	if (cell.absent) {
		PUT(lines, "null");
	} else if (member->field->kind == CH_CELL_SAFE) {
		return put_quoted(lines, cell.text);
	} else if (member->field->kind == CH_CELL_ADDR) {
		PUT(lines, "\"");
		put_hex(lines, cell.number);
		PUT(lines, "\"");
	} else {
		put_number(lines, cell.number);
	}
	return NULL;
}

static struct ch_error *put_json(struct ch_lines *lines, const void *row)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < lines->members_count; i++) {
		if (lines->used > BUFFER_BYTES - CELL_BYTES_MAX)
			err = write_out(lines);
		if (!err)
			err = put_value(lines, &lines->members[i], row);
	}
	put_text(lines, lines->dump);
	PUT(lines, "}");
	return err;
}

static void put_plain(struct ch_lines *lines, const struct ch_field_spec *field,
		      const struct ch_cell *cell)
{
	if (cell->absent)
		return;
	if (field->kind == CH_CELL_SAFE)
		put_text(lines, cell->text);
	else if (field->kind == CH_CELL_ADDR)
		put_hex(lines, cell->number);
	else
		put_number(lines, cell->number);
}

/* Numbers that count to the right, with separators. */
static void put_aligned(struct ch_lines *lines, const struct ch_field_spec *field,
			const struct ch_cell *cell)
{
	char text[CH_BYTES_TEXT_MAX];
	size_t start = lines->used;

	if (cell->absent) {
		PUT(lines, "-");
	} else if (field->kind == CH_CELL_COUNT || field->kind == CH_CELL_BYTES) {
		chp_count_text(cell->number, text);
		pad(lines, strlen(text), field->width);
		put_text(lines, text);
	} else {
		put_plain(lines, field, cell);
	}
	pad(lines, lines->used - start, field->width);
}

static struct ch_error *put_columns(struct ch_lines *lines, const void *row)
{
	bool plain = lines->report->format == CH_FORMAT_PLAIN;
	const struct ch_field_spec *const *field;
	struct ch_error *err = NULL;
	struct ch_cell cell;

	for (field = lines->columns; *field; field++) {
		if (lines->used > BUFFER_BYTES - CELL_BYTES_MAX)
			err = write_out(lines);
		if (err)
			return err;
		cell = chp_field_cell(*field, row);
		/* the last one, where it is not always there */
		if (!plain && cell.absent && !field[1] && !(*field)->width)
			continue;
		if (field != lines->columns)
			put_text(lines, plain ? "\t" : "  ");
		if (plain)
			put_plain(lines, *field, &cell);
		else
			put_aligned(lines, *field, &cell);
	}
	PUT(lines, "\n");
	return NULL;
}

/* ---- What is around them ------------------------------------------------------- */

static void put_titles(struct ch_lines *lines)
{
	bool plain = lines->report->format == CH_FORMAT_PLAIN;
	const struct ch_field_spec *const *field;
	const struct ch_field_spec *at;

	for (field = lines->columns; *field; field++) {
		at = *field;
		if (!plain && at->flags & CH_FIELD_OPTIONAL && !field[1] && !at->width)
			continue;
		if (field != lines->columns)
			put_text(lines, plain ? "\t" : "  ");
		if (!plain && (at->kind == CH_CELL_COUNT || at->kind == CH_CELL_BYTES))
			pad(lines, strlen(at->title), at->width);
		put_text(lines, at->title);
		if (!plain && field[1] && at->kind != CH_CELL_COUNT && at->kind != CH_CELL_BYTES)
			pad(lines, strlen(at->title), at->width);
	}
	PUT(lines, "\n");
}

/* The rows may not fit in memory, so they are put into the printed envelope before its
 * closing brace. */
static struct ch_error *begin_document(struct ch_lines *lines)
{
	_cleanup_free_ char *head = NULL;
	json_t *envelope = chp_json_envelope(lines->report, lines->document);
	size_t len;

	if (envelope)
		head = json_dumps(envelope, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	json_decref(envelope);
	if (!head)
		return &ch_enomem;
	len = strlen(head);
	while (len && (head[len - 1] == '}' || head[len - 1] == '\n'))
		len--;
	fwrite(head, 1, len, lines->report->out);
	fprintf(lines->report->out, ",\n  \"%s\": [", lines->key);
	return NULL;
}

static struct ch_error *begin(struct ch_lines *lines)
{
	if (lines->begun)
		return NULL;
	lines->begun = true;
	if (lines->report->format == CH_FORMAT_JSON)
		return begin_document(lines);
	/* lines of one column need no heading */
	if (!chp_report_is_json(lines->report) && lines->columns[0] && lines->columns[1])
		put_titles(lines);
	return NULL;
}

struct ch_error *chp_lines_row(struct ch_lines *lines, const void *row)
{
	struct ch_error *err = begin(lines);

	/* what is written ends with a row, should this be the last one before somebody ends the
	 * run: a row that needs more than two cells' room is rare */
	if (!err && lines->used > BUFFER_BYTES - 2 * CELL_BYTES_MAX)
		err = write_out(lines);
	if (err)
		return err;
	if (!chp_report_is_json(lines->report))
		return put_columns(lines, row);
	if (lines->report->format == CH_FORMAT_JSON)
		put_text(lines, lines->count ? ",\n    " : "\n    ");
	lines->count++;
	err = put_json(lines, row);
	if (lines->report->format == CH_FORMAT_JSONL)
		PUT(lines, "\n");
	return err;
}

struct ch_error *chp_lines_flush(struct ch_lines *lines)
{
	struct ch_error *err = begin(lines);

	return err ? err : write_out(lines);
}

struct ch_error *chp_lines_end_take(struct ch_lines *lines, json_t *rest)
{
	_cleanup_free_ char *text =
		rest ? json_dumps(rest, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;
	struct ch_error *err = text ? chp_lines_flush(lines) : &ch_enomem;

	json_decref(rest);
	/* behind its opening brace */
	if (!err)
		fprintf(lines->report->out, "%s],%s\n", lines->count ? "\n  " : "", text + 1);
	return err;
}
