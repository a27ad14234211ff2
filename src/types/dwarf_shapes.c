/*
 * What blocks are, as numbers, and what these are called.
 */
#include <stdio.h>

#include "types/dwarf_priv.h"
#include "util/cleanup.h"

/* Pointers to pointers, arrays of arrays: deeper ones have no name. */
#define LEVELS_MAX 8

/* What is behind the name of the type, or of the container. */
static const char *const behind[] = {
	[FORM_PREFIX] = " and more",
	[FORM_TEXT] = "[]",
	[FORM_SCALARS] = "[]",
	[FORM_ARRAY] = "[]",
	[FORM_ONE] = "",
	[FORM_NODE] = " node",
	[FORM_BODY] = " body",
	[FORM_BUCKETS] = " buckets",
	[FORM_STRING] = " text",
	[FORM_MAP] = " map",
	[FORM_BLOCK] = " block",
};

uint64_t chp_dwarf_shape(struct dwarf *dwarf, enum form form, uint32_t type)
{
	const uint64_t key = (uint64_t)form << 32 | type;
	uint32_t number = ch_table_find(&dwarf->shapes_at, key);
	struct shape *shape;

	if (number != CH_TABLE_NONE)
		return number + 1ULL;
	shape = ch_vec_push(&dwarf->shapes);
	if (!shape || !ch_table_put(&dwarf->shapes_at, key, (uint32_t)dwarf->shapes.count - 1))
		return 0;
	*shape = (struct shape){ .form = form, .type = type };
	return dwarf->shapes.count;
}

struct shape *chp_dwarf_shape_of(const struct dwarf *dwarf, uint64_t key)
{
	return CH_VEC_AT(&dwarf->shapes, struct shape, key - 1);
}

bool chp_dwarf_has_name(struct dwarf *dwarf, uint32_t type)
{
	const struct ch_ctype *ctype = chp_ctype(dwarf->ctypes, type);
	int level;

	for (level = 0; level < LEVELS_MAX; level++) {
		if (ctype->kind == CH_CTYPE_VOID || ctype->kind == CH_CTYPE_FUNCTION || ctype->name)
			return true;
		ctype = chp_ctype(dwarf->ctypes, ctype->target);
	}
	return false;
}

const char *chp_dwarf_shape_name(struct dwarf *dwarf, struct shape *shape)
{
	_cleanup_free_ char *text = NULL;
	uint32_t type = shape->type;

	if (shape->name)
		return shape->name;
	if (shape->form >= FORM_NODE)
		type = CH_VEC_AT(&dwarf->containers, struct container, type)->owner;
	text = chp_ctype_text(dwarf->ctypes, type);
	if (!text || asprintf(&shape->name, "%s%s", text, behind[shape->form]) < 0)
		shape->name = NULL;
	return shape->name;
}
