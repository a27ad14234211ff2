/*
 * What is inside of a type: members and bases of structures with their places, arguments of
 * templates, what pointers, arrays and enumerations are of.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/debug_priv.h"
#include "util/bytes.h"

/* What has more is made by no compiler: the largest structures of generated code have some
 * thousand. */
#define MEMBERS_MAX 65536

/* ---- Where members lie ---------------------------------------------------------------- */

/* A constant, or an expression that adds one; false: it depends on the object. */
static bool place_of(const struct ch_die *die, uint64_t *ret)
{
	struct ch_debug_reader reader;
	struct ch_debug_value value;

	*ret = 0;
	if (!chp_die_attr(die, DW_AT_data_member_location, &value))
		return true;
	*ret = value.number;
	if (value.class != CH_DEBUG_BLOCK)
		return value.class == CH_DEBUG_NUMBER;
	reader = (struct ch_debug_reader){ value.data, value.data + value.len, false };
	if (chp_debug_fixed(&reader, 1) != DW_OP_plus_uconst)
		return false;
	*ret = chp_debug_uleb(&reader);
	return !reader.bad && reader.at == reader.end;
}

/* Without reading what is inside of it: nothing recurses. */
static uint64_t size_of(struct ch_ctypes *ctypes, uint32_t id)
{
	return id ? chp_ctype_row(ctypes, id)->type.size_bytes : 0;
}

/* Bit fields: DWARF 4, 5.5.6; before that counted from the highest bit of a unit of storage. */
static bool place_bits(struct ch_ctypes *ctypes, const struct ch_die *die,
		       struct ch_ctype_member *member)
{
	uint64_t size, at, storage = 0;

	if (!chp_die_number(die, DW_AT_bit_size, &size))
		return true;
	if (!size || size > UINT8_MAX)
		return false;
	if (!chp_die_number(die, DW_AT_data_bit_offset, &at)) {
		if (!chp_die_number(die, DW_AT_bit_offset, &at))
			at = 0;
		else {
			if (!chp_die_number(die, DW_AT_byte_size, &storage))
				storage = size_of(ctypes, member->type);
			at = 8 * storage - at - size;
		}
		if (!ch_add(at, 8 * member->offset, &at))
			return false;
	}
	member->offset = at / 8;
	member->bit_offset = at % 8;
	member->bit_size = (uint8_t)size;
	return true;
}

/* ---- Lists ---------------------------------------------------------------------------- */

struct lists {
	struct ch_ctypes *ctypes;
	/* Bytes of the type; 0: not known. */
	uint64_t size_bytes;
	/* Some of it makes no sense. */
	bool damaged;
	/* of struct ch_ctype_member and struct ch_ctype_argument */
	struct ch_vec members, arguments;
	bool has_vtable;
};

/* Whether a member lies in its type. Bases may reach beyond it, by what is shared with others. */
static bool fits(const struct lists *lists, const struct ch_ctype_member *member)
{
	uint64_t size =
		member->bit_size || member->is_base ? 0 : size_of(lists->ctypes, member->type);

	return ch_inside(member->offset, size, lists->size_bytes);
}

static void take_member(struct lists *lists, const struct ch_die *die, bool is_variant)
{
	struct ch_ctype_member member = { .is_variant = is_variant }, *slot;

	/* "static", before DWARF 5 */
	if (die->abbrev->has & CH_DEBUG_HAS_DECLARATION || !place_of(die, &member.offset))
		return;
	member.is_base = chp_die_tag(die) == DW_TAG_inheritance;
	member.type = chp_ctypes_of_attr(lists->ctypes, die);
	if (!place_bits(lists->ctypes, die, &member) || !fits(lists, &member)) {
		lists->damaged = true;
		return;
	}
	member.name = member.is_base ? NULL : chp_die_text(die, DW_AT_name);
	if (member.name && strncmp(member.name, "_vptr", 5) == 0)
		lists->has_vtable = true;
	slot = ch_vec_push(&lists->members);
	if (slot)
		*slot = member;
}

static void take_argument(struct lists *lists, const struct ch_die *die)
{
	struct ch_ctype_argument argument = { .name = chp_die_text(die, DW_AT_name) }, *slot;

	argument.is_value = chp_die_tag(die) == DW_TAG_template_value_parameter;
	argument.type = chp_ctypes_of_attr(lists->ctypes, die);
	if (argument.is_value)
		chp_die_number(die, DW_AT_const_value, &argument.value);
	slot = ch_vec_push(&lists->arguments);
	if (slot)
		*slot = argument;
}

static void take_child(struct lists *lists, const struct ch_die *die, bool is_variant)
{
	switch (chp_die_tag(die)) {
	case DW_TAG_member:
	case DW_TAG_inheritance:
		take_member(lists, die, is_variant);
		break;
	case DW_TAG_template_type_parameter:
	case DW_TAG_template_value_parameter:
		take_argument(lists, die);
		break;
	default:
		break;
	}
}

/* What groups children without being a scope. */
static bool is_group(const struct ch_die *die)
{
	return chp_die_tag(die) == DW_TAG_variant_part || chp_die_tag(die) == DW_TAG_variant ||
	       chp_die_tag(die) == DW_TAG_GNU_template_parameter_pack;
}

/* Children, and those of groups in them. */
static void take_children(struct lists *lists, const struct ch_die *die)
{
	int32_t depth = 1;
	struct ch_die at;
	bool more;

	for (more = chp_die_child(die, &at); more && depth > 0 && !lists->damaged;) {
		take_child(lists, &at, depth > 1);
		lists->damaged = lists->damaged || lists->members.count > MEMBERS_MAX ||
				 lists->arguments.count > MEMBERS_MAX;
		more = is_group(&at) ? chp_die_next(&at, &depth) : chp_die_skip(&at, &depth);
	}
}

/* Keep a list as an array; NULL: it is empty, or there is no memory. */
static const void *settle(struct ch_ctypes *ctypes, struct ch_vec *vec, uint32_t *count_ret)
{
	void *items = vec->count ? reallocarray(vec->items, vec->count, vec->item_size) : NULL;
	uint32_t count = (uint32_t)vec->count;

	if (items)
		vec->items = NULL;
	ch_vec_deinit(vec);
	items = chp_debug_keep(ctypes, items);
	*count_ret = items ? count : 0;
	return items;
}

static void read_type(struct ch_ctypes *ctypes, struct ch_ctype_row *row)
{
	struct lists lists = { .ctypes = ctypes,
			       .members = CH_VEC(struct ch_ctype_member),
			       .arguments = CH_VEC(struct ch_ctype_argument) };
	struct ch_ctype *type = &row->type;
	struct ch_debug_value value;

	switch (type->kind) {
	case CH_CTYPE_ARRAY:
		type->target = row->dimension + 1 < row->dimensions
				       ? chp_ctypes_of_die(ctypes, &row->die, row->dimension + 1)
				       : chp_ctypes_of_attr(ctypes, &row->die);
		return;
	case CH_CTYPE_POINTER:
	case CH_CTYPE_ENUM:
	case CH_CTYPE_FUNCTION:
		type->target = chp_ctypes_of_attr(ctypes, &row->die);
		return;
	case CH_CTYPE_STRUCT:
	case CH_CTYPE_UNION:
		break;
	case CH_CTYPE_VOID:
	case CH_CTYPE_BASE:
	case CH_CTYPE_OPAQUE:
		return;
	}
	lists.size_bytes = type->size_bytes;
	take_children(&lists, &row->die);
	/* of a lie there is no part that is true */
	if (lists.damaged) {
		lists.members.count = lists.arguments.count = 0;
		chp_debug_damaged(ctypes, row->die.unit->file);
	}
	/* what a class inherits its table from */
	type->has_vtable =
		lists.has_vtable || chp_die_attr(&row->die, DW_AT_containing_type, &value);
	type->members = settle(ctypes, &lists.members, &type->members_count);
	type->arguments = settle(ctypes, &lists.arguments, &type->arguments_count);
}

/* ---- What is asked ------------------------------------------------------------------- */

const struct ch_ctype *chp_ctype(struct ch_ctypes *ctypes, uint32_t id)
{
	static const struct ch_ctype none = { .kind = CH_CTYPE_VOID };
	struct ch_ctype_row *row;

	if (!id || id > ctypes->count)
		return &none;
	row = chp_ctype_row(ctypes, id);
	if (!row->read) {
		row->read = true;
		read_type(ctypes, row);
	}
	return &row->type;
}

const char *chp_ctype_enumerator(struct ch_ctypes *ctypes, uint32_t id, uint64_t value)
{
	const struct ch_ctype *type = chp_ctype(ctypes, id);
	uint64_t bits = type->size_bytes * 8, mask, number;
	struct ch_die child;
	bool more;

	if (type->kind != CH_CTYPE_ENUM || !bits || bits > 64)
		return NULL;
	/* a compiler may write a negative one with more or fewer bits */
	mask = UINT64_MAX >> (64 - bits);
	for (more = chp_die_child(&chp_ctype_row(ctypes, id)->die, &child); more;
	     more = chp_die_sibling(&child))
		if (chp_die_tag(&child) == DW_TAG_enumerator &&
		    chp_die_number(&child, DW_AT_const_value, &number) &&
		    (number & mask) == (value & mask))
			return chp_die_text(&child, DW_AT_name);
	return NULL;
}
