/*
 * Writes the JSON Schemas of docs/schema from the tables of fields.
 *
 *	schemas FOLDER		writes FOLDER/NAME.json for each document that has a table
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render/document.h"
#include "util/cleanup.h"

/* Takes value; without memory there is nothing to write. */
static void set(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value) == 0)
		return;
	fputs("out of memory\n", stderr);
	exit(1);
}

static void append(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) == 0)
		return;
	fputs("out of memory\n", stderr);
	exit(1);
}

static bool may_be_null(const struct ch_field_spec *field)
{
	return field->flags & CH_FIELD_OPTIONAL ||
	       (field->flags & CH_FIELD_NOT_ZERO && field->kind < CH_CELL_OBJECT);
}

static bool is_list(const struct ch_field_spec *field)
{
	return field->kind == CH_CELL_ROWS || field->kind == CH_CELL_VALUES ||
	       field->kind == CH_CELL_LIST || (field->kind == CH_CELL_PART && field->fields);
}

static void set_type(json_t *schema, const char *type, bool or_null)
{
	set(schema, "type", or_null ? json_pack("[s, s]", type, "null") : json_string(type));
}

/* A part of envelope.json; those with a form of their own for null have it there. */
static void set_ref(json_t *schema, const char *part, bool or_null)
{
	bool own = strcmp(part, "addr") == 0 || strcmp(part, "percent") == 0;
	char ref[128];

	snprintf(ref, sizeof(ref), "envelope.json#/$defs/%s%s", part,
		 or_null && own ? "_or_null" : "");
	if (or_null && !own)
		set(schema, "anyOf", json_pack("[{s:s}, {s:s}]", "$ref", ref, "type", "null"));
	else
		set(schema, "$ref", json_string(ref));
}

static void set_words(json_t *schema, const char *words, bool or_null)
{
	json_t *array = json_array();
	size_t len;

	for (; *words; words += len + (words[len] == '|')) {
		len = strcspn(words, "|");
		append(array, json_stringn(words, len));
	}
	if (or_null)
		append(array, json_null());
	set(schema, "enum", array);
}

static void set_number(json_t *schema, const struct ch_field_spec *field)
{
	uint64_t least = field->flags & CH_FIELD_NOT_ZERO && !field->least ? 1 : field->least;

	set_type(schema, "integer", may_be_null(field));
	set(schema, "minimum", json_integer((json_int_t)least));
}

/* What a value is that has no fields of its own. */
static void set_value(json_t *schema, const struct ch_field_spec *field)
{
	bool or_null = may_be_null(field);

	if (field->ref) {
		set_ref(schema, field->ref, or_null);
		return;
	}
	if (field->words) {
		set_words(schema, field->words, or_null);
		return;
	}
	switch (field->kind) {
	case CH_CELL_TEXT:
	case CH_CELL_NAME:
	case CH_CELL_SAFE:
		set_type(schema, "string", or_null);
		if (field->pattern)
			set(schema, "pattern", json_string(field->pattern));
		return;
	case CH_CELL_ADDR:
		set_ref(schema, "addr", or_null);
		return;
	case CH_CELL_PERCENT:
		set_ref(schema, "percent", or_null);
		return;
	case CH_CELL_ID:
		set_ref(schema, "id", or_null);
		return;
	case CH_CELL_BOOL:
		set_type(schema, "boolean", or_null);
		return;
	case CH_CELL_SIGNED:
		set_type(schema, "integer", or_null);
		return;
	default:
		set_number(schema, field);
	}
}

/* Tables are ours, and end: recursion goes as deep as they are nested.
 * NOLINTBEGIN(misc-no-recursion) */
static void set_fields(json_t *schema, const struct ch_field_spec *fields);

static json_t *object_of(const struct ch_field_spec *fields, bool or_null)
{
	json_t *schema = json_object();

	set_type(schema, "object", or_null);
	set(schema, "required", json_array());
	set(schema, "properties", json_object());
	set_fields(schema, fields);
	return schema;
}

/* Rows that are lines, too, are described once. */
static json_t *items_of(const struct ch_field_spec *field)
{
	json_t *schema;

	if (field->kind == CH_CELL_VALUES) {
		schema = json_object();
		set_value(schema, field->fields);
		return schema;
	}
	if (field->list && field->list->stream)
		return json_pack("{s:s}", "$ref", "#/$defs/record");
	return object_of(field->list ? field->list->fields : field->fields, false);
}

static json_t *schema_of(const struct ch_field_spec *field)
{
	json_t *schema;

	if (field->kind == CH_CELL_OBJECT || field->object) {
		schema = object_of(field->object ? field->object : field->fields,
				   may_be_null(field));
	} else {
		schema = json_object();
		if (is_list(field)) {
			set_type(schema, "array", may_be_null(field));
			set(schema, "items", items_of(field));
		} else {
			set_value(schema, field);
		}
	}
	set(schema, "description", json_string(field->about));
	return schema;
}

static void set_fields(json_t *schema, const struct ch_field_spec *fields)
{
	const struct ch_field_spec *field;

	for (field = fields; !chp_field_is_end(field); field++) {
		if (field->flags & CH_FIELD_FLAT) {
			set_fields(schema, field->fields);
		} else if (field->key) {
			if (!(field->flags & (CH_FIELD_ASKED | CH_FIELD_LATER)))
				append(json_object_get(schema, "required"),
				       json_string(field->key));
			set(json_object_get(schema, "properties"), field->key, schema_of(field));
		}
	}
}

/* NOLINTEND(misc-no-recursion) */

static const struct ch_list *stream_of(const struct ch_document *document)
{
	const struct ch_field_spec *field;

	for (field = document->fields; !chp_field_is_end(field); field++)
		if (field->kind == CH_CELL_LIST && field->list->stream)
			return field->list;
	return NULL;
}

/* What the lines of --jsonl have beside their fields: which dump they are of, and the last one
 * that it is the last. */
static json_t *line_of(const struct ch_field_spec *fields, bool closing)
{
	json_t *schema = object_of(fields, false);
	json_t *properties = json_object_get(schema, "properties");

	set(properties, "dump_id",
	    json_pack("{s:s, s:s}", "$ref", "envelope.json#/$defs/id", "description",
		      closing ? "`dump.id` of the envelope."
			      : "`dump.id` of the envelope; only in lines."));
	if (!closing)
		return schema;
	set(properties, "closing",
	    json_pack("{s:b, s:s}", "const", 1, "description",
		      "That this is the last line: no other one has it."));
	append(json_object_get(schema, "required"), json_string("closing"));
	append(json_object_get(schema, "required"), json_string("dump_id"));
	return schema;
}

static void set_lines(json_t *schema, const struct ch_document *document)
{
	const struct ch_list *list = stream_of(document);

	if (!list)
		return;
	set(schema, "$defs",
	    json_pack("{s:o, s:o}", "record", line_of(list->fields, false), "closing",
		      line_of(document->closing, true)));
}

static json_t *document_schema(const struct ch_document *document)
{
	char name[64];
	json_t *schema;

	snprintf(name, sizeof(name), "coreheap/%s", document->name);
	schema = json_pack("{s:s, s:s+, s:s, s:s, s:s, s:[{s:s}], s:[], s:{s:{s:s}}}", "$schema",
			   "https://json-schema.org/draft/2020-12/schema", "$id", document->name,
			   ".json", "title", document->title, "description",
			   "Made by `make schemas` from the tables of src/report.", "type",
			   "object", "allOf", "$ref", "envelope.json", "required", "properties",
			   "schema", "const", name);
	if (document->others)
		set(schema, "anyOf",
		    json_pack("[o, o]", object_of(document->fields, false),
			      object_of(document->others, false)));
	else
		set_fields(schema, document->fields);
	set_lines(schema, document);
	return schema;
}

int main(int argc, char **argv)
{
	const struct ch_document *const *document;
	char path[4096];
	json_t *schema;

	if (argc != 2) {
		fputs("usage: schemas FOLDER\n", stderr);
		return 2;
	}
	for (document = chp_documents; *document; document++) {
		snprintf(path, sizeof(path), "%s/%s.json", argv[1], (*document)->name);
		schema = document_schema(*document);
		if (!schema || json_dump_file(schema, path, JSON_INDENT(2)) != 0) {
			fprintf(stderr, "%s: %s\n", path, strerror(errno));
			return 1;
		}
		json_decref(schema);
	}
	return 0;
}
