/*
 * One object or block with its fields or words, as lines and as JSON.
 */
#include "report/show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/contents.h"
#include "report/heap.h"
#include "report/traces.h"
#include "util/cleanup.h"
#include "util/text.h"

#define TEXT_BYTES_MAX 20480

static const char *const kind_names[] = { "bytes",  "reference", "struct", "bool",   "char",
					  "signed", "unsigned",  "float",  "pointer" };
static const char *const shape_names[] = { "object", "boxed value", "array", "string", "free" };

/* A module's target ("module!symbol") is code or data; a word may lead behind it. */
static char *target_text(const struct ch_target *target)
{
	char into[32] = "", count[48] = "";
	char *ret = NULL;
	int len = -1;

	if (target->into)
		snprintf(into, sizeof(into), "+0x%" PRIx64, target->into);
	if (target->counted)
		snprintf(count, sizeof(count), ", %" PRIu64 " %s", target->count, target->counted);
	switch (target->kind) {
	case CH_TARGET_NONE:
		return strdup("");
	case CH_TARGET_NULL:
		return strdup("null");
	case CH_TARGET_BAD:
		if (target->hidden)
			return strdup("(no object)");
		len = asprintf(&ret, "0x%" PRIx64 " (no object)", target->addr);
		break;
	case CH_TARGET_STACK:
		len = asprintf(&ret, "-> 0x%" PRIx64 " stack of thread %u", target->addr,
			       target->tid);
		break;
	case CH_TARGET_MEMORY:
		len = asprintf(&ret, "-> 0x%" PRIx64 " memory: %s", target->addr, target->name);
		break;
	case CH_TARGET_OBJECT:
	case CH_TARGET_MODULE:
	case CH_TARGET_METHOD:
		len = asprintf(&ret, "-> 0x%" PRIx64 " %s%s%s", target->addr, target->name, into,
			       count);
		break;
	}
	return len < 0 ? NULL : ret;
}

/* What stands in the column of values. */
static char *value_text(const struct ch_show_row *row)
{
	_cleanup_free_ char *target = target_text(&row->target);
	char *ret = NULL;
	int len;

	if (!target)
		return NULL;
	if (row->in_image)
		return strdup("(in the image)");
	if (!row->addr)
		return strdup("(not there yet)");
	if (!row->present)
		return strdup("(not in the core)");
	if (row->words > 1)
		len = asprintf(&ret, "%" PRIu64 " words that lead nowhere", row->words);
	else if (row->value && *target && row->kind != CH_VALUE_POINTER)
		len = asprintf(&ret, "%s %s", row->value, target);
	else
		return strdup(*target ? target : row->value ? row->value : "-");
	return len < 0 ? NULL : ret;
}

/* ---- JSON -------------------------------------------------------------------- */

static json_t *json_row(const struct ch_show_row *row)
{
	const struct ch_target *target = &row->target;
	bool leads = target->kind != CH_TARGET_NONE && target->kind != CH_TARGET_NULL;

	return json_pack(
		"{s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:i, s:b, s:o, s:b, s:o, s:o, s:o, s:o, s:b, "
		"s:o, s:o}",
		"name", chp_json_text(row->name), "declared_by", chp_json_text(row->declared_by),
		"type", chp_json_text(row->type), "kind", kind_names[row->kind], "offset",
		chp_json_uint(row->offset), "addr",
		row->addr ? chp_json_addr(row->addr) : json_null(), "size_bytes",
		row->size_bytes ? chp_json_uint(row->size_bytes) : json_null(), "depth",
		(int)row->depth, "static", (int)row->is_static, "thread",
		row->tid ? chp_json_uint(row->tid) : json_null(), "present", (int)row->present,
		"target_addr", leads && !target->hidden ? chp_json_addr(target->addr) : json_null(),
		"target_type",
		chp_json_text(target->kind == CH_TARGET_STACK ? "stack" : target->name),
		"target_offset", leads ? chp_json_uint(target->into) : json_null(), "target_count",
		target->counted ? chp_json_uint(target->count) : json_null(), "null",
		(int)(target->kind == CH_TARGET_NULL), "words_count",
		row->words ? chp_json_uint(row->words) : json_null(), "value",
		chp_json_text(row->value));
}

static json_t *json_rows(const struct ch_show_result *result)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < result->rows.count; i++)
		chp_json_append_take(&array,
				     json_row(CH_VEC_AT(&result->rows, struct ch_show_row, i)));
	return array;
}

static json_t *json_lengths(const struct ch_object_shape *shape)
{
	json_t *array = json_array();
	uint32_t i;

	for (i = 0; i < shape->rank; i++)
		chp_json_append_take(&array, json_pack("{s:I, s:I}", "length",
						       (json_int_t)shape->lengths[i], "lower_bound",
						       (json_int_t)shape->lower[i]));
	return array;
}

static bool is_addr_key(const char *key)
{
	size_t len = strlen(key);

	return len > 5 && strcmp(key + len - 5, "_addr") == 0;
}

static json_t *json_facts(const struct ch_object_shape *shape)
{
	json_t *object = json_object();
	const struct ch_fact *fact;
	size_t i;

	for (i = 0; i < shape->facts_count; i++) {
		fact = &shape->facts[i];
		json_object_set_new(object, fact->key,
				    fact->text               ? chp_json_text(fact->text)
				    : is_addr_key(fact->key) ? chp_json_addr(fact->number)
							     : chp_json_uint(fact->number));
	}
	return object;
}

static json_t *json_shape(const struct ch_show_result *result)
{
	const struct ch_object_shape *shape = &result->shape;
	bool counted = shape->kind == CH_SHAPE_ARRAY || shape->kind == CH_SHAPE_STRING;

	if (!result->has_shape)
		return json_null();
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o}", "kind", shape_names[shape->kind], "element_type",
		chp_json_text(shape->element_type[0] ? shape->element_type : NULL), "count",
		counted ? chp_json_uint(shape->count) : json_null(), "element_bytes",
		counted ? chp_json_uint(shape->element_bytes) : json_null(), "dimensions",
		shape->kind == CH_SHAPE_ARRAY ? json_lengths(shape) : json_null(), "detail",
		json_facts(shape));
}

static json_t *json_module_of(const struct ch_show_result *result)
{
	size_t i;

	for (i = 0; result->has_shape && i < result->shape.facts_count; i++)
		if (strcmp(result->shape.facts[i].key, "module") == 0)
			return chp_json_text(result->shape.facts[i].text);
	return json_null();
}

/* Keys of the object itself; all are null where only a type is shown. */
static json_t *json_block(const struct ch_show_result *result)
{
	static const char *const keys[] = { "addr",       "size_bytes", "chunk_bytes", "heap",
					    "generation", "state",      "kind",        "place" };
	const struct ch_object *object = &result->object;
	const struct ch_heap *heap = result->heap;
	json_t *body = json_object();
	size_t i;

	for (i = 0; !result->has_object && i < CH_COUNT_OF(keys); i++)
		json_object_set_new(body, keys[i], json_null());
	if (!result->has_object)
		return body;
	json_decref(body);
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:o}", "addr", chp_json_addr(object->addr),
		"size_bytes", chp_json_uint(object->size_bytes), "chunk_bytes",
		chp_json_uint(object->chunk_bytes), "heap", chp_json_text(heap->name), "generation",
		strcmp(heap->kind, "generation") == 0 ? chp_json_text(chp_generation_name(heap))
						      : json_null(),
		"state", ch_object_state_name((enum ch_object_state)object->state), "kind",
		ch_type_kind_name(ch_object_kind(object)), "place",
		chp_json_text(chp_object_place(object)));
}

static struct ch_error *print_json(const struct ch_report *report,
				   const struct ch_show_result *result)
{
	json_t *value = json_null(), *body = json_block(result), *rest;

	if (result->is_value)
		value = json_pack("{s:o, s:o}", "addr", chp_json_addr(result->value_addr), "type",
				  chp_json_text(result->value_type));
	rest = json_pack(
		"{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "type",
		chp_json_text(result->type), "runtime", result->runtime, "module",
		json_module_of(result), "shape", json_shape(result), "detail",
		chp_json_text(result->detail), "text", chp_json_text(result->text), "value", value,
		"fields", json_rows(result), "items_count", chp_json_uint(result->items_count),
		"items_shown_count", chp_json_uint(result->items_shown), "stack_trace",
		result->has_trace ? chp_json_trace(report, &result->trace, result->frames.items,
						   result->frames.count)
				  : json_null());
	if (!body || !rest || json_object_update(body, rest) != 0) {
		json_decref(body);
		body = NULL;
	}
	json_decref(rest);
	return chp_json_print_take(
		report,
		chp_json_document_take(report, "show",
				       json_pack("{s:o, s:o}", "path", chp_json_text(result->path),
						 "object", body)));
}

/* ---- Text -------------------------------------------------------------------- */

static struct ch_error *put_escaped(const struct ch_report *report, const char *label,
				    const char *text)
{
	_cleanup_free_ char *safe = chp_text_escape(text, TEXT_BYTES_MAX);

	if (!safe)
		return &ch_enomem;
	chp_report_field(report, label, "%s", safe);
	return NULL;
}

static void put_array(const struct ch_report *report, const struct ch_object_shape *shape)
{
	char text[CH_SHAPE_RANK_MAX * 32] = "";
	size_t len = 0;
	uint32_t i;

	for (i = 0; i < shape->rank && len < sizeof(text); i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%u", i ? " x " : "",
					shape->lengths[i]);
		if (shape->lower[i] && len < sizeof(text))
			len += (size_t)snprintf(text + len, sizeof(text) - len, " from %d",
						shape->lower[i]);
	}
	chp_report_field(report, "array", "rank %u, %s elements of %u bytes", shape->rank, text,
			 shape->element_bytes);
}

static struct ch_error *put_fact(const struct ch_report *report, const struct ch_fact *fact)
{
	char label[64];
	char *p;

	snprintf(label, sizeof(label), "%s", fact->key);
	for (p = label; *p; p++)
		if (*p == '_')
			*p = ' ';
	if (is_addr_key(fact->key)) {
		label[strlen(label) - 5] = '\0';
		chp_report_field(report, label, "0x%" PRIx64, fact->number);
		return NULL;
	}
	if (fact->text)
		return put_escaped(report, label, fact->text);
	chp_report_count_field(report, label, fact->number);
	return NULL;
}

static struct ch_error *put_shape(const struct ch_report *report,
				  const struct ch_show_result *result)
{
	const struct ch_object_shape *shape = &result->shape;
	struct ch_error *err = NULL;
	uint32_t frames = 0;
	size_t i;

	for (i = 0; !err && i < shape->facts_count; i++) {
		err = put_fact(report, &shape->facts[i]);
		frames += strcmp(shape->facts[i].key, "thrown_at") == 0 ||
			  strncmp(shape->facts[i].key, "called_from_", 12) == 0;
	}
	if (!err && result->has_trace)
		err = chp_print_trace(report, result->frames.items, result->frames.count, frames);
	if (!err && shape->kind == CH_SHAPE_ARRAY)
		err = put_escaped(report, "element type", shape->element_type);
	if (shape->kind == CH_SHAPE_ARRAY)
		put_array(report, shape);
	if (shape->kind == CH_SHAPE_BOXED)
		chp_report_field(report, "boxed", "a value with a header of its own");
	if (shape->kind == CH_SHAPE_STRING)
		chp_report_count_field(report, "characters", shape->count);
	if (!err && result->detail)
		err = put_escaped(report, "detail", result->detail);
	if (!err && result->text)
		err = put_escaped(report, result->text_cut ? "text (cut)" : "text", result->text);
	return err;
}

/* Flags of malloc's word of size (glibc, malloc/malloc.c, struct malloc_chunk). */
static void put_header(const struct ch_report *report, const struct ch_show_result *result)
{
	chp_report_field(report, "header", "16 bytes at 0x%" PRIx64 ": size %s%s%s%s",
			 result->object.addr - 16,
			 chp_core_size(ch_session_core(report->session),
				       result->header & ~(uint64_t)7, "that cannot be")
				 .text,
			 result->header & 1 ? ", the block before it is in use" : "",
			 result->header & 2 ? ", own mapping" : "",
			 result->header & 4 ? ", not of the main arena" : "");
}

/* The block, and where it lies. */
static struct ch_error *put_object(const struct ch_report *report,
				   const struct ch_show_result *result)
{
	const struct ch_object *object = &result->object;
	const char *place = chp_object_place(object);
	char bytes[CH_BYTES_TEXT_MAX], chunk[CH_BYTES_TEXT_MAX];
	struct ch_error *err;

	chp_report_field(report, "object", "0x%" PRIx64, object->addr);
	if (result->into)
		chp_report_field(report, "asked for", "0x%" PRIx64 ", +0x%" PRIx64 " in it",
				 object->addr + result->into, result->into);
	err = put_escaped(report, "type", result->type);
	if (err)
		return err;
	chp_report_field(report, "size", "%s, %s in its heap",
			 chp_report_bytes_text(report, object->size_bytes, bytes),
			 chp_report_bytes_text(report, object->chunk_bytes, chunk));
	chp_report_field(report, "state", "%s%s%s",
			 ch_object_state_name((enum ch_object_state)object->state),
			 place ? ", " : "", place ? place : "");
	err = put_escaped(report, "heap", result->heap->name);
	if (!err && result->has_header)
		put_header(report, result);
	return err;
}

static struct ch_error *put_head(const struct ch_report *report,
				 const struct ch_show_result *result)
{
	struct ch_error *err;

	err = result->has_object ? put_object(report, result)
				 : put_escaped(report, "type", result->type);
	if (!err && result->has_shape)
		err = put_shape(report, result);
	if (!err && result->path)
		err = put_escaped(report, "path", result->path);
	if (!err && result->is_value) {
		chp_report_field(report, "value at", "0x%" PRIx64, result->value_addr);
		err = put_escaped(report, "value type", result->value_type);
	}
	return err;
}

static struct ch_error *add_row(struct ch_table *table, const struct ch_show_row *row, bool statics)
{
	_cleanup_free_ char *value = value_text(row);
	char offset[64], attr[32] = "";

	if (!value)
		return &ch_enomem;
	snprintf(offset, sizeof(offset), "%*s+0x%" PRIx64, (int)(2 * row->depth), "", row->offset);
	if (row->tid)
		snprintf(attr, sizeof(attr), "thread %u", row->tid);
	else if (row->is_static)
		snprintf(attr, sizeof(attr), "static");
	const struct ch_cell cells[] = {
		statics && row->addr ? CH_CELL_NUM(row->addr) : CH_CELL_NONE,
		CH_CELL_STR(offset),
		row->size_bytes ? CH_CELL_NUM(row->size_bytes) : CH_CELL_NONE,
		CH_CELL_STR(row->name),
		CH_CELL_STR(row->type),
		CH_CELL_STR(attr[0] ? attr : NULL),
		CH_CELL_STR(value),
		CH_CELL_STR(row->depth ? NULL : row->declared_by),
	};
	/* Where they lie is of interest of statics: `refs` takes that. */
	return chp_table_row(table, statics ? cells : cells + 1);
}

static struct ch_error *add_word(struct ch_table *table, const struct ch_show_row *row)
{
	_cleanup_free_ char *value = value_text(row);
	char offset[64];

	if (!value)
		return &ch_enomem;
	snprintf(offset, sizeof(offset), "+0x%" PRIx64, row->offset);
	const struct ch_cell cells[] = { CH_CELL_STR(offset), CH_CELL_NUM(row->size_bytes),
					 CH_CELL_STR(value) };
	return chp_table_row(table, cells);
}

static struct ch_error *put_rows(const struct ch_report *report,
				 const struct ch_show_result *result)
{
	static const struct ch_column columns[] = {
		{ "LIES AT", CH_CELL_ADDR }, { "OFFSET", CH_CELL_TEXT },  { "SIZE", CH_CELL_COUNT },
		{ "FIELD", CH_CELL_TEXT },   { "TYPE", CH_CELL_TEXT },    { "ATTR", CH_CELL_TEXT },
		{ "VALUE", CH_CELL_TEXT },   { "OF TYPE", CH_CELL_TEXT },
	};
	static const struct ch_column words[] = { { "OFFSET", CH_CELL_TEXT },
						  { "SIZE", CH_CELL_COUNT },
						  { "WORD", CH_CELL_TEXT } };
	bool named =
		result->rows.count && CH_VEC_AT(&result->rows, struct ch_show_row, 0)->name != NULL;
	bool statics = named && CH_VEC_AT(&result->rows, struct ch_show_row, 0)->is_static;
	struct ch_error *err = NULL;
	struct ch_table *table;
	size_t i;

	if (!result->rows.count)
		return NULL;
	table = named ? chp_table_create(columns + !statics, CH_COUNT_OF(columns) - !statics)
		      : chp_table_create(words, CH_COUNT_OF(words));
	if (!table)
		return &ch_enomem;
	for (i = 0; !err && i < result->rows.count; i++)
		err = named ? add_row(table, CH_VEC_AT(&result->rows, struct ch_show_row, i),
				      statics)
			    : add_word(table, CH_VEC_AT(&result->rows, struct ch_show_row, i));
	if (!err) {
		if (report->format == CH_FORMAT_TEXT)
			fputc('\n', report->out);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

/* Whether something was left out because it is contents. */
static bool hides(const struct ch_show_result *result)
{
	const struct ch_show_row *row;
	size_t i;

	if (result->has_object && result->has_shape && !result->text && !result->is_value &&
	    (result->shape.kind == CH_SHAPE_STRING ||
	     (result->shape.kind == CH_SHAPE_ARRAY && result->items_count && !result->items_shown)))
		return true;
	for (i = 0; i < result->rows.count; i++) {
		row = CH_VEC_AT(&result->rows, struct ch_show_row, i);
		if (row->present && row->kind != CH_VALUE_STRUCT &&
		    row->kind != CH_VALUE_REFERENCE && row->target.kind == CH_TARGET_NONE)
			return true;
	}
	return false;
}

struct ch_error *ch_report_show(const struct ch_report *report, const struct ch_show_result *result)
{
	char shown[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];
	struct ch_error *err;

	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(report, result);
	err = put_head(report, result);
	if (!err)
		err = put_rows(report, result);
	if (err || report->format != CH_FORMAT_TEXT)
		return err;
	if (result->items_shown && result->items_shown < result->items_count)
		fprintf(report->out, "showing %s of %s\n",
			chp_count_text(result->items_shown, shown),
			chp_count_text(result->items_count, all));
	if (!report->reveal && hides(result))
		fputs("Numbers and text are not shown without --reveal.\n", report->out);
	chp_report_findings(report);
	return NULL;
}
