/*
 * What is inside of an object of Go, by its type as the runtime has it. Strings, slices and
 * interfaces are structures in place: where they lead to, and how long they are. Maps, channels and
 * functions are the runtime's own structures.
 *
 * src/internal/abi/type.go; maps: src/runtime/map.go (hmap, Go 1.17 to 1.23) and
 * src/internal/runtime/maps (Map, table, 1.24 to 1.27); src/runtime/chan.go (hchan).
 */
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "walkers/go/rtypes.h"

/* Elements of an array in place that are listed; of numbers. */
#define ELEMENTS_MAX 4096U
#define NUMBERS_MAX  16U
/* abi.Kind: numbers. */
enum {
	KIND_BOOL = 1,
	KIND_INT,
	KIND_INT64 = 6,
	KIND_UINT,
	KIND_UINTPTR = 12,
	KIND_FLOAT32,
	KIND_FLOAT64,
};

/* A field of a structure that the runtime has no type for. */
struct own_field {
	const char *name, *type;
	uint32_t offset, bytes;
	enum ch_value_kind kind;
};

static const struct own_field string_fields[] = { { "ptr", "*uint8", 0, 8, CH_VALUE_POINTER },
						  { "len", "int", 8, 8, CH_VALUE_SIGNED } };
static const struct own_field slice_fields[] = { { "ptr", NULL, 0, 8, CH_VALUE_POINTER },
						 { "len", "int", 8, 8, CH_VALUE_SIGNED },
						 { "cap", "int", 16, 8, CH_VALUE_SIGNED } };
static const struct own_field group_map_fields[] = {
	{ "used", "uint64", 0, 8, CH_VALUE_UNSIGNED },
	{ "dirPtr", NULL, 16, 8, CH_VALUE_POINTER },
	{ "dirLen", "int", 24, 8, CH_VALUE_SIGNED },
};
static const struct own_field bucket_map_fields[] = {
	{ "count", "int", 0, 8, CH_VALUE_SIGNED },
	{ "B", "uint8", 9, 1, CH_VALUE_UNSIGNED },
	{ "buckets", NULL, 16, 8, CH_VALUE_POINTER },
	{ "oldbuckets", NULL, 24, 8, CH_VALUE_POINTER },
};
static const struct own_field table_fields[] = {
	{ "used", "uint16", 0, 2, CH_VALUE_UNSIGNED },
	{ "capacity", "uint16", 2, 2, CH_VALUE_UNSIGNED },
	{ "groups", NULL, 16, 8, CH_VALUE_POINTER },
	{ "lengthMask", "uint64", 24, 8, CH_VALUE_UNSIGNED },
};
static const struct own_field chan_fields[] = { { "qcount", "uint", 0, 8, CH_VALUE_UNSIGNED },
						{ "dataqsiz", "uint", 8, 8, CH_VALUE_UNSIGNED },
						{ "buf", NULL, 16, 8, CH_VALUE_POINTER },
						{ "closed", "uint32", 28, 4, CH_VALUE_UNSIGNED } };

/* Who is told of fields. */
struct lister {
	struct go *go;
	uint64_t addr;
	ch_fields_fn fn;
	void *arg;
};

static const struct go_named *named_of(const struct go *go, uint64_t key)
{
	return key >= GO_KEY_NAMED && key - GO_KEY_NAMED < go->named.count
		       ? CH_VEC_AT(&go->named, struct go_named, key - GO_KEY_NAMED)
		       : NULL;
}

static bool go_knows(void *state, uint64_t key)
{
	const struct go_named *named = named_of(state, key);

	return named && named->form != GO_FORM_STRING && named->form != GO_FORM_TINY;
}

/* ---- Fields ------------------------------------------------------------------------------ */

static struct ch_error *tell_own(const struct lister *lister, const struct own_field *fields,
				 size_t count)
{
	struct ch_error *err = NULL;
	struct ch_field field;
	size_t i;

	for (i = 0; !err && i < count; i++) {
		field = (struct ch_field){ .name = fields[i].name,
					   .type = fields[i].type,
					   .kind = fields[i].kind,
					   .offset = fields[i].offset,
					   .addr = lister->addr ? lister->addr + fields[i].offset
								: 0,
					   .size_bytes = fields[i].bytes };
		err = lister->fn(lister->arg, &field);
	}
	return err;
}

static enum ch_value_kind kind_of(const struct go_rtype *type)
{
	if (type->kind == KIND_BOOL)
		return CH_VALUE_BOOL;
	if (type->kind >= KIND_INT && type->kind <= KIND_INT64)
		return CH_VALUE_SIGNED;
	if (type->kind >= KIND_UINT && type->kind <= KIND_UINTPTR)
		return CH_VALUE_UNSIGNED;
	if (type->kind == KIND_FLOAT32 || type->kind == KIND_FLOAT64)
		return CH_VALUE_FLOAT;
	switch (type->kind) {
	case GO_KIND_STRUCT:
	case GO_KIND_ARRAY:
	case GO_KIND_STRING:
	case GO_KIND_SLICE:
	case GO_KIND_INTERFACE:
		return CH_VALUE_STRUCT;
	case GO_KIND_POINTER:
	case GO_KIND_MAP:
	case GO_KIND_CHAN:
	case GO_KIND_FUNC:
	case GO_KIND_UNSAFE_POINTER:
		return CH_VALUE_POINTER;
	default:
		return CH_VALUE_BYTES;
	}
}

/* The type of the value that an interface in place has; 0: none. */
static uint64_t dynamic_type(const struct go *go, const struct go_rtype *type, uint64_t addr)
{
	struct go_rtype of;
	uint64_t word;

	if (type->kind != GO_KIND_INTERFACE || !addr ||
	    !ch_core_read_u64(go->env.core, addr, &word) || !word)
		return 0;
	if (!type->empty)
		return go_itab_type(go, word);
	return go_rtype_read(go, word, &of) ? word : 0;
}

/* "main.Shape", and what is in it: "main.Shape of *main.Square". */
static void type_text(const struct go *go, const struct go_rtype *type, uint64_t addr, char *buf,
		      size_t max)
{
	const uint64_t dynamic = dynamic_type(go, type, addr);
	char own[GO_NAME_MAX], inside[GO_NAME_MAX];

	if (!go_rtype_name(go, type->addr, own, sizeof(own)))
		snprintf(own, sizeof(own), "type at 0x%llx", (unsigned long long)type->addr);
	if (dynamic && go_rtype_name(go, dynamic, inside, sizeof(inside)))
		snprintf(buf, max, "%s of %s", own, inside);
	else
		snprintf(buf, max, "%s", own);
}

/* A value of a type at an offset. */
static struct ch_error *tell(const struct lister *lister, const char *name, uint64_t type_addr,
			     uint64_t offset)
{
	const uint64_t addr = lister->addr ? lister->addr + offset : 0;
	char text[2 * GO_NAME_MAX + 8] = "";
	struct go_rtype type;
	struct ch_field field = {
		.name = name, .kind = CH_VALUE_BYTES, .offset = offset, .addr = addr
	};

	if (go_rtype_read(lister->go, type_addr, &type)) {
		type_text(lister->go, &type, addr, text, sizeof(text));
		field.type = text;
		field.kind = kind_of(&type);
		field.size_bytes = type.size_bytes;
		field.inner = field.kind == CH_VALUE_STRUCT ? type_addr : 0;
	}
	return lister->fn(lister->arg, &field);
}

static struct ch_error *tell_struct(const struct lister *lister, const struct go_rtype *type)
{
	struct ch_error *err = NULL;
	struct go_rfield field;
	char name[GO_NAME_MAX];
	uint64_t i;

	for (i = 0; !err && i < type->count; i++) {
		if (!go_rtype_field(lister->go, type, i, &field))
			break;
		if (!go_rname_text(lister->go, field.name, name, sizeof(name)))
			snprintf(name, sizeof(name), "field %llu", (unsigned long long)i);
		err = tell(lister, name, field.type, field.offset);
	}
	return err;
}

static struct ch_error *tell_array(const struct lister *lister, const struct go_rtype *type)
{
	struct ch_error *err = NULL;
	struct go_rtype elem;
	uint64_t i, count;
	char name[32];

	if (!go_rtype_read(lister->go, type->elem, &elem) || !elem.size_bytes)
		return NULL;
	count = elem.ptr_bytes || elem.kind == GO_KIND_STRUCT ? ELEMENTS_MAX : NUMBERS_MAX;
	for (i = 0; !err && i < type->count && i < count; i++) {
		snprintf(name, sizeof(name), "[%llu]", (unsigned long long)i);
		err = tell(lister, name, type->elem, i * elem.size_bytes);
	}
	return err;
}

/* An interface: which type its value has, and where that is, or the value itself where it is a
 * pointer. */
static struct ch_error *tell_interface(const struct lister *lister, const struct go_rtype *type)
{
	const uint64_t dynamic = dynamic_type(lister->go, type, lister->addr);
	char name[GO_NAME_MAX];
	const struct own_field fields[] = {
		{ "type", NULL, 0, 8, CH_VALUE_POINTER },
		{ "data",
		  dynamic && go_rtype_name(lister->go, dynamic, name, sizeof(name)) ? name : NULL,
		  8, 8, CH_VALUE_POINTER },
	};

	return tell_own(lister, fields, CH_COUNT_OF(fields));
}

/* What a value of a type is made of. */
static struct ch_error *tell_inside(const struct lister *lister, uint64_t type_addr)
{
	struct go_rtype type;

	if (!go_rtype_read(lister->go, type_addr, &type))
		return NULL;
	switch (type.kind) {
	case GO_KIND_STRUCT:
		return tell_struct(lister, &type);
	case GO_KIND_ARRAY:
		return tell_array(lister, &type);
	case GO_KIND_STRING:
		return tell_own(lister, string_fields, CH_COUNT_OF(string_fields));
	case GO_KIND_SLICE:
		return tell_own(lister, slice_fields, CH_COUNT_OF(slice_fields));
	case GO_KIND_INTERFACE:
		return tell_interface(lister, &type);
	default:
		return tell(lister, "value", type_addr, 0);
	}
}

/* A function, and the words that it took along. */
static struct ch_error *tell_closure(const struct lister *lister)
{
	static const struct own_field function = { "F", "function", 0, 8, CH_VALUE_POINTER };
	struct ch_error *err = tell_own(lister, &function, 1);
	struct ch_field field = { .kind = CH_VALUE_POINTER, .size_bytes = 8 };
	struct go_spot spot = { .bytes = 0 };
	char name[32];

	if (!lister->addr || !go_object_at(lister->go, lister->addr, &spot))
		return err;
	for (field.offset = 8; !err && field.offset + 8 <= spot.bytes; field.offset += 8) {
		snprintf(name, sizeof(name), "[%llu]", (unsigned long long)field.offset / 8 - 1);
		field.name = name;
		field.addr = lister->addr + field.offset;
		err = lister->fn(lister->arg, &field);
	}
	return err;
}

static struct ch_error *tell_map(const struct lister *lister, uint64_t type_addr)
{
	struct go_rtype type;

	if (go_rtype_read(lister->go, type_addr, &type) && go_rtype_has_groups(lister->go, &type))
		return tell_own(lister, group_map_fields, CH_COUNT_OF(group_map_fields));
	return tell_own(lister, bucket_map_fields, CH_COUNT_OF(bucket_map_fields));
}

static struct ch_error *go_fields(void *state, const struct ch_fields_query *query, ch_fields_fn fn,
				  void *arg)
{
	const struct lister lister = { state, query->addr, fn, arg };
	const struct go_named *named;

	if (query->statics)
		return NULL;
	/* the key of what lies in place is its type */
	if (query->is_value)
		return tell_inside(&lister, query->key);
	named = named_of(state, query->key);
	switch (named ? named->form : GO_FORM_TINY) {
	case GO_FORM_ONE:
	case GO_FORM_ARRAY:
		return tell_inside(&lister, named->what);
	case GO_FORM_MAP:
		return tell_map(&lister, named->what);
	case GO_FORM_TABLE:
		return tell_own(&lister, table_fields, CH_COUNT_OF(table_fields));
	case GO_FORM_CHAN:
		return tell_own(&lister, chan_fields, CH_COUNT_OF(chan_fields));
	case GO_FORM_CLOSURE:
		return tell_closure(&lister);
	default:
		return NULL;
	}
}

/* ---- Shapes ------------------------------------------------------------------------------ */

/* As many as there is room for. */
static void fill_array(const struct go *go, uint64_t elem_addr, struct ch_object_shape *ret,
		       uint64_t bytes)
{
	struct go_rtype elem;

	if (!go_rtype_read(go, elem_addr, &elem) || !elem.size_bytes ||
	    elem.size_bytes > UINT32_MAX || bytes / elem.size_bytes > UINT32_MAX)
		return;
	ret->kind = CH_SHAPE_ARRAY;
	ret->rank = 1;
	ret->count = bytes / elem.size_bytes;
	ret->lengths[0] = (uint32_t)ret->count;
	ret->element_bytes = (uint32_t)elem.size_bytes;
	ret->element_kind = kind_of(&elem);
	ret->element_inner = ret->element_kind == CH_VALUE_STRUCT ? elem_addr : 0;
	type_text(go, &elem, 0, ret->element_type, sizeof(ret->element_type));
}

static void go_shape(void *state, uint64_t addr, uint64_t key, struct ch_object_shape *ret)
{
	const struct go_named *named = named_of(state, key);
	struct go_spot spot;

	*ret = (struct ch_object_shape){ .kind = CH_SHAPE_OBJECT, .data_addr = addr };
	if (!named || !addr || !go_object_at(state, addr, &spot))
		return;
	if (named->form == GO_FORM_ARRAY)
		fill_array(state, named->what, ret, spot.bytes);
}

/* The bytes of a string in place. */
static bool go_text(void *state, uint64_t key, uint64_t addr, struct ch_string *ret)
{
	const struct go *go = state;
	struct go_rtype type;
	uint64_t start, count;

	if (!go_rtype_read(go, key, &type) || type.kind != GO_KIND_STRING ||
	    !ch_core_read_u64(go->env.core, addr, &start) ||
	    !ch_core_read_u64(go->env.core, addr + 8, &count) || count > INT64_MAX)
		return false;
	*ret = (struct ch_string){ .addr = start, .count = count, .bytes = 1 };
	return true;
}

const struct ch_inspector go_inspector = {
	.shape = go_shape,
	.fields = go_fields,
	.knows = go_knows,
	.text = go_text,
};
