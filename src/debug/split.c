/*
 * Units that were kept out of a module's own debug information: what dwz took out of several files,
 * and what compilers leave in a file for each unit (.dwo, -gsplit-dwarf) or all of them in a
 * package (.dwp). A skeleton remains, which says where the rest is and by what number it is known;
 * a file with another number is of another build.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/debug_priv.h"
#include "util/bytes.h"
#include "util/search.h"

/* ---- What dwz took out ---------------------------------------------------------------- */

struct ch_debug_sections *chp_debug_alternative(struct ch_debug_sections *file)
{
	struct ch_debug_sections *more;
	Elf *elf;

	if (file->alternative_tried)
		return file->alternative;
	file->alternative_tried = true;
	elf = file->from.dwarf ? chp_sym_debug_alternative(file->ctypes->sym, &file->from) : NULL;
	if (!elf)
		return NULL;
	more = chp_debug_file_add(file->ctypes, file, elf, "");
	if (more && chp_debug_units(more))
		file->alternative = more;
	return file->alternative;
}

/* ---- Packages --------------------------------------------------------------------------- */

/* Columns of an index, of both versions: DWARF 5, 7.3.5.3, and GNU's. */
enum column {
	COLUMN_INFO = 1,
	COLUMN_TYPES = 2,
	COLUMN_ABBREV = 3,
	COLUMN_LOC = 5,
	COLUMN_STR_OFFSETS = 6,
	COLUMNS = 9,
};

/* Tell the units of one row what part of each section is theirs. */
static void take_row(struct ch_debug_sections *file, const uint64_t offsets[COLUMNS], bool is_types)
{
	struct ch_debug_unit *unit =
		chp_debug_unit_at(file, is_types ? CH_DEBUG_TYPES : CH_DEBUG_INFO,
				  offsets[is_types ? COLUMN_TYPES : COLUMN_INFO]);

	if (!unit || unit->packed)
		return;
	unit->packed = true;
	unit->abbrev_off += offsets[COLUMN_ABBREV];
	unit->str_offsets_part = offsets[COLUMN_STR_OFFSETS];
	unit->loc_part = offsets[COLUMN_LOC];
}

static void read_index(struct ch_debug_sections *file, enum ch_debug_section which)
{
	const struct ch_debug_bytes *section = &file->sections[which];
	struct ch_debug_reader reader = { section->data, section->data + section->len, false };
	uint64_t version = chp_debug_fixed(&reader, 4), columns, rows, slots, i, k, id;
	uint8_t kinds[COLUMNS] = { 0 };
	bool is_types;

	/* version 5 takes two bytes, and two are padding */
	columns = chp_debug_fixed(&reader, 4);
	rows = chp_debug_fixed(&reader, 4);
	slots = chp_debug_fixed(&reader, 4);
	if (reader.bad || !columns || columns >= COLUMNS || !ch_inside(0, 12 * slots, section->len))
		return;
	is_types = which == CH_DEBUG_TU_INDEX && version == 2;
	reader.at += ch_min(12 * slots, (uint64_t)(reader.end - reader.at));
	for (k = 0; k < columns; k++) {
		id = chp_debug_fixed(&reader, 4);
		kinds[k] = id < COLUMNS ? (uint8_t)id : 0;
	}
	for (i = 0; i < rows && !reader.bad; i++) {
		uint64_t offsets[COLUMNS] = { 0 };

		for (k = 0; k < columns; k++)
			offsets[kinds[k]] = chp_debug_fixed(&reader, 4);
		if (!reader.bad)
			take_row(file, offsets, is_types);
	}
}

/* ---- Split units ------------------------------------------------------------------------ */

static bool is_split(const struct ch_debug_unit *unit)
{
	return unit->type == DW_UT_split_compile ||
	       (unit->type == DW_UT_compile && unit->version < 5);
}

/* The number of a unit: in its header, before DWARF 5 an attribute. */
static uint64_t id_of(struct ch_debug_unit *unit)
{
	struct ch_die root;
	uint64_t id = 0;

	chp_debug_unit_begin(unit);
	if (unit->version >= 5)
		return unit->signature;
	if (chp_die_root(unit, &root))
		chp_die_number(&root, DW_AT_GNU_dwo_id, &id);
	return id;
}

/* The sections of an ELF file with split units. */
static struct ch_debug_sections *open_split(struct ch_debug_sections *of, Elf *elf)
{
	struct ch_debug_sections *file = chp_debug_file_add(of->ctypes, of, elf, ".dwo");

	if (!file || !chp_debug_units(file))
		return NULL;
	read_index(file, CH_DEBUG_CU_INDEX);
	read_index(file, CH_DEBUG_TU_INDEX);
	return file;
}

/* The unit of a number. */
static struct ch_debug_unit *find_split(const struct ch_debug_sections *file, uint64_t id)
{
	struct ch_debug_unit *unit;
	size_t i;

	for (i = 0; i < file->info_count; i++) {
		unit = *CH_VEC_AT(&file->units, struct ch_debug_unit *, i);
		if (is_split(unit) && id_of(unit) == id)
			return unit;
	}
	return NULL;
}

static struct ch_debug_unit *find_packed(struct ch_debug_sections *of, uint64_t id)
{
	struct ch_debug_unit *unit;
	uint32_t number;
	size_t i;
	Elf *elf;

	if (!of->package_tried) {
		of->package_tried = true;
		elf = chp_sym_debug_package(of->ctypes->sym, &of->from);
		of->package = elf ? open_split(of, elf) : NULL;
		for (i = 0; of->package && i < of->package->info_count; i++) {
			unit = *CH_VEC_AT(&of->package->units, struct ch_debug_unit *, i);
			if (is_split(unit) && id_of(unit))
				ch_table_put(&of->package->ids, id_of(unit), (uint32_t)i);
		}
	}
	number = of->package ? ch_table_find(&of->package->ids, id) : CH_TABLE_NONE;
	return number == CH_TABLE_NONE
		       ? NULL
		       : *CH_VEC_AT(&of->package->units, struct ch_debug_unit *, number);
}

/* Its own file. */
static struct ch_debug_unit *find_file(const struct ch_die *root, const char *name, uint64_t id)
{
	struct ch_debug_sections *of = root->unit->file, *file;
	Elf *elf = chp_sym_debug_split(of->ctypes->sym, &of->from,
				       chp_die_own_text(root, DW_AT_comp_dir), name);

	file = elf ? open_split(of, elf) : NULL;
	return file ? find_split(file, id) : NULL;
}

struct ch_debug_unit *chp_debug_split(struct ch_debug_unit *skeleton)
{
	struct ch_debug_unit *unit;
	struct ch_die root;
	const char *name;
	uint64_t id;

	if (skeleton->split_tried)
		return skeleton->split;
	skeleton->split_tried = true;
	if ((skeleton->version >= 5 && skeleton->type != DW_UT_skeleton) ||
	    skeleton->section != CH_DEBUG_INFO || !skeleton->file->from.elf)
		return NULL;
	chp_debug_unit_begin(skeleton);
	if (!chp_die_root(skeleton, &root))
		return NULL;
	name = chp_die_own_text(&root,
				skeleton->version >= 5 ? DW_AT_dwo_name : DW_AT_GNU_dwo_name);
	id = id_of(skeleton);
	if (!name || !id)
		return NULL;
	unit = find_packed(skeleton->file, id);
	if (!unit)
		unit = find_file(&root, name, id);
	/* one that two skeletons claim is the first one's */
	if (!unit || unit->skeleton)
		return NULL;
	unit->skeleton = skeleton;
	skeleton->split = unit;
	return unit;
}
