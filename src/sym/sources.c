/*
 * Source lines, and the functions that a compiler put into others, by the debug information
 * at hand. libdw reads it; what it holds is as little to be trusted as a core.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "sym/sym_priv.h"
#include "util/cleanup.h"

static const char *base_name(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && name[1] ? name + 1 : path;
}

/* Where a function was called that was put into another. */
static void take_call(Dwarf_Die *die, Dwarf_Files *files, struct ch_source *ret)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value = 0;
	const char *path;

	if (files && dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attribute), &value) == 0) {
		path = dwarf_filesrc(files, value, NULL, NULL);
		ret->file = path ? base_name(path) : NULL;
	}
	value = 0;
	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attribute), &value) == 0 &&
	    value <= UINT32_MAX)
		ret->line = (uint32_t)value;
}

static size_t take_inlined(Dwarf_Die *unit, Dwarf_Addr addr, struct ch_source *rows, size_t max)
{
	_cleanup_free_ Dwarf_Die *scopes = NULL;
	Dwarf_Files *files = NULL;
	size_t files_count, n = 1;
	int count, i;

	count = dwarf_getscopes(unit, addr, &scopes);
	if (count > 0 && dwarf_getsrcfiles(unit, &files, &files_count) != 0)
		files = NULL;
	for (i = 0; i < count && n < max && dwarf_tag(&scopes[i]) != DW_TAG_subprogram; i++) {
		if (dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine)
			continue;
		rows[n - 1].function = dwarf_diename(&scopes[i]);
		if (!rows[n - 1].function)
			break;
		rows[n] = (struct ch_source){ .function = NULL };
		take_call(&scopes[i], files, &rows[n]);
		n++;
	}
	return n;
}

size_t ch_sym_sources(struct ch_sym *sym, uint64_t addr, struct ch_source *rows, size_t max)
{
	const struct ch_module *module = ch_sym_module_at(sym, addr);
	struct ch_module_extra *extra = module ? chp_module_extra(sym, module) : NULL;
	Dwarf_Addr bias = 0;
	const char *path;
	Dwfl_Line *found;
	Dwarf_Die *unit;
	int line = 0;

	if (!max || !extra || !chp_dwfl_open(sym) || !extra->dwfl ||
	    !chp_dwfl_dwarf(sym, extra, &bias))
		return 0;
	found = dwfl_module_getsrc(extra->dwfl, addr);
	if (!found)
		chp_dwfl_note_failure();
	path = found ? dwfl_lineinfo(found, NULL, &line, NULL, NULL, NULL) : NULL;
	if (!path || line <= 0)
		return 0;
	rows[0] = (struct ch_source){ .file = base_name(path), .line = (uint32_t)line };
	unit = dwfl_module_addrdie(extra->dwfl, addr, &bias);
	if (!unit)
		chp_dwfl_note_failure();
	return unit ? take_inlined(unit, addr - bias, rows, max) : 1;
}
