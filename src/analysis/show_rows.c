/*
 * Fields and elements of objects as rows.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/show_priv.h"
#include "analysis/text16.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Fields of one object or value: more than the largest class has. */
#define FIELDS_MAX 65536

/* Where fields become rows. */
struct taker {
	struct ch_show *show;
	struct ch_vec *rows;
	/* Of the structure they lie in: its name, offset and depth. */
	const char *prefix;
	uint64_t offset;
	uint32_t depth;
	bool is_static;
	/* Type ids of structures, one for each row: of uint64_t. */
	struct ch_vec *inners;
};

static char *copy(const char *text)
{
	return strdup(text ? text : "");
}

/* ---- Values ------------------------------------------------------------------ */

static uint64_t sign_extend(uint64_t value, uint64_t bytes)
{
	unsigned shift = (unsigned)(64 - 8 * bytes);

	return (uint64_t)((int64_t)(value << shift) >> shift);
}

static void float_text(uint64_t value, uint64_t bytes, char *buf, size_t max)
{
	uint32_t half = (uint32_t)value;
	double number;
	float single;

	if (bytes == 4) {
		memcpy(&single, &half, sizeof(single));
		snprintf(buf, max, "%.9g", (double)single);
	} else {
		memcpy(&number, &value, sizeof(number));
		snprintf(buf, max, "%.17g", number);
	}
}

/* A number as it is written in its language; with the name of an enumeration's. */
static char *value_text(const struct ch_show *show, const struct ch_field *field, uint64_t value)
{
	const struct ch_inspector *inspector = show->inspected.inspector;
	uint64_t bytes = field->size_bytes;
	char number[64], name[256];
	char *ret;
	int len;

	switch (field->kind) {
	case CH_VALUE_BOOL:
		return copy(value ? "true" : "false");
	case CH_VALUE_FLOAT:
		float_text(value, bytes, number, sizeof(number));
		return copy(number);
	case CH_VALUE_SIGNED:
		snprintf(number, sizeof(number), "%" PRId64, (int64_t)sign_extend(value, bytes));
		break;
	case CH_VALUE_POINTER:
		snprintf(number, sizeof(number), "0x%" PRIx64, value);
		return copy(number);
	case CH_VALUE_CHAR16:
		snprintf(number, sizeof(number), "0x%" PRIx64, value);
		return copy(number);
	default:
		snprintf(number, sizeof(number), "%" PRIu64, value);
	}
	if (!field->inner || !inspector->value_text ||
	    !inspector->value_text(show->inspected.state, field->inner, value, name, sizeof(name)))
		return copy(number);
	len = asprintf(&ret, "%s (%s)", number, name);
	return len < 0 ? NULL : ret;
}

/* The text of a string that a reference leads to. */
static struct ch_error *reveal_text(struct ch_show *show, struct ch_show_row *row)
{
	struct ch_inspected inspected;
	struct ch_object_shape shape;
	struct ch_object object;

	if (row->target.kind != CH_TARGET_OBJECT || !row->target.counted ||
	    !ch_heaps_object_at(show->heaps, row->target.addr, &object) ||
	    !chp_heaps_span_inspector(show->heaps, object.span, &inspected))
		return NULL;
	inspected.inspector->shape(inspected.state, object.addr, object.key, &shape);
	if (shape.kind != CH_SHAPE_STRING)
		return NULL;
	row->value = chp_text16(show->core, shape.data_addr, shape.element_bytes, shape.count,
				CH_SHOW_SHORT_MAX);
	return row->value ? NULL : &ch_enomem;
}

/* The text that a structure in place is. */
static struct ch_error *reveal_bytes(const struct ch_show *show, const struct ch_field *field,
				     struct ch_show_row *row)
{
	const struct ch_inspector *inspector = show->inspected.inspector;
	struct ch_string text;
	size_t len;

	if (!show->reveal || !field->inner || !inspector->text ||
	    !inspector->text(show->inspected.state, field->inner, field->addr, &text))
		return NULL;
	len = (size_t)ch_min(text.count, CH_SHOW_SHORT_MAX);
	row->value = calloc(len + 1, 1);
	if (!row->value)
		return &ch_enomem;
	/* what is not in the core is no text */
	if (len && !ch_core_try_read(show->core, text.addr, row->value, len))
		row->value[0] = '\0';
	return NULL;
}

bool chp_show_read_reference(const struct ch_show *show, const struct ch_field *field,
			     uint64_t *ret)
{
	const struct ch_inspector *inspector = show->inspected.inspector;
	uint32_t bytes = field->size_bytes == 4 ? 4 : 8, narrow = 0;

	if (!field->addr || (bytes == 4 ? !ch_core_read_u32(show->core, field->addr, &narrow)
					: !ch_core_read_u64(show->core, field->addr, ret)))
		return false;
	if (bytes == 4)
		*ret = narrow;
	if (inspector->reference)
		*ret = inspector->reference(show->inspected.state, *ret, bytes);
	return true;
}

static struct ch_error *read_value(struct ch_show *show, const struct ch_field *field,
				   struct ch_show_row *row)
{
	struct ch_error *err = NULL;
	uint8_t bytes[8] = { 0 };
	uint64_t value;

	if (field->kind == CH_VALUE_STRUCT || field->kind == CH_VALUE_BYTES) {
		row->present = field->addr && ch_core_try_read(show->core, field->addr, bytes, 1);
		return row->present ? reveal_bytes(show, field, row) : NULL;
	}
	if (!field->addr || !field->size_bytes || field->size_bytes > sizeof(bytes) ||
	    !ch_core_try_read(show->core, field->addr, bytes, field->size_bytes))
		return NULL;
	row->present = true;
	value = ch_get64(bytes);
	if (field->kind == CH_VALUE_REFERENCE) {
		row->present = chp_show_read_reference(show, field, &value);
		err = chp_show_reference(show, value, &row->target);
		return err || !show->reveal ? err : reveal_text(show, row);
	}
	if (field->kind == CH_VALUE_POINTER)
		err = chp_show_target(show, value, &row->target);
	if (err || !show->reveal)
		return err;
	row->value = value_text(show, field, value);
	return row->value ? NULL : &ch_enomem;
}

/* ---- Fields ------------------------------------------------------------------ */

static struct ch_error *take(void *arg, const struct ch_field *field)
{
	struct taker *taker = arg;
	struct ch_show_row *row;
	uint64_t *inner;
	int len;

	if (taker->rows->count >= FIELDS_MAX)
		return NULL;
	row = ch_vec_push(taker->rows);
	if (!row)
		return &ch_enomem;
	if (taker->inners) {
		inner = ch_vec_push(taker->inners);
		if (!inner)
			return &ch_enomem;
		*inner = field->kind == CH_VALUE_STRUCT ? field->inner : 0;
	}
	len = taker->prefix ? asprintf(&row->name, "%s%s%s", taker->prefix,
				       field->name[0] == '[' ? "" : ".", field->name)
			    : asprintf(&row->name, "%s", field->name);
	if (len < 0) {
		row->name = NULL;
		return &ch_enomem;
	}
	row->type = field->type ? copy(field->type) : NULL;
	row->declared_by = field->declared_by ? copy(field->declared_by) : NULL;
	if ((field->type && !row->type) || (field->declared_by && !row->declared_by))
		return &ch_enomem;
	row->kind = field->kind;
	row->offset = taker->offset + field->offset;
	row->addr = field->addr;
	row->size_bytes = field->size_bytes;
	row->depth = taker->depth;
	row->is_static = field->is_static || taker->is_static;
	row->in_image = field->in_image;
	row->tid = field->tid;
	return read_value(taker->show, field, row);
}

/* The row of a structure, then those of what is in it. */
static struct ch_error *expand(struct ch_show *show, const struct ch_show_row *row, uint64_t inner)
{
	struct taker taker = { .show = show,
			       .rows = &show->result->rows,
			       .prefix = row->name,
			       .offset = row->is_static ? 0 : row->offset,
			       .depth = row->depth + 1,
			       .is_static = row->is_static };
	const struct ch_fields_query query = { .key = inner, .addr = row->addr, .is_value = true };

	if (!inner || !row->addr)
		return NULL;
	return show->inspected.inspector->fields(show->inspected.state, &query, take, &taker);
}

/* Move rows into the result, each structure followed by its fields. */
static struct ch_error *expand_all(struct ch_show *show, struct ch_vec *rows,
				   const struct ch_vec *inners)
{
	struct ch_error *err = NULL;
	struct ch_show_row *from, *to, row;
	size_t i;

	for (i = 0; !err && i < rows->count; i++) {
		from = CH_VEC_AT(rows, struct ch_show_row, i);
		to = ch_vec_push(&show->result->rows);
		if (!to)
			return &ch_enomem;
		/* Its texts are the result's from here on. */
		*to = row = *from;
		*from = (struct ch_show_row){ .name = NULL };
		err = expand(show, &row, *CH_VEC_AT(inners, uint64_t, i));
	}
	return err;
}

struct rows {
	struct ch_vec rows, inners;
};

static void rows_deinit(struct rows *rows)
{
	struct ch_show_result rest = { .rows = rows->rows };

	ch_show_result_deinit(&rest);
	ch_vec_deinit(&rows->inners);
}

struct ch_error *chp_show_fields(struct ch_show *show, const struct ch_place *place, bool statics)
{
	struct rows rows = { .rows = CH_VEC(struct ch_show_row), .inners = CH_VEC(uint64_t) };
	struct taker taker = { .show = show, .rows = &rows.rows, .inners = &rows.inners };
	const struct ch_fields_query query = { .key = place->key,
					       .addr = place->addr,
					       .is_value = place->is_value,
					       .statics = statics };
	struct ch_error *err;

	err = show->inspected.inspector->fields(show->inspected.state, &query, take, &taker);
	if (!err)
		err = expand_all(show, &rows.rows, &rows.inners);
	rows_deinit(&rows);
	return err;
}

struct ch_error *chp_show_field(struct ch_show *show, const struct ch_field *field)
{
	struct rows rows = { .rows = CH_VEC(struct ch_show_row), .inners = CH_VEC(uint64_t) };
	struct taker taker = { .show = show, .rows = &rows.rows, .inners = &rows.inners };
	struct ch_error *err = take(&taker, field);

	if (!err)
		err = expand_all(show, &rows.rows, &rows.inners);
	rows_deinit(&rows);
	return err;
}

/* ---- Elements ---------------------------------------------------------------- */

/* "[1,2]" of a flat index. */
static void index_text(const struct ch_object_shape *shape, uint64_t index, char *buf, size_t max)
{
	uint64_t at[CH_SHAPE_RANK_MAX];
	size_t len = 0;
	uint32_t i;

	for (i = shape->rank; i > 0; i--) {
		at[i - 1] = shape->lengths[i - 1] ? index % shape->lengths[i - 1] : 0;
		index = shape->lengths[i - 1] && i > 1 ? index / shape->lengths[i - 1] : index;
	}
	for (i = 0; i < shape->rank && len < max; i++)
		len += (size_t)snprintf(buf + len, max - len, "%s%lld", i ? "," : "[",
					(long long)at[i] + shape->lower[i]);
	if (len + 1 < max)
		snprintf(buf + len, max - len, "]");
}

struct ch_error *chp_show_elements(struct ch_show *show)
{
	const struct ch_object_shape *shape = &show->result->shape;
	struct ch_error *err = NULL;
	struct ch_field field = { .type = shape->element_type,
				  .kind = shape->element_kind,
				  .size_bytes = shape->element_bytes,
				  .inner = shape->element_inner };
	uint64_t i, count;
	char name[128];

	show->result->items_count = shape->count;
	/* Numbers are contents, nothing else. */
	if (!show->reveal && field.kind != CH_VALUE_REFERENCE && field.kind != CH_VALUE_STRUCT &&
	    field.kind != CH_VALUE_POINTER)
		return NULL;
	count = ch_min(shape->count, show->limit);
	for (i = 0; !err && i < count && shape->element_bytes; i++) {
		index_text(shape, i, name, sizeof(name));
		field.name = name;
		field.addr = shape->data_addr + i * shape->element_bytes;
		field.offset = field.addr - show->result->object.addr;
		err = chp_show_field(show, &field);
		show->result->items_shown++;
	}
	return err;
}
