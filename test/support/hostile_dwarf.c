/* See hostile_dwarf.h. */
#include "support/hostile_dwarf.h"

#include <dwarf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "support/dwarfwriter.h"

enum { UNIT = 1, STRUCT, MEMBER, TYPEDEF, POINTER, ARRAY, RANGE, VARIABLE, DECLARED };

/* The kinds of entries that the files are made of. */
static struct dwarfwriter *begin(uint16_t version)
{
	static const struct {
		uint32_t code;
		uint16_t tag;
		bool children;
		uint16_t pairs[9];
	} rows[] = {
		{ UNIT, DW_TAG_compile_unit, true, { DW_AT_language, DW_FORM_data1 } },
		{ STRUCT,
		  DW_TAG_structure_type,
		  true,
		  { DW_AT_name, DW_FORM_string, DW_AT_byte_size, DW_FORM_data8 } },
		{ MEMBER,
		  DW_TAG_member,
		  false,
		  { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4,
		    DW_AT_data_member_location, DW_FORM_udata } },
		{ TYPEDEF,
		  DW_TAG_typedef,
		  false,
		  { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4 } },
		{ POINTER, DW_TAG_pointer_type, false, { DW_AT_type, DW_FORM_ref4 } },
		{ ARRAY, DW_TAG_array_type, true, { DW_AT_type, DW_FORM_ref4 } },
		{ RANGE, DW_TAG_subrange_type, false, { DW_AT_upper_bound, DW_FORM_data8 } },
		{ VARIABLE,
		  DW_TAG_variable,
		  false,
		  { DW_AT_name, DW_FORM_string, DW_AT_type, DW_FORM_ref4, DW_AT_location,
		    DW_FORM_exprloc } },
		{ DECLARED,
		  DW_TAG_structure_type,
		  false,
		  { DW_AT_declaration, DW_FORM_flag_present, DW_AT_specification, DW_FORM_ref4 } },
	};
	struct dwarfwriter *w = dw_create(version);
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		dw_abbrev(w, rows[i].code, rows[i].tag, rows[i].children, rows[i].pairs);
	dw_uleb(w, UNIT);
	dw_fixed(w, DW_LANG_C99, 1);
	return w;
}

static void put_struct(struct dwarfwriter *w, const char *name, uint64_t bytes)
{
	dw_uleb(w, STRUCT);
	dw_text(w, name);
	dw_fixed(w, bytes, 8);
}

static void put_member(struct dwarfwriter *w, const char *name, uint32_t type, uint64_t offset)
{
	dw_uleb(w, MEMBER);
	dw_text(w, name);
	dw_fixed(w, type, 4);
	dw_uleb(w, offset);
}

static void put_variable(struct dwarfwriter *w, const char *name, uint32_t type)
{
	dw_uleb(w, VARIABLE);
	dw_text(w, name);
	dw_fixed(w, type, 4);
	dw_uleb(w, 9);
	dw_fixed(w, DW_OP_addr, 1);
	dw_fixed(w, 0x100, 8);
}

/* Structures that hold themselves. */
static uint8_t *make_cycle(size_t *len_ret)
{
	struct dwarfwriter *w = begin(5);
	uint32_t node = dw_at(w), array, pointer;

	put_struct(w, "node", 16);
	put_member(w, "self", node, 0);
	pointer = dw_at(w) + 1 + 5 + 4 + 1 + 1;
	put_member(w, "next", pointer, 8);
	dw_uleb(w, 0);
	dw_uleb(w, POINTER);
	dw_fixed(w, pointer, 4);
	array = dw_at(w);
	dw_uleb(w, ARRAY);
	dw_fixed(w, array, 4);
	dw_uleb(w, RANGE);
	dw_fixed(w, 3, 8);
	dw_uleb(w, 0);
	put_variable(w, "first", pointer);
	put_variable(w, "second", array);
	dw_uleb(w, 0);
	return dw_finish_take(w, len_ret);
}

/* A typedef of itself, and declarations of each other. */
static uint8_t *make_typedefs(size_t *len_ret)
{
	struct dwarfwriter *w = begin(4);
	uint32_t at = dw_at(w);

	dw_uleb(w, TYPEDEF);
	dw_text(w, "node");
	dw_fixed(w, at, 4);
	put_variable(w, "first", at);
	at = dw_at(w);
	dw_uleb(w, DECLARED);
	dw_fixed(w, at + 5, 4);
	dw_uleb(w, DECLARED);
	dw_fixed(w, at, 4);
	put_variable(w, "second", at);
	dw_uleb(w, 0);
	return dw_finish_take(w, len_ret);
}

/* Sizes, offsets and bounds near 2^64. */
static uint8_t *make_huge(size_t *len_ret)
{
	struct dwarfwriter *w = begin(5);
	uint32_t node = dw_at(w), array;

	put_struct(w, "node", UINT64_MAX - 1);
	put_member(w, "far", node, UINT64_MAX);
	dw_uleb(w, 0);
	array = dw_at(w);
	dw_uleb(w, ARRAY);
	dw_fixed(w, node, 4);
	dw_uleb(w, RANGE);
	dw_fixed(w, UINT64_MAX - 1, 8);
	dw_uleb(w, RANGE);
	dw_fixed(w, 1ULL << 40, 8);
	dw_uleb(w, 0);
	put_variable(w, "first", array);
	dw_uleb(w, 0);
	return dw_finish_take(w, len_ret);
}

/* A million members, each of the structure itself. */
static uint8_t *make_many(size_t *len_ret)
{
	struct dwarfwriter *w = begin(5);
	uint32_t node = dw_at(w), i;

	put_struct(w, "node", 64);
	for (i = 0; i < 1000000; i++)
		put_member(w, "m", node, i);
	dw_uleb(w, 0);
	put_variable(w, "first", node);
	dw_uleb(w, 0);
	return dw_finish_take(w, len_ret);
}

/* A name of ten million bytes. */
static uint8_t *make_long_name(size_t *len_ret)
{
	struct dwarfwriter *w = begin(5);
	size_t bytes = 10000000;
	char *name = malloc(bytes + 1);
	uint32_t node = dw_at(w);

	if (!name)
		abort();
	memset(name, 'n', bytes);
	name[bytes] = '\0';
	put_struct(w, name, 8);
	put_member(w, name, node, 0);
	dw_uleb(w, 0);
	put_variable(w, name, node);
	dw_uleb(w, 0);
	free(name);
	return dw_finish_take(w, len_ret);
}

/* Structures in structures, a hundred thousand deep, each of which is asked for. */
static uint8_t *make_deep(size_t *len_ret)
{
	struct dwarfwriter *w = begin(5);
	uint32_t depth = 100000, i;

	for (i = 0; i < depth; i++)
		put_struct(w, "node", 8);
	for (i = 0; i < depth; i++)
		dw_uleb(w, 0);
	dw_uleb(w, 0);
	return dw_finish_take(w, len_ret);
}

/* An abbreviation that is not there, behind entries that make sense. */
static uint8_t *make_no_abbrev(size_t *len_ret)
{
	struct dwarfwriter *w = begin(5);
	uint32_t node = dw_at(w);

	put_struct(w, "node", 8);
	dw_uleb(w, 0);
	put_variable(w, "first", node);
	dw_uleb(w, 1ULL << 40);
	return dw_finish_take(w, len_ret);
}

/* A unit that says that it is longer than its section. */
static uint8_t *make_cut(size_t *len_ret)
{
	struct dwarfwriter *w = begin(5);

	put_struct(w, "node", 8);
	w->more = 1000;
	return dw_finish_take(w, len_ret);
}

/* What there is to compare the others with. */
static uint8_t *make_plain(size_t *len_ret)
{
	struct dwarfwriter *w = begin(4);
	uint32_t node = dw_at(w), pointer;

	put_struct(w, "node", 16);
	pointer = dw_at(w) + 1 + 5 + 4 + 1 + 1;
	put_member(w, "next", pointer, 0);
	dw_uleb(w, 0);
	dw_uleb(w, POINTER);
	dw_fixed(w, node, 4);
	put_variable(w, "first", pointer);
	dw_uleb(w, 0);
	return dw_finish_take(w, len_ret);
}

const struct hostile_dwarf hostile_dwarfs[] = {
	{ "plain", make_plain }, { "cycle", make_cycle },         { "typedefs", make_typedefs },
	{ "huge", make_huge },   { "many", make_many },           { "long-name", make_long_name },
	{ "deep", make_deep },   { "no-abbrev", make_no_abbrev }, { "cut", make_cut },
	{ NULL, NULL },
};
