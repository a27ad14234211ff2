/*
 * The fields of types.
 *
 * dotnet/runtime, release/9.0, src/coreclr/vm/field.h (FieldDesc): the method table
 * that declares it, then two words: row of Field and flags, offset and kind.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include "util/bytes.h"

enum {
	FIELD_BYTES = 16,
	ROW_MASK = 0x00ffffff,
	FLAG_STATIC = 1 << 24,
	FLAG_THREAD = 1 << 25,
	FLAG_RVA = 1 << 26,
	OFFSET_MASK = 0x07ffffff,
	KIND_SHIFT = 27,
};

/* Fields that a type adds to its parent's. */
static uint32_t count_fields(const struct clr *clr, uint64_t mt, uint64_t class)
{
	uint32_t own = clr_class_number(clr, class, CLR_NUMBER_INSTANCE), inherited = 0;
	uint64_t parent, parent_class;

	if (clr_read_ptr(clr, mt + clr->layout.mt_parent, &parent) && parent &&
	    clr_class_of(clr, parent, &parent_class))
		inherited = clr_class_number(clr, parent_class, CLR_NUMBER_INSTANCE);
	own -= (uint32_t)ch_min(own, inherited);
	return own + clr_class_number(clr, class, CLR_NUMBER_STATIC);
}

uint32_t clr_fields_of(const struct clr *clr, uint64_t mt, struct clr_field *fields, uint32_t max)
{
	uint64_t class, list, owner, declaring = 0;
	uint32_t count, first, second, i;
	uint8_t bytes[FIELD_BYTES];

	if (!clr_class_of(clr, mt, &class) ||
	    !clr_read_ptr(clr, class + clr->layout.class_fields, &list) || !list)
		return 0;
	count = (uint32_t)ch_min(count_fields(clr, mt, class), max);
	for (i = 0; i < count; i++) {
		if (!ch_core_try_read(clr->core, list + (uint64_t)FIELD_BYTES * i, bytes,
				      sizeof(bytes)))
			break;
		owner = ch_get64(bytes);
		if (i && owner != declaring)
			break;
		declaring = owner;
		first = ch_get32(bytes + 8);
		second = ch_get32(bytes + 12);
		fields[i] = (struct clr_field){
			.row = first & ROW_MASK,
			.offset = second & OFFSET_MASK,
			.kind = (uint8_t)(second >> KIND_SHIFT),
			.is_static = first & FLAG_STATIC,
			.is_thread_static = first & FLAG_THREAD,
			.has_rva = first & FLAG_RVA,
		};
	}
	return i;
}

bool clr_field_name(struct clr *clr, uint64_t mt, uint32_t row, char *buf, size_t max)
{
	const struct clr_metadata *metadata;
	uint64_t module;

	if (!clr_type_module(clr, mt, &module))
		return false;
	metadata = clr_module_metadata(clr, module);
	return metadata &&
	       clr_metadata_string(metadata, CLR_TABLE_FIELD, row, CLR_FIELD_NAME, buf, max);
}

bool clr_holds_object(const struct clr_field *field)
{
	return !field->has_rva &&
	       (field->kind == CLR_KIND_STRING || field->kind == CLR_KIND_VALUE_TYPE ||
		field->kind == CLR_KIND_CLASS || field->kind == CLR_KIND_OBJECT ||
		field->kind == CLR_KIND_ARRAY);
}
