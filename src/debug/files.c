/*
 * Where debug information lies: the sections of each module's file, and the units in them.
 */
#include <dwarf.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "debug/code_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/search.h"

/* No program has more units; an empty one takes 11 bytes of a section. */
#define UNITS_MAX (1U << 22)

static const char *const section_names[CH_DEBUG_SECTIONS] = {
	[CH_DEBUG_INFO] = "info",         [CH_DEBUG_TYPES] = "types",
	[CH_DEBUG_ABBREV] = "abbrev",     [CH_DEBUG_STR] = "str",
	[CH_DEBUG_LINE_STR] = "line_str", [CH_DEBUG_STR_OFFSETS] = "str_offsets",
	[CH_DEBUG_ADDR] = "addr",         [CH_DEBUG_LOC] = "loc",
	[CH_DEBUG_LOCLISTS] = "loclists", [CH_DEBUG_RANGES] = "ranges",
	[CH_DEBUG_RNGLISTS] = "rnglists", [CH_DEBUG_CU_INDEX] = "cu_index",
	[CH_DEBUG_TU_INDEX] = "tu_index",
};

/* ---- Sections --------------------------------------------------------------------- */

/* Which section a name stands for: ".debug_info", or ".zdebug_info" as it was called when
 * compressed; CH_DEBUG_SECTIONS: none. */
static size_t section_of(const char *name, const char *suffix)
{
	size_t i = CH_DEBUG_SECTIONS, len;

	if (!name || name[0] != '.')
		return i;
	name += name[1] == 'z' ? 2 : 1;
	if (strncmp(name, "debug_", 6) != 0)
		return i;
	name += 6;
	for (i = 0; i < CH_DEBUG_SECTIONS; i++) {
		len = strlen(section_names[i]);
		if (strncmp(name, section_names[i], len) != 0)
			continue;
		/* the indexes of a package are without a suffix */
		if (strcmp(name + len, suffix) == 0 ||
		    (!name[len] && (i == CH_DEBUG_CU_INDEX || i == CH_DEBUG_TU_INDEX)))
			break;
	}
	return i;
}

/* libelf bounds by what it allocates for compressed bytes. */
static void decompress(Elf_Scn *section, const GElf_Shdr *header, const char *name)
{
	if (header->sh_flags & SHF_COMPRESSED)
		elf_compress(section, 0, 0);
	else if (name[1] == 'z')
		elf_compress_gnu(section, 0, 0);
}

/* Type units of one file may each be in a section of their own (DWARF 5, appendix E.2.1): one
 * behind the other they read the same, as what is in a unit knows of its own offsets only. */
static void join(struct ch_debug_bytes *section, struct ch_vec *joined, const Elf_Data *more)
{
	bool first = !joined->items;

	joined->item_size = 1;
	if (!ch_vec_reserve(joined, section->len + more->d_size))
		return;
	if (first)
		memcpy(joined->items, section->data, section->len);
	memcpy((uint8_t *)joined->items + section->len, more->d_buf, more->d_size);
	*section = (struct ch_debug_bytes){ joined->items, section->len + more->d_size };
}

static void take_sections(struct ch_debug_sections *file, Elf *elf, const char *suffix)
{
	Elf_Scn *section = NULL;
	const char *name;
	Elf_Data *data;
	GElf_Shdr header;
	size_t names, i;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return;
	while ((section = elf_nextscn(elf, section)) != NULL) {
		if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(elf, names, header.sh_name);
		i = section_of(name, suffix);
		if (i == CH_DEBUG_SECTIONS)
			continue;
		decompress(section, &header, name);
		data = elf_rawdata(section, NULL);
		if (!data || !data->d_buf)
			continue;
		if (!file->sections[i].data)
			file->sections[i] = (struct ch_debug_bytes){ data->d_buf, data->d_size };
		else if (i == CH_DEBUG_INFO || i == CH_DEBUG_TYPES)
			join(&file->sections[i], &file->joined[i], data);
	}
}

/* ---- Units ------------------------------------------------------------------------ */

/* What a header says behind its length and version; DWARF 5, 7.5.1. */
static void read_header(struct ch_debug_reader *reader, struct ch_debug_unit *unit)
{
	unit->version = (uint8_t)chp_debug_fixed(reader, 2);
	if (unit->version >= 5) {
		unit->type = (uint8_t)chp_debug_fixed(reader, 1);
		unit->addr_bytes = (uint8_t)chp_debug_fixed(reader, 1);
		unit->abbrev_off = chp_debug_fixed(reader, unit->offset_bytes);
	} else {
		unit->type = unit->section == CH_DEBUG_TYPES ? DW_UT_type : DW_UT_compile;
		unit->abbrev_off = chp_debug_fixed(reader, unit->offset_bytes);
		unit->addr_bytes = (uint8_t)chp_debug_fixed(reader, 1);
	}
	if (unit->type == DW_UT_skeleton || unit->type == DW_UT_split_compile)
		unit->signature = chp_debug_fixed(reader, 8);
	if (unit->type == DW_UT_type || unit->type == DW_UT_split_type) {
		unit->signature = chp_debug_fixed(reader, 8);
		unit->type_off = unit->start + chp_debug_fixed(reader, unit->offset_bytes);
	}
}

/* The unit at an offset; where the next one begins. False: nothing more makes sense. */
static bool read_unit(struct ch_debug_sections *file, struct ch_debug_unit *unit, uint64_t *next)
{
	const struct ch_debug_bytes *section = &file->sections[unit->section];
	struct ch_debug_reader reader = { section->data + unit->start, section->data + section->len,
					  false };
	uint64_t len = chp_debug_fixed(&reader, 4);

	unit->file = file;
	unit->offset_bytes = 4;
	if (len == UINT32_MAX) {
		unit->offset_bytes = 8;
		len = chp_debug_fixed(&reader, 8);
	}
	if (reader.bad || len > (uint64_t)(reader.end - reader.at))
		return false;
	unit->end = (uint64_t)(reader.at - section->data) + len;
	*next = unit->end;
	reader.end = section->data + unit->end;
	read_header(&reader, unit);
	unit->first = (uint64_t)(reader.at - section->data);
	unit->scopes = CH_VEC(struct ch_debug_scope);
	unit->functions = CH_VEC(struct ch_debug_code);
	return true;
}

/* Units of one section. A file that lies about lengths has those before the lie. False: no
 * memory. */
static bool list_units(struct ch_debug_sections *file, enum ch_debug_section section)
{
	struct ch_debug_unit unit, **slot;
	uint64_t at = 0;

	while (at < file->sections[section].len && file->units.count < UNITS_MAX) {
		unit = (struct ch_debug_unit){ .section = section, .start = at };
		if (!read_unit(file, &unit, &at)) {
			chp_debug_damaged(file->ctypes, file);
			return true;
		}
		/* Of versions to come nothing is known but the length. */
		if (unit.version < 2 || unit.version > 5 || unit.addr_bytes != 8)
			continue;
		slot = ch_vec_push(&file->units);
		if (!slot)
			return false;
		*slot = malloc(sizeof(unit));
		if (!*slot) {
			file->units.count--;
			return false;
		}
		**slot = unit;
		if ((unit.type == DW_UT_type || unit.type == DW_UT_split_type) &&
		    ch_table_find(&file->signatures, unit.signature) == CH_TABLE_NONE &&
		    unit.signature &&
		    !ch_table_put(&file->signatures, unit.signature,
				  (uint32_t)file->units.count - 1))
			return false;
	}
	return true;
}

/* Offsets in tables begin behind their headers: DWARF 5, 7.26 and 7.27. */
static void set_bases(struct ch_debug_unit *unit)
{
	uint64_t header = unit->version >= 5 ? (unit->offset_bytes == 8 ? 16 : 8) : 0;

	unit->str_offsets_base = unit->str_offsets_part + header;
	unit->addr_base = header;
}

static uint64_t offset_of(const struct ch_die *die, uint16_t name, uint64_t otherwise)
{
	struct ch_debug_value value;

	if (chp_die_attr(die, name, &value) &&
	    (value.class == CH_DEBUG_OFFSET || value.class == CH_DEBUG_NUMBER))
		return value.number;
	return otherwise;
}

/* C, Ada and the like may call several types by one name. */
static bool has_one_definition(uint16_t language)
{
	switch (language) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case DW_LANG_Rust:
	case DW_LANG_D:
	case DW_LANG_Swift:
		return true;
	default:
		/* those of later versions of DWARF, 7.12 of its errata */
		return language == 0x2b || language == 0x3a;
	}
}

void chp_debug_unit_begin(struct ch_debug_unit *unit)
{
	uint64_t language = 0;
	struct ch_die root;

	if (unit->begun)
		return;
	unit->begun = true;
	set_bases(unit);
	if (!chp_die_root(unit, &root))
		return;
	unit->str_offsets_base = offset_of(&root, DW_AT_str_offsets_base, unit->str_offsets_base);
	unit->addr_base = offset_of(&root, DW_AT_addr_base, unit->addr_base);
	unit->addr_base = offset_of(&root, DW_AT_GNU_addr_base, unit->addr_base);
	if (chp_die_number(&root, DW_AT_language, &language))
		unit->language = (uint16_t)language;
	unit->one_definition = has_one_definition(unit->language);
}

struct ch_debug_unit *chp_debug_unit_at(const struct ch_debug_sections *file,
					enum ch_debug_section section, uint64_t off)
{
	struct ch_debug_unit *const *units = file->units.items;
	size_t i;

	if (section == CH_DEBUG_INFO) {
		i = ch_search(units, file->info_count, it, (*it)->end <= off);
		return i < file->info_count && units[i]->start <= off ? units[i] : NULL;
	}
	i = ch_search(units + file->info_count, file->units.count - file->info_count, it,
		      (*it)->end <= off);
	i += file->info_count;
	return i < file->units.count && units[i]->start <= off ? units[i] : NULL;
}

/* ---- Files ------------------------------------------------------------------------ */

void chp_debug_file_destroy(struct ch_debug_sections *file)
{
	struct ch_debug_unit *unit;
	size_t i;

	for (i = 0; i < file->units.count; i++) {
		unit = *CH_VEC_AT(&file->units, struct ch_debug_unit *, i);
		chp_debug_abbrevs_destroy(unit->abbrevs);
		ch_vec_deinit(&unit->scopes);
		ch_vec_deinit(&unit->functions);
		free(unit);
	}
	ch_vec_deinit(&file->units);
	ch_table_deinit(&file->signatures);
	ch_table_deinit(&file->ids);
	ch_vec_deinit(&file->code);
	for (i = 0; i < CH_COUNT_OF(file->joined); i++)
		ch_vec_deinit(&file->joined[i]);
	free(file);
}

struct ch_debug_sections *chp_debug_file_add(struct ch_ctypes *ctypes,
					     const struct ch_debug_sections *of, Elf *elf,
					     const char *suffix)
{
	struct ch_debug_sections *file = calloc(1, sizeof(*file)), **slot;

	slot = file ? ch_vec_push(&ctypes->files) : NULL;
	if (!slot) {
		free(file);
		return NULL;
	}
	*slot = file;
	file->ctypes = ctypes;
	file->index = (uint32_t)ctypes->files.count;
	file->units = CH_VEC(struct ch_debug_unit *);
	file->code = CH_VEC(struct ch_debug_code);
	if (of) {
		file->module = of->module;
		file->module_index = of->module_index;
		file->bias = of->bias;
	}
	take_sections(file, elf, suffix);
	/* Entries may be read some times over: once by the scan, and for each type that is asked
	 * for. One takes two bytes at least, as do names and forms of abbreviations. */
	file->budget =
		16 * ((file->sections[CH_DEBUG_INFO].len + file->sections[CH_DEBUG_TYPES].len +
		       file->sections[CH_DEBUG_ABBREV].len) /
		      2);
	return file;
}

bool chp_debug_units(struct ch_debug_sections *file)
{
	if (!list_units(file, CH_DEBUG_INFO))
		return false;
	file->info_count = file->units.count;
	return list_units(file, CH_DEBUG_TYPES);
}

struct ch_debug_sections *chp_debug_attach(struct ch_ctypes *ctypes, size_t module,
					   const struct ch_debug_file *from)
{
	struct ch_debug_sections *file = chp_debug_file_add(ctypes, NULL, from->elf, "");
	size_t count;

	if (!file)
		return NULL;
	file->module = &ch_sym_modules(ctypes->sym, &count)[module];
	file->module_index = module;
	file->bias = from->bias;
	file->from = *from;
	if (!chp_debug_units(file))
		return NULL;
	ctypes->by_module[module] = file;
	return file;
}

/* The same for modules of one file; 0: not known. */
static uint64_t file_key(const struct ch_module *module)
{
	return module->build_id_len
		       ? ch_hash_bytes(CH_HASH_START, module->build_id, module->build_id_len) | 1
		       : 0;
}

/* What the C library keeps is known by its layouts (types/known.c), whether its debug information
 * is installed or not; that would be read for each program, and is more than most programs have. */
static bool is_c_library(const struct ch_module *module)
{
	static const char *const stems[] = { "libc.so.", "ld-linux", "libpthread.so." };
	size_t i;

	for (i = 0; i < CH_COUNT_OF(stems); i++)
		if (strncmp(module->name, stems[i], strlen(stems[i])) == 0)
			return true;
	return false;
}

struct ch_debug_sections *chp_debug_of_module(struct ch_ctypes *ctypes, size_t module)
{
	const struct ch_module *modules;
	struct ch_debug_file found;
	uint64_t key;
	size_t count;

	if (ctypes->tried[module])
		return ctypes->by_module[module];
	ctypes->tried[module] = true;
	modules = ch_sym_modules(ctypes->sym, &count);
	key = file_key(&modules[module]);
	/* A core may have one file as thousands of modules: each would be opened again. */
	if (is_c_library(&modules[module]) ||
	    (key && ch_table_find(&ctypes->without, key) != CH_TABLE_NONE))
		return NULL;
	if (chp_sym_debug_file(ctypes->sym, &modules[module], &found))
		return chp_debug_attach(ctypes, module, &found);
	/* Without memory for this it is looked at again. */
	if (key)
		(void)ch_table_put(&ctypes->without, key, 1);
	return NULL;
}
