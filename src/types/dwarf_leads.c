/*
 * The pointers of a type, as one flat list that is made when they are first followed.
 *
 * Structures in structures are opened up; an array of structures is one row, whose elements have a
 * list of their own. Whatever debug information says, a list stays within the size of its type.
 */
#include "types/dwarf_priv.h"
#include "util/bytes.h"
#include "util/error.h"

/* Members that are looked at for one type: the largest structures of real programs have some
 * thousand. */
#define STEPS_MAX (1U << 14)

/* A part of the type that is to be opened up. */
struct part {
	uint32_t type, owner;
	uint64_t offset;
	bool weak;
};

struct opening {
	struct dwarf *dwarf;
	/* of struct part: the last one is opened next */
	struct ch_vec parts;
	uint64_t size_bytes, flexible_at;
	uint32_t steps;
};

static struct ch_error *put(struct opening *opening, const struct lead *lead)
{
	uint64_t bytes = 0, last = lead->count - 1;
	struct lead *added;

	if (lead->count != LEAD_REST &&
	    (!lead->count || !ch_mul(last, lead->stride, &bytes) || bytes > opening->size_bytes))
		return NULL;
	if (!ch_inside(lead->offset, bytes, opening->size_bytes) ||
	    (lead->kind == LEAD_POINTER && lead->count != LEAD_REST &&
	     !ch_inside(lead->offset + bytes, 8, opening->size_bytes)))
		return NULL;
	added = ch_vec_push(&opening->dwarf->leads);
	if (!added)
		return &ch_enomem;
	*added = *lead;
	return NULL;
}

static struct ch_error *push(struct opening *opening, const struct part *part)
{
	struct part *added = ch_vec_push(&opening->parts);

	if (!added)
		return &ch_enomem;
	*added = *part;
	return NULL;
}

static struct ch_error *open_array(struct opening *opening, const struct part *part,
				   const struct ch_ctype *array)
{
	struct lead lead = { .offset = part->offset, .count = array->count, .weak = part->weak };
	const struct ch_ctype *element = chp_ctype(opening->dwarf->ctypes, array->target);
	uint32_t type = array->target, depth;

	if (!array->count) {
		lead.count = LEAD_REST;
		opening->flexible_at = part->offset;
	}
	for (depth = 0; element->kind == CH_CTYPE_ARRAY && depth < 16; depth++) {
		if (lead.count != LEAD_REST && !ch_mul(lead.count, element->count, &lead.count))
			return NULL;
		type = element->target;
		element = chp_ctype(opening->dwarf->ctypes, type);
	}
	if (element->kind == CH_CTYPE_POINTER) {
		lead.kind = LEAD_POINTER;
		lead.type = element->target;
		lead.stride = 8;
		return put(opening, &lead);
	}
	if ((element->kind != CH_CTYPE_STRUCT && element->kind != CH_CTYPE_UNION) ||
	    !element->size_bytes)
		return NULL;
	if (lead.count == 1)
		return push(opening, &(struct part){ type, part->owner, part->offset, part->weak });
	lead.kind = LEAD_GROUP;
	lead.type = type;
	lead.stride = element->size_bytes;
	return put(opening, &lead);
}

static struct ch_error *open_members(struct opening *opening, const struct part *part,
				     const struct ch_ctype *type)
{
	const bool united = type->kind == CH_CTYPE_UNION;
	const struct ch_ctype_member *member;
	struct ch_error *err = NULL;
	struct part next;
	uint32_t i;

	/* the last one first: they are taken from the end */
	for (i = type->members_count; !err && i > 0 && opening->steps < STEPS_MAX; i--) {
		member = &type->members[i - 1];
		if (!member->type || member->bit_size)
			continue;
		opening->steps++;
		next = (struct part){ .type = member->type,
				      .owner = part->type,
				      .weak = part->weak || united || member->is_variant };
		if (ch_add(part->offset, member->offset, &next.offset) &&
		    next.offset <= opening->size_bytes)
			err = push(opening, &next);
	}
	return err;
}

static struct ch_error *open_structure(struct opening *opening, const struct part *part,
				       const struct ch_ctype *type)
{
	struct lead lead = {
		.offset = part->offset, .count = 1, .kind = LEAD_CONTAINER, .weak = part->weak
	};
	const struct container *container;
	struct ch_error *err;

	err = chp_dwarf_container(opening->dwarf, part->type, part->owner, &lead.type);
	if (err)
		return err;
	if (lead.type == CH_TABLE_NONE)
		return open_members(opening, part, type);
	container = CH_VEC_AT(&opening->dwarf->containers, struct container, lead.type);
	if (container->rule->kind != CONTAINER_STORAGE)
		return put(opening, &lead);
	return push(opening,
		    &(struct part){ container->value, part->type, part->offset, part->weak });
}

static struct ch_error *open_part(struct opening *opening, const struct part *part)
{
	const struct ch_ctype *type = chp_ctype(opening->dwarf->ctypes, part->type);
	struct lead lead = { .offset = part->offset, .count = 1, .weak = part->weak };

	switch (type->kind) {
	case CH_CTYPE_POINTER:
		lead.kind = LEAD_POINTER;
		lead.type = type->target;
		return put(opening, &lead);
	case CH_CTYPE_BASE:
		lead.kind = LEAD_BOOL;
		return type->encoding == CH_ENCODING_BOOL && type->size_bytes == 1
			       ? put(opening, &lead)
			       : NULL;
	case CH_CTYPE_ARRAY:
		return open_array(opening, part, type);
	case CH_CTYPE_STRUCT:
		return open_structure(opening, part, type);
	case CH_CTYPE_UNION:
		return open_members(opening, part, type);
	case CH_CTYPE_VOID:
	case CH_CTYPE_ENUM:
	case CH_CTYPE_FUNCTION:
	case CH_CTYPE_OPAQUE:
		break;
	}
	return NULL;
}

static struct ch_error *open_type(struct dwarf *dwarf, uint32_t type, struct leads *ret)
{
	struct opening opening = { .dwarf = dwarf,
				   .parts = CH_VEC(struct part),
				   .size_bytes = chp_ctype(dwarf->ctypes, type)->size_bytes };
	const size_t first = dwarf->leads.count;
	struct ch_error *err;
	struct part part;

	err = push(&opening, &(struct part){ .type = type });
	while (!err && opening.parts.count && opening.steps < STEPS_MAX) {
		part = *CH_VEC_AT(&opening.parts, struct part, --opening.parts.count);
		opening.steps++;
		err = open_part(&opening, &part);
	}
	ch_vec_deinit(&opening.parts);
	if (!err && dwarf->leads.count > UINT32_MAX)
		return &ch_enomem;
	*ret = (struct leads){ .first = (uint32_t)first,
			       .count = (uint32_t)(dwarf->leads.count - first),
			       .flexible_at = opening.flexible_at };
	return err;
}

static bool is_plain(const struct dwarf *dwarf, const struct leads *leads)
{
	const struct lead *lead = CH_VEC_AT(&dwarf->leads, struct lead, leads->first);
	uint32_t i;

	for (i = 0; i < leads->count; i++)
		if ((lead[i].kind != LEAD_POINTER && lead[i].kind != LEAD_BOOL) ||
		    lead[i].count != 1 || lead[i].weak)
			return false;
	return true;
}

struct ch_error *chp_dwarf_leads(struct dwarf *dwarf, uint32_t type, struct leads *ret)
{
	uint32_t number = ch_table_find(&dwarf->types_at, type);
	struct leads leads, *kept;
	struct ch_error *err;

	if (number != CH_TABLE_NONE) {
		*ret = *CH_VEC_AT(&dwarf->of_types, struct leads, number);
		return NULL;
	}
	err = open_type(dwarf, type, &leads);
	if (err)
		return err;
	leads.plain = is_plain(dwarf, &leads);
	kept = ch_vec_push(&dwarf->of_types);
	if (!kept || !ch_table_put(&dwarf->types_at, type, (uint32_t)dwarf->of_types.count - 1))
		return &ch_enomem;
	*kept = *ret = leads;
	return NULL;
}
