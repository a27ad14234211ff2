/*
 * entries_priv.h - files of debug information, their units and entries.
 *
 * damage.c pays for work and tells what makes no sense, reader.c reads entries (DIEs) and their
 * attributes, files.c finds the sections of each module and lists their units, split.c those
 * elsewhere, refs.c follows attributes to other entries.
 */
#ifndef COREHEAP_DEBUG_ENTRIES_PRIV_H
#define COREHEAP_DEBUG_ENTRIES_PRIV_H

#include "debug/types.h"
#include "sym/dwarf.h"
#include "util/table.h"
#include "util/vec.h"

/** Longer names are no program's: compilers of templates stop at some thousand bytes. */
#define CH_DEBUG_NAME_MAX 65536
/** Namespaces without a name, as demanglers call them. */
#define CH_DEBUG_NAMELESS "(anonymous namespace)"
/** How deep scopes, typedefs and arrays may lie in each other. */
#define CH_DEBUG_DEPTH_MAX 64

enum ch_debug_section {
	CH_DEBUG_INFO,
	CH_DEBUG_TYPES,
	CH_DEBUG_ABBREV,
	CH_DEBUG_STR,
	CH_DEBUG_LINE_STR,
	CH_DEBUG_STR_OFFSETS,
	CH_DEBUG_ADDR,
	CH_DEBUG_LOC,
	CH_DEBUG_LOCLISTS,
	CH_DEBUG_RANGES,
	CH_DEBUG_RNGLISTS,
	CH_DEBUG_CU_INDEX,
	CH_DEBUG_TU_INDEX,
	CH_DEBUG_SECTIONS,
};

struct ch_debug_bytes {
	const uint8_t *data;
	uint64_t len;
};

/** What an abbreviation says of an attribute. */
struct ch_debug_spec {
	uint16_t name, form;
	/** Of DW_FORM_implicit_const. */
	int64_t value;
};

/** An abbreviation: what entries that begin with its code are. */
struct ch_debug_abbrev {
	/** As the table has it: nearly always its place, counted from 1. */
	uint64_t code;
	uint32_t first_spec, specs_count;
	/** Bytes of all attributes; UINT32_MAX: they differ from entry to entry. */
	uint32_t fixed_bytes;
	uint16_t tag;
	bool has_children;
	/** See enum ch_debug_has. */
	uint8_t has;
};

/** Attributes that a scan wants to know of before it reads any. */
enum ch_debug_has {
	CH_DEBUG_HAS_NAME = 1 << 0,
	CH_DEBUG_HAS_LOCATION = 1 << 1,
	CH_DEBUG_HAS_DECLARATION = 1 << 2,
	CH_DEBUG_HAS_SPECIFICATION = 1 << 3,
	CH_DEBUG_HAS_SIGNATURE = 1 << 4,
	/** What it lacks may be in another entry. */
	CH_DEBUG_ELSEWHERE = CH_DEBUG_HAS_SPECIFICATION | CH_DEBUG_HAS_SIGNATURE,
};

/** The abbreviations of one or more units. */
struct ch_debug_abbrevs {
	/** Where they begin in .debug_abbrev, and what else their sizes rest on. */
	uint64_t off;
	uint8_t addr_bytes, offset_bytes, version;
	/** Codes ascend and have no holes. */
	bool dense;
	/** of struct ch_debug_abbrev and of struct ch_debug_spec */
	struct ch_vec rows, specs;
};

struct ch_debug_sections;

/** An entry with others inside of it that gives them a scope. */
struct ch_debug_scope {
	/** Its entry, and one past its last byte. */
	uint64_t start, end;
	/** Index of the scope around it; UINT32_MAX: none. */
	uint32_t parent;
};

struct ch_debug_unit {
	struct ch_debug_sections *file;
	enum ch_debug_section section;
	/** From its header to its end, and its first entry, in the section. */
	uint64_t start, end, first;
	uint64_t abbrev_off;
	uint8_t version, addr_bytes, offset_bytes, type;
	/** DW_LANG_*; 0 until begun. */
	uint16_t language;
	/** One definition of a name for the whole program: C++, Rust and the like. */
	bool one_definition;
	/** What its root says was read; so were its scopes. */
	bool begun, scoped;
	/** Of a type unit: its signature and where its type is. Of a split one: its id. */
	uint64_t signature, type_off;
	uint64_t str_offsets_base, addr_base;
	/** In a package: where its parts of sections begin; its row was read. */
	uint64_t str_offsets_part, loc_part;
	bool packed;
	/** Whose addresses it uses: of a split unit its skeleton. */
	struct ch_debug_unit *skeleton;
	/** Of a skeleton: the rest, once it was looked for. */
	struct ch_debug_unit *split;
	bool split_tried;
	/** Owned; NULL until an entry is read. */
	struct ch_debug_abbrevs *abbrevs;
	/** of struct ch_debug_scope, ascending by start */
	struct ch_vec scopes;
	/** of struct ch_debug_code: its functions, ascending, once somebody asks */
	struct ch_vec functions;
	bool has_functions;
};

/** Sections that belong together: of a module, of what dwz took out of it, of a split unit. */
struct ch_debug_sections {
	struct ch_ctypes *ctypes;
	const struct ch_module *module;
	uint64_t bias;
	uint32_t index;
	struct ch_debug_bytes sections[CH_DEBUG_SECTIONS];
	/** Bytes of .debug_info and .debug_types that were in several sections. */
	struct ch_vec joined[CH_DEBUG_TYPES + 1];
	/** of struct ch_debug_unit *, owned; those of .debug_info first, ascending. */
	struct ch_vec units;
	/** Those of .debug_info among them. */
	size_t info_count;
	/** Type units by signature, and units of a package by number: index in units. */
	struct ch_table signatures, ids;
	/** Of a module's own file: where it is from, and what it leads to, once looked for. */
	struct ch_debug_file from;
	struct ch_debug_sections *alternative, *package;
	bool alternative_tried, package_tried;
	bool scanned;
	/** Steps that may still be made in it before it is said that they lead nowhere. */
	uint64_t budget;
	/** of struct ch_debug_code: its units, ascending, once somebody asks */
	struct ch_vec code;
	bool has_code;
	/** Index of its module in ch_sym_modules(). */
	size_t module_index;
};

/** An entry. */
struct ch_die {
	struct ch_debug_unit *unit;
	/** In the unit's section. */
	uint64_t off;
	const struct ch_debug_abbrev *abbrev;
	/** Its attributes begin here. */
	const uint8_t *attrs;
};

enum ch_debug_class {
	CH_DEBUG_NOTHING,
	CH_DEBUG_ADDRESS,
	CH_DEBUG_NUMBER,
	CH_DEBUG_STRING,
	CH_DEBUG_BLOCK,
	CH_DEBUG_REFERENCE,
	CH_DEBUG_SIGNATURE,
	/** An offset into another section. */
	CH_DEBUG_OFFSET,
};

/** The value of an attribute. */
struct ch_debug_value {
	enum ch_debug_class class;
	uint16_t form;
	/** A number (signed ones extended), an address without bias, a reference's offset in the
	 * section, a signature. */
	uint64_t number;
	/** Of a string (without its end), or of a block. */
	const uint8_t *data;
	uint64_t len;
	/** A reference or a text in what dwz took out of the file: number is the offset there. */
	bool is_elsewhere;
};

/** Bytes that are read forwards. */
struct ch_debug_reader {
	const uint8_t *at, *end;
	/** It would have left its bytes: from there on it gives zeros. */
	bool bad;
};

/* ---- damage.c ---------------------------------------------------------------------- */

/** Something made no sense, or is too much: told once. */
void chp_debug_damaged(struct ch_ctypes *ctypes, const struct ch_debug_sections *file);
/** Keep an allocation until the end; frees it and returns NULL when out of memory. */
void *chp_debug_keep(struct ch_ctypes *ctypes, void *take);
/** So much of a name is read while one entry is passed over. */
#define CH_DEBUG_STEP_BYTES 32
/** Pay for work that entries of a unit ask for: a step is as much as passing over one entry, or
 * following it to another. False: all that its file was granted is spent, which is told. */
bool chp_debug_spend(const struct ch_debug_unit *unit, uint64_t steps);

/* ---- reader.c --------------------------------------------------------------------- */

uint64_t chp_debug_fixed(struct ch_debug_reader *reader, uint32_t bytes);
uint64_t chp_debug_uleb(struct ch_debug_reader *reader);
int64_t chp_debug_sleb(struct ch_debug_reader *reader);
/** Read the value of one attribute; false: its form is not known, or it does not fit. */
bool chp_debug_value(struct ch_debug_reader *reader, const struct ch_debug_unit *unit,
		     const struct ch_debug_spec *spec, struct ch_debug_value *ret);
/** A text of a section, up to its zero; of class CH_DEBUG_NOTHING if that is too far. */
void chp_debug_string(const struct ch_debug_bytes *section, uint64_t off,
		      struct ch_debug_value *ret);
/** The abbreviations of a unit, made once; NULL: none. */
const struct ch_debug_abbrevs *chp_debug_abbrevs(struct ch_debug_unit *unit);
void chp_debug_abbrevs_destroy(struct ch_debug_abbrevs *abbrevs);

/** The entry at an offset of the section; false: none begins there, or it ends a list. */
bool chp_die_at(struct ch_debug_unit *unit, uint64_t off, struct ch_die *ret);
/** The first entry of a unit. */
bool chp_die_root(struct ch_debug_unit *unit, struct ch_die *ret);
/** Step to the entry behind, whatever its depth; *depth goes up into children, and down where
 * lists end. False: the unit ends, depth is below 0, or it is damaged. */
bool chp_die_next(struct ch_die *die, int32_t *depth);
/** The same to the entry behind all that is inside of this one. */
bool chp_die_skip(struct ch_die *die, int32_t *depth);
/** The first child. */
bool chp_die_child(const struct ch_die *die, struct ch_die *ret);
/** Step to the next entry of the same list. */
bool chp_die_sibling(struct ch_die *die);
/** An attribute of an entry; class CH_DEBUG_NOTHING: it has none. */
bool chp_die_attr(const struct ch_die *die, uint16_t name, struct ch_debug_value *ret);
/** A flag that is set. */
bool chp_die_flag(const struct ch_die *die, uint16_t name);
/** A number; false: there is none. */
bool chp_die_number(const struct ch_die *die, uint16_t name, uint64_t *ret);
/** Its text, with a zero behind it; NULL: none, or in what was taken out of the file. */
const char *chp_die_own_text(const struct ch_die *die, uint16_t name);
static inline uint16_t chp_die_tag(const struct ch_die *die)
{
	return die->abbrev->tag;
}
/** A number of its own for each entry, never 0. */
static inline uint64_t chp_die_key(const struct ch_die *die)
{
	return (uint64_t)die->unit->file->index << 41 |
	       (uint64_t)(die->unit->section == CH_DEBUG_TYPES) << 40 | die->off;
}

/* ---- files.c ---------------------------------------------------------------------- */

/** The debug information of a module, opened at the first call; NULL: none. */
struct ch_debug_sections *chp_debug_of_module(struct ch_ctypes *ctypes, size_t module);
/** Take a file for that of a module, which has none yet; NULL: no memory. */
struct ch_debug_sections *chp_debug_attach(struct ch_ctypes *ctypes, size_t module,
					   const struct ch_debug_file *from);
/** Read what the root of a unit says of its others. */
void chp_debug_unit_begin(struct ch_debug_unit *unit);
/** The unit that holds an offset; NULL: none. */
struct ch_debug_unit *chp_debug_unit_at(const struct ch_debug_sections *file,
					enum ch_debug_section section, uint64_t off);
/** Another file with sections of a module whose own file is of; NULL: no memory. suffix: of names
 * of sections. */
struct ch_debug_sections *chp_debug_file_add(struct ch_ctypes *ctypes,
					     const struct ch_debug_sections *of, Elf *elf,
					     const char *suffix);
/** List its units; false: no memory. */
bool chp_debug_units(struct ch_debug_sections *file);
void chp_debug_file_destroy(struct ch_debug_sections *file);

/* ---- split.c ---------------------------------------------------------------------- */

/** What was taken out of a file and put into another, opened once; NULL: nothing. */
struct ch_debug_sections *chp_debug_alternative(struct ch_debug_sections *file);
/** The rest of a skeleton, opened once; NULL: it is none, or there is none. */
struct ch_debug_unit *chp_debug_split(struct ch_debug_unit *skeleton);

/* ---- refs.c ----------------------------------------------------------------------- */

/** The entry that an attribute leads to, in whatever unit. */
bool chp_die_ref(const struct ch_die *die, uint16_t name, struct ch_die *ret);
/** Its text, with a zero behind it; NULL: none. */
const char *chp_die_text(const struct ch_die *die, uint16_t name);

#endif /* COREHEAP_DEBUG_ENTRIES_PRIV_H */
