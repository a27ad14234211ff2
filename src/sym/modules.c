#include "sym/sym_priv.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/context.h"

/* A process with more loaded libraries than this is damage. */
#define LINK_MAPS_MAX  65536
#define MODULES_MAX    (1U << 20)
#define PATH_BYTES_MAX 4096

static struct ch_module *add_module(struct ch_sym *sym, uint64_t start, uint64_t end,
				    const char *path, const char *basis)
{
	struct ch_module *module;
	const char *slash;

	if (sym->modules.count >= MODULES_MAX || !ch_vec_push(&sym->extras))
		return NULL;
	module = ch_vec_push(&sym->modules);
	if (!module)
		return NULL;
	slash = strrchr(path, '/');
	module->start = start;
	module->end = end;
	module->bias = start;
	module->path = path;
	module->name = slash && slash[1] ? slash + 1 : path;
	module->kind = CH_MODULE_LIB;
	module->match = CH_MATCH_MISSING;
	module->basis = basis;
	return module;
}

/* Whether any segment in [start, end) may be executed. */
static bool has_code(const struct ch_core *core, uint64_t start, uint64_t end)
{
	const struct ch_segment *segment = ch_core_segment_at(core, start), *segments;
	size_t count;

	if (!segment)
		return false;
	segments = ch_core_segments(core, &count);
	for (; segment < segments + count && segment->start < end; segment++)
		if (segment->flags & CH_SEGMENT_EXEC)
			return true;
	return false;
}

static bool is_library_name(const char *path)
{
	const char *slash = strrchr(path, '/'), *dot = strstr(slash ? slash : path, ".so");

	return dot && (dot[3] == '\0' || dot[3] == '.' || dot[3] == ' ');
}

/* What the mappings of one file, [start, end) in rows first .. last, are. */
static bool is_image(const struct ch_core *core, uint64_t start, uint64_t end, const char *path,
		     bool *pe_ret)
{
	uint8_t magic[4] = { 0 };

	*pe_ret = false;
	if (ch_core_try_read(core, start, magic, sizeof(magic))) {
		*pe_ret = magic[0] == 'M' && magic[1] == 'Z';
		return *pe_ret || memcmp(magic, ELFMAG, SELFMAG) == 0;
	}
	/* The dumper left the first page out: by rights and name. */
	return has_code(core, start, end) || is_library_name(path);
}

/* Number of rows from first on that map the same file, one load of it. */
static size_t count_rows(const struct ch_file_map *maps, size_t count, size_t first)
{
	size_t i;

	for (i = first + 1; i < count; i++)
		if (strcmp(maps[i].path, maps[first].path) != 0 ||
		    (maps[i].off == 0 && maps[i].off <= maps[first].off &&
		     maps[i].start - maps[first].end > 0))
			break;
	return i - first;
}

static struct ch_error *add_mapped(struct ch_sym *sym, const struct ch_file_map *rows, size_t n)
{
	struct ch_module *module;
	struct ch_module_extra *extra;
	size_t i;
	bool pe;

	if (!is_image(sym->core, rows[0].start, rows[n - 1].end, rows[0].path, &pe))
		return NULL;
	module = add_module(sym, rows[0].start, rows[n - 1].end, rows[0].path, "NT_FILE");
	if (!module)
		return &ch_enomem;
	extra = CH_VEC_AT(&sym->extras, struct ch_module_extra, sym->extras.count - 1);
	for (i = 0; i < n; i++)
		module->mapped_bytes += rows[i].end - rows[i].start;
	if (pe) {
		module->kind = CH_MODULE_PE;
	} else if (rows[0].off == 0 && chp_image_read(sym->core, module->start, &extra->image)) {
		extra->has_image = true;
		chp_image_describe(sym->core, &extra->image, module);
	}
	return NULL;
}

static struct ch_error *add_file_modules(struct ch_sym *sym)
{
	const struct ch_file_map *maps;
	size_t count, i, n;
	struct ch_error *err;

	maps = ch_core_file_maps(sym->core, &count);
	for (i = 0; i < count; i += n) {
		n = count_rows(maps, count, i);
		err = add_mapped(sym, &maps[i], n);
		if (err)
			return err;
	}
	return NULL;
}

static struct ch_error *add_vdso(struct ch_sym *sym)
{
	const struct ch_segment *segment;
	struct ch_module_extra *extra;
	struct ch_module *module;
	uint64_t addr;

	if (!ch_core_auxv(sym->core, AT_SYSINFO_EHDR, &addr))
		return NULL;
	segment = ch_core_segment_at(sym->core, addr);
	if (!segment || segment->start != addr)
		return NULL;
	module = add_module(sym, addr, segment->end, "[vdso]", "auxv");
	if (!module)
		return &ch_enomem;
	extra = CH_VEC_AT(&sym->extras, struct ch_module_extra, sym->extras.count - 1);
	module->kind = CH_MODULE_VDSO;
	module->match = CH_MATCH_IN_CORE;
	module->mapped_bytes = segment->end - segment->start;
	if (chp_image_read(sym->core, addr, &extra->image)) {
		extra->has_image = true;
		chp_image_describe(sym->core, &extra->image, module);
	}
	module->end = segment->end;
	return NULL;
}

static int compare_extras(const void *a, const void *b, void *arg)
{
	const struct ch_module *modules = arg;
	const struct ch_module *x = &modules[*(const size_t *)a], *y = &modules[*(const size_t *)b];

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Sort modules and extras together, and cut ends that overlap. */
static struct ch_error *sort_modules(struct ch_sym *sym)
{
	struct ch_vec modules = CH_VEC(struct ch_module), extras = CH_VEC(struct ch_module_extra);
	size_t i, count = sym->modules.count, *order = calloc(count + 1, sizeof(*order));
	struct ch_module *module, *last = NULL;

	if (!order || !ch_vec_reserve(&modules, count) || !ch_vec_reserve(&extras, count)) {
		free(order);
		ch_vec_deinit(&modules);
		ch_vec_deinit(&extras);
		return &ch_enomem;
	}
	for (i = 0; i < count; i++)
		order[i] = i;
	if (count)
		qsort_r(order, count, sizeof(*order), compare_extras, sym->modules.items);
	for (i = 0; i < count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, order[i]);
		if (last && module->start <= last->start)
			continue;
		if (last && last->end > module->start)
			last->end = module->start;
		last = ch_vec_push(&modules);
		*last = *module;
		*(struct ch_module_extra *)ch_vec_push(&extras) =
			*CH_VEC_AT(&sym->extras, struct ch_module_extra, order[i]);
	}
	free(order);
	ch_vec_deinit(&sym->modules);
	ch_vec_deinit(&sym->extras);
	sym->modules = modules;
	sym->extras = extras;
	return NULL;
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
}

/* Target address of the executable's dynamic section, by AT_PHDR. */
static bool find_dynamic(const struct ch_sym *sym, uint64_t *ret)
{
	uint64_t addr, count, i, bias = 0, dynamic = 0;
	bool found = false;
	Elf64_Phdr phdr;

	if (!ch_core_auxv(sym->core, AT_PHDR, &addr) || !ch_core_auxv(sym->core, AT_PHNUM, &count))
		return false;
	for (i = 0; i < ch_min(count, CH_PHDRS_MAX); i++) {
		if (!ch_core_try_read(sym->core, addr + i * sizeof(phdr), &phdr, sizeof(phdr)))
			return false;
		if (phdr.p_type == PT_PHDR)
			bias = addr - phdr.p_vaddr;
		if (phdr.p_type == PT_DYNAMIC) {
			dynamic = phdr.p_vaddr;
			found = true;
		}
	}
	*ret = bias + dynamic;
	return found;
}

/* struct r_debug of <link.h>: r_map at 8. */
static uint64_t find_link_map(const struct ch_sym *sym)
{
	uint64_t dynamic, tag, value, i, map = 0;

	if (!find_dynamic(sym, &dynamic))
		return 0;
	for (i = 0; i < 1024; i++) {
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

/* A library the link map knows and NT_FILE does not. */
static struct ch_error *add_linked(struct ch_sym *sym, uint64_t load, uint64_t name_addr)
{
	char name[PATH_BYTES_MAX];
	struct ch_module_extra *extra;
	struct ch_module *module;
	struct ch_image image;
	const char *path;

	if (!load || !chp_image_read(sym->core, load, &image) ||
	    !ch_core_read_string(sym->core, name_addr, name, sizeof(name)) || !name[0])
		return NULL;
	path = chp_sym_keep(sym, strdup(name));
	module = path ? add_module(sym, load, load + CH_PAGE_BYTES, path, "link map") : NULL;
	if (!module)
		return &ch_enomem;
	extra = CH_VEC_AT(&sym->extras, struct ch_module_extra, sym->extras.count - 1);
	extra->image = image;
	extra->has_image = true;
	chp_image_describe(sym->core, &image, module);
	module->mapped_bytes = module->end - module->start;
	return NULL;
}

/* struct link_map of <link.h>: l_addr, l_name, l_ld, l_next, l_prev. */
static struct ch_error *walk_link_map(struct ch_sym *sym)
{
	size_t known = sym->modules.count, i;
	struct ch_module *module;
	uint64_t map, words[4];
	struct ch_error *err;

	map = find_link_map(sym);
	for (i = 0; map && i < LINK_MAPS_MAX; i++) {
		if (!ch_core_try_read(sym->core, map, words, sizeof(words)))
			break;
		module = chp_module_among(sym, known, le64toh(words[2]));
		if (module) {
			module->link_map = map;
		} else if (sym->modules.count - known < LINK_MAPS_MAX) {
			err = add_linked(sym, le64toh(words[0]), le64toh(words[1]));
			if (err)
				return err;
		}
		map = le64toh(words[3]);
	}
	if (i == LINK_MAPS_MAX)
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "link-map-damaged",
				    "the list of loaded libraries does not end; libraries that "
				    "NT_FILE does not name may be missing");
	return sym->modules.count > known ? sort_modules(sym) : NULL;
}

/* bss that lies outside the file's mappings counts as the module's memory. */
static void add_bss(struct ch_sym *sym)
{
	struct ch_module *modules = sym->modules.items;
	uint64_t start, end;
	size_t i;

	for (i = 0; i < sym->modules.count; i++) {
		start = ch_align_up(modules[i].bss_start, CH_PAGE_BYTES);
		end = ch_align_up(modules[i].bss_end, CH_PAGE_BYTES);
		if (start < end)
			modules[i].mapped_bytes += end - start;
	}
}

struct ch_error *chp_modules_find(struct ch_sym *sym)
{
	struct ch_error *err;

	err = add_file_modules(sym);
	if (!err)
		err = add_vdso(sym);
	if (!err)
		err = sort_modules(sym);
	if (!err)
		err = walk_link_map(sym);
	if (err)
		return err;
	set_kinds(sym);
	add_bss(sym);
	return NULL;
}
