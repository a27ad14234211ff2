/*
 * Types by number. An entry is looked at without what is inside of the types it leads to: its kind,
 * name and size, and those of what it points at, say which type it is; in C, where one name may
 * mean several types, its members do so, too. Equal ones get one id.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/debug_priv.h"
#include "sym/templates.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/hash.h"
#include "util/text.h"

/* The heap's table of types has no more rows (heap/type_table.h). */
#define CTYPES_MAX (1U << 19)
/* Definitions between two looks at whether somebody wants the run to end. */
#define CHECK_DEFINITIONS 1024
/* No process has more address space. */
#define SIZE_BYTES_MAX (1ULL << 47)

/* ---- Opening and closing ------------------------------------------------------------ */

struct ch_error *chp_ctypes_create(struct ch_core *core, struct ch_sym *sym, struct ch_ctypes **ret)
{
	struct ch_ctypes *ctypes = calloc(1, sizeof(*ctypes));

	if (!ctypes)
		return &ch_enomem;
	ctypes->core = core;
	ctypes->sym = sym;
	ctypes->files = CH_VEC(struct ch_debug_sections *);
	ctypes->pieces = CH_VEC(struct ch_ctype_row *);
	ctypes->kept = CH_VEC(void *);
	ctypes->seen = CH_VEC(struct ch_debug_seen);
	ctypes->found = CH_VEC(struct ch_debug_found);
	ctypes->places = CH_VEC(struct ch_debug_place);
	ctypes->definitions = CH_VEC(struct ch_debug_definition);
	ch_sym_modules(sym, &ctypes->modules_count);
	ctypes->by_module = calloc(ctypes->modules_count + 1, sizeof(struct ch_debug_sections *));
	ctypes->tried = calloc(ctypes->modules_count + 1, sizeof(*ctypes->tried));
	if (!ctypes->by_module || !ctypes->tried) {
		chp_ctypes_destroy(ctypes);
		return &ch_enomem;
	}
	*ret = ctypes;
	return NULL;
}

void chp_ctypes_destroy(struct ch_ctypes *ctypes)
{
	size_t i;

	if (!ctypes)
		return;
	for (i = 0; i < ctypes->files.count; i++)
		chp_debug_file_destroy(*CH_VEC_AT(&ctypes->files, struct ch_debug_sections *, i));
	for (i = 0; i < ctypes->pieces.count; i++)
		free(*CH_VEC_AT(&ctypes->pieces, struct ch_ctype_row *, i));
	for (i = 0; i < ctypes->kept.count; i++)
		free(*CH_VEC_AT(&ctypes->kept, void *, i));
	ch_vec_deinit(&ctypes->files);
	ch_vec_deinit(&ctypes->pieces);
	ch_vec_deinit(&ctypes->kept);
	ch_vec_deinit(&ctypes->seen);
	ch_vec_deinit(&ctypes->found);
	ch_vec_deinit(&ctypes->places);
	ch_vec_deinit(&ctypes->definitions);
	ch_table_deinit(&ctypes->by_hash);
	ch_table_deinit(&ctypes->by_die);
	ch_table_deinit(&ctypes->by_name);
	ch_table_deinit(&ctypes->shown);
	free(ctypes->by_module);
	free(ctypes->tried);
	ch_table_deinit(&ctypes->without);
	free(ctypes);
}

/* ---- What an entry stands for --------------------------------------------------------- */

/* A type without its typedefs and qualifiers. */
struct peeled {
	/* No entry is void. */
	bool is_void;
	struct ch_die die;
	/* Where its name is: itself, or the typedef that leads to it. */
	struct ch_die name;
};

static bool is_aggregate(uint16_t tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

static bool is_wrapper(uint16_t tag)
{
	switch (tag) {
	case DW_TAG_typedef:
	case DW_TAG_const_type:
	case DW_TAG_volatile_type:
	case DW_TAG_restrict_type:
	case DW_TAG_atomic_type:
	case DW_TAG_immutable_type:
	case DW_TAG_packed_type:
	case DW_TAG_shared_type:
	case DW_TAG_template_alias:
		return true;
	default:
		return false;
	}
}

/* False: it leads nowhere. */
static bool peel(const struct ch_die *start, struct peeled *ret)
{
	struct ch_die at = *start, next;
	uint32_t i;

	*ret = (struct peeled){ .name = *start };
	for (i = 0; is_wrapper(chp_die_tag(&at)); i++) {
		if (i == CH_DEBUG_DEPTH_MAX) {
			chp_debug_damaged(at.unit->file->ctypes, at.unit->file);
			return false;
		}
		ret->name = at;
		if (!chp_die_ref(&at, DW_AT_type, &next)) {
			ret->is_void = true;
			return true;
		}
		at = next;
	}
	if (chp_die_flag(&at, DW_AT_declaration) && chp_debug_definition(&at, &next))
		at = next;
	/* what completes it elsewhere may be the typedef of a nameless structure */
	for (i = 0; is_wrapper(chp_die_tag(&at)) && i < CH_DEBUG_DEPTH_MAX; i++)
		if (!chp_die_ref(&at, DW_AT_type, &at))
			return false;
	ret->die = at;
	if (at.abbrev->has & (CH_DEBUG_HAS_NAME | CH_DEBUG_HAS_SPECIFICATION) ||
	    chp_die_tag(&ret->name) != DW_TAG_typedef)
		ret->name = at;
	return true;
}

/* Pointers to members are an offset, or of functions an address and an adjustment (Itanium C++ ABI,
 * 2.3); compilers leave out how much that is. */
static uint64_t member_pointer_bytes(const struct ch_die *die)
{
	struct ch_die target;
	bool is_function = chp_die_ref(die, DW_AT_type, &target) &&
			   chp_die_tag(&target) == DW_TAG_subroutine_type;

	return (is_function ? 2ULL : 1ULL) * die->unit->addr_bytes;
}

static uint64_t bytes_of(const struct ch_die *die)
{
	uint64_t bytes;

	if (chp_die_tag(die) == DW_TAG_ptr_to_member_type)
		return member_pointer_bytes(die);
	if (!chp_die_number(die, DW_AT_byte_size, &bytes))
		return 0;
	if (bytes <= SIZE_BYTES_MAX)
		return bytes;
	chp_debug_damaged(die->unit->file->ctypes, die->unit->file);
	return 0;
}

/* ---- Arrays ------------------------------------------------------------------------- */

/* How many elements a dimension has; 0: not known, or as many as there is room for. */
static uint64_t count_of(const struct ch_die *dimension)
{
	uint64_t count, lower = 0;

	if (chp_die_number(dimension, DW_AT_count, &count))
		return count <= SIZE_BYTES_MAX ? count : 0;
	if (!chp_die_number(dimension, DW_AT_upper_bound, &count))
		return 0;
	chp_die_number(dimension, DW_AT_lower_bound, &lower);
	count = count - lower + 1;
	/* the bound of none is -1, in as many bytes as the compiler likes */
	return count <= SIZE_BYTES_MAX && count != 1ULL << 32 ? count : 0;
}

/* The dimensions of an array from one on, the outer ones first. */
static uint32_t list_counts(const struct ch_die *array, uint64_t *counts)
{
	struct ch_die child;
	uint32_t n = 0;
	bool more;

	for (more = chp_die_child(array, &child); more && n < CH_DEBUG_DEPTH_MAX;
	     more = chp_die_sibling(&child))
		if (chp_die_tag(&child) == DW_TAG_subrange_type)
			counts[n++] = count_of(&child);
	return n;
}

static uint64_t product_of(const uint64_t *counts, uint32_t n, uint64_t bytes)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (!ch_mul(bytes, counts[i], &bytes) || bytes > SIZE_BYTES_MAX)
			return 0;
	return bytes;
}

/* Bytes of a type, through arrays of arrays. */
static uint64_t size_of(const struct ch_die *start)
{
	uint64_t counts[CH_DEBUG_DEPTH_MAX], factor = 1;
	struct peeled peeled;
	struct ch_die at = *start;
	uint32_t i;

	for (i = 0; i < CH_DEBUG_DEPTH_MAX && peel(&at, &peeled) && !peeled.is_void; i++) {
		switch (chp_die_tag(&peeled.die)) {
		case DW_TAG_array_type:
			factor = product_of(counts, list_counts(&peeled.die, counts), factor);
			if (!chp_die_ref(&peeled.die, DW_AT_type, &at))
				return 0;
			continue;
		case DW_TAG_pointer_type:
		case DW_TAG_reference_type:
		case DW_TAG_rvalue_reference_type:
			return product_of(&factor, 1, peeled.die.unit->addr_bytes);
		default:
			return product_of(&factor, 1, bytes_of(&peeled.die));
		}
	}
	return 0;
}

/* ---- Hashes ------------------------------------------------------------------------- */

/* What the names and places of members say; what their types are, of those that have a hash. */
static uint64_t hash_members(const struct ch_die *die, uint64_t hash)
{
	struct ch_die child;
	const char *name;
	uint64_t value;
	bool more;

	for (more = chp_die_child(die, &child); more; more = chp_die_sibling(&child)) {
		if (chp_die_tag(&child) != DW_TAG_member)
			continue;
		name = chp_die_text(&child, DW_AT_name);
		hash = name ? ch_hash_bytes(hash, name, strlen(name)) : hash;
		value = 0;
		chp_die_number(&child, DW_AT_data_member_location, &value);
		hash = ch_hash_number(hash, value);
	}
	return hash;
}

/* Kind, name and size. */
static uint64_t own_hash(struct ch_ctypes *ctypes, const struct peeled *peeled)
{
	uint32_t i = ch_table_find(&ctypes->by_die, chp_die_key(&peeled->name));
	uint16_t tag = chp_die_tag(&peeled->die);
	uint64_t hash, name;

	if (i != CH_TABLE_NONE)
		return CH_VEC_AT(&ctypes->seen, struct ch_debug_seen, i)->hash;
	if (tag == DW_TAG_class_type)
		tag = DW_TAG_structure_type;
	name = chp_debug_die_hash(&peeled->name, NULL);
	hash = ch_hash_number(CH_HASH_START, tag);
	hash = ch_hash_number(hash, name);
	hash = ch_hash_number(hash, bytes_of(&peeled->die));
	hash = ch_hash_number(hash, chp_die_flag(&peeled->die, DW_AT_declaration));
	return name ? hash : hash_members(&peeled->die, hash);
}

/* Of pointers and arrays: what they lead to, up to the first type that has a name. */
static uint64_t chain_hash(struct ch_ctypes *ctypes, const struct ch_die *start, uint32_t dimension)
{
	uint64_t hash = CH_HASH_START, counts[CH_DEBUG_DEPTH_MAX];
	struct ch_die at = *start;
	struct peeled peeled;
	uint32_t i, k, n;

	for (i = 0; i < CH_DEBUG_DEPTH_MAX && peel(&at, &peeled); i++) {
		if (peeled.is_void)
			return ch_hash_number(hash, DW_TAG_unspecified_type);
		at = peeled.die;
		switch (chp_die_tag(&at)) {
		case DW_TAG_pointer_type:
		case DW_TAG_reference_type:
		case DW_TAG_rvalue_reference_type:
			hash = ch_hash_number(hash, chp_die_tag(&at));
			break;
		case DW_TAG_array_type:
			hash = ch_hash_number(hash, DW_TAG_array_type);
			n = list_counts(&at, counts);
			for (k = i ? 0 : dimension; k < n; k++)
				hash = ch_hash_number(hash, counts[k]);
			break;
		case DW_TAG_subroutine_type:
			return ch_hash_number(hash, DW_TAG_subroutine_type);
		default:
			return ch_hash_number(hash, own_hash(ctypes, &peeled));
		}
		if (!chp_die_ref(&at, DW_AT_type, &at))
			return ch_hash_number(hash, DW_TAG_unspecified_type);
	}
	return hash;
}

/* In a language where several types may have one name: what they are made of. */
static uint64_t deep_hash(struct ch_ctypes *ctypes, const struct peeled *peeled, uint64_t hash)
{
	struct ch_die child, type;
	bool more;

	if (!is_aggregate(chp_die_tag(&peeled->die)) ||
	    (peeled->die.unit->one_definition && !chp_debug_is_local(&peeled->name)))
		return hash;
	hash = hash_members(&peeled->die, hash);
	for (more = chp_die_child(&peeled->die, &child); more; more = chp_die_sibling(&child))
		if (chp_die_tag(&child) == DW_TAG_member && chp_die_ref(&child, DW_AT_type, &type))
			hash = ch_hash_number(hash, chain_hash(ctypes, &type, 0));
	return hash;
}

/* ---- Rows --------------------------------------------------------------------------- */

/* 0: there are too many, or there is no memory. */
static uint32_t add_row(struct ch_ctypes *ctypes, uint64_t hash)
{
	struct ch_ctype_row **slot;

	if (ctypes->count == CTYPES_MAX)
		return 0;
	if (ctypes->count % CH_CTYPES_PIECE == 0) {
		slot = ch_vec_push(&ctypes->pieces);
		if (slot)
			*slot = calloc(CH_CTYPES_PIECE, sizeof(**slot));
		if (slot && !*slot)
			ctypes->pieces.count--;
		if (!slot || !*slot)
			return 0;
	}
	if (!ch_table_put(&ctypes->by_hash, hash, ctypes->count + 1))
		return 0;
	return ++ctypes->count;
}

static const char *name_of(struct ch_ctypes *ctypes, const struct ch_die *die)
{
	_cleanup_free_ char *name = chp_debug_name(die, NULL);

	if (!name)
		return NULL;
	chp_debug_plain_numbers(name);
	chp_templates_fold(name);
	return chp_debug_keep(ctypes, chp_text_escape(name, CH_DEBUG_NAME_MAX));
}

static enum ch_ctype_kind kind_of(const struct ch_die *die)
{
	switch (chp_die_tag(die)) {
	case DW_TAG_base_type:
		return CH_CTYPE_BASE;
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
		return CH_CTYPE_POINTER;
	case DW_TAG_array_type:
		return CH_CTYPE_ARRAY;
	case DW_TAG_enumeration_type:
		return CH_CTYPE_ENUM;
	case DW_TAG_subroutine_type:
		return CH_CTYPE_FUNCTION;
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
		return chp_die_flag(die, DW_AT_declaration) ? CH_CTYPE_OPAQUE : CH_CTYPE_STRUCT;
	case DW_TAG_union_type:
		return chp_die_flag(die, DW_AT_declaration) ? CH_CTYPE_OPAQUE : CH_CTYPE_UNION;
	default:
		return CH_CTYPE_OPAQUE;
	}
}

static void fill_row(struct ch_ctypes *ctypes, struct ch_ctype_row *row,
		     const struct peeled *peeled, uint32_t dimension)
{
	uint64_t counts[CH_DEBUG_DEPTH_MAX], encoding;
	struct ch_ctype *type = &row->type;
	uint16_t tag = chp_die_tag(&peeled->die);
	struct ch_die element;
	uint32_t n;

	row->die = peeled->die;
	row->dimension = dimension;
	type->kind = kind_of(&peeled->die);
	type->module = peeled->die.unit->file->module;
	switch (type->kind) {
	case CH_CTYPE_POINTER:
		type->size_bytes = peeled->die.unit->addr_bytes;
		type->is_reference = tag != DW_TAG_pointer_type;
		return;
	case CH_CTYPE_FUNCTION:
		return;
	case CH_CTYPE_ARRAY:
		n = list_counts(&peeled->die, counts);
		row->dimensions = n;
		type->count = dimension < n ? counts[dimension] : 0;
		if (dimension < n && chp_die_ref(&peeled->die, DW_AT_type, &element))
			type->size_bytes =
				product_of(counts + dimension, n - dimension, size_of(&element));
		return;
	case CH_CTYPE_BASE:
		if (chp_die_number(&peeled->die, DW_AT_encoding, &encoding))
			type->encoding = (uint8_t)encoding;
		break;
	case CH_CTYPE_VOID:
	case CH_CTYPE_STRUCT:
	case CH_CTYPE_UNION:
	case CH_CTYPE_ENUM:
	case CH_CTYPE_OPAQUE:
		break;
	}
	type->size_bytes = bytes_of(&peeled->die);
	type->is_class = tag == DW_TAG_class_type;
	type->name = name_of(ctypes, &peeled->name);
}

static uint32_t void_type(struct ch_ctypes *ctypes)
{
	uint32_t id = ch_table_find(&ctypes->by_hash, DW_TAG_unspecified_type);

	if (id == CH_TABLE_NONE) {
		id = add_row(ctypes, DW_TAG_unspecified_type);
		if (id)
			chp_ctype_row(ctypes, id)->read = true;
	}
	return id;
}

/* Remember the number of an entry. */
static void note_seen(struct ch_ctypes *ctypes, const struct peeled *peeled, uint32_t id)
{
	struct ch_debug_seen *slot, seen = { own_hash(ctypes, peeled), id };

	slot = ch_vec_push(&ctypes->seen);
	if (!slot)
		return;
	*slot = seen;
	ch_table_put(&ctypes->by_die, chp_die_key(&peeled->name), (uint32_t)ctypes->seen.count - 1);
}

static bool has_own_hash(const struct ch_die *die)
{
	enum ch_ctype_kind kind = kind_of(die);

	return kind != CH_CTYPE_POINTER && kind != CH_CTYPE_ARRAY && kind != CH_CTYPE_FUNCTION;
}

uint32_t chp_ctypes_of_die(struct ch_ctypes *ctypes, const struct ch_die *die, uint32_t dimension)
{
	struct peeled peeled;
	bool own;
	uint64_t hash;
	uint32_t id;

	if (!peel(die, &peeled))
		return 0;
	if (peeled.is_void)
		return void_type(ctypes);
	own = has_own_hash(&peeled.die);
	id = own ? ch_table_find(&ctypes->by_die, chp_die_key(&peeled.name)) : CH_TABLE_NONE;
	if (id != CH_TABLE_NONE)
		return CH_VEC_AT(&ctypes->seen, struct ch_debug_seen, id)->id;
	hash = chain_hash(ctypes, &peeled.name, dimension);
	hash = deep_hash(ctypes, &peeled, hash);
	id = ch_table_find(&ctypes->by_hash, hash);
	if (id == CH_TABLE_NONE) {
		id = add_row(ctypes, hash);
		if (!id)
			return 0;
		fill_row(ctypes, chp_ctype_row(ctypes, id), &peeled, dimension);
	}
	if (own)
		note_seen(ctypes, &peeled, id);
	return id;
}

uint32_t chp_ctypes_of_attr(struct ch_ctypes *ctypes, const struct ch_die *die)
{
	struct ch_die type;

	if (!chp_die_ref(die, DW_AT_type, &type))
		return void_type(ctypes);
	return chp_ctypes_of_die(ctypes, &type, 0);
}

/* ---- What is asked ------------------------------------------------------------------- */

uint32_t chp_ctypes_count(const struct ch_ctypes *ctypes)
{
	return ctypes->count;
}

/* False: no memory. */
static bool scan_all(struct ch_ctypes *ctypes)
{
	size_t i;

	for (i = 0; i < ctypes->modules_count; i++)
		if (chp_debug_of_module(ctypes, i) && !chp_debug_scan(ctypes->by_module[i]))
			return false;
	return true;
}

bool chp_ctypes_any(struct ch_ctypes *ctypes)
{
	size_t i;

	for (i = 0; i < ctypes->modules_count; i++)
		if (chp_debug_of_module(ctypes, i))
			return true;
	return false;
}

struct ch_error *chp_ctypes_definitions(struct ch_ctypes *ctypes, ch_ctype_fn fn, void *arg)
{
	struct ch_debug_definition row;
	struct ch_error *err = NULL;
	struct ch_die die;
	uint32_t id;
	size_t i;

	if (!scan_all(ctypes))
		return &ch_enomem;
	for (i = 0; !err && i < ctypes->definitions.count; i++) {
		/* what is asked of a type may make a further module be looked at */
		row = *CH_VEC_AT(&ctypes->definitions, struct ch_debug_definition, i);
		id = chp_die_at(row.unit, row.off, &die) ? chp_ctypes_of_die(ctypes, &die, 0) : 0;
		if (id)
			err = fn(arg, id);
		if (!err && i % CHECK_DEFINITIONS == 0)
			err = chp_context_check(ch_core_context(ctypes->core));
	}
	return err;
}

/* Names of definitions as they are shown, the first one of each module. */
static void list_shown(struct ch_ctypes *ctypes)
{
	const struct ch_debug_definition *row;
	const struct ch_ctype *type;
	struct ch_die die;
	uint64_t hash;
	uint32_t id;
	size_t i;

	scan_all(ctypes);
	for (i = 0; i < ctypes->definitions.count; i++) {
		row = CH_VEC_AT(&ctypes->definitions, struct ch_debug_definition, i);
		if (!chp_die_at(row->unit, row->off, &die))
			continue;
		id = chp_ctypes_of_die(ctypes, &die, 0);
		type = id ? &chp_ctype_row(ctypes, id)->type : NULL;
		if (!type || !type->name)
			continue;
		hash = ch_hash_bytes(CH_HASH_START, type->name, strlen(type->name));
		if (ch_table_find(&ctypes->shown, hash) == CH_TABLE_NONE)
			ch_table_put(&ctypes->shown, hash, id);
		hash = ch_hash_number(hash, row->module);
		if (ch_table_find(&ctypes->shown, hash) == CH_TABLE_NONE)
			ch_table_put(&ctypes->shown, hash, id);
	}
}

uint32_t chp_ctype_named(struct ch_ctypes *ctypes, const struct ch_module *module, const char *name)
{
	const struct ch_module *modules;
	uint64_t hash = ch_hash_bytes(CH_HASH_START, name, strlen(name));
	size_t count;
	uint32_t id;

	if (!ctypes->is_shown) {
		ctypes->is_shown = true;
		list_shown(ctypes);
	}
	modules = ch_sym_modules(ctypes->sym, &count);
	if (module)
		hash = ch_hash_number(hash, (uint64_t)(module - modules));
	id = ch_table_find(&ctypes->shown, hash);
	return id == CH_TABLE_NONE ? 0 : id;
}
