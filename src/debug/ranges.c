/*
 * Which code an entry is about: its lists of ranges, and lists of locations, which are ranges with
 * an expression each. DWARF 5 has one form of both (2.17.3, 2.6.2), and before it another.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/code_priv.h"
#include "util/bytes.h"
#include "util/search.h"

/* Entries of one list; a function that is put together from more pieces has no compiler. */
#define LIST_MAX 65536

/* ---- Lists ------------------------------------------------------------------------------ */

static uint64_t low_of(struct ch_debug_unit *unit)
{
	struct ch_debug_value value;
	struct ch_die root;

	/* of what a compiler put into another file, what is left of it knows */
	unit = unit->skeleton ? unit->skeleton : unit;
	return chp_die_root(unit, &root) && chp_die_attr(&root, DW_AT_low_pc, &value) &&
			       value.class == CH_DEBUG_ADDRESS
		       ? value.number
		       : 0;
}

/* Where a list begins that is given by its number: DWARF 5, 7.28 and 7.29. */
static bool find_indexed(const struct ch_die *die, const struct ch_debug_bytes *section,
			 uint16_t base_name, uint64_t *off)
{
	struct ch_debug_unit *unit = die->unit;
	uint64_t base = unit->offset_bytes == 8 ? 20 : 12, at;
	struct ch_debug_reader reader;
	struct ch_debug_value value;
	struct ch_die root;

	if (chp_die_root(unit, &root) && chp_die_attr(&root, base_name, &value))
		base = value.number;
	else if (base_name == DW_AT_loclists_base)
		base += unit->loc_part;
	if (!ch_mul(*off, unit->offset_bytes, &at) || !ch_add(at, base, &at) ||
	    !ch_inside(at, unit->offset_bytes, section->len))
		return false;
	reader =
		(struct ch_debug_reader){ section->data + at, section->data + section->len, false };
	return ch_add(base, chp_debug_fixed(&reader, unit->offset_bytes), off);
}

bool chp_debug_list_open(const struct ch_die *die, uint16_t name, struct ch_debug_list *ret)
{
	struct ch_debug_unit *unit = die->unit;
	bool locations = name != DW_AT_ranges;
	const struct ch_debug_bytes *section;
	struct ch_debug_value value;

	*ret = (struct ch_debug_list){ .unit = unit,
				       .has_locations = locations,
				       .is_old = unit->version < 5 };
	if (!chp_die_attr(die, name, &value) ||
	    (value.class != CH_DEBUG_OFFSET && value.class != CH_DEBUG_NUMBER) ||
	    /* what GNU's split units had before DWARF 5 */
	    (ret->is_old && unit->skeleton))
		return false;
	if (ret->is_old)
		section = &unit->file->sections[locations ? CH_DEBUG_LOC : CH_DEBUG_RANGES];
	else
		section = &unit->file->sections[locations ? CH_DEBUG_LOCLISTS : CH_DEBUG_RNGLISTS];
	if ((value.form == DW_FORM_loclistx || value.form == DW_FORM_rnglistx) &&
	    !find_indexed(die, section, locations ? DW_AT_loclists_base : DW_AT_rnglists_base,
			  &value.number))
		return false;
	if (value.number >= section->len)
		return false;
	ret->reader = (struct ch_debug_reader){ section->data + value.number,
						section->data + section->len, false };
	ret->base = low_of(unit);
	return true;
}

static uint64_t indexed_address(struct ch_debug_list *list)
{
	const struct ch_debug_spec spec = { .form = DW_FORM_addrx };
	struct ch_debug_value value;

	if (!chp_debug_value(&list->reader, list->unit, &spec, &value) ||
	    value.class != CH_DEBUG_ADDRESS) {
		list->reader.bad = true;
		return 0;
	}
	return value.number;
}

/* The expression of a range. */
static void read_expression(struct ch_debug_list *list, struct ch_debug_range *ret)
{
	struct ch_debug_reader *reader = &list->reader;
	uint64_t len;

	if (!list->has_locations)
		return;
	len = list->is_old ? chp_debug_fixed(reader, 2) : chp_debug_uleb(reader);
	if (len > (uint64_t)(reader->end - reader->at)) {
		reader->bad = true;
		return;
	}
	ret->expression = (struct ch_debug_bytes){ reader->at, len };
	reader->at += len;
}

/* An entry of a list of DWARF 2 to 4. False: the list ends. *is_range_ret: it is a range. */
static bool read_old(struct ch_debug_list *list, struct ch_debug_range *ret, bool *is_range_ret)
{
	uint64_t start = chp_debug_fixed(&list->reader, 8);
	uint64_t end = chp_debug_fixed(&list->reader, 8);

	*is_range_ret = start != UINT64_MAX;
	if (list->reader.bad || (!start && !end))
		return false;
	if (!*is_range_ret) {
		list->base = end;
		return true;
	}
	*ret = (struct ch_debug_range){ .start = list->base + start, .end = list->base + end };
	read_expression(list, ret);
	return !list->reader.bad;
}

/* One of DWARF 5. */
static bool read_new(struct ch_debug_list *list, struct ch_debug_range *ret, bool *is_range_ret)
{
	struct ch_debug_reader *reader = &list->reader;
	uint64_t kind = chp_debug_fixed(reader, 1);

	*ret = (struct ch_debug_range){ .start = 0 };
	*is_range_ret = true;
	/* lists of ranges have no default, and the numbers behind it are one less */
	if (!list->has_locations && kind >= DW_LLE_default_location)
		kind++;
	switch (kind) {
	case DW_LLE_base_addressx:
		list->base = indexed_address(list);
		*is_range_ret = false;
		return !reader->bad;
	case DW_LLE_base_address:
		list->base = chp_debug_fixed(reader, 8);
		*is_range_ret = false;
		return !reader->bad;
	case DW_LLE_GNU_view_pair:
		chp_debug_uleb(reader);
		chp_debug_uleb(reader);
		*is_range_ret = false;
		return !reader->bad;
	case DW_LLE_startx_endx:
		ret->start = indexed_address(list);
		ret->end = indexed_address(list);
		break;
	case DW_LLE_startx_length:
		ret->start = indexed_address(list);
		ret->end = ret->start + chp_debug_uleb(reader);
		break;
	case DW_LLE_offset_pair:
		ret->start = list->base + chp_debug_uleb(reader);
		ret->end = list->base + chp_debug_uleb(reader);
		break;
	case DW_LLE_default_location:
		ret->end = UINT64_MAX;
		break;
	case DW_LLE_start_end:
		ret->start = chp_debug_fixed(reader, 8);
		ret->end = chp_debug_fixed(reader, 8);
		break;
	case DW_LLE_start_length:
		ret->start = chp_debug_fixed(reader, 8);
		ret->end = ret->start + chp_debug_uleb(reader);
		break;
	default:
		return false;
	}
	read_expression(list, ret);
	return !reader->bad;
}

bool chp_debug_list_next(struct ch_debug_list *list, struct ch_debug_range *ret)
{
	bool is_range = false;

	while (list->count++ < LIST_MAX && chp_debug_spend(list->unit, 1)) {
		if (!(list->is_old ? read_old(list, ret, &is_range)
				   : read_new(list, ret, &is_range)))
			return false;
		if (is_range)
			return true;
	}
	return false;
}

/* ---- Code of an entry ---------------------------------------------------------------------- */

/* From DW_AT_low_pc to DW_AT_high_pc, which may be a length. */
static bool bounds_of(const struct ch_die *die, struct ch_debug_range *ret)
{
	struct ch_debug_value value;

	*ret = (struct ch_debug_range){ .start = 0 };
	if (!chp_die_attr(die, DW_AT_low_pc, &value) || value.class != CH_DEBUG_ADDRESS)
		return false;
	ret->start = value.number;
	if (!chp_die_attr(die, DW_AT_high_pc, &value))
		return false;
	ret->end = value.class == CH_DEBUG_ADDRESS ? value.number : ret->start + value.number;
	return ret->start < ret->end;
}

bool chp_debug_each_range(const struct ch_die *die, bool (*fn)(void *arg, uint64_t, uint64_t),
			  void *arg)
{
	struct ch_debug_range range;
	struct ch_debug_list list;

	if (bounds_of(die, &range))
		return fn(arg, range.start, range.end);
	if (!chp_debug_list_open(die, DW_AT_ranges, &list))
		return true;
	while (chp_debug_list_next(&list, &range))
		if (range.start < range.end && !fn(arg, range.start, range.end))
			return false;
	return true;
}

struct wanted {
	uint64_t pc;
	bool found;
};

static bool compare(void *arg, uint64_t start, uint64_t end)
{
	struct wanted *wanted = arg;

	wanted->found = wanted->pc >= start && wanted->pc < end;
	return !wanted->found;
}

bool chp_debug_covers(const struct ch_die *die, uint64_t pc)
{
	struct wanted wanted = { .pc = pc };

	chp_debug_each_range(die, compare, &wanted);
	return wanted.found;
}
