#include "sym/sym_priv.h"

#include <stdlib.h>
#include <string.h>

#include "core/contents.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/text.h"

/* A process with more loaded libraries than this is damage. */
#define LINK_MAPS_MAX    65536
#define DYNAMIC_TAGS_MAX 1024
#define PATH_BYTES_MAX   4096
/* Libraries that only the link map knows: each costs its path and its headers. */
#define LINKED_MAX 4096

/* Target address of the executable's dynamic section. */
static bool find_dynamic(const struct ch_sym *sym, uint64_t *ret)
{
	const struct ch_module_extra *extra;
	const struct ch_module *exe;
	const Elf64_Phdr *phdr;
	uint64_t addr;

	if (!ch_core_auxv(sym->core, AT_PHDR, &addr))
		return false;
	exe = ch_sym_module_at(sym, addr);
	extra = exe ? chp_module_extra(sym, exe) : NULL;
	phdr = extra && extra->has_image ? chp_image_phdr(&extra->image, PT_DYNAMIC) : NULL;
	if (!phdr)
		return false;
	*ret = exe->bias + phdr->p_vaddr;
	return true;
}

/* struct r_debug (glibc elf/link.h, musl include/link.h): r_map at 8. */
static uint64_t find_link_map(const struct ch_sym *sym)
{
	uint64_t dynamic, tag, value, i, map = 0;

	if (!find_dynamic(sym, &dynamic))
		return 0;
	for (i = 0; i < DYNAMIC_TAGS_MAX; i++) {
		if (!ch_core_read_u64(sym->core, dynamic + i * 16, &tag) ||
		    !ch_core_read_u64(sym->core, dynamic + i * 16 + 8, &value) || tag == DT_NULL)
			return 0;
		if (tag == DT_DEBUG) {
			if (!value || !ch_core_read_u64(sym->core, value + 8, &map))
				return 0;
			return map;
		}
	}
	return 0;
}

/* The linker has a path for each but the program and what the kernel gave: what else is
 * there is not its name. */
static bool is_library_name(const char *name)
{
	return (strchr(name, '/') || strncmp(name, "linux-", 6) == 0) && chp_text_is_name(name);
}

/* A library the link map knows and NT_FILE does not. */
static struct ch_error *add_linked(struct ch_sym *sym, uint64_t load, uint64_t name_addr)
{
	char name[PATH_BYTES_MAX];
	const char *path;

	if (!load || sym->linked_count >= LINKED_MAX ||
	    !ch_core_read_string(sym->core, name_addr, name, sizeof(name)) ||
	    !is_library_name(name))
		return NULL;
	sym->linked_count++;
	path = chp_sym_keep(sym, strdup(name));
	return path ? chp_module_add_at(sym, load, path, "link map") : &ch_enomem;
}

/* One struct link_map: l_addr, l_name, l_ld, l_next (elf/link.h). */
static struct ch_error *visit(struct ch_sym *sym, size_t known, uint64_t map,
			      const uint64_t words[4])
{
	struct ch_module *module = chp_module_among(sym, known, le64toh(words[2]));
	struct ch_module_extra *extra;

	if (!module)
		return add_linked(sym, le64toh(words[0]), le64toh(words[1]));
	if (module->link_map)
		return NULL;
	module->link_map = map;
	extra = chp_module_extra(sym, module);
	/* The headers are not in the core: what the linker knows stands in. */
	if (!extra->has_image)
		module->bias = le64toh(words[0]);
	return NULL;
}

struct ch_error *chp_linkmap_walk(struct ch_sym *sym)
{
	size_t known = sym->modules.count, i, lap = 1;
	uint64_t map = find_link_map(sym), mark = 0, words[4];
	struct ch_error *err;

	/* mark stays behind for laps of doubling length: a cycle meets it. */
	for (i = 0; map && map != mark && i < LINK_MAPS_MAX; i++) {
		if (!ch_core_try_read(sym->core, map, words, sizeof(words)))
			break;
		if (i == lap) {
			mark = map;
			lap *= 2;
		}
		err = visit(sym, known, map, words);
		if (err)
			return err;
		map = le64toh(words[3]);
	}
	if (map)
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "link-map-damaged",
				    "the list of loaded libraries breaks off at %s after %zu "
				    "entries; libraries that NT_FILE does not name may be missing",
				    chp_core_word(sym->core, map, CH_NO_ADDRESS).text, i);
	if (sym->linked_count >= LINKED_MAX)
		chp_context_finding(sym->ctx, CH_SEVERITY_INCOMPLETE, "too-many-modules",
				    "the list of loaded libraries names more than %d that NT_FILE "
				    "does not; the rest is left out",
				    LINKED_MAX);
	return sym->modules.count > known ? chp_modules_sort(sym) : NULL;
}
