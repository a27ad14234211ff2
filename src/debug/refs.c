/*
 * What attributes lead to, in other units and other files: entries, and texts that dwz took out.
 */
#include <dwarf.h>

#include "debug/debug_priv.h"

const char *chp_die_text(const struct ch_die *die, uint16_t name)
{
	struct ch_debug_value value, text = { .class = CH_DEBUG_NOTHING };
	const struct ch_debug_sections *file;

	if (!chp_die_attr(die, name, &value) || value.class != CH_DEBUG_STRING)
		return NULL;
	if (!value.is_elsewhere)
		return chp_die_own_text(die, name);
	file = chp_debug_alternative(die->unit->file);
	if (file)
		chp_debug_string(&file->sections[CH_DEBUG_STR], value.number, &text);
	return text.class == CH_DEBUG_STRING && text.len &&
			       chp_debug_spend(die->unit, text.len / CH_DEBUG_STEP_BYTES)
		       ? (const char *)text.data
		       : NULL;
}

/* The type of a type unit, in the files that its user knows. */
static bool signed_type(const struct ch_die *die, uint64_t signature, struct ch_die *ret)
{
	struct ch_debug_sections *file = die->unit->file;
	uint32_t i = ch_table_find(&file->signatures, signature);
	struct ch_debug_unit *unit;

	if (i == CH_TABLE_NONE)
		return false;
	unit = *CH_VEC_AT(&file->units, struct ch_debug_unit *, i);
	chp_debug_unit_begin(unit);
	return chp_die_at(unit, unit->type_off, ret);
}

bool chp_die_ref(const struct ch_die *die, uint16_t name, struct ch_die *ret)
{
	struct ch_debug_unit *unit = die->unit;
	const struct ch_debug_sections *file;
	struct ch_debug_value value;

	if (!chp_die_attr(die, name, &value) || !chp_debug_spend(unit, 1))
		return false;
	if (value.class == CH_DEBUG_SIGNATURE)
		return signed_type(die, value.number, ret);
	if (value.class != CH_DEBUG_REFERENCE)
		return false;
	/* by those forms that may leave the unit, and lead into .debug_info only */
	file = value.is_elsewhere ? chp_debug_alternative(unit->file) : unit->file;
	if (value.is_elsewhere || value.form == DW_FORM_ref_addr)
		unit = file ? chp_debug_unit_at(file, CH_DEBUG_INFO, value.number) : NULL;
	if (!unit)
		return false;
	chp_debug_unit_begin(unit);
	return chp_die_at(unit, value.number, ret);
}
