/*
 * Entries of debug information (DIEs), their abbreviations and attributes: DWARF 2 to 5, with the
 * extensions of GNU that came before version 5. Nothing of a file is believed: a reader that would
 * leave its unit gives zeros from there on, and steps over entries go forwards only.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/debug_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/search.h"

/* Attributes of one kind of entry, and kinds of a unit; compilers have some twenty and some
 * hundred. */
#define SPECS_MAX   256
#define ABBREVS_MAX (1U << 20)
/* A form whose length is in the entry. */
#define VARIABLE UINT32_MAX

/* ---- Bytes ------------------------------------------------------------------------ */

static uint64_t spoil(struct ch_debug_reader *reader)
{
	reader->bad = true;
	reader->at = reader->end;
	return 0;
}

uint64_t chp_debug_fixed(struct ch_debug_reader *reader, uint32_t bytes)
{
	uint64_t value = 0;

	if ((uint64_t)(reader->end - reader->at) < bytes || bytes > sizeof(value))
		return spoil(reader);
	memcpy(&value, reader->at, bytes);
	reader->at += bytes;
	return le64toh(value);
}

static const uint8_t *skip(struct ch_debug_reader *reader, uint64_t bytes)
{
	const uint8_t *at = reader->at;

	if ((uint64_t)(reader->end - at) < bytes) {
		spoil(reader);
		return at;
	}
	reader->at += bytes;
	return at;
}

uint64_t chp_debug_uleb(struct ch_debug_reader *reader)
{
	uint64_t value = 0;
	uint32_t shift = 0;
	uint8_t byte;

	do {
		if (reader->at == reader->end)
			return spoil(reader);
		byte = *reader->at++;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift = shift < 64 ? shift + 7 : shift;
	} while (byte & 0x80);
	return value;
}

int64_t chp_debug_sleb(struct ch_debug_reader *reader)
{
	uint64_t value = 0;
	uint32_t shift = 0;
	uint8_t byte;

	do {
		if (reader->at == reader->end)
			return (int64_t)spoil(reader);
		byte = *reader->at++;
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift = shift < 64 ? shift + 7 : shift;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		value |= UINT64_MAX << shift;
	return (int64_t)value;
}

/* ---- Forms ------------------------------------------------------------------------ */

enum shape {
	/* Not a form that is known. */
	SHAPE_NONE,
	SHAPE_FIXED,
	SHAPE_ADDR,
	SHAPE_OFFSET,
	SHAPE_REF_ADDR,
	SHAPE_ULEB,
	SHAPE_SLEB,
	SHAPE_STRING,
	SHAPE_BLOCK,
	SHAPE_BLOCK_ULEB,
	SHAPE_IMPLICIT,
};

/* DWARF 5, 7.5.6 "Form Encodings"; the last ones are GNU's. */
static const struct form {
	uint8_t shape, bytes, class;
} forms[] = {
	[DW_FORM_addr] = { SHAPE_ADDR, 0, CH_DEBUG_ADDRESS },
	[DW_FORM_block2] = { SHAPE_BLOCK, 2, CH_DEBUG_BLOCK },
	[DW_FORM_block4] = { SHAPE_BLOCK, 4, CH_DEBUG_BLOCK },
	[DW_FORM_data2] = { SHAPE_FIXED, 2, CH_DEBUG_NUMBER },
	[DW_FORM_data4] = { SHAPE_FIXED, 4, CH_DEBUG_NUMBER },
	[DW_FORM_data8] = { SHAPE_FIXED, 8, CH_DEBUG_NUMBER },
	[DW_FORM_string] = { SHAPE_STRING, 0, CH_DEBUG_STRING },
	[DW_FORM_block] = { SHAPE_BLOCK_ULEB, 0, CH_DEBUG_BLOCK },
	[DW_FORM_block1] = { SHAPE_BLOCK, 1, CH_DEBUG_BLOCK },
	[DW_FORM_data1] = { SHAPE_FIXED, 1, CH_DEBUG_NUMBER },
	[DW_FORM_flag] = { SHAPE_FIXED, 1, CH_DEBUG_NUMBER },
	[DW_FORM_sdata] = { SHAPE_SLEB, 0, CH_DEBUG_NUMBER },
	[DW_FORM_strp] = { SHAPE_OFFSET, 0, CH_DEBUG_STRING },
	[DW_FORM_udata] = { SHAPE_ULEB, 0, CH_DEBUG_NUMBER },
	[DW_FORM_ref_addr] = { SHAPE_REF_ADDR, 0, CH_DEBUG_REFERENCE },
	[DW_FORM_ref1] = { SHAPE_FIXED, 1, CH_DEBUG_REFERENCE },
	[DW_FORM_ref2] = { SHAPE_FIXED, 2, CH_DEBUG_REFERENCE },
	[DW_FORM_ref4] = { SHAPE_FIXED, 4, CH_DEBUG_REFERENCE },
	[DW_FORM_ref8] = { SHAPE_FIXED, 8, CH_DEBUG_REFERENCE },
	[DW_FORM_ref_udata] = { SHAPE_ULEB, 0, CH_DEBUG_REFERENCE },
	[DW_FORM_sec_offset] = { SHAPE_OFFSET, 0, CH_DEBUG_OFFSET },
	[DW_FORM_exprloc] = { SHAPE_BLOCK_ULEB, 0, CH_DEBUG_BLOCK },
	[DW_FORM_flag_present] = { SHAPE_IMPLICIT, 0, CH_DEBUG_NUMBER },
	[DW_FORM_strx] = { SHAPE_ULEB, 0, CH_DEBUG_STRING },
	[DW_FORM_addrx] = { SHAPE_ULEB, 0, CH_DEBUG_ADDRESS },
	[DW_FORM_ref_sup4] = { SHAPE_FIXED, 4, CH_DEBUG_REFERENCE },
	[DW_FORM_strp_sup] = { SHAPE_OFFSET, 0, CH_DEBUG_STRING },
	[DW_FORM_data16] = { SHAPE_FIXED, 16, CH_DEBUG_BLOCK },
	[DW_FORM_line_strp] = { SHAPE_OFFSET, 0, CH_DEBUG_STRING },
	[DW_FORM_ref_sig8] = { SHAPE_FIXED, 8, CH_DEBUG_SIGNATURE },
	[DW_FORM_implicit_const] = { SHAPE_IMPLICIT, 0, CH_DEBUG_NUMBER },
	[DW_FORM_loclistx] = { SHAPE_ULEB, 0, CH_DEBUG_OFFSET },
	[DW_FORM_rnglistx] = { SHAPE_ULEB, 0, CH_DEBUG_OFFSET },
	[DW_FORM_ref_sup8] = { SHAPE_FIXED, 8, CH_DEBUG_REFERENCE },
	[DW_FORM_strx1] = { SHAPE_FIXED, 1, CH_DEBUG_STRING },
	[DW_FORM_strx2] = { SHAPE_FIXED, 2, CH_DEBUG_STRING },
	[DW_FORM_strx3] = { SHAPE_FIXED, 3, CH_DEBUG_STRING },
	[DW_FORM_strx4] = { SHAPE_FIXED, 4, CH_DEBUG_STRING },
	[DW_FORM_addrx1] = { SHAPE_FIXED, 1, CH_DEBUG_ADDRESS },
	[DW_FORM_addrx2] = { SHAPE_FIXED, 2, CH_DEBUG_ADDRESS },
	[DW_FORM_addrx3] = { SHAPE_FIXED, 3, CH_DEBUG_ADDRESS },
	[DW_FORM_addrx4] = { SHAPE_FIXED, 4, CH_DEBUG_ADDRESS },
};
static const struct form gnu_addr_index = { SHAPE_ULEB, 0, CH_DEBUG_ADDRESS };
static const struct form gnu_str_index = { SHAPE_ULEB, 0, CH_DEBUG_STRING };
static const struct form gnu_ref_alt = { SHAPE_OFFSET, 0, CH_DEBUG_REFERENCE };
static const struct form gnu_strp_alt = { SHAPE_OFFSET, 0, CH_DEBUG_STRING };

static const struct form *form_of(uint16_t number)
{
	if (number < CH_COUNT_OF(forms))
		return &forms[number];
	switch (number) {
	case DW_FORM_GNU_addr_index:
		return &gnu_addr_index;
	case DW_FORM_GNU_str_index:
		return &gnu_str_index;
	case DW_FORM_GNU_ref_alt:
		return &gnu_ref_alt;
	case DW_FORM_GNU_strp_alt:
		return &gnu_strp_alt;
	default:
		return &forms[0];
	}
}

/* Bytes of a form in an entry; VARIABLE: they are not always as many. */
static uint32_t form_bytes(const struct form *form, const struct ch_debug_abbrevs *of)
{
	switch ((enum shape)form->shape) {
	case SHAPE_FIXED:
		return form->bytes;
	case SHAPE_ADDR:
		return of->addr_bytes;
	case SHAPE_OFFSET:
		return of->offset_bytes;
	case SHAPE_REF_ADDR:
		/* DWARF 2, 7.5.4: as an address */
		return of->version == 2 ? of->addr_bytes : of->offset_bytes;
	case SHAPE_IMPLICIT:
		return 0;
	case SHAPE_NONE:
	case SHAPE_ULEB:
	case SHAPE_SLEB:
	case SHAPE_STRING:
	case SHAPE_BLOCK:
	case SHAPE_BLOCK_ULEB:
		break;
	}
	return VARIABLE;
}

/* ---- Values ----------------------------------------------------------------------- */

/* A text of a section, up to its zero, if it ends within max bytes. */
static void find_string(const struct ch_debug_bytes *section, uint64_t off, uint64_t max,
			struct ch_debug_value *ret)
{
	const uint8_t *end;

	ret->class = CH_DEBUG_NOTHING;
	if (off >= section->len)
		return;
	end = memchr(section->data + off, 0, ch_min(section->len - off, max));
	if (!end)
		return;
	ret->class = CH_DEBUG_STRING;
	ret->data = section->data + off;
	ret->len = (uint64_t)(end - ret->data);
}

/* What is too long to be a name is not searched for its end: all entries may lead to it. */
void chp_debug_string(const struct ch_debug_bytes *section, uint64_t off,
		      struct ch_debug_value *ret)
{
	find_string(section, off, CH_DEBUG_NAME_MAX + 1, ret);
}

/* A text by its number in .debug_str_offsets. */
static void take_indexed_string(const struct ch_debug_unit *unit, struct ch_debug_value *ret)
{
	const struct ch_debug_bytes *offsets = &unit->file->sections[CH_DEBUG_STR_OFFSETS];
	struct ch_debug_reader reader;
	uint64_t at;

	if (!ch_mul(ret->number, unit->offset_bytes, &at) ||
	    !ch_add(at, unit->str_offsets_base, &at) ||
	    !ch_inside(at, unit->offset_bytes, offsets->len)) {
		ret->class = CH_DEBUG_NOTHING;
		return;
	}
	reader =
		(struct ch_debug_reader){ offsets->data + at, offsets->data + offsets->len, false };
	chp_debug_string(&unit->file->sections[CH_DEBUG_STR],
			 chp_debug_fixed(&reader, unit->offset_bytes), ret);
}

/* An address by its number in .debug_addr: a split unit uses its skeleton's. */
static void take_indexed_address(const struct ch_debug_unit *unit, struct ch_debug_value *ret)
{
	const struct ch_debug_unit *owner = unit->skeleton ? unit->skeleton : unit;
	const struct ch_debug_bytes *addrs = &owner->file->sections[CH_DEBUG_ADDR];
	struct ch_debug_reader reader;
	uint64_t at;

	if (!ch_mul(ret->number, unit->addr_bytes, &at) || !ch_add(at, owner->addr_base, &at) ||
	    !ch_inside(at, unit->addr_bytes, addrs->len)) {
		ret->class = CH_DEBUG_NOTHING;
		return;
	}
	reader = (struct ch_debug_reader){ addrs->data + at, addrs->data + addrs->len, false };
	ret->number = chp_debug_fixed(&reader, unit->addr_bytes);
}

static void resolve_string(const struct ch_debug_unit *unit, struct ch_debug_value *ret)
{
	const struct ch_debug_sections *file = unit->file;

	switch (ret->form) {
	case DW_FORM_string:
		if (ret->len > CH_DEBUG_NAME_MAX)
			ret->class = CH_DEBUG_NOTHING;
		break;
	case DW_FORM_strp:
		chp_debug_string(&file->sections[CH_DEBUG_STR], ret->number, ret);
		break;
	case DW_FORM_line_strp:
		chp_debug_string(&file->sections[CH_DEBUG_LINE_STR], ret->number, ret);
		break;
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_strp_alt:
		ret->is_elsewhere = true;
		return;
	default:
		take_indexed_string(unit, ret);
		break;
	}
	if (ret->class == CH_DEBUG_NOTHING)
		chp_debug_damaged(unit->file->ctypes, unit->file);
}

static void resolve_reference(const struct ch_debug_unit *unit, struct ch_debug_value *ret)
{
	switch (ret->form) {
	case DW_FORM_ref_addr:
		break;
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
	case DW_FORM_GNU_ref_alt:
		ret->is_elsewhere = true;
		break;
	default:
		if (!ch_add(ret->number, unit->start, &ret->number))
			ret->class = CH_DEBUG_NOTHING;
		break;
	}
}

/* The bytes of a value, as they are. */
static bool read_raw(struct ch_debug_reader *reader, const struct ch_debug_unit *unit,
		     const struct ch_debug_spec *spec, const struct form *form,
		     struct ch_debug_value *ret)
{
	const struct ch_debug_abbrevs of = { .addr_bytes = unit->addr_bytes,
					     .offset_bytes = unit->offset_bytes,
					     .version = unit->version };

	switch ((enum shape)form->shape) {
	case SHAPE_NONE:
		return false;
	case SHAPE_ULEB:
		ret->number = chp_debug_uleb(reader);
		break;
	case SHAPE_SLEB:
		ret->number = (uint64_t)chp_debug_sleb(reader);
		break;
	case SHAPE_IMPLICIT:
		ret->number = spec->form == DW_FORM_flag_present ? 1 : (uint64_t)spec->value;
		break;
	case SHAPE_STRING:
		find_string(&(struct ch_debug_bytes){ reader->at,
						      (uint64_t)(reader->end - reader->at) },
			    0, UINT64_MAX, ret);
		if (ret->class == CH_DEBUG_STRING &&
		    chp_debug_spend(unit, ret->len / CH_DEBUG_STEP_BYTES))
			skip(reader, ret->len + 1);
		else
			spoil(reader);
		break;
	case SHAPE_BLOCK:
	case SHAPE_BLOCK_ULEB:
		ret->len =
			form->bytes ? chp_debug_fixed(reader, form->bytes) : chp_debug_uleb(reader);
		ret->data = skip(reader, ret->len);
		break;
	case SHAPE_FIXED:
	case SHAPE_ADDR:
	case SHAPE_OFFSET:
	case SHAPE_REF_ADDR:
		ret->len = form_bytes(form, &of);
		ret->data = reader->at;
		if (ret->len <= sizeof(ret->number))
			ret->number = chp_debug_fixed(reader, (uint32_t)ret->len);
		else
			skip(reader, ret->len);
		break;
	}
	return !reader->bad;
}

bool chp_debug_value(struct ch_debug_reader *reader, const struct ch_debug_unit *unit,
		     const struct ch_debug_spec *spec, struct ch_debug_value *ret)
{
	struct ch_debug_spec direct;
	const struct form *form;

	if (spec->form == DW_FORM_indirect) {
		/* Once: the form that is in the entry cannot be such a one again. */
		direct = (struct ch_debug_spec){ spec->name, (uint16_t)chp_debug_uleb(reader), 0 };
		if (direct.form == DW_FORM_indirect || direct.form == DW_FORM_implicit_const)
			return false;
		spec = &direct;
	}
	form = form_of(spec->form);
	*ret = (struct ch_debug_value){ .class = form->class, .form = spec->form };
	if (!read_raw(reader, unit, spec, form, ret))
		return false;
	if (ret->class == CH_DEBUG_STRING)
		resolve_string(unit, ret);
	else if (ret->class == CH_DEBUG_REFERENCE)
		resolve_reference(unit, ret);
	else if (ret->class == CH_DEBUG_ADDRESS && spec->form != DW_FORM_addr)
		take_indexed_address(unit, ret);
	return true;
}

/* Step over a value; false: it does not fit. */
static bool pass(struct ch_debug_reader *reader, const struct ch_debug_unit *unit,
		 const struct ch_debug_spec *spec)
{
	const struct form *form = form_of(spec->form);
	struct ch_debug_value value = { .class = form->class };

	if (spec->form == DW_FORM_indirect)
		return chp_debug_value(reader, unit, spec, &value);
	return read_raw(reader, unit, spec, form, &value);
}

/* ---- Abbreviations ---------------------------------------------------------------- */

static uint8_t has_of(uint16_t name, uint16_t form)
{
	switch (name) {
	case DW_AT_name:
		return CH_DEBUG_HAS_NAME;
	case DW_AT_location:
		return form == DW_FORM_sec_offset || form == DW_FORM_loclistx
			       ? 0
			       : CH_DEBUG_HAS_LOCATION;
	case DW_AT_declaration:
		return CH_DEBUG_HAS_DECLARATION;
	case DW_AT_specification:
	case DW_AT_abstract_origin:
		return CH_DEBUG_HAS_SPECIFICATION;
	case DW_AT_signature:
		return CH_DEBUG_HAS_SIGNATURE;
	default:
		return 0;
	}
}

static bool read_specs(struct ch_debug_reader *reader, struct ch_debug_abbrevs *abbrevs,
		       struct ch_debug_abbrev *row)
{
	struct ch_debug_spec *spec;
	uint64_t name, form;
	uint32_t bytes;

	row->first_spec = (uint32_t)abbrevs->specs.count;
	for (row->specs_count = 0; row->specs_count < SPECS_MAX; row->specs_count++) {
		name = chp_debug_uleb(reader);
		form = chp_debug_uleb(reader);
		if (reader->bad || (!name && !form))
			return !reader->bad;
		spec = ch_vec_push(&abbrevs->specs);
		if (!spec)
			return false;
		spec->name = name <= UINT16_MAX ? (uint16_t)name : 0;
		spec->form = form <= UINT16_MAX ? (uint16_t)form : 0;
		if (form == DW_FORM_implicit_const)
			spec->value = chp_debug_sleb(reader);
		row->has |= has_of(spec->name, spec->form);
		bytes = form_bytes(form_of(spec->form), abbrevs);
		row->fixed_bytes = bytes == VARIABLE || row->fixed_bytes == VARIABLE
					   ? VARIABLE
					   : row->fixed_bytes + bytes;
	}
	return false;
}

/* Rows up to the end of the table, or to where it makes no sense. Every unit may have the longest
 * one there is. */
static void read_rows(struct ch_debug_reader *reader, const struct ch_debug_unit *unit,
		      struct ch_debug_abbrevs *abbrevs)
{
	struct ch_debug_abbrev *row, next;

	abbrevs->dense = true;
	while (abbrevs->rows.count < ABBREVS_MAX) {
		next = (struct ch_debug_abbrev){ .code = chp_debug_uleb(reader) };
		if (!next.code)
			return;
		next.tag = (uint16_t)chp_debug_uleb(reader);
		next.has_children = chp_debug_fixed(reader, 1) != 0;
		if (!read_specs(reader, abbrevs, &next) ||
		    !chp_debug_spend(unit, 1 + next.specs_count))
			return;
		row = ch_vec_push(&abbrevs->rows);
		if (!row)
			return;
		*row = next;
		abbrevs->dense = abbrevs->dense && next.code == abbrevs->rows.count;
	}
}

static int by_code(const void *a, const void *b)
{
	const struct ch_debug_abbrev *x = a, *y = b;

	return x->code < y->code ? -1 : x->code > y->code;
}

void chp_debug_abbrevs_destroy(struct ch_debug_abbrevs *abbrevs)
{
	if (!abbrevs)
		return;
	ch_vec_deinit(&abbrevs->rows);
	ch_vec_deinit(&abbrevs->specs);
	free(abbrevs);
}

const struct ch_debug_abbrevs *chp_debug_abbrevs(struct ch_debug_unit *unit)
{
	const struct ch_debug_bytes *section = &unit->file->sections[CH_DEBUG_ABBREV];
	struct ch_debug_abbrevs *abbrevs;
	struct ch_debug_reader reader;

	if (unit->abbrevs)
		return unit->abbrevs;
	abbrevs = calloc(1, sizeof(*abbrevs));
	if (!abbrevs || unit->abbrev_off >= section->len) {
		free(abbrevs);
		return NULL;
	}
	abbrevs->off = unit->abbrev_off;
	abbrevs->addr_bytes = unit->addr_bytes;
	abbrevs->offset_bytes = unit->offset_bytes;
	abbrevs->version = unit->version;
	abbrevs->rows = CH_VEC(struct ch_debug_abbrev);
	abbrevs->specs = CH_VEC(struct ch_debug_spec);
	reader = (struct ch_debug_reader){ section->data + unit->abbrev_off,
					   section->data + section->len, false };
	read_rows(&reader, unit, abbrevs);
	if (!abbrevs->dense)
		ch_vec_sort(&abbrevs->rows, by_code);
	unit->abbrevs = abbrevs;
	return abbrevs;
}

static const struct ch_debug_abbrev *abbrev_of(const struct ch_debug_abbrevs *abbrevs,
					       uint64_t code)
{
	const struct ch_debug_abbrev *rows = abbrevs->rows.items;
	size_t i = code - 1;

	if (!abbrevs->dense)
		i = ch_search(rows, abbrevs->rows.count, it, it->code < code);
	return i < abbrevs->rows.count && rows[i].code == code ? &rows[i] : NULL;
}

/* ---- Entries ---------------------------------------------------------------------- */

static struct ch_debug_reader reader_at(const struct ch_debug_unit *unit, const uint8_t *at)
{
	const struct ch_debug_bytes *section = &unit->file->sections[unit->section];

	return (struct ch_debug_reader){ at, section->data + unit->end, false };
}

/* The entry at an offset that is in the unit; *ends_ret: a zero is there, which ends a list. */
static bool open_die(struct ch_debug_unit *unit, uint64_t off, struct ch_die *ret, bool *ends_ret)
{
	const struct ch_debug_abbrevs *abbrevs = chp_debug_abbrevs(unit);
	struct ch_debug_reader reader;
	uint64_t code;

	*ends_ret = false;
	if (!abbrevs || off < unit->first || off >= unit->end)
		return false;
	reader = reader_at(unit, unit->file->sections[unit->section].data + off);
	code = chp_debug_uleb(&reader);
	if (reader.bad || !code) {
		*ends_ret = !reader.bad;
		return false;
	}
	ret->abbrev = abbrev_of(abbrevs, code);
	ret->unit = unit;
	ret->off = off;
	ret->attrs = reader.at;
	if (ret->abbrev)
		return true;
	chp_debug_damaged(unit->file->ctypes, unit->file);
	return false;
}

bool chp_die_at(struct ch_debug_unit *unit, uint64_t off, struct ch_die *ret)
{
	bool ends;

	return open_die(unit, off, ret, &ends);
}

bool chp_die_root(struct ch_debug_unit *unit, struct ch_die *ret)
{
	return chp_die_at(unit, unit->first, ret);
}

static const struct ch_debug_spec *specs_of(const struct ch_die *die)
{
	return CH_VEC_AT(&die->unit->abbrevs->specs, struct ch_debug_spec, die->abbrev->first_spec);
}

/* One past the attributes of an entry, as an offset; false: they do not fit. */
static bool end_of(const struct ch_die *die, uint64_t *ret)
{
	struct ch_debug_reader reader = reader_at(die->unit, die->attrs);
	const struct ch_debug_spec *specs = specs_of(die);
	uint32_t i;

	if (die->abbrev->fixed_bytes != VARIABLE)
		skip(&reader, die->abbrev->fixed_bytes);
	else
		for (i = 0; i < die->abbrev->specs_count; i++)
			if (!pass(&reader, die->unit, &specs[i]))
				reader.bad = true;
	*ret = (uint64_t)(reader.at - die->unit->file->sections[die->unit->section].data);
	if (reader.bad)
		chp_debug_damaged(die->unit->file->ctypes, die->unit->file);
	return !reader.bad;
}

/* The first entry at or behind an offset where lists may end. */
static bool arrive(struct ch_die *die, uint64_t off, int32_t *depth)
{
	struct ch_debug_unit *unit = die->unit;
	bool ends;

	while (!open_die(unit, off, die, &ends)) {
		if (!ends || --*depth < 0)
			return false;
		off++;
	}
	return true;
}

bool chp_die_next(struct ch_die *die, int32_t *depth)
{
	uint64_t off;

	if (!chp_debug_spend(die->unit, 1) || !end_of(die, &off))
		return false;
	*depth += die->abbrev->has_children;
	return arrive(die, off, depth);
}

bool chp_die_skip(struct ch_die *die, int32_t *depth)
{
	struct ch_debug_value value;
	int32_t from = *depth;

	if (die->abbrev->has_children && chp_die_attr(die, DW_AT_sibling, &value) &&
	    value.class == CH_DEBUG_REFERENCE && value.number > die->off)
		return chp_debug_spend(die->unit, 1) && arrive(die, value.number, depth);
	do
		if (!chp_die_next(die, depth))
			return false;
	while (*depth > from);
	return true;
}

bool chp_die_child(const struct ch_die *die, struct ch_die *ret)
{
	int32_t depth = 0;

	*ret = *die;
	return die->abbrev->has_children && chp_die_next(ret, &depth) && depth == 1;
}

bool chp_die_sibling(struct ch_die *die)
{
	int32_t depth = 0;

	return chp_die_skip(die, &depth) && depth == 0;
}

/* ---- Attributes ------------------------------------------------------------------- */

bool chp_die_attr(const struct ch_die *die, uint16_t name, struct ch_debug_value *ret)
{
	const struct ch_debug_spec *specs = specs_of(die);
	struct ch_debug_reader reader = reader_at(die->unit, die->attrs);
	uint32_t i, n = die->abbrev->specs_count;

	*ret = (struct ch_debug_value){ .class = CH_DEBUG_NOTHING };
	for (i = 0; i < n && specs[i].name != name; i++)
		;
	if (i == n)
		return false;
	n = i;
	for (i = 0; i < n; i++)
		if (!pass(&reader, die->unit, &specs[i]))
			return false;
	if (!chp_debug_value(&reader, die->unit, &specs[n], ret))
		ret->class = CH_DEBUG_NOTHING;
	return ret->class != CH_DEBUG_NOTHING;
}

const char *chp_die_own_text(const struct ch_die *die, uint16_t name)
{
	struct ch_debug_value value;

	if (!chp_die_attr(die, name, &value) || value.class != CH_DEBUG_STRING ||
	    value.is_elsewhere || !value.len)
		return NULL;
	return chp_debug_spend(die->unit, value.len / CH_DEBUG_STEP_BYTES)
		       ? (const char *)value.data
		       : NULL;
}

bool chp_die_number(const struct ch_die *die, uint16_t name, uint64_t *ret)
{
	struct ch_debug_value value;

	if (!chp_die_attr(die, name, &value) || value.class != CH_DEBUG_NUMBER)
		return false;
	*ret = value.number;
	return true;
}

bool chp_die_flag(const struct ch_die *die, uint16_t name)
{
	uint64_t value;

	return chp_die_number(die, name, &value) && value;
}
