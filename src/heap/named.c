/*
 * Objects by the names of their types and fields.
 */
#include "heap/named.h"

#include <string.h>

#include "heap/filter.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Structures in structures. */
#define STEPS_MAX 8

bool chp_named_open(struct ch_heaps *heaps, const struct ch_core *core,
		    enum ch_class_library classes, struct ch_named *ret)
{
	struct ch_inspected all[CH_INSPECTORS_MAX];
	size_t count = chp_heaps_inspectors(heaps, all, CH_INSPECTORS_MAX), i;

	for (i = 0; i < count; i++) {
		if (chp_heaps_class_library(heaps, all[i].walker) != classes)
			continue;
		*ret = (struct ch_named){ heaps, core, all[i] };
		return true;
	}
	return false;
}

bool chp_named_is(const char *field, const char *name, size_t len)
{
	if (strncmp(field, name, len) == 0 && !field[len])
		return true;
	return field[0] == '<' && strncmp(field + 1, name, len) == 0 &&
	       strcmp(field + 1 + len, ">k__BackingField") == 0;
}

/* ---- Fields ------------------------------------------------------------------ */

struct finder {
	const char *name;
	size_t len;
	struct ch_named_field *ret;
};

static struct ch_error *take_field(void *arg, const struct ch_field *field)
{
	struct finder *finder = arg;
	struct ch_named_field *ret = finder->ret;

	if (!chp_named_is(field->name, finder->name, finder->len))
		return NULL;
	/* What a type declares itself comes last and hides what it inherits. */
	ret->found = true;
	ret->kind = field->kind;
	ret->offset = field->offset;
	ret->size_bytes = field->size_bytes;
	ret->inner = field->inner;
	return NULL;
}

struct ch_error *chp_named_field(const struct ch_named *named, uint64_t key, bool is_value,
				 const char *path, struct ch_named_field *ret)
{
	struct ch_fields_query query = { .key = key, .is_value = is_value };
	struct finder finder = { .ret = ret };
	struct ch_error *err = NULL;
	uint64_t offset = 0;
	uint32_t steps;

	*ret = (struct ch_named_field){ .found = false };
	for (steps = 0; !err && steps < STEPS_MAX; steps++) {
		ret->found = false;
		finder.name = path;
		finder.len = strcspn(path, ".");
		err = named->inspected.inspector->fields(named->inspected.state, &query, take_field,
							 &finder);
		if (err || !ret->found)
			return err;
		offset += ret->offset;
		path += finder.len;
		if (!*path)
			break;
		path++;
		if (ret->kind != CH_VALUE_STRUCT || !ret->inner) {
			ret->found = false;
			return NULL;
		}
		query = (struct ch_fields_query){ .key = ret->inner, .is_value = true };
	}
	ret->offset = offset;
	ret->found = ret->found && !*path;
	return NULL;
}

bool chp_named_read(const struct ch_named *named, uint64_t addr, const struct ch_named_field *field,
		    uint64_t *ret)
{
	uint8_t bytes[8] = { 0 };

	if (!field->found || !field->size_bytes || field->size_bytes > sizeof(bytes) ||
	    !ch_core_try_read(named->core, addr + field->offset, bytes, field->size_bytes))
		return false;
	*ret = ch_get64(bytes);
	if (field->kind == CH_VALUE_REFERENCE && named->inspected.inspector->reference)
		*ret = named->inspected.inspector->reference(named->inspected.state, *ret,
							     (uint32_t)field->size_bytes);
	return true;
}

struct ch_error *chp_named_get(const struct ch_named *named, const struct ch_object *object,
			       const char *path, bool *found_ret, uint64_t *ret)
{
	struct ch_named_field field;
	struct ch_error *err = chp_named_field(named, object->key, false, path, &field);

	*found_ret = !err && chp_named_read(named, object->addr, &field, ret);
	return err;
}

/* ---- Objects ----------------------------------------------------------------- */

bool chp_named_object(const struct ch_named *named, uint64_t addr, struct ch_object *ret)
{
	struct ch_inspected inspected;

	return addr && ch_heaps_object_at(named->heaps, addr, ret) && ret->addr == addr &&
	       ret->state == CH_OBJECT_USED && ret->key &&
	       chp_heaps_span_inspector(named->heaps, ret->span, &inspected) &&
	       inspected.walker == named->inspected.walker;
}

bool chp_named_detail(const struct ch_named *named, const struct ch_object *object, char *buf,
		      size_t max)
{
	struct ch_traced traced;

	return chp_heaps_span_tracer(named->heaps, object->span, &traced) &&
	       traced.tracer->detail_text &&
	       traced.tracer->detail_text(traced.state, object->addr, object->key, buf, max);
}

bool chp_named_array(const struct ch_named *named, uint64_t addr, struct ch_object_shape *ret)
{
	struct ch_object object;

	if (!chp_named_object(named, addr, &object))
		return false;
	named->inspected.inspector->shape(named->inspected.state, addr, object.key, ret);
	return ret->kind == CH_SHAPE_ARRAY && ret->element_bytes;
}

struct ch_error *chp_named_types(const struct ch_named *named, ch_named_wants_fn fn, void *arg,
				 struct ch_vec *ret)
{
	const struct ch_type_stat *rows;
	struct ch_type_stat *slot;
	struct ch_error *err;
	struct ch_type type;
	size_t count, i;

	err = ch_heaps_types(named->heaps, &rows, &count);
	for (i = 0; !err && i < count; i++) {
		if (rows[i].kind != CH_TYPE_OBJECT)
			continue;
		err = ch_heaps_type(named->heaps, rows[i].type, &type);
		if (err || type.walker != named->inspected.walker ||
		    type.key >= CH_TYPE_KEY_ENGINE || !fn(arg, type.name))
			continue;
		slot = ch_vec_push(ret);
		if (!slot)
			return &ch_enomem;
		*slot = rows[i];
	}
	return err;
}

static bool is_called(void *arg, const char *name)
{
	return strcmp(name, arg) == 0;
}

struct ch_error *chp_named_walk(const struct ch_named *named, const char *name, ch_objects_fn fn,
				void *arg)
{
	struct ch_object_filter filter = { .states = 1U << CH_OBJECT_USED };
	struct ch_vec types = CH_VEC(struct ch_type_stat);
	struct ch_error *err;

	err = chp_named_types(named, is_called, (void *)(uintptr_t)name, &types);
	filter.types = types.items;
	filter.types_count = types.count;
	/* Without types the filter lets all pass. */
	if (!err && types.count)
		err = chp_heaps_walk_where(named->heaps, &filter, fn, arg);
	ch_vec_deinit(&types);
	return err;
}
