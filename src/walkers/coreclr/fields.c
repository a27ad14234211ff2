/*
 * The fields of types.
 *
 * dotnet/runtime, release/9.0, src/coreclr/vm/field.h (FieldDesc): the method table
 * that declares it, then two words: row of Field and flags, offset and kind.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>

#include "util/bytes.h"
#include "util/cleanup.h"

enum {
	FIELD_BYTES = 16,
	ROW_MASK = 0x00ffffff,
	FLAG_STATIC = 1 << 24,
	FLAG_THREAD = 1 << 25,
	FLAG_RVA = 1 << 26,
	OFFSET_MASK = 0x07ffffff,
	KIND_SHIFT = 27,
};

/* Of a method table's flags: a value type that is no primitive and no enum. */
#define CATEGORY_VALUE_MASK 0x000e0000U
#define CATEGORY_VALUE      0x00040000U

#define PARENTS_MAX         256

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

/* The field of a type, its parents included, that begins last at or before offset,
 * which counts from the first field; and the type that declares it, or 0. */
static uint64_t field_at(const struct clr *clr, uint64_t mt, uint64_t offset, struct clr_field *ret)
{
	struct clr_field fields[256];
	uint64_t best = 0;
	uint32_t count, i, up;

	for (up = 0; mt && up < PARENTS_MAX; up++) {
		count = clr_fields_of(clr, mt, fields, CH_COUNT_OF(fields));
		for (i = 0; i < count; i++) {
			if (fields[i].is_static || fields[i].offset > offset ||
			    (best && fields[i].offset <= ret->offset))
				continue;
			*ret = fields[i];
			best = mt;
		}
		if (!clr_read_ptr(clr, mt + clr->layout.mt_parent, &mt))
			break;
	}
	return best;
}

/* ".name", or ".name+0x8" where what lies there is larger. */
static bool field_text(struct clr *clr, uint64_t mt, uint64_t offset, char *buf, size_t max)
{
	struct clr_field field;
	uint64_t declaring = field_at(clr, mt, offset, &field);
	char name[256];

	if (!declaring || !clr_field_name(clr, declaring, field.row, name, sizeof(name)))
		return false;
	if (offset > field.offset)
		snprintf(buf, max, ".%s+0x%llx", name, (unsigned long long)(offset - field.offset));
	else
		snprintf(buf, max, ".%s", name);
	return true;
}

/* "[3]", "[3].name" where elements are structures. */
static bool element_text(struct clr *clr, uint64_t mt, const struct clr_shape *shape, uint64_t addr,
			 uint64_t offset, char *buf, size_t max)
{
	uint64_t data = shape->base_bytes - 8, index, inner, element;
	uint32_t count, flags;
	char field[300];

	if (offset < data || !ch_core_read_u32(clr->core, addr + 8, &count))
		return false;
	index = (offset - data) / shape->component_bytes;
	inner = (offset - data) % shape->component_bytes;
	if (index >= count)
		return false;
	field[0] = '\0';
	if (inner)
		snprintf(field, sizeof(field), "+0x%llx", (unsigned long long)inner);
	if (clr_read_ptr(clr, mt + clr->layout.mt_dictionaries, &element) && !(element & 2) &&
	    ch_core_read_u32(clr->core, element + clr->layout.mt_flags, &flags) &&
	    (flags & CATEGORY_VALUE_MASK) == CATEGORY_VALUE)
		field_text(clr, element, inner, field, sizeof(field));
	snprintf(buf, max, "[%llu]%s", (unsigned long long)index, field);
	return true;
}

bool clr_place_text(struct clr *clr, uint64_t addr, uint64_t mt, uint64_t offset, char *buf,
		    size_t max)
{
	size_t slot = clr_slot_from(clr, addr + offset);
	struct clr_shape shape;

	if (slot < clr->slots.count &&
	    CH_VEC_AT(&clr->slots, struct clr_slot, slot)->addr == addr + offset) {
		clr_slot_text(clr, CH_VEC_AT(&clr->slots, struct clr_slot, slot), buf, max);
		return true;
	}
	if (!clr_shape_read(clr, mt, &shape) || offset < 8)
		return false;
	if (shape.component_bytes)
		return element_text(clr, mt, &shape, addr, offset, buf, max);
	return field_text(clr, mt, offset - 8, buf, max);
}
