#include "sym/sym_priv.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/context.h"

#define DEBUG_DIR "/usr/lib/debug"

/* libdwfl asks for the file of a module that we reported without one: the
 * image rebuilt from memory. userdata holds our extra. */
static int find_elf(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	struct ch_module_extra *extra = *userdata;

	(void)mod;
	(void)name;
	(void)base;
	(void)file_name;
	if (extra && extra->memory_image)
		*elf = elf_memory((char *)extra->memory_image, extra->memory_image_bytes);
	return -1;
}

/* Open a debug file if it is regular and has the build-id. */
static int open_debug_file(char *path_take, const uint8_t *id, int id_len, char **path_ret)
{
	const void *file_id;
	struct stat st;
	ssize_t len = -1;
	Elf *elf;
	int fd;

	if (!path_take)
		return -1;
	fd = open(path_take, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
		len = elf ? dwelf_elf_gnu_build_id(elf, &file_id) : -1;
		if (len != id_len || memcmp(file_id, id, (size_t)id_len) != 0)
			len = -1;
		elf_end(elf);
	}
	if (len > 0) {
		*path_ret = path_take;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	free(path_take);
	return -1;
}

static char *format_debug_path(const char *dir, const uint8_t *id, int id_len)
{
	char text[2 * CH_BUILD_ID_MAX + 1], *out;

	if (id_len < 2 || id_len > CH_BUILD_ID_MAX)
		return NULL;
	chp_build_id_text(id, (uint32_t)id_len, text);
	return asprintf(&out, "%s/.build-id/%.2s/%s.debug", dir, text, text + 2) < 0 ? NULL : out;
}

/*
 * Separate debug information by build-id, in the user's folders and the
 * system's. libdwfl's own callback would ask servers on the network when the
 * environment names some, so it is used only if the user allowed that.
 */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *name, Dwarf_Addr base,
			  const char *file_name, const char *debuglink, GElf_Word crc,
			  char **debuginfo_file_name)
{
	const unsigned char *id;
	struct ch_sym *sym = NULL;
	GElf_Addr vaddr;
	size_t i;
	int id_len, fd = -1;

	id_len = dwfl_module_build_id(mod, &id, &vaddr);
	if (*userdata)
		sym = ((struct ch_module_extra *)*userdata)->sym;
	for (i = 0; sym && fd < 0 && id_len > 0 && i < sym->options.debug_dirs_count; i++)
		fd = open_debug_file(format_debug_path(sym->options.debug_dirs[i], id, id_len), id,
				     id_len, debuginfo_file_name);
	if (fd < 0 && id_len > 0)
		fd = open_debug_file(format_debug_path(DEBUG_DIR, id, id_len), id, id_len,
				     debuginfo_file_name);
	if (fd < 0 && sym && sym->options.debuginfod)
		fd = dwfl_standard_find_debuginfo(mod, userdata, name, base, file_name, debuglink,
						  crc, debuginfo_file_name);
	return fd;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_elf,
	.find_debuginfo = find_debuginfo,
};

/* Give libdwfl one module; it goes without when that fails. */
static void report_module(struct ch_sym *sym, size_t index)
{
	const struct ch_module *module = CH_VEC_AT(&sym->modules, struct ch_module, index);
	struct ch_module_extra *extra = CH_VEC_AT(&sym->extras, struct ch_module_extra, index);
	void **userdata;
	int fd;

	if (!extra->has_image)
		return;
	if (extra->file_data) {
		fd = open(module->file_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			return;
		extra->dwfl = dwfl_report_elf(sym->dwfl, module->name, module->file_path, fd,
					      module->bias, true);
		if (!extra->dwfl)
			close(fd);
	} else {
		extra->memory_image = chp_image_rebuild(sym->core, module, &extra->image,
							&extra->memory_image_bytes);
		if (extra->memory_image)
			extra->dwfl = dwfl_report_module(sym->dwfl, module->name, module->start,
							 module->end);
	}
	if (!extra->dwfl) {
		chp_context_log(sym->ctx, CH_LOG_DEBUG, "%s: no symbols: %s", module->name,
				extra->file_data ? dwfl_errmsg(-1) : "no file, no code in core");
		return;
	}
	extra->sym = sym;
	dwfl_module_info(extra->dwfl, &userdata, NULL, NULL, NULL, NULL, NULL, NULL);
	*userdata = extra;
}

bool chp_dwfl_open(struct ch_sym *sym)
{
	size_t i;

	if (sym->dwfl_tried)
		return sym->dwfl != NULL;
	sym->dwfl_tried = true;
	sym->dwfl = dwfl_begin(&callbacks);
	if (!sym->dwfl)
		return false;
	dwfl_report_begin(sym->dwfl);
	for (i = 0; i < sym->modules.count; i++)
		report_module(sym, i);
	dwfl_report_end(sym->dwfl, NULL, NULL);
	return true;
}

static struct ch_module_extra *extra_of(struct ch_sym *sym, const struct ch_module *module)
{
	return CH_VEC_AT(&sym->extras, struct ch_module_extra,
			 (size_t)(module - CH_VEC_AT(&sym->modules, struct ch_module, 0)));
}

bool ch_sym_at(struct ch_sym *sym, uint64_t addr, struct ch_symbol *ret)
{
	const struct ch_module *module = ch_sym_module_at(sym, addr);
	struct ch_module_extra *extra;
	GElf_Off offset = 0;
	const char *name;
	GElf_Sym entry;

	if (!module || !chp_dwfl_open(sym))
		return false;
	extra = extra_of(sym, module);
	if (!extra->dwfl)
		return false;
	name = dwfl_module_addrinfo(extra->dwfl, addr, &offset, &entry, NULL, NULL, NULL);
	if (!name || !name[0])
		return false;
	*ret = (struct ch_symbol){ .name = name,
				   .addr = addr - offset,
				   .size_bytes = entry.st_size,
				   .offset = offset,
				   .module = module };
	return true;
}

/* Versioned names end in "@VERSION" or "@@VERSION". */
static bool is_name(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return strncmp(entry, name, len) == 0 && (entry[len] == '\0' || entry[len] == '@');
}

static bool find_in_module(struct ch_sym *sym, const struct ch_module *module, const char *name,
			   struct ch_symbol *ret)
{
	struct ch_module_extra *extra = extra_of(sym, module);
	int count, i;
	bool found = false;
	const char *entry;
	GElf_Addr addr;
	GElf_Sym symbol;

	count = extra->dwfl ? dwfl_module_getsymtab(extra->dwfl) : 0;
	for (i = 1; i < count; i++) {
		entry = dwfl_module_getsym_info(extra->dwfl, i, &symbol, &addr, NULL, NULL, NULL);
		if (!entry || symbol.st_shndx == SHN_UNDEF || !is_name(entry, name) ||
		    GELF_ST_TYPE(symbol.st_info) == STT_TLS)
			continue;
		*ret = (struct ch_symbol){
			.name = entry, .addr = addr, .size_bytes = symbol.st_size, .module = module
		};
		found = true;
		if (GELF_ST_BIND(symbol.st_info) != STB_LOCAL)
			break;
	}
	return found;
}

bool ch_sym_by_name(struct ch_sym *sym, const struct ch_module *module, const char *name,
		    struct ch_symbol *ret)
{
	const struct ch_module *modules = sym->modules.items;
	size_t i;

	if (!chp_dwfl_open(sym))
		return false;
	if (module)
		return find_in_module(sym, module, name, ret);
	for (i = 0; i < sym->modules.count; i++)
		if (find_in_module(sym, &modules[i], name, ret))
			return true;
	return false;
}
