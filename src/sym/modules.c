/*
 * Finding the modules of a core by the file mappings that it records, and by the vdso and
 * auxiliary vector. scan.c and linkmap.c add those that no note names.
 */
#include "sym/sym_priv.h"

#include <string.h>
#include <strings.h>

#include "util/bytes.h"
#include "util/context.h"
#include "util/search.h"

/* Mappings of one file that lie together. */
struct group {
	const struct ch_file_map *rows;
	size_t count;
	uint64_t start, end;
	/* What begins there. */
	bool is_elf, is_pe, first_page_absent;
	struct ch_image image;
};

/* Whether any segment in [start, end) may be executed. */
static bool has_code(const struct ch_core *core, uint64_t start, uint64_t end)
{
	const struct ch_segment *segments;
	size_t count, low;

	segments = ch_core_segments(core, &count);
	low = ch_search(segments, count, it, it->end <= start);
	for (; low < count && segments[low].start < end; low++)
		if (segments[low].flags & CH_SEGMENT_EXEC)
			return true;
	return false;
}

static bool is_library_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *dot = strstr(slash ? slash : path, ".so");

	return dot && (dot[3] == '\0' || dot[3] == '.' || dot[3] == ' ');
}

/* A managed assembly, whose first page the dumper left out. */
static bool is_assembly_name(const char *path)
{
	size_t len = strlen(path);

	return len > 4 &&
	       (strcasecmp(path + len - 4, ".dll") == 0 || strcasecmp(path + len - 4, ".exe") == 0);
}

/* Names the kernel gives to memory that has no file on any disk. */
static bool is_pseudo_path(const char *path)
{
	static const char *const prefixes[] = { "/dev/", "/memfd:", "/SYSV", "/anon_hugepage",
						"/[aio]" };
	size_t i;

	if (path[0] != '/')
		return true;
	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(path, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/*
 * A file of ELF format that was mapped in one piece to be read: nothing in it
 * runs, and the mapping goes on where the loader would have ended it.
 */
static bool is_data_mapping(const struct ch_core *core, const struct group *group)
{
	uint32_t i;

	if (group->count != 1 || has_code(core, group->start, group->end))
		return false;
	for (i = 0; i < group->image.phdrs_count; i++)
		if (group->image.phdrs[i].p_type == PT_LOAD)
			break;
	return i == group->image.phdrs_count ||
	       group->end - group->start >
		       ch_align_up(group->image.phdrs[i].p_offset + group->image.phdrs[i].p_filesz,
				   CH_PAGE_BYTES);
}

/* What begins at the first row; where an image is known it says how far the group may reach. */
static uint64_t look_at(const struct ch_core *core, struct group *group)
{
	uint64_t low, high;
	uint8_t magic[2];
	struct ch_pe pe;

	group->start = group->rows[0].start;
	group->first_page_absent = !ch_core_try_read(core, group->start, magic, sizeof(magic));
	if (group->rows[0].off != 0)
		return 0;
	group->is_pe = chp_pe_read(core, group->start, &pe) ||
		       (group->first_page_absent && is_assembly_name(group->rows[0].path) &&
			!is_pseudo_path(group->rows[0].path));
	group->is_elf = chp_image_read(core, group->start, &group->image);
	if (!group->is_elf || !chp_image_extent(&group->image, &low, &high))
		return 0;
	return group->start + (high - low);
}

/* Whether the next row belongs to the same load of the file. limit 0: not known. */
static bool belongs(const struct ch_file_map *first, const struct ch_file_map *last,
		    const struct ch_file_map *next, uint64_t limit)
{
	if (strcmp(next->path, first->path) != 0)
		return false;
	if (limit)
		return next->start < limit;
	return next->off != 0 || next->start == last->end;
}

static void gather(const struct ch_core *core, const struct ch_file_map *rows, size_t count,
		   struct group *ret)
{
	uint64_t limit;

	*ret = (struct group){ .rows = rows, .count = 1 };
	limit = look_at(core, ret);
	while (ret->count < count && belongs(rows, &rows[ret->count - 1], &rows[ret->count], limit))
		ret->count++;
	ret->end = rows[ret->count - 1].end;
}

/* Whether the group is a loaded image. */
static bool is_module(struct ch_sym *sym, const struct group *group)
{
	const char *path = group->rows[0].path;

	if (group->is_elf)
		return !is_data_mapping(sym->core, group);
	if (group->is_pe)
		return true;
	if (is_pseudo_path(path) || !has_code(sym->core, group->start, group->end))
		return false;
	/* The dumper left the first page out: by its rights. */
	if (group->first_page_absent || group->rows[0].off != 0)
		return true;
	if (!is_library_name(path))
		return false;
	chp_context_finding(sym->ctx, CH_SEVERITY_INCOMPLETE, "module-damaged",
			    "memory at 0x%llx, where %s was mapped, does not hold its ELF header",
			    (unsigned long long)group->start, path);
	return true;
}

static struct ch_error *add_group(struct ch_sym *sym, struct group *group)
{
	struct ch_module *module;
	size_t i;

	module = chp_module_add(sym, group->start, group->end, group->rows[0].path, "NT_FILE");
	if (!module)
		return &ch_enomem;
	for (i = 0; i < group->count; i++)
		module->mapped_bytes += group->rows[i].end - group->rows[i].start;
	if (group->is_pe)
		module->kind = CH_MODULE_PE;
	if (group->is_elf) {
		chp_module_image_take(sym, module, &group->image);
		group->image.phdrs = NULL;
	}
	return NULL;
}

static struct ch_error *add_file_modules(struct ch_sym *sym)
{
	const struct ch_file_map *maps;
	struct ch_error *err = NULL;
	struct group group;
	size_t count, i;

	maps = ch_core_file_maps(sym->core, &count);
	for (i = 0; !err && i < count; i += group.count) {
		if (chp_modules_is_full(sym))
			return NULL;
		gather(sym->core, &maps[i], count - i, &group);
		if (is_module(sym, &group))
			err = add_group(sym, &group);
		chp_image_deinit(&group.image);
	}
	return err;
}

static struct ch_error *add_vdso(struct ch_sym *sym)
{
	const struct ch_segment *segment;
	struct ch_module *module;
	struct ch_image image;
	uint64_t addr;

	if (!ch_core_auxv(sym->core, AT_SYSINFO_EHDR, &addr) || !addr)
		return NULL;
	segment = ch_core_segment_at(sym->core, addr);
	if (!segment)
		return NULL;
	module = chp_module_add(sym, addr, segment->end, "[vdso]", "auxv");
	if (!module)
		return &ch_enomem;
	module->kind = CH_MODULE_VDSO;
	module->match = CH_MATCH_IN_CORE;
	if (chp_image_read(sym->core, addr, &image))
		chp_module_image_take(sym, module, &image);
	module->end = segment->end;
	module->mapped_bytes = segment->end - addr;
	return NULL;
}

/* Where the first page of the image around an address may lie: the start of its segment. */
static uint64_t segment_start(const struct ch_sym *sym, uint64_t addr)
{
	const struct ch_segment *segment = ch_core_segment_at(sym->core, addr);

	return segment ? segment->start : addr;
}

/* What the auxiliary vector names, in a core without NT_FILE. */
static struct ch_error *add_auxv_modules(struct ch_sym *sym)
{
	const struct ch_module *module;
	struct ch_error *err = NULL;
	const char *path;
	uint64_t addr;
	size_t count;

	if (ch_core_auxv(sym->core, AT_PHDR, &addr)) {
		module = ch_sym_module_at(sym, addr);
		path = module && !chp_module_is_unnamed(module) ? module->path : chp_exe_path(sym);
		if (!path)
			return &ch_enomem;
		count = sym->modules.count;
		if (module)
			chp_module_set_path(CH_VEC_AT(&sym->modules, struct ch_module, 0) +
						    chp_module_extra(sym, module)->index,
					    path);
		else
			err = chp_module_add_at(sym, segment_start(sym, addr), path, "auxv");
		/* other memory may lie before it in its segment */
		if (!err && !module && sym->modules.count == count)
			err = chp_module_add_at(sym, ch_align_down(addr, CH_PAGE_BYTES), path,
						"auxv");
	}
	if (!err && ch_core_auxv(sym->core, AT_BASE, &addr) && addr && !ch_sym_module_at(sym, addr))
		err = chp_module_add_at(sym, addr, "[interp]", "auxv");
	return err;
}

/* Whether it was linked to run where it lies, without a dynamic linker. */
static bool is_static_exe(const struct ch_sym *sym, const struct ch_module *module)
{
	const struct ch_module_extra *extra = chp_module_extra(sym, module);

	return extra->has_image && extra->image.ehdr.e_type == ET_EXEC &&
	       !chp_image_phdr(&extra->image, PT_DYNAMIC);
}

/* Which modules the auxiliary vector names. */
static void set_kinds(struct ch_sym *sym)
{
	static const uint64_t exe_types[] = { AT_PHDR, AT_ENTRY };
	const struct ch_module *found;
	struct ch_module *modules = sym->modules.items;
	uint64_t addr;
	size_t i;

	if (ch_core_auxv(sym->core, AT_BASE, &addr) && addr) {
		found = ch_sym_module_at(sym, addr);
		if (found && found->kind == CH_MODULE_LIB)
			modules[found - modules].kind = CH_MODULE_INTERP;
	}
	for (i = 0; i < sizeof(exe_types) / sizeof(exe_types[0]); i++) {
		if (!ch_core_auxv(sym->core, exe_types[i], &addr))
			continue;
		found = ch_sym_module_at(sym, addr);
		if (!found || found->kind == CH_MODULE_VDSO || found->kind == CH_MODULE_PE)
			continue;
		modules[found - modules].kind = CH_MODULE_EXE;
		return;
	}
	/* Only the executable has a place for the dynamic linker's DT_DEBUG. */
	for (i = 0; i < sym->modules.count; i++)
		if (modules[i].kind == CH_MODULE_LIB &&
		    (chp_dynamic_find(sym, &modules[i], DT_DEBUG, &addr) ||
		     is_static_exe(sym, &modules[i]))) {
			modules[i].kind = CH_MODULE_EXE;
			return;
		}
}

void chp_modules_add_bss(struct ch_sym *sym)
{
	struct ch_module *modules = sym->modules.items;
	uint64_t start, end;
	size_t i;

	for (i = 0; i < sym->modules.count; i++) {
		start = ch_align_up(modules[i].bss_start, CH_PAGE_BYTES);
		end = ch_min(ch_align_up(modules[i].bss_end, CH_PAGE_BYTES), modules[i].end);
		if (start < end && modules[i].kind != CH_MODULE_VDSO)
			modules[i].mapped_bytes += end - start;
	}
}

/* No NT_FILE: what is known of files then, and what is not. */
static void report_no_files(const struct ch_sym *sym)
{
	const struct ch_module *module;
	size_t i, found = 0;

	if (ch_core_lists_files(sym->core))
		return;
	for (i = 0; i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, i);
		found += module->kind != CH_MODULE_VDSO && strcmp(module->basis, "NT_FILE") != 0;
	}
	chp_context_finding(
		sym->ctx, CH_SEVERITY_NOTE, "file-note-missing",
		"the core has %s: %zu modules were found by ELF headers in memory and the dynamic "
		"linker's list; other mapped files count as anonymous memory",
		ch_core_has_file_note(sym->core)
			? "only a damaged list of mapped files (NT_FILE)"
			: "no list of mapped files (NT_FILE: the kernel leaves it out when the "
			  "names take over 4 MiB; valgrind, qemu-user and minidump-2-core write "
			  "none)",
		found);
}

struct ch_error *chp_modules_find(struct ch_sym *sym)
{
	struct ch_error *err;

	err = add_file_modules(sym);
	if (!err)
		err = add_vdso(sym);
	if (!err)
		err = chp_modules_sort(sym);
	if (!err && !ch_core_lists_files(sym->core))
		err = chp_scan_images(sym);
	if (!err)
		err = add_auxv_modules(sym);
	if (!err)
		err = chp_modules_sort(sym);
	if (err)
		return err;
	set_kinds(sym);
	err = chp_linkmap_walk(sym);
	if (!err)
		err = chp_scan_name(sym);
	if (!err)
		report_no_files(sym);
	return err;
}
