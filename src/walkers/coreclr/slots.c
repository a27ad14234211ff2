/*
 * Words with a name: the static fields and those of threads that statics.c has found, by
 * address, and what the name of any place in an object is. Edges, roots and the meaning of an
 * address in code are told by these names.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdio.h>

#include "util/cleanup.h"
#include "util/search.h"

/* Of a method table's flags: a value type that is no primitive and no enum. */
#define PARENTS_MAX 256

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
	    (flags & CLR_MT_STRUCT) == CLR_MT_VALUE)
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

static size_t first_from(const struct ch_vec *list, uint64_t addr)
{
	const struct clr_slot *slots = list->items;

	return ch_search(slots, list->count, it, it->addr < addr);
}

size_t clr_slot_from(const struct clr *clr, uint64_t addr)
{
	return first_from(&clr->slots, addr);
}

const struct clr_slot *clr_static_at(const struct clr *clr, uint64_t addr)
{
	const struct ch_vec *const lists[] = { &clr->slots, &clr->numbers };
	const struct clr_slot *slot;
	size_t i, at;

	for (i = 0; i < 2; i++) {
		at = first_from(lists[i], addr);
		if (at == lists[i]->count)
			continue;
		slot = CH_VEC_AT(lists[i], struct clr_slot, at);
		if (slot->addr == addr)
			return slot;
	}
	return NULL;
}

void clr_slot_text(struct clr *clr, const struct clr_slot *slot, char *buf, size_t max)
{
	char type[CLR_NAME_MAX], field[256];

	if (!clr_type_name(clr, slot->mt, type, sizeof(type)))
		snprintf(type, sizeof(type), "MT %s",
			 chp_core_word(clr->core, slot->mt, CH_NO_ADDRESS).text);
	if (!clr_field_name(clr, slot->mt, slot->field, field, sizeof(field)))
		snprintf(field, sizeof(field), "field 0x%x", 0x04000000 | slot->field);
	if (slot->tid)
		snprintf(buf, max, "thread %u [ThreadStatic] %s.%s", slot->tid, type, field);
	else
		snprintf(buf, max, "static %s.%s", type, field);
}
