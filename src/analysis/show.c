/*
 * What is inside of an object or block: its fields, elements or words, or what a path leads to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/show_priv.h"
#include "analysis/text16.h"
#include "heap/named.h"
#include "heap/traces.h"
#include "heap/type_table.h"
#include "types/inside.h"
#include "types/names.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/number.h"

#define PATH_STEPS_MAX 256

/* ---- The object -------------------------------------------------------------- */

static struct ch_error *nothing_at(uint64_t addr)
{
	return ch_error_create(
		CH_ERROR_ARG,
		"0x%llx lies in no block of a heap; `coreheap whatis` says what it is",
		(unsigned long long)addr);
}

/* Make an object the one that is shown. */
static struct ch_error *set_object(struct ch_show *show, const struct ch_object *object)
{
	struct ch_show_result *result = show->result;
	const struct ch_heap *heaps;
	const struct ch_span *spans;
	struct ch_traced traced;
	char buf[2048];
	size_t count;

	spans = ch_heaps_spans(show->heaps, &count);
	heaps = ch_heaps_list(show->heaps, &count);
	result->has_object = true;
	result->object = *object;
	result->heap = &heaps[spans[object->span].heap];
	result->runtime = result->heap->runtime;
	free(result->type);
	free(result->detail);
	result->type = result->detail = NULL;
	result->has_shape = chp_heaps_inspector(show->heaps, object, &show->inspected, &show->key);
	if (result->has_shape)
		show->inspected.inspector->shape(show->inspected.state, object->addr, show->key,
						 &result->shape);
	if (object->key && chp_heaps_span_tracer(show->heaps, object->span, &traced) &&
	    traced.tracer->detail_text &&
	    traced.tracer->detail_text(traced.state, object->addr, object->key, buf, sizeof(buf))) {
		result->detail = strdup(buf);
		if (!result->detail)
			return &ch_enomem;
	}
	return chp_show_type_name(show, object, &result->type);
}

static struct ch_error *find_object(struct ch_show *show, uint64_t addr)
{
	struct ch_object object;

	if (!ch_heaps_object_at(show->heaps, addr, &object))
		return nothing_at(addr);
	show->result->into = addr - object.addr;
	return set_object(show, &object);
}

/* ---- A type ------------------------------------------------------------------ */

/* A type that has objects: those of generic types are in no module's own table. */
static struct ch_error *find_used_type(struct ch_show *show, const char *name, uint64_t *ret)
{
	const struct ch_type_stat *rows;
	struct ch_error *err;
	struct ch_type type;
	size_t count, i;

	err = ch_heaps_types(show->heaps, &rows, &count);
	for (i = 0; !err && !*ret && i < count; i++) {
		err = ch_heaps_type(show->heaps, rows[i].type, &type);
		if (!err && type.walker == show->inspected.walker &&
		    type.key < CH_TYPE_KEY_ENGINE && strcmp(type.name, name) == 0)
			*ret = type.key;
	}
	return err;
}

static struct ch_error *set_type(struct ch_show *show, uint64_t key)
{
	struct ch_show_result *result = show->result;
	struct ch_type named;
	struct ch_error *err;
	uint32_t type;
	size_t count;

	result->runtime = ch_heaps_runtimes(show->heaps, &count)[show->inspected.walker].name;
	result->has_shape = true;
	show->inspected.inspector->shape(show->inspected.state, 0, key, &result->shape);
	type = chp_type_of(show->heaps, show->inspected.walker, key);
	err = type ? ch_heaps_type(show->heaps, type, &named) : &ch_enomem;
	if (err)
		return err;
	result->type = strdup(named.name);
	return result->type ? NULL : &ch_enomem;
}

/* The key of the type of a name, by the first runtime that knows it; *ret 0: none does. */
static struct ch_error *find_type(struct ch_show *show, const char *name, uint64_t *ret)
{
	struct ch_inspected all[CH_INSPECTORS_MAX];
	size_t count = chp_heaps_inspectors(show->heaps, all, CH_INSPECTORS_MAX), i;
	struct ch_error *err = NULL;
	char id[24];
	uint64_t number;

	*ret = 0;
	/* A method table as SOS prints it. */
	if (chp_parse_id(name, &number)) {
		snprintf(id, sizeof(id), "0x%llx", (unsigned long long)number);
		name = id;
	}
	for (i = 0; !err && !*ret && i < count; i++) {
		show->inspected = all[i];
		if (all[i].inspector->find_type)
			err = all[i].inspector->find_type(all[i].state, name, ret);
		if (!err && !*ret)
			err = find_used_type(show, name, ret);
	}
	return err;
}

/* The word of the allocator before a block: its size and flags. */
static void read_header(struct ch_show *show)
{
	struct ch_show_result *result = show->result;

	result->has_header = result->object.header_bytes == 16 &&
			     ch_core_read_u64(show->core, result->object.addr - 8, &result->header);
}

/* ---- Paths ------------------------------------------------------------------- */

/* One step of a path: a name, or an index in brackets, which are part of the name. */
struct step {
	const char *name;
	size_t len;
	bool is_index;
	uint64_t index;
};

static bool next_step(const char **path, struct step *ret)
{
	const char *at = *path;
	char *end;

	if (*at == '[') {
		errno = 0;
		ret->is_index = true;
		ret->index = strtoull(at + 1, &end, 10);
		if (errno || at[1] < '0' || at[1] > '9' || *end != ']')
			return false;
		*path = end + 1;
		ret->name = at;
		ret->len = (size_t)(*path - at);
		return true;
	}
	at += *at == '.';
	ret->is_index = false;
	ret->name = at;
	ret->len = strcspn(at, ".[");
	*path = at + ret->len;
	return ret->len != 0;
}

/* Looks for a field by its name, or that of the property it is behind. */
struct finder {
	const struct step *step;
	bool found;
	struct ch_field field;
	char type[1024];
};

static struct ch_error *find_field(void *arg, const struct ch_field *field)
{
	struct finder *finder = arg;

	if (!chp_named_is(field->name, finder->step->name, finder->step->len))
		return NULL;
	/* What a type declares itself comes last and hides what it inherits. */
	finder->found = true;
	finder->field = *field;
	snprintf(finder->type, sizeof(finder->type), "%s", field->type ? field->type : "");
	return NULL;
}

static bool find_element(const struct ch_object_shape *shape, const struct ch_place *place,
			 struct finder *finder)
{
	if (shape->kind != CH_SHAPE_ARRAY || finder->step->index >= shape->count)
		return false;
	finder->found = true;
	finder->field = (struct ch_field){
		.kind = shape->element_kind,
		.addr = shape->data_addr + finder->step->index * shape->element_bytes,
		.size_bytes = shape->element_bytes,
		.inner = shape->element_inner,
	};
	finder->field.offset = finder->field.addr - place->addr;
	snprintf(finder->type, sizeof(finder->type), "%s", shape->element_type);
	return true;
}

static struct ch_error *bad_step(const char *path, size_t len, const char *why)
{
	return ch_error_create(CH_ERROR_ARG, "path '%.*s': %s", (int)len, path, why);
}

/* A structure or an array in place. */
static bool has_inside(const struct ch_field *field)
{
	return (field->kind == CH_VALUE_STRUCT || field->kind == CH_VALUE_BYTES) && field->inner &&
	       field->addr;
}

/* The address that a reference or a pointer holds. False: it is not in the core. */
static bool read_target(const struct ch_show *show, const struct ch_field *field, uint64_t *ret)
{
	return field->kind == CH_VALUE_POINTER
		       ? field->addr && ch_core_read_u64(show->core, field->addr, ret)
		       : chp_show_read_reference(show, field, ret);
}

/* Enter what a field holds: the object it refers to, or the structure. */
static struct ch_error *enter(struct ch_show *show, const struct finder *finder, const char *path,
			      size_t len, struct ch_place *place)
{
	const struct ch_field *field = &finder->field;
	struct ch_show_result *result = show->result;
	struct ch_object object;
	struct ch_error *err;
	uint64_t value;

	if (has_inside(field)) {
		*place = (struct ch_place){ field->inner, field->addr, true };
		free(result->value_type);
		result->value_type = strdup(finder->type);
		return result->value_type ? NULL : &ch_enomem;
	}
	if (field->kind != CH_VALUE_REFERENCE && field->kind != CH_VALUE_POINTER)
		return bad_step(path, len, "there is nothing inside of it");
	if (!read_target(show, field, &value))
		return bad_step(path, len, "it is not in the core");
	if (!value)
		return bad_step(path, len, "it is null");
	if (!ch_heaps_object_at(show->heaps, value, &object) || object.addr != value)
		return bad_step(path, len, "it does not lead to an object");
	result->into = 0;
	err = set_object(show, &object);
	*place = (struct ch_place){ show->key, object.addr, false };
	return err;
}

/* Whether something inside of a field can be shown in its stead. */
static bool can_enter(const struct ch_show *show, const struct ch_field *field)
{
	struct ch_object object;
	uint64_t value;

	if (field->kind == CH_VALUE_POINTER)
		return read_target(show, field, &value) &&
		       ch_heaps_object_at(show->heaps, value, &object) && object.addr == value;
	return has_inside(field) || (field->kind == CH_VALUE_REFERENCE &&
				     chp_show_read_reference(show, field, &value) && value);
}

static struct ch_error *take_step(struct ch_show *show, const struct ch_place *place, bool statics,
				  struct finder *finder)
{
	const struct ch_fields_query query = { place->key, place->addr, place->is_value, statics };
	struct ch_error *err = NULL;

	if (!show->result->has_shape)
		return NULL;
	/* Elements of an array in place are its fields. */
	if (finder->step->is_index && !place->is_value)
		find_element(&show->result->shape, place, finder);
	else
		err = show->inspected.inspector->fields(show->inspected.state, &query, find_field,
							finder);
	if (finder->found)
		finder->field.type = finder->type;
	return err;
}

/*
 * Follow a path from the object; place is where it ends. When the last field is
 * a plain value, it becomes the only row, and *done_ret is set.
 */
static struct ch_error *follow(struct ch_show *show, const char *path, bool statics,
			       struct ch_place *place, bool *done_ret)
{
	const char *rest = path, *from;
	struct ch_error *err = NULL;
	struct step step;
	char name[256];
	uint32_t steps;

	for (steps = 0; !err && *rest && steps < PATH_STEPS_MAX; steps++) {
		struct finder finder = { .step = &step };

		from = rest;
		if (!next_step(&rest, &step))
			return bad_step(path, strlen(path), "write it as in name.other[3].name");
		err = take_step(show, place, statics && from == path, &finder);
		if (err)
			return err;
		if (!finder.found)
			return bad_step(path, (size_t)(rest - path),
					step.is_index ? "there is no such element"
						      : "there is no such field");
		snprintf(name, sizeof(name), "%.*s", (int)(rest - from), from);
		finder.field.name = name;
		if (!*rest && !can_enter(show, &finder.field)) {
			*done_ret = true;
			return chp_show_field(show, &finder.field);
		}
		err = enter(show, &finder, path, (size_t)(rest - path), place);
	}
	return err;
}

/* ---- What is shown ----------------------------------------------------------- */

static struct ch_error *reveal_text(struct ch_show *show)
{
	struct ch_show_result *result = show->result;

	if (!show->reveal)
		return NULL;
	result->text = chp_text16(show->core, result->shape.data_addr, result->shape.element_bytes,
				  result->shape.count, CH_SHOW_TEXT_MAX);
	result->text_cut = result->shape.count > CH_SHOW_TEXT_MAX;
	return result->text ? NULL : &ch_enomem;
}

static struct ch_error *fill(struct ch_show *show, const struct ch_place *place, bool statics)
{
	struct ch_show_result *result = show->result;

	result->is_value = place->is_value;
	result->value_addr = place->addr;
	read_header(show);
	if (!result->has_shape || result->shape.kind == CH_SHAPE_FREE)
		return chp_show_words(show);
	if (statics || place->is_value)
		return chp_show_fields(show, place, statics);
	switch (result->shape.kind) {
	case CH_SHAPE_STRING:
		return reveal_text(show);
	case CH_SHAPE_ARRAY:
		return chp_show_elements(show);
	default:
		return chp_show_fields(show, place, false);
	}
}

/* The stack trace that the object carries. */
static struct ch_error *read_trace(struct ch_show *show)
{
	struct ch_show_result *result = show->result;
	struct ch_trace_frame *slot;
	uint64_t addr = result->object.addr;
	uint32_t i;

	result->has_trace = chp_trace_read(show->heaps, addr, &result->trace);
	for (i = 0; result->has_trace && i < result->trace.count && i < CH_SHOW_FRAMES_MAX; i++) {
		slot = ch_vec_push(&result->frames);
		if (!slot)
			return &ch_enomem;
		if (!chp_trace_frame(show->heaps, addr, i, slot)) {
			result->frames.count--;
			break;
		}
	}
	return NULL;
}

static struct ch_error *open_parts(struct ch_session *session,
				   const struct ch_show_options *options,
				   struct ch_show_result *result, struct ch_show *ret)
{
	struct ch_error *err;

	*result = (struct ch_show_result){ .rows = CH_VEC(struct ch_show_row),
					   .frames = CH_VEC(struct ch_trace_frame) };
	*ret = (struct ch_show){ .core = ch_session_core(session),
				 .reveal = options->reveal,
				 .limit = options->limit ? options->limit : CH_SHOW_ROWS_MAX,
				 .result = result };
	err = ch_session_sym(session, &ret->sym);
	if (!err)
		err = ch_session_map(session, &ret->map);
	return err ? err : chp_session_named_heaps(session, &ret->heaps);
}

struct ch_error *chp_show_layout(struct ch_session *session, const struct ch_show_options *options,
				 const char *name, bool *found_ret, struct ch_show_result *ret)
{
	struct ch_place place = { .is_value = true };
	struct ch_show show;
	struct ch_error *err = open_parts(session, options, ret, &show);
	const struct ch_inside *inside = err ? NULL : chp_session_inside(session);

	*found_ret = false;
	if (err)
		return err;
	if (!inside)
		return &ch_enomem;
	place.key = chp_ctype_named(inside->ctypes, NULL, name);
	if (!place.key)
		return NULL;
	*found_ret = true;
	show.inspected =
		(struct ch_inspected){ &chp_inside_inspector, chp_session_inside(session), 0 };
	ret->runtime = "native";
	ret->has_shape = true;
	ret->type = strdup(name);
	if (!ret->type)
		return &ch_enomem;
	show.inspected.inspector->shape(show.inspected.state, 0, place.key, &ret->shape);
	return chp_show_fields(&show, &place, false);
}

struct ch_error *chp_show_type(struct ch_session *session, const struct ch_show_options *options,
			       const char *name, bool *found_ret, struct ch_show_result *ret)
{
	struct ch_place place = { .key = 0 };
	struct ch_show show;
	struct ch_error *err = open_parts(session, options, ret, &show);

	*found_ret = false;
	if (!err)
		err = find_type(&show, name, &place.key);
	if (err || !place.key)
		return err;
	*found_ret = true;
	err = set_type(&show, place.key);
	return err ? err : chp_show_fields(&show, &place, true);
}

struct ch_error *chp_show_object(struct ch_session *session, const struct ch_show_options *options,
				 uint64_t addr, const char *path, struct ch_show_result *ret)
{
	struct ch_show show;
	struct ch_error *err = open_parts(session, options, ret, &show);
	struct ch_place place;
	bool done = false;

	if (!err)
		err = find_object(&show, addr);
	if (err)
		return err;
	place = (struct ch_place){ show.key, ret->object.addr, false };
	if (path) {
		if (!ret->has_shape)
			return ch_error_create(CH_ERROR_ARG,
					       "0x%llx is a block without a type: it has no fields "
					       "to follow",
					       (unsigned long long)ret->object.addr);
		ret->path = path;
		err = follow(&show, path, options->statics, &place, &done);
	}
	if (!err && !done)
		err = fill(&show, &place, options->statics && !path);
	return err ? err : read_trace(&show);
}
