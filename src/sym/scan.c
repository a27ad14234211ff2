/*
 * Modules of a core without NT_FILE: images by the ELF headers that lie in
 * segments, their names, and the file mappings that follow from them.
 */
#include <stdio.h>
#include <string.h>

#include "sym/sym_priv.h"
#include "util/bytes.h"
#include "util/text.h"

/* ---- images ---------------------------------------------------------------------- */

/*
 * Whether the image at start was loaded to run: its code can be executed where
 * its headers say. A file that was mapped or read as data has none there.
 */
static bool is_loaded(const struct ch_core *core, uint64_t start, const struct ch_image *image)
{
	const struct ch_segment *segment;
	uint64_t bias;
	uint32_t i;

	if (!chp_image_bias(image, start, 0, &bias))
		return false;
	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_X))
			continue;
		segment = ch_core_segment_at(core, bias + phdr->p_vaddr);
		if (segment && (segment->flags & CH_SEGMENT_EXEC))
			return true;
	}
	return false;
}

struct ch_error *chp_scan_images(struct ch_sym *sym)
{
	size_t count, i, known = sym->modules.count, before;
	const struct ch_segment *segments = ch_core_segments(sym->core, &count);
	struct ch_error *err = NULL;
	struct ch_image image;
	uint64_t limit = 0;
	bool loaded;

	for (i = 0; !err && i < count; i++) {
		if (segments[i].start < limit ||
		    segments[i].present_end - segments[i].start < sizeof(Elf64_Ehdr) ||
		    chp_module_among(sym, known, segments[i].start) ||
		    !chp_image_read(sym->core, segments[i].start, &image))
			continue;
		loaded = is_loaded(sym->core, segments[i].start, &image);
		chp_image_deinit(&image);
		if (!loaded)
			continue;
		before = sym->modules.count;
		err = chp_module_add_at(sym, segments[i].start, CH_UNNAMED, "ELF headers");
		if (!err && sym->modules.count > before)
			limit = CH_VEC_AT(&sym->modules, struct ch_module, before)->end;
	}
	return err ? err : chp_modules_sort(sym);
}

/* ---- names ------------------------------------------------------------------------ */

/* What the image calls itself (DT_SONAME), kept; NULL when it does not. */
static const char *soname_of(struct ch_sym *sym, const struct ch_module *module)
{
	char name[CH_PATH_BYTES_MAX];
	uint64_t at, strings;

	if (!chp_dynamic_find(sym, module, DT_SONAME, &at) ||
	    !chp_dynamic_find(sym, module, DT_STRTAB, &strings))
		return NULL;
	/* The dynamic linker may have added the bias, or not. */
	if (strings < module->start || strings >= module->end)
		strings += module->bias;
	/* what is no name of a library is other memory */
	if (!ch_core_read_string(sym->core, strings + at, name, sizeof(name)) ||
	    !strstr(name, ".so") || !chp_text_is_name(name))
		return NULL;
	return chp_sym_keep(sym, strdup(name));
}

/* The path of the dynamic linker as the executable has it, kept; NULL when not known. */
static const char *interp_path(struct ch_sym *sym)
{
	const struct ch_module *exe = chp_sym_exe(sym);
	const struct ch_module_extra *extra = exe ? chp_module_extra(sym, exe) : NULL;
	const Elf64_Phdr *phdr;
	char name[CH_PATH_BYTES_MAX];

	phdr = extra && extra->has_image ? chp_image_phdr(&extra->image, PT_INTERP) : NULL;
	if (!phdr || !ch_core_read_string(sym->core, exe->bias + phdr->p_vaddr, name,
					  ch_min(phdr->p_filesz, sizeof(name) - 1) + 1))
		return NULL;
	return name[0] == '/' && chp_text_is_name(name) ? chp_sym_keep(sym, strdup(name)) : NULL;
}

static struct ch_error *name_module(struct ch_sym *sym, struct ch_module *module)
{
	const char *path = NULL;
	char *made;

	if (module->kind == CH_MODULE_EXE)
		path = chp_exe_path(sym);
	else if (module->kind == CH_MODULE_INTERP)
		path = interp_path(sym);
	if (!path)
		path = soname_of(sym, module);
	if (!path && module->kind == CH_MODULE_INTERP)
		path = "[interp]";
	if (!path) {
		if (asprintf(&made, "[image at 0x%llx]", (unsigned long long)module->start) < 0)
			return &ch_enomem;
		path = chp_sym_keep(sym, made);
	}
	if (!path)
		return &ch_enomem;
	chp_module_set_path(module, path);
	return NULL;
}

struct ch_error *chp_scan_name(struct ch_sym *sym)
{
	struct ch_error *err = NULL;
	struct ch_module *module;
	size_t i;

	for (i = 0; !err && i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, i);
		if (chp_module_is_unnamed(module))
			err = name_module(sym, module);
		/* without an auxiliary vector it is told by its name alone */
		if (strncmp(module->path, "linux-vdso.", 11) == 0) {
			module->kind = CH_MODULE_VDSO;
			module->match = CH_MATCH_IN_CORE;
			chp_module_set_path(module, "[vdso]");
		}
	}
	return err;
}

/* ---- file mappings ------------------------------------------------------------------ */

/*
 * End of what a PT_LOAD maps of the file. Before the next one the dynamic linker
 * leaves the file mapped without any rights (glibc elf/dl-map-segments.h).
 */
static uint64_t load_end(const struct ch_sym *sym, const struct ch_image *image, uint64_t bias,
			 uint32_t index)
{
	const Elf64_Phdr *load = &image->phdrs[index], *next = NULL;
	uint64_t end = ch_align_up(bias + load->p_vaddr + load->p_filesz, CH_PAGE_BYTES);
	const struct ch_segment *hole;
	uint64_t next_start;
	uint32_t i;

	for (i = index + 1; i < image->phdrs_count && !next; i++)
		if (image->phdrs[i].p_type == PT_LOAD)
			next = &image->phdrs[i];
	if (!next || load->p_filesz != load->p_memsz)
		return end;
	next_start = ch_align_down(bias + next->p_vaddr, CH_PAGE_BYTES);
	hole = ch_core_segment_at(sym->core, end);
	return hole && !hole->flags && hole->start == end && hole->end == next_start ? next_start
										     : end;
}

static struct ch_error *derive_rows(struct ch_sym *sym, struct ch_module *module,
				    struct ch_vec *rows)
{
	const struct ch_image *image = &chp_module_extra(sym, module)->image;
	uint64_t start, end, off, at = module->start;
	struct ch_file_map *row;
	uint32_t i;

	module->mapped_bytes = 0;
	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (phdr->p_type != PT_LOAD || !phdr->p_filesz)
			continue;
		start = ch_align_down(module->bias + phdr->p_vaddr, CH_PAGE_BYTES);
		end = ch_min(load_end(sym, image, module->bias, i), module->end);
		off = ch_align_down(phdr->p_offset, CH_PAGE_BYTES);
		if (start < at) {
			off += at - start;
			start = at;
		}
		if (start >= end)
			continue;
		row = ch_vec_push(rows);
		if (!row)
			return &ch_enomem;
		*row = (struct ch_file_map){
			.start = start, .end = end, .off = off, .path = module->path
		};
		module->mapped_bytes += end - start;
		at = end;
	}
	return NULL;
}

/* Headers neither in the core nor in a file: what is mapped where the module lies. */
static void sum_segments(const struct ch_sym *sym, struct ch_module *module)
{
	const struct ch_segment *segment;
	uint64_t at = module->start;

	module->mapped_bytes = 0;
	while (at < module->end && (segment = ch_core_segment_at(sym->core, at))) {
		module->mapped_bytes += ch_min(segment->end, module->end) - at;
		at = segment->end;
	}
}

struct ch_error *chp_scan_rows(struct ch_sym *sym)
{
	struct ch_vec rows = CH_VEC(struct ch_file_map);
	struct ch_error *err = NULL;
	struct ch_module *module;
	size_t i;

	for (i = 0; !err && i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, i);
		if (module->kind == CH_MODULE_VDSO || strcmp(module->basis, "NT_FILE") == 0)
			continue;
		if (chp_module_extra(sym, module)->has_image)
			err = derive_rows(sym, module, &rows);
		else
			sum_segments(sym, module);
	}
	if (!err && rows.count)
		err = ch_core_add_file_maps(sym->core, rows.items, rows.count);
	ch_vec_deinit(&rows);
	return err;
}
