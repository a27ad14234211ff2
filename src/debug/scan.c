/*
 * One pass over all entries of a module's debug information: variables that lie somewhere, and
 * where types are defined, so that declarations and names lead there. Of equal definitions in many
 * units the first is kept.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/debug_priv.h"
#include "util/hash.h"
#include "util/search.h"

/* Locations of variables are at most an address, an offset and what makes it a thread's. */
#define OPERATIONS_MAX 4

/* Scopes that are open. */
struct open {
	struct {
		int32_t depth;
		/* A function is around: types are its own. */
		bool is_local;
		/* Of the name with all that is around. */
		uint64_t hash;
	} rows[CH_DEBUG_DEPTH_MAX];
	uint32_t count;
};

/* ---- Variables -------------------------------------------------------------------- */

/* Where an expression says that a variable is, if that is the same for the whole run. */
static bool evaluate(const struct ch_debug_unit *unit, const struct ch_debug_value *block,
		     struct ch_debug_found *ret)
{
	struct ch_debug_reader reader = { block->data, block->data + block->len, false };
	struct ch_debug_spec index = { .form = DW_FORM_addrx };
	struct ch_debug_value value;
	bool has_value = false;
	uint32_t i;

	for (i = 0; i < OPERATIONS_MAX && reader.at < reader.end; i++) {
		switch (*reader.at++) {
		case DW_OP_addr:
		case DW_OP_const8u:
			ret->addr = chp_debug_fixed(&reader, 8);
			has_value = true;
			break;
		case DW_OP_addrx:
		case DW_OP_constx:
		case DW_OP_GNU_addr_index:
		case DW_OP_GNU_const_index:
			if (!chp_debug_value(&reader, unit, &index, &value) ||
			    value.class != CH_DEBUG_ADDRESS)
				return false;
			ret->addr = value.number;
			has_value = true;
			break;
		case DW_OP_plus_uconst:
			ret->addr += chp_debug_uleb(&reader);
			break;
		case DW_OP_form_tls_address:
		case DW_OP_GNU_push_tls_address:
			ret->is_tls = true;
			break;
		default:
			return false;
		}
	}
	return has_value && !reader.bad && reader.at == reader.end;
}

/* False: no memory. */
static bool take_variable(struct ch_ctypes *ctypes, const struct ch_die *die)
{
	struct ch_debug_found found = { .unit = die->unit, .off = die->off }, *slot;
	struct ch_debug_value location;

	if (!(die->abbrev->has & CH_DEBUG_HAS_LOCATION) ||
	    !chp_die_attr(die, DW_AT_location, &location) || location.class != CH_DEBUG_BLOCK ||
	    !evaluate(die->unit, &location, &found))
		return true;
	slot = ch_vec_push(&ctypes->found);
	if (slot)
		*slot = found;
	return slot != NULL;
}

/* ---- Definitions ------------------------------------------------------------------ */

/* What tells definitions of one name apart: in most languages nothing. */
static uint32_t look_of(const struct ch_die *die)
{
	uint64_t size = 0, line = 0, hash;

	if (die->unit->one_definition)
		return 0;
	chp_die_number(die, DW_AT_byte_size, &size);
	chp_die_number(die, DW_AT_decl_line, &line);
	hash = ch_hash_number(ch_hash_number(CH_HASH_START, size), line);
	return (uint32_t)(hash >> 32 ^ hash);
}

static struct ch_debug_definition *definition_of(const struct ch_ctypes *ctypes, uint32_t number)
{
	return CH_VEC_AT(&ctypes->definitions, struct ch_debug_definition, number);
}

/* False: no memory. */
static bool take_definition(struct ch_ctypes *ctypes, const struct ch_die *die, uint64_t hash)
{
	uint32_t first = hash ? ch_table_find(&ctypes->by_name, hash) : 0, look = look_of(die), i;
	uint32_t module = (uint32_t)die->unit->file->module_index;
	struct ch_debug_definition *slot;

	if (!hash)
		return true;
	for (i = first; i != CH_TABLE_NONE; i = slot->next) {
		slot = definition_of(ctypes, i);
		if ((slot->module == module && slot->look == look) ||
		    !chp_debug_spend(die->unit, 1))
			return true;
	}
	slot = ch_vec_push(&ctypes->definitions);
	if (!slot)
		return false;
	*slot = (struct ch_debug_definition){
		.unit = die->unit, .off = die->off, .next = first, .module = module, .look = look
	};
	return ch_table_put(&ctypes->by_name, hash, (uint32_t)ctypes->definitions.count - 1);
}

static uint64_t hash_of(const struct open *open, const struct ch_die *die, const char *otherwise)
{
	uint64_t around = open->count ? open->rows[open->count - 1].hash : 0;
	const char *name;

	if (die->abbrev->has & CH_DEBUG_HAS_SPECIFICATION ||
	    (die->abbrev->has & (CH_DEBUG_HAS_NAME | CH_DEBUG_HAS_SIGNATURE)) ==
		    CH_DEBUG_HAS_SIGNATURE)
		return chp_debug_die_hash(die, NULL);
	name = chp_die_text(die, DW_AT_name);
	if (!name)
		name = otherwise;
	return name ? chp_debug_name_hash(around, name, strlen(name)) : around;
}

/* A typedef that is the only name of a structure. */
static bool names_nameless(const struct ch_die *die)
{
	struct ch_die target;

	if (!(die->abbrev->has & CH_DEBUG_HAS_NAME) || !chp_die_ref(die, DW_AT_type, &target) ||
	    target.abbrev->has & CH_DEBUG_HAS_NAME)
		return false;
	switch (chp_die_tag(&target)) {
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
		return true;
	default:
		return false;
	}
}

/* What units have in common (dwz, link-time optimisation) is in their language. */
static void take_import(const struct ch_die *die)
{
	struct ch_die target;

	if (!chp_die_ref(die, DW_AT_import, &target) || target.unit->language)
		return;
	target.unit->language = die->unit->language;
	target.unit->one_definition = die->unit->one_definition;
}

/* ---- The pass --------------------------------------------------------------------- */

static void push(struct open *open, const struct ch_die *die, int32_t depth, uint64_t hash,
		 bool is_local)
{
	bool around = open->count && open->rows[open->count - 1].is_local;

	if (!die->abbrev->has_children || open->count == CH_DEBUG_DEPTH_MAX)
		return;
	open->rows[open->count].depth = depth;
	open->rows[open->count].hash = hash;
	open->rows[open->count++].is_local = is_local || around;
}

/* False: no memory. */
static bool take(struct ch_ctypes *ctypes, struct open *open, const struct ch_die *die,
		 int32_t depth)
{
	bool is_local = open->count && open->rows[open->count - 1].is_local;
	uint64_t hash;

	switch (chp_die_tag(die)) {
	case DW_TAG_variable:
		return take_variable(ctypes, die);
	case DW_TAG_imported_unit:
		take_import(die);
		return true;
	case DW_TAG_namespace:
	case DW_TAG_module:
		hash = hash_of(open, die,
			       chp_die_tag(die) == DW_TAG_namespace ? CH_DEBUG_NAMELESS : NULL);
		push(open, die, depth, hash, false);
		return true;
	case DW_TAG_subprogram:
		push(open, die, depth, 0, true);
		return true;
	case DW_TAG_typedef:
		return is_local || !names_nameless(die) ||
		       take_definition(ctypes, die, hash_of(open, die, NULL));
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
		break;
	default:
		return true;
	}
	if (is_local)
		return true;
	hash = hash_of(open, die, NULL);
	push(open, die, depth, hash, false);
	return die->abbrev->has & CH_DEBUG_HAS_DECLARATION ||
	       !(die->abbrev->has & (CH_DEBUG_HAS_NAME | CH_DEBUG_HAS_SPECIFICATION)) ||
	       take_definition(ctypes, die, hash);
}

/* False: no memory. */
static bool scan_unit(struct ch_debug_unit *unit)
{
	struct ch_ctypes *ctypes = unit->file->ctypes;
	struct open open = { .count = 0 };
	bool keep = unit->abbrevs != NULL;
	int32_t depth = 0;
	struct ch_die die;
	bool good = true;

	chp_debug_unit_begin(unit);
	if (chp_die_root(unit, &die))
		while (good && chp_die_next(&die, &depth) && depth > 0) {
			while (open.count && open.rows[open.count - 1].depth >= depth)
				open.count--;
			good = take(ctypes, &open, &die, depth);
		}
	/* Most units are never asked again. */
	if (!keep) {
		chp_debug_abbrevs_destroy(unit->abbrevs);
		unit->abbrevs = NULL;
	}
	return good;
}

/* False: no memory. */
static bool scan_units(struct ch_debug_sections *file)
{
	size_t i;

	file->scanned = true;
	for (i = 0; i < file->units.count; i++)
		if (!scan_unit(*CH_VEC_AT(&file->units, struct ch_debug_unit *, i)))
			return false;
	return true;
}

bool chp_debug_scan(struct ch_debug_sections *file)
{
	struct ch_debug_sections *more;
	struct ch_debug_unit *split;
	size_t i;

	if (file->scanned)
		return true;
	more = chp_debug_alternative(file);
	if (more && !scan_units(more))
		return false;
	/* a package has addresses of its units' skeletons only */
	for (i = 0; i < file->info_count; i++)
		chp_debug_split(*CH_VEC_AT(&file->units, struct ch_debug_unit *, i));
	if (!scan_units(file))
		return false;
	for (i = 0; i < file->info_count; i++) {
		split = chp_debug_split(*CH_VEC_AT(&file->units, struct ch_debug_unit *, i));
		if (split && !split->file->scanned && !scan_units(split->file))
			return false;
	}
	return true;
}

/* ---- What declarations stand for -------------------------------------------------- */

static bool is_of_kind(const struct ch_die *a, const struct ch_die *b)
{
	uint16_t x = chp_die_tag(a), y = chp_die_tag(b);

	/* "class" and "struct" are one to a compiler */
	return x == y || (x == DW_TAG_class_type && y == DW_TAG_structure_type) ||
	       (x == DW_TAG_structure_type && y == DW_TAG_class_type);
}

/* Where the source of a unit lies: the folder that it was compiled in, and that of its file. */
static uint64_t folder_of(struct ch_debug_unit *unit)
{
	uint64_t hash = CH_HASH_START;
	const char *text, *slash;
	struct ch_die root;

	if (!chp_die_root(unit, &root))
		return 0;
	text = chp_die_text(&root, DW_AT_comp_dir);
	hash = text ? ch_hash_bytes(hash, text, strlen(text)) : hash;
	text = chp_die_text(&root, DW_AT_name);
	slash = text ? strrchr(text, '/') : NULL;
	return slash ? ch_hash_bytes(hash, text, (size_t)(slash - text)) : hash;
}

/* The definition of a module; of several in a language where they may differ: that of the same
 * unit, else the only one of the same folder (a library that was built into the program has names
 * of its own), or none. */
static bool find_in(struct ch_ctypes *ctypes, const struct ch_die *declaration, uint64_t hash,
		    uint32_t module, struct ch_die *ret)
{
	const struct ch_debug_definition *row;
	uint32_t i = ch_table_find(&ctypes->by_name, hash), n = 0, near = 0;
	struct ch_die die, neighbour = { 0 };
	bool same = false;

	for (; i != CH_TABLE_NONE && !same && chp_debug_spend(declaration->unit, 1);
	     i = row->next) {
		row = definition_of(ctypes, i);
		if (row->module != module || !chp_die_at(row->unit, row->off, &die) ||
		    !is_of_kind(declaration, &die))
			continue;
		same = row->unit == declaration->unit || declaration->unit->one_definition;
		n++;
		if (!same && folder_of(row->unit) == folder_of(declaration->unit)) {
			near++;
			neighbour = die;
		}
		*ret = die;
	}
	if (!same && n > 1 && near == 1)
		*ret = neighbour;
	return same || n == 1 || (n > 1 && near == 1);
}

bool chp_debug_definition(const struct ch_die *declaration, struct ch_die *ret)
{
	struct ch_ctypes *ctypes = declaration->unit->file->ctypes;
	uint32_t own = (uint32_t)declaration->unit->file->module_index, i;
	struct ch_debug_sections *file;
	struct ch_die found;
	uint64_t hash;

	if (chp_die_ref(declaration, DW_AT_signature, ret))
		return true;
	hash = chp_debug_die_hash(declaration, NULL);
	if (!hash)
		return false;
	chp_debug_scan(declaration->unit->file);
	if (find_in(ctypes, declaration, hash, own, &found)) {
		*ret = found;
		return true;
	}
	/* One name is one type in all modules, in such languages only. */
	for (i = 0; declaration->unit->one_definition && i < ctypes->modules_count; i++) {
		file = i == own ? NULL : chp_debug_of_module(ctypes, i);
		if (!file)
			continue;
		chp_debug_scan(file);
		if (find_in(ctypes, declaration, hash, i, &found)) {
			*ret = found;
			return true;
		}
	}
	return false;
}
