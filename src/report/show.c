/*
 * What is inside of one object or block.
 */
#include "report/show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/contents.h"
#include "render/document.h"
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
	/* a field of a type, in no object */
	if (!row->addr && !row->is_static)
		return strdup("");
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

/* ---- Fields of a row ---------------------------------------------------------- */

#define ROW(member)    CH_AT(struct ch_show_row, member)
#define RESULT(member) CH_AT(struct ch_show_result, member)

static struct ch_cell row_kind(const void *row)
{
	return CH_CELL_STR(kind_names[((const struct ch_show_row *)row)->kind]);
}

static bool leads(const struct ch_target *target)
{
	return target->kind != CH_TARGET_NONE && target->kind != CH_TARGET_NULL;
}

static struct ch_cell target_addr(const void *row)
{
	const struct ch_target *target = &((const struct ch_show_row *)row)->target;

	return leads(target) && !target->hidden ? CH_CELL_NUM(target->addr) : CH_CELL_NONE;
}

static struct ch_cell target_type(const void *row)
{
	const struct ch_target *target = &((const struct ch_show_row *)row)->target;

	return CH_CELL_STR(target->kind == CH_TARGET_STACK ? "stack" : target->name);
}

static struct ch_cell target_offset(const void *row)
{
	const struct ch_target *target = &((const struct ch_show_row *)row)->target;

	return leads(target) ? CH_CELL_NUM(target->into) : CH_CELL_NONE;
}

static struct ch_cell target_count(const void *row)
{
	const struct ch_target *target = &((const struct ch_show_row *)row)->target;

	return target->counted ? CH_CELL_NUM(target->count) : CH_CELL_NONE;
}

static struct ch_cell is_null(const void *row)
{
	return CH_CELL_NUM(((const struct ch_show_row *)row)->target.kind == CH_TARGET_NULL);
}

static const struct ch_field_spec row_fields[] = {
	{ "name", NULL, CH_CELL_TEXT, "The field, with the structure it is in.", ROW(name),
	  .flags = CH_FIELD_OPTIONAL },
	{ "declared_by", NULL, CH_CELL_TEXT, "The type that declares it.", ROW(declared_by),
	  .flags = CH_FIELD_OPTIONAL },
	{ "type", NULL, CH_CELL_TEXT, "Its type.", ROW(type), .flags = CH_FIELD_OPTIONAL },
	{ "kind", NULL, CH_CELL_SAFE, "What it holds.", .get = row_kind,
	  .words = "bytes|reference|struct|bool|char|signed|unsigned|float|pointer" },
	{ "offset", NULL, CH_CELL_COUNT, "Where in the object it lies.", ROW(offset),
	  .flags = CH_FIELD_OPTIONAL },
	{ "addr", NULL, CH_CELL_ADDR, "Where it lies; null where it is not there yet.", ROW(addr),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "size_bytes", NULL, CH_CELL_BYTES, "Its size.", ROW(size_bytes),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "depth", NULL, CH_CELL_COUNT, "Structures it lies in, inside of the object.",
	  ROW(depth) },
	{ "static", NULL, CH_CELL_BOOL, "Whether it belongs to the type.", ROW(is_static) },
	{ "thread", NULL, CH_CELL_NUMBER, "The thread whose own it is.", ROW(tid),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "present", NULL, CH_CELL_BOOL, "Whether its bytes are in the core.", ROW(present) },
	{ "target_addr", NULL, CH_CELL_ADDR, "What it leads to.", .get = target_addr,
	  .flags = CH_FIELD_OPTIONAL },
	{ "target_type", NULL, CH_CELL_TEXT,
	  "Type of the object, a symbol, a method, stack, or a usage of memory.",
	  .get = target_type, .flags = CH_FIELD_OPTIONAL },
	{ "target_offset", NULL, CH_CELL_COUNT, "Where in that it points.", .get = target_offset,
	  .flags = CH_FIELD_OPTIONAL },
	{ "target_count", NULL, CH_CELL_COUNT, "Elements or characters of it.", .get = target_count,
	  .flags = CH_FIELD_OPTIONAL },
	{ "null", NULL, CH_CELL_BOOL, "Whether it leads nowhere.", .get = is_null },
	{ "words_count", NULL, CH_CELL_COUNT, "Of words that lead nowhere: how many.", ROW(words),
	  .flags = CH_FIELD_NOT_ZERO },
	{ "value", NULL, CH_CELL_TEXT, "Its value, with --reveal.", ROW(value),
	  .flags = CH_FIELD_OPTIONAL },
	CH_FIELDS_END,
};

/* ---- Fields of the object ----------------------------------------------------- */

static struct ch_cell shape_kind(const void *result)
{
	return CH_CELL_STR(shape_names[((const struct ch_show_result *)result)->shape.kind]);
}

static bool is_counted(const struct ch_object_shape *shape)
{
	return shape->kind == CH_SHAPE_ARRAY || shape->kind == CH_SHAPE_STRING;
}

static struct ch_cell shape_count(const void *result)
{
	const struct ch_object_shape *shape = &((const struct ch_show_result *)result)->shape;

	return is_counted(shape) ? CH_CELL_NUM(shape->count) : CH_CELL_NONE;
}

static struct ch_cell element_bytes(const void *result)
{
	const struct ch_object_shape *shape = &((const struct ch_show_result *)result)->shape;

	return is_counted(shape) ? CH_CELL_NUM(shape->element_bytes) : CH_CELL_NONE;
}

/* A dimension of an array. */
struct dimension {
	uint32_t length;
	int32_t lower_bound;
};

static const struct ch_field_spec dimension_fields[] = {
	{ "length", NULL, CH_CELL_SIGNED, "Elements.", CH_AT(struct dimension, length) },
	{ "lower_bound", NULL, CH_CELL_SIGNED, "Index of the first.",
	  CH_AT(struct dimension, lower_bound) },
	CH_FIELDS_END,
};

static json_t *dimensions_of(const struct ch_report *report, const void *result)
{
	const struct ch_object_shape *shape = &((const struct ch_show_result *)result)->shape;
	json_t *array = json_array();
	uint32_t i;

	if (shape->kind != CH_SHAPE_ARRAY) {
		json_decref(array);
		return json_null();
	}
	for (i = 0; i < shape->rank; i++)
		chp_json_append_take(
			&array,
			chp_fields_json(report, dimension_fields,
					&(struct dimension){ shape->lengths[i], shape->lower[i] }));
	return array;
}

static bool is_addr_key(const char *key)
{
	size_t len = strlen(key);

	return len > 5 && strcmp(key + len - 5, "_addr") == 0;
}

static json_t *facts_of(const struct ch_report *report, const void *result)
{
	const struct ch_object_shape *shape = &((const struct ch_show_result *)result)->shape;
	json_t *object = json_object();
	const struct ch_fact *fact;
	size_t i;

	(void)report;
	for (i = 0; i < shape->facts_count; i++) {
		fact = &shape->facts[i];
		json_object_set_new(object, fact->key,
				    fact->text               ? chp_json_text(fact->text)
				    : is_addr_key(fact->key) ? chp_json_addr(fact->number)
							     : chp_json_uint(fact->number));
	}
	return object;
}

static const struct ch_field_spec shape_fields[] = {
	{ "kind", NULL, CH_CELL_SAFE, "What it is.", .get = shape_kind,
	  .words = "object|boxed value|array|string|free" },
	{ "element_type", NULL, CH_CELL_TEXT, "Type of an array's elements.",
	  RESULT(shape.element_type), .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "count", NULL, CH_CELL_COUNT, "Elements or characters.", .get = shape_count,
	  .flags = CH_FIELD_OPTIONAL },
	{ "element_bytes", NULL, CH_CELL_BYTES, "Size of each.", .get = element_bytes,
	  .flags = CH_FIELD_OPTIONAL },
	{ "dimensions", NULL, CH_CELL_PART, "Of an array.", .part = dimensions_of,
	  .fields = dimension_fields, .flags = CH_FIELD_OPTIONAL },
	{ "detail", NULL, CH_CELL_PART, "What else its runtime says.", .part = facts_of,
	  .ref = "facts" },
	CH_FIELDS_END,
};

static struct ch_cell heap_name(const void *arg)
{
	const struct ch_show_result *result = arg;

	return CH_CELL_STR(result->has_object ? result->heap->name : NULL);
}

static struct ch_cell generation(const void *arg)
{
	const struct ch_show_result *result = arg;
	bool known = result->has_object && strcmp(result->heap->kind, "generation") == 0;

	return CH_CELL_STR(known ? chp_generation_name(result->heap) : NULL);
}

static struct ch_cell object_state(const void *result)
{
	const struct ch_object *object = &((const struct ch_show_result *)result)->object;

	return CH_CELL_STR(ch_object_state_name((enum ch_object_state)object->state));
}

static struct ch_cell object_kind(const void *result)
{
	const struct ch_object *object = &((const struct ch_show_result *)result)->object;

	return CH_CELL_STR(ch_type_kind_name(ch_object_kind(object)));
}

static struct ch_cell object_place(const void *result)
{
	return CH_CELL_STR(chp_object_place(&((const struct ch_show_result *)result)->object));
}

static struct ch_cell module_of(const void *arg)
{
	const struct ch_show_result *result = arg;
	size_t i;

	for (i = 0; result->has_shape && i < result->shape.facts_count; i++)
		if (strcmp(result->shape.facts[i].key, "module") == 0)
			return CH_CELL_STR(result->shape.facts[i].text);
	return CH_CELL_NONE;
}

static json_t *trace_of(const struct ch_report *report, const void *arg)
{
	const struct ch_show_result *result = arg;

	if (!result->has_trace)
		return json_null();
	return chp_json_trace(report, &result->trace, result->frames.items, result->frames.count);
}

static const struct ch_field_spec value_fields[] = {
	{ "addr", NULL, CH_CELL_ADDR, "Where it lies.", RESULT(value_addr) },
	{ "type", NULL, CH_CELL_TEXT, "Its type.", RESULT(value_type), .flags = CH_FIELD_OPTIONAL },
	CH_FIELDS_END,
};

#define OF_OBJECT CH_KNOWN(struct ch_show_result, has_object)

static const struct ch_field_spec object_fields[] = {
	{ "addr", NULL, CH_CELL_ADDR, "The object; null of a type.", RESULT(object.addr),
	  OF_OBJECT },
	{ "size_bytes", NULL, CH_CELL_BYTES, "What the program may use.", RESULT(object.size_bytes),
	  OF_OBJECT },
	{ "chunk_bytes", NULL, CH_CELL_BYTES, "What it takes in its heap.",
	  RESULT(object.chunk_bytes), OF_OBJECT },
	{ "heap", NULL, CH_CELL_TEXT, "The heap.", .get = heap_name, .flags = CH_FIELD_OPTIONAL },
	{ "generation", NULL, CH_CELL_TEXT, "Of a heap with generations: which.", .get = generation,
	  .flags = CH_FIELD_OPTIONAL },
	{ "state", NULL, CH_CELL_SAFE, "Whether it is used.", OF_OBJECT, .get = object_state,
	  .ref = "object_state" },
	{ "kind", NULL, CH_CELL_SAFE, "Whose it is.", OF_OBJECT, .get = object_kind,
	  .ref = "type_kind" },
	{ "place", NULL, CH_CELL_SAFE, "Where it is kept, if that is special.", OF_OBJECT,
	  .get = object_place, .ref = "place" },
	{ "type", NULL, CH_CELL_TEXT, "Its type.", RESULT(type), .flags = CH_FIELD_OPTIONAL },
	{ "runtime", NULL, CH_CELL_SAFE, "Whose it is.", RESULT(runtime) },
	{ "module", NULL, CH_CELL_TEXT, "Where the type comes from.", .get = module_of,
	  .flags = CH_FIELD_OPTIONAL },
	{ "shape", NULL, CH_CELL_OBJECT, "What its runtime knows of it.",
	  CH_KNOWN(struct ch_show_result, has_shape), .fields = shape_fields },
	{ "detail", NULL, CH_CELL_TEXT, "What a delegate calls.", RESULT(detail),
	  .flags = CH_FIELD_OPTIONAL },
	{ "text", NULL, CH_CELL_TEXT, "Text of a string, with --reveal.", RESULT(text),
	  .flags = CH_FIELD_OPTIONAL },
	{ "value", NULL, CH_CELL_OBJECT, "A structure in place that the path ends in.",
	  CH_KNOWN(struct ch_show_result, is_value), .fields = value_fields },
	{ "fields", NULL, CH_CELL_ROWS, "Its fields, elements or words.", RESULT(rows),
	  .flags = CH_FIELD_VEC, .fields = row_fields },
	{ "items_count", NULL, CH_CELL_COUNT, "Elements or words there are.", RESULT(items_count) },
	{ "items_shown_count", NULL, CH_CELL_COUNT, "How many of them are here.",
	  RESULT(items_shown) },
	{ "stack_trace", NULL, CH_CELL_PART, "What an exception carries.", .part = trace_of,
	  .ref = "stack_trace", .flags = CH_FIELD_LATER },
	CH_FIELDS_END,
};

static const struct ch_field_spec fields[] = {
	{ "path", NULL, CH_CELL_TEXT, "The path that was asked for.", RESULT(path),
	  .flags = CH_FIELD_OPTIONAL },
	{ "object", NULL, CH_CELL_OBJECT, "The object, block or type.", CH_NOWHERE,
	  .fields = object_fields },
	CH_FIELDS_END,
};

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

static struct ch_error *print(const struct ch_report *report, const void *result)
{
	struct ch_error *err = put_head(report, result);

	return err ? err : put_rows(report, result);
}

static void say_cut(const struct ch_report *report, const void *arg)
{
	const struct ch_show_result *result = arg;
	char shown[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];

	if (result->items_shown && result->items_shown < result->items_count)
		chp_report_say(report, "showing %s of %s\n",
			       chp_count_text(result->items_shown, shown),
			       chp_count_text(result->items_count, all));
	if (!report->reveal && hides(result))
		chp_report_say(report, "Numbers and text are not shown without --reveal.\n");
}

const struct ch_document ch_document_show = {
	.name = "show",
	.title = "One object",
	.fields = fields,
	.print = print,
	.tail = say_cut,
};

struct ch_error *ch_report_show(const struct ch_report *report, const struct ch_show_result *result)
{
	return chp_document_print(report, &ch_document_show, result);
}
