/*
 * What is inside of objects: shapes, fields, statics.
 *
 * dotnet/runtime, release/9.0, src/coreclr/vm/object.h (StringObject, ArrayBase),
 * methodtable.h (DynamicStaticsInfo, ThreadStaticsInfo), class.h (EEClass),
 * field.h (FieldDesc).
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"

enum {
	FLAG2_DYNAMIC_STATICS = 2,
	/* Before the auxiliary data of a method table. */
	STATICS_INFO = 24,
	/* An object's header and method table. */
	OBJECT_HEAD = 16,
	/* Of Field. */
	FIELD_LITERAL = 0x40,
};

/* Types that others derive from, and members of an enumeration: more are damage. */
#define PARENTS_MAX  64
#define LITERALS_MAX 65536

/* A type and those it derives from, the first one last. */
struct lineage {
	uint64_t types[PARENTS_MAX];
	uint32_t count;
};

struct lister {
	struct clr *clr;
	const struct ch_fields_query *query;
	ch_fields_fn fn;
	void *arg;
	struct clr_field *fields;
	uint32_t count;
	/* The type at hand, and its name. */
	uint64_t mt;
	char declared_by[CLR_NAME_MAX];
};

static bool is_enum(const struct clr *clr, uint64_t mt)
{
	return mt && (clr_type_flags(clr, mt) & CLR_MT_KIND) == CLR_MT_ENUM;
}

/* Kind of a type, and the padding at the end of its objects. */
static bool read_class(const struct clr *clr, uint64_t mt, uint8_t *kind_ret, uint8_t *padding_ret)
{
	uint8_t bytes[2];
	uint64_t class;

	if (!clr_class_of(clr, mt, &class) ||
	    !ch_core_try_read(clr->core, class + clr->layout.class_kind, bytes, sizeof(bytes)))
		return false;
	*kind_ret = bytes[0];
	*padding_ret = bytes[1];
	return true;
}

/* Bytes of a value in place; 0: not known. */
static uint64_t value_bytes(const struct clr *clr, uint64_t mt)
{
	struct clr_shape shape;
	uint8_t kind, padding;

	if (!clr_shape_read(clr, mt, &shape) || !read_class(clr, mt, &kind, &padding) ||
	    padding < OBJECT_HEAD || padding > shape.base_bytes)
		return 0;
	return shape.base_bytes - padding;
}

static enum ch_value_kind value_kind(uint8_t kind, uint64_t *bytes_ret)
{
	*bytes_ret = 8;
	if (kind >= CLR_KIND_I1 && kind <= CLR_KIND_U8) {
		*bytes_ret = 1ULL << ((kind - CLR_KIND_I1) / 2);
		return (kind - CLR_KIND_I1) % 2 ? CH_VALUE_UNSIGNED : CH_VALUE_SIGNED;
	}
	switch (kind) {
	case CLR_KIND_BOOL:
		*bytes_ret = 1;
		return CH_VALUE_BOOL;
	case CLR_KIND_CHAR:
		*bytes_ret = 2;
		return CH_VALUE_CHAR16;
	case CLR_KIND_R4:
		*bytes_ret = 4;
		return CH_VALUE_FLOAT;
	case CLR_KIND_R8:
		return CH_VALUE_FLOAT;
	case CLR_KIND_POINTER:
	case CLR_KIND_FUNCTION:
	case CLR_KIND_I:
	case CLR_KIND_U:
		return CH_VALUE_POINTER;
	case CLR_KIND_VALUE_TYPE:
		*bytes_ret = 0;
		return CH_VALUE_STRUCT;
	case CLR_KIND_STRING:
	case CLR_KIND_CLASS:
	case CLR_KIND_OBJECT:
	case CLR_KIND_ARRAY:
		return CH_VALUE_REFERENCE;
	default:
		*bytes_ret = 0;
		return CH_VALUE_BYTES;
	}
}

/* ---- Fields ------------------------------------------------------------------ */

static void read_lineage(const struct clr *clr, uint64_t mt, struct lineage *ret)
{
	ret->count = 0;
	while (mt && !(mt & 7) && ret->count < PARENTS_MAX) {
		ret->types[ret->count++] = mt;
		if (!clr_read_ptr(clr, mt + clr->layout.mt_parent, &mt))
			break;
	}
}

static int compare_fields(const void *a, const void *b)
{
	const struct clr_field *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* A field without its place. */
static void describe(struct lister *lister, const struct clr_field *from,
		     struct clr_signature *signature, char *name, size_t max, struct ch_field *ret)
{
	struct clr *clr = lister->clr;

	if (!clr_field_name(clr, lister->mt, from->row, name, max))
		snprintf(name, max, "field 0x%x", 0x04000000 | from->row);
	clr_signature_of_field(clr, lister->mt, from->row, signature);
	*ret = (struct ch_field){
		.name = name,
		.declared_by = lister->declared_by,
		.type = signature->name[0] ? signature->name : NULL,
		.offset = from->offset,
		.is_static = from->is_static,
		.in_image = from->has_rva,
	};
	ret->kind = value_kind(from->kind, &ret->size_bytes);
	if (ret->kind == CH_VALUE_STRUCT)
		signature->value_type =
			clr_signature_value_type(clr, lister->mt, from->row, signature);
	if (ret->kind == CH_VALUE_STRUCT && clr_is_value_type(clr, signature->value_type)) {
		ret->inner = signature->value_type;
		ret->size_bytes = value_bytes(clr, ret->inner);
	} else if (ret->kind != CH_VALUE_REFERENCE && is_enum(clr, signature->value_type)) {
		ret->inner = signature->value_type;
	}
}

static struct ch_error *put_instance(struct lister *lister, const struct clr_field *from)
{
	struct clr_signature signature;
	struct ch_field field;
	char name[512];

	describe(lister, from, &signature, name, sizeof(name), &field);
	field.offset += lister->query->is_value ? 0 : 8;
	field.addr = lister->query->addr + field.offset;
	return lister->fn(lister->arg, &field);
}

/* Structures among statics are boxed: the word is a reference. */
static uint64_t static_place(const struct clr *clr, const struct ch_field *field, uint64_t at)
{
	uint64_t box;

	if (field->kind != CH_VALUE_STRUCT || !at)
		return at;
	return clr_read_ptr(clr, at, &box) && box ? box + 8 : 0;
}

static bool is_with_objects(enum ch_value_kind kind)
{
	return kind == CH_VALUE_REFERENCE || kind == CH_VALUE_STRUCT;
}

static struct ch_error *put_static(struct lister *lister, const struct clr_field *from)
{
	struct clr_signature signature;
	struct ch_field field;
	uint64_t bases[2], base;
	char name[512];

	describe(lister, from, &signature, name, sizeof(name), &field);
	clr_static_bases(lister->clr, lister->mt, bases);
	base = bases[is_with_objects(field.kind) ? 0 : 1];
	if (base && !field.in_image)
		field.addr = static_place(lister->clr, &field, base + field.offset);
	return lister->fn(lister->arg, &field);
}

/* One line for each thread that has it, or one that says that none has. */
static struct ch_error *put_thread_static(struct lister *lister, const struct clr_field *from)
{
	struct clr *clr = lister->clr;
	const struct clr_thread *threads = clr->threads.items;
	struct clr_thread_query query = { .mt = lister->mt,
					  .fields = lister->fields,
					  .count = lister->count };
	struct clr_signature signature;
	struct ch_error *err = NULL;
	struct ch_field field;
	uint32_t found = 0;
	char name[512];
	uint64_t base;
	size_t i;

	describe(lister, from, &signature, name, sizeof(name), &field);
	query.objects = is_with_objects(field.kind);
	for (i = 0; !err && i < clr->threads.count; i++) {
		base = clr_thread_base(clr, &threads[i], &query);
		if (!base)
			continue;
		field.addr = static_place(clr, &field, base + from->offset);
		field.tid = threads[i].tid;
		err = lister->fn(lister->arg, &field);
		found++;
	}
	field.addr = 0;
	field.tid = 0;
	return err || found ? err : lister->fn(lister->arg, &field);
}

static struct ch_error *list_type(struct lister *lister, uint64_t mt)
{
	const struct clr_field *field;
	struct ch_error *err = NULL;
	uint32_t i;

	lister->mt = mt;
	lister->count = clr_fields_of(lister->clr, mt, lister->fields, CLR_FIELDS_MAX);
	if (!lister->count)
		return NULL;
	if (!clr_type_name(lister->clr, mt, lister->declared_by, sizeof(lister->declared_by)))
		snprintf(lister->declared_by, sizeof(lister->declared_by), "MT %s",
			 chp_core_word(lister->clr->core, mt, CH_NO_ADDRESS).text);
	qsort(lister->fields, lister->count, sizeof(*lister->fields), compare_fields);
	for (i = 0; !err && i < lister->count; i++) {
		field = &lister->fields[i];
		if (field->is_static != lister->query->statics)
			continue;
		if (!field->is_static)
			err = put_instance(lister, field);
		else if (field->is_thread_static)
			err = put_thread_static(lister, field);
		else
			err = put_static(lister, field);
	}
	return err;
}

static struct ch_error *list_fields(void *state, const struct ch_fields_query *query,
				    ch_fields_fn fn, void *arg)
{
	struct lister lister = { .clr = state, .query = query, .fn = fn, .arg = arg };
	struct ch_error *err = NULL;
	struct lineage lineage;
	uint32_t i;

	if (query->key <= CLR_TYPE_UNUSED)
		return NULL;
	lister.fields = calloc(CLR_FIELDS_MAX, sizeof(*lister.fields));
	if (!lister.fields)
		return &ch_enomem;
	read_lineage(state, query->key, &lineage);
	for (i = lineage.count; !err && i > 0; i--)
		err = list_type(&lister, lineage.types[i - 1]);
	free(lister.fields);
	return err;
}

/* ---- Shapes ------------------------------------------------------------------ */

static void add_fact(struct ch_object_shape *shape, const char *key, uint64_t number,
		     const char *text)
{
	if (shape->facts_count < CH_SHAPE_FACTS_MAX)
		shape->facts[shape->facts_count++] =
			(struct ch_fact){ .key = key, .number = number, .text = text };
}

static void add_type_facts(struct clr *clr, uint64_t mt, struct ch_object_shape *shape)
{
	const struct clr_metadata *metadata = NULL;
	size_t half = sizeof(shape->storage) / 2;
	char *name = shape->storage, *base = shape->storage + half;
	uint64_t class, module, parent;

	add_fact(shape, "method_table_addr", mt, NULL);
	if (clr_class_of(clr, mt, &class))
		add_fact(shape, "eeclass_addr", class, NULL);
	if (clr_read_ptr(clr, mt + clr->layout.mt_parent, &parent) && parent &&
	    clr_type_name(clr, parent, base, half))
		add_fact(shape, "base_type", 0, base);
	if (clr_type_module(clr, mt, &module))
		metadata = clr_module_metadata(clr, module);
	if (metadata &&
	    clr_metadata_string(metadata, CLR_TABLE_MODULE, 1, CLR_MODULE_NAME, name, half))
		add_fact(shape, "module", 0, name);
	if (clr_is_collectible(clr, mt))
		add_fact(shape, "collectible", 0, "yes");
}

static void read_element(struct clr *clr, uint64_t mt, struct ch_object_shape *ret)
{
	uint8_t kind = 0, padding;
	uint64_t element, bytes;

	if (!clr_read_ptr(clr, mt + clr->layout.mt_dictionaries, &element))
		return;
	clr_type_name(clr, element, ret->element_type, sizeof(ret->element_type));
	ret->element_kind = CH_VALUE_POINTER;
	if (element & 2)
		return;
	read_class(clr, element, &kind, &padding);
	ret->element_kind = value_kind(kind, &bytes);
	/* Interfaces and arrays are references, too. */
	if (!clr_is_value_type(clr, element))
		ret->element_kind = CH_VALUE_REFERENCE;
	else if (ret->element_kind == CH_VALUE_STRUCT || is_enum(clr, element))
		ret->element_inner = element;
}

static void read_array(struct clr *clr, uint64_t addr, uint64_t mt, uint32_t flags,
		       struct ch_object_shape *ret)
{
	struct clr_shape shape;
	uint32_t count, rank, word = 0, i;
	uint64_t at;

	if (!clr_shape_read(clr, mt, &shape) || !ch_core_read_u32(clr->core, addr + 8, &count))
		return;
	ret->kind = CH_SHAPE_ARRAY;
	ret->count = count;
	ret->element_bytes = shape.component_bytes;
	ret->data_addr = addr + shape.base_bytes - 8;
	read_element(clr, mt, ret);
	ret->rank = 1;
	ret->lengths[0] = count;
	rank = flags & CLR_MT_SINGLE ? 0 : clr_array_rank(clr, mt);
	if (!rank || rank > CH_SHAPE_RANK_MAX)
		return;
	ret->rank = rank;
	for (i = 0; i < rank; i++) {
		at = addr + 16 + 4ULL * i;
		if (!ch_core_read_u32(clr->core, at, &ret->lengths[i]))
			ret->lengths[i] = 0;
		ch_core_read_u32(clr->core, at + 4ULL * rank, &word);
		ret->lower[i] = (int32_t)word;
	}
}

static void shape(void *state, uint64_t addr, uint64_t mt, struct ch_object_shape *ret)
{
	struct clr *clr = state;
	uint32_t flags, count;

	memset(ret, 0, sizeof(*ret));
	if (mt <= CLR_TYPE_UNUSED || mt == clr->free_mt) {
		ret->kind = CH_SHAPE_FREE;
		return;
	}
	flags = clr_type_flags(clr, mt);
	add_type_facts(clr, mt, ret);
	if (mt == clr->string_mt) {
		ret->kind = CH_SHAPE_STRING;
		ret->element_bytes = 2;
		ret->data_addr = addr + 12;
		if (ch_core_read_u32(clr->core, addr + 8, &count))
			ret->count = count;
	} else if (flags & CLR_MT_COMPONENT && (flags & CLR_MT_CATEGORY) == CLR_MT_ARRAY) {
		read_array(clr, addr, mt, flags, ret);
	} else if ((flags & CLR_MT_CATEGORY) == CLR_MT_VALUE) {
		ret->kind = CH_SHAPE_BOXED;
	}
}

/* ---- Values ------------------------------------------------------------------ */

/* The value of a literal: its constant, as many bytes as its type has. */
static bool literal_is(const struct clr_metadata *metadata, uint32_t row, uint64_t value)
{
	uint32_t flags, constant;
	uint8_t bytes[8] = { 0 };
	size_t n;

	if (!clr_metadata_cell(metadata, CLR_TABLE_FIELD, row, CLR_FIELD_FLAGS, &flags) ||
	    !(flags & FIELD_LITERAL))
		return false;
	/* HasConstant (II.24.2.6): two bits of tag, 0 is Field. */
	constant = clr_metadata_find(metadata, CLR_TABLE_CONSTANT, CLR_CONSTANT_PARENT, row << 2);
	if (!constant)
		return false;
	n = clr_metadata_blob(metadata, CLR_TABLE_CONSTANT, constant, CLR_CONSTANT_VALUE, bytes,
			      sizeof(bytes));
	if (!n)
		return false;
	return ch_get64(bytes) == (n < 8 ? value & ((1ULL << (8 * n)) - 1) : value);
}

static bool value_text(void *state, uint64_t mt, uint64_t value, char *buf, size_t max)
{
	struct clr *clr = state;
	const struct clr_metadata *metadata = NULL;
	uint32_t type_row, row, end, first;
	uint64_t module;

	if (!is_enum(clr, mt) || !clr_type_module(clr, mt, &module) ||
	    !clr_type_row(clr, mt, &type_row))
		return false;
	metadata = clr_module_metadata(clr, module);
	if (!metadata ||
	    !clr_metadata_cell(metadata, CLR_TABLE_TYPE_DEF, type_row, CLR_TYPE_DEF_FIELDS, &first))
		return false;
	if (!clr_metadata_cell(metadata, CLR_TABLE_TYPE_DEF, type_row + 1, CLR_TYPE_DEF_FIELDS,
			       &end))
		end = metadata->rows[CLR_TABLE_FIELD] + 1;
	for (row = first; row < end && row - first < LITERALS_MAX; row++)
		if (literal_is(metadata, row, value))
			return clr_metadata_string(metadata, CLR_TABLE_FIELD, row, CLR_FIELD_NAME,
						   buf, max);
	return false;
}

/* Whether a method table is the one of a name, or of its address. */
static bool is_called(struct clr *clr, uint64_t mt, const char *wanted)
{
	char name[CLR_NAME_MAX];

	snprintf(name, sizeof(name), "0x%llx", (unsigned long long)mt);
	if (strcmp(name, wanted) == 0)
		return true;
	return clr_type_name(clr, mt, name, sizeof(name)) && strcmp(name, wanted) == 0;
}

static struct ch_error *find_type(void *state, const char *name, uint64_t *ret)
{
	struct ch_vec types = CH_VEC(uint64_t);
	struct ch_error *err = clr_types_list(state, &types);
	size_t i;

	*ret = 0;
	for (i = 0; !err && !*ret && i < types.count; i++)
		if (is_called(state, *CH_VEC_AT(&types, uint64_t, i), name))
			*ret = *CH_VEC_AT(&types, uint64_t, i);
	ch_vec_deinit(&types);
	return err;
}

/* StringObject: the method table, the length, the characters. */
static bool string(void *state, uint64_t addr, uint64_t type, struct ch_string *ret)
{
	const struct clr *clr = state;
	uint32_t count;

	if (type != clr->string_mt)
		return false;
	*ret = (struct ch_string){ 0 };
	if (ch_core_read_u32(clr->core, addr + 8, &count))
		*ret = (struct ch_string){ .addr = addr + 12, .count = count, .bytes = 2 };
	return true;
}

const struct ch_inspector clr_inspector = {
	.shape = shape,
	.fields = list_fields,
	.value_text = value_text,
	.find_type = find_type,
	.string = string,
	.tracing = &clr_tracing,
};
