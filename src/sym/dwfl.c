/*
 * libdwfl is told of the modules here: of the files that match, or of images rebuilt from memory.
 * It never reads the core itself, as a damaged core must not end in somebody else's assertion.
 */
#include <elfutils/libdw.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sym/dwarf.h"
#include "sym/hostfile.h"
#include "sym/sym_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* All images rebuilt from memory together. */
#define REBUILT_TOTAL_MAX (64ULL << 20)

/* Modules that libdwfl is told of: it goes through all of them for each one. */
#define DWFL_MODULES_MAX 4096

/* No linker asks for more. */
#define ALIGN_MAX (1ULL << 30)

static struct ch_module *module_of(const struct ch_module_extra *extra)
{
	return CH_VEC_AT(&extra->sym->modules, struct ch_module, extra->index);
}

void chp_dwfl_note_failure(void)
{
	int numbers[] = { dwfl_errno(), dwarf_errno() };
	const char *messages[] = { numbers[0] ? dwfl_errmsg(numbers[0]) : NULL,
				   numbers[1] ? dwarf_errmsg(numbers[1]) : NULL };
	size_t i;

	/* The numbers of this error are the libraries' own affair; its text is not. */
	for (i = 0; i < CH_COUNT_OF(messages); i++)
		if (messages[i] && strcmp(messages[i], "out of memory") == 0)
			chp_error_note_nomem();
}

/* The image rebuilt from memory as libelf's, made once; NULL when there is none. */
static Elf *memory_elf(struct ch_module_extra *extra)
{
	struct ch_sym *sym = extra->sym;

	if (!extra->rebuilt && extra->has_image && sym->rebuilt_bytes < REBUILT_TOTAL_MAX) {
		extra->memory_image = chp_image_rebuild(sym->core, module_of(extra), &extra->image,
							&extra->memory_image_bytes);
		sym->rebuilt_bytes += extra->memory_image_bytes;
	}
	extra->rebuilt = true;
	return extra->memory_image
		       ? elf_memory((char *)extra->memory_image, extra->memory_image_bytes)
		       : NULL;
}

/*
 * libdwfl asks for the file of a module at its first use: the matched file,
 * else what the core itself holds, else the separate debug file, whose symbols
 * are better than nothing. A library that the user may fetch comes last.
 */
static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	struct ch_module_extra *extra = *userdata;
	const struct ch_module *module;
	uint64_t bytes;
	int fd = -1;

	if (!extra)
		return -1;
	module = module_of(extra);
	if (extra->file_data) {
		fd = chp_hostfile_open(extra->sym, module->file_path, &bytes);
		*file_name = fd >= 0 ? strdup(module->file_path) : NULL;
		return fd;
	}
	*elf = memory_elf(extra);
	if (*elf)
		return -1;
	fd = chp_debugfile_open(extra->sym, module, NULL, 0, file_name);
	if (fd < 0 && extra->sym->options.debuginfod && module->build_id_len)
		fd = dwfl_build_id_find_elf(mod, userdata, name, base, file_name, elf);
	return fd;
}

/*
 * Separate debug information. libdwfl's own callback would ask servers on the
 * network when the environment names some, so it is used only if the user
 * allowed that.
 */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
			  const char *file_name, const char *debuglink, GElf_Word crc,
			  char **debuginfo_file_name)
{
	struct ch_module_extra *extra = *userdata;
	int fd;

	if (!extra)
		return -1;
	fd = chp_debugfile_open(extra->sym, module_of(extra), debuglink, crc, debuginfo_file_name);
	if (fd < 0 && extra->sym->options.debuginfod)
		fd = dwfl_standard_find_debuginfo(mod, userdata, name, base, file_name, debuglink,
						  crc, debuginfo_file_name);
	return fd;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = find_debuginfo,
};

/* libdwfl takes the lowest address for that of the first PT_LOAD, rounded down by its p_align. */
static uint64_t low_address(const struct ch_module *module, const struct ch_module_extra *extra)
{
	const Elf64_Phdr *load = extra->has_image ? chp_image_phdr(&extra->image, PT_LOAD) : NULL;

	if (!load || load->p_align & (load->p_align - 1))
		return module->start;
	return module->bias + ch_align_down(load->p_vaddr, ch_max(load->p_align, 1));
}

/* Announce one module; nothing of it is opened yet. Whether libdwfl took it. */
static bool report_module(struct ch_sym *sym, struct ch_module_extra *extra)
{
	const struct ch_module *module = module_of(extra);
	uint64_t low = low_address(module, extra);
	void **userdata;

	if (module->kind == CH_MODULE_PE || !extra->has_image || low > module->start ||
	    module->start - low > ALIGN_MAX)
		return false;
	/* libdwfl passes over modules whose names look deleted: the plain index will do */
	extra->dwfl = dwfl_report_module(sym->dwfl, "module", low, module->end);
	if (!extra->dwfl)
		return false;
	dwfl_module_info(extra->dwfl, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = extra;
	if (sym->options.debuginfod && module->build_id_len)
		dwfl_module_report_build_id(extra->dwfl, module->build_id, module->build_id_len, 0);
	return true;
}

bool chp_dwfl_open(struct ch_sym *sym)
{
	size_t i, reported = 0;

	if (sym->dwfl_tried)
		return sym->dwfl != NULL;
	sym->dwfl_tried = true;
	if (sym->options.debuginfod && !getenv("DEBUGINFOD_URLS"))
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "debuginfod-not-set",
				    "debuginfod was allowed, but DEBUGINFOD_URLS names no server");
	sym->dwfl = dwfl_begin(&callbacks);
	if (!sym->dwfl)
		return false;
	if (sym->options.debuginfod && !dwfl_get_debuginfod_client(sym->dwfl))
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "debuginfod-not-there",
				    "debuginfod was allowed, but its library cannot be loaded, so "
				    "that no server is asked");
	dwfl_report_begin(sym->dwfl);
	for (i = 0; i < sym->extras.count && reported < DWFL_MODULES_MAX; i++)
		reported += report_module(sym, CH_VEC_AT(&sym->extras, struct ch_module_extra, i));
	if (i < sym->extras.count)
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "too-many-modules",
				    "only the first %d modules are looked at for names and unwind "
				    "data in their files",
				    DWFL_MODULES_MAX);
	dwfl_report_end(sym->dwfl, NULL, NULL);
	return true;
}

Dwarf *chp_dwfl_dwarf(const struct ch_sym *sym, const struct ch_module_extra *extra,
		      Dwarf_Addr *bias_ret)
{
	Dwarf *dwarf = dwfl_module_getdwarf(extra->dwfl, bias_ret);

	if (dwarf && sym->options.no_memory)
		dwarf_new_oom_handler(dwarf, sym->options.no_memory);
	if (!dwarf)
		chp_dwfl_note_failure();
	return dwarf;
}

bool chp_sym_debug_file(struct ch_sym *sym, const struct ch_module *module,
			struct ch_debug_file *ret)
{
	struct ch_module_extra *extra = chp_module_extra(sym, module);
	Dwarf_Addr bias;
	Dwarf *dwarf;

	if (!chp_dwfl_open(sym) || !extra->dwfl)
		return false;
	dwarf = chp_dwfl_dwarf(sym, extra, &bias);
	if (!dwarf)
		return false;
	*ret = (struct ch_debug_file){ .elf = dwarf_getelf(dwarf), .dwarf = dwarf, .bias = bias };
	dwfl_module_info(extra->dwfl, NULL, NULL, NULL, NULL, NULL, &ret->main_path, &ret->path);
	if (!ret->path)
		ret->path = ret->main_path;
	return true;
}
