#include "sym/sym_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

#define NOTES_BYTES_MAX 65536

/* A candidate file, mapped. */
struct candidate {
	const uint8_t *data;
	uint64_t bytes;
	struct ch_image image;
	uint8_t build_id[CH_BUILD_ID_MAX];
	uint32_t build_id_len;
};

static void candidate_close(struct candidate *file)
{
	if (file->data)
		munmap((void *)(uintptr_t)file->data, file->bytes);
	file->data = NULL;
}

static void find_file_build_id(struct candidate *file)
{
	uint32_t i;

	for (i = 0; i < file->image.phdrs_count && !file->build_id_len; i++) {
		const Elf64_Phdr *phdr = &file->image.phdrs[i];

		if (phdr->p_type == PT_NOTE && phdr->p_filesz <= NOTES_BYTES_MAX &&
		    ch_inside(phdr->p_offset, phdr->p_filesz, file->bytes))
			file->build_id_len = chp_image_build_id(file->data + phdr->p_offset,
								phdr->p_filesz, file->build_id);
	}
}

/* Map a file if it is an ELF image; false leaves nothing behind. */
static bool candidate_open(const char *path, struct candidate *ret)
{
	struct candidate file = { 0 };
	/* the path comes from the core: it may name a FIFO or a device */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	void *data = MAP_FAILED;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (data == MAP_FAILED)
		return false;
	file.data = data;
	file.bytes = (uint64_t)st.st_size;
	if (!chp_image_parse(file.data, file.bytes, &file.image)) {
		candidate_close(&file);
		return false;
	}
	find_file_build_id(&file);
	*ret = file;
	return true;
}

/* The recorded path without the kernel's mark of an unlinked file. */
static char *plain_path(const char *path)
{
	static const char mark[] = " (deleted)";
	size_t len = strlen(path);

	if (len > sizeof(mark) - 1 && strcmp(path + len - (sizeof(mark) - 1), mark) == 0)
		len -= sizeof(mark) - 1;
	return strndup(path, len);
}

static bool is_same_id(const struct candidate *file, const struct ch_module *module)
{
	return module->build_id_len && file->build_id_len == module->build_id_len &&
	       memcmp(file->build_id, module->build_id, module->build_id_len) == 0;
}

/* Use the file: the module owns the mapping now. */
static struct ch_error *take_file(struct ch_sym *sym, size_t index, struct candidate *file,
				  char *path_take)
{
	struct ch_module *module = CH_VEC_AT(&sym->modules, struct ch_module, index);
	struct ch_module_extra *extra = CH_VEC_AT(&sym->extras, struct ch_module_extra, index);
	uint64_t low, high;

	module->file_path = chp_sym_keep(sym, path_take);
	if (!module->file_path) {
		candidate_close(file);
		return &ch_enomem;
	}
	module->match = CH_MATCH_MATCHED;
	extra->file_data = file->data;
	extra->file_bytes = file->bytes;
	if (!extra->has_image) {
		extra->image = file->image;
		extra->has_image = true;
		if (chp_image_extent(&file->image, &low, &high))
			chp_image_describe(sym->core, &extra->image, module);
	}
	return NULL;
}

/* Remember a file that is there and is not the one that was mapped. */
static struct ch_error *reject_file(struct ch_sym *sym, size_t index, struct candidate *file,
				    char *path_take)
{
	struct ch_module *module = CH_VEC_AT(&sym->modules, struct ch_module, index);
	char core_id[2 * CH_BUILD_ID_MAX + 1], file_id[2 * CH_BUILD_ID_MAX + 1];
	bool first = module->match == CH_MATCH_MISSING;

	candidate_close(file);
	if (!first) {
		free(path_take);
		return NULL;
	}
	module->file_path = chp_sym_keep(sym, path_take);
	if (!module->file_path)
		return &ch_enomem;
	module->match = module->build_id_len ? CH_MATCH_MISMATCHED : CH_MATCH_UNVERIFIED;
	memcpy(module->file_build_id, file->build_id, sizeof(module->file_build_id));
	module->file_build_id_len = file->build_id_len;
	if (module->build_id_len)
		chp_context_finding(
			sym->ctx, CH_SEVERITY_NOTE, "build-id-mismatch",
			"%s is another build than the one in the core and is not used (build-id "
			"%s, core %s)",
			module->file_path,
			file->build_id_len
				? chp_build_id_text(file->build_id, file->build_id_len, file_id)
				: "none",
			chp_build_id_text(module->build_id, module->build_id_len, core_id));
	return NULL;
}

/* Try one path for a module. */
static struct ch_error *try_path(struct ch_sym *sym, size_t index, char *path_take)
{
	const struct ch_module *module = CH_VEC_AT(&sym->modules, struct ch_module, index);
	struct candidate file;

	if (!path_take)
		return &ch_enomem;
	if (!candidate_open(path_take, &file)) {
		free(path_take);
		return NULL;
	}
	if (is_same_id(&file, module))
		return take_file(sym, index, &file, path_take);
	return reject_file(sym, index, &file, path_take);
}

static char *join(const char *dir, const char *path)
{
	char *out;

	return asprintf(&out, "%s/%s", dir, path) < 0 ? NULL : out;
}

/* dir/xx/yyyy: a distribution's link from build-id to file. */
static char *by_build_id(const char *dir, const struct ch_module *module)
{
	char id[2 * CH_BUILD_ID_MAX + 1], *out;

	chp_build_id_text(module->build_id, module->build_id_len, id);
	return asprintf(&out, "%s/.build-id/%.2s/%s", dir, id, id + 2) < 0 ? NULL : out;
}

/* --exe: the user's word counts where the core has no build-id to compare. */
static struct ch_error *use_exe_option(struct ch_sym *sym, size_t index)
{
	const struct ch_module *module = CH_VEC_AT(&sym->modules, struct ch_module, index);
	struct candidate file;
	char *path = strdup(sym->options.exe);

	if (!path)
		return &ch_enomem;
	if (!candidate_open(path, &file)) {
		chp_context_finding(sym->ctx, CH_SEVERITY_NOTE, "exe-not-used",
				    "%s cannot be read as an ELF executable and is not used", path);
		free(path);
		return NULL;
	}
	if (!module->build_id_len || is_same_id(&file, module))
		return take_file(sym, index, &file, path);
	return reject_file(sym, index, &file, path);
}

static struct ch_error *match_module(struct ch_sym *sym, size_t index)
{
	struct ch_module *module = CH_VEC_AT(&sym->modules, struct ch_module, index);
	_cleanup_free_ char *plain = plain_path(module->path);
	struct ch_error *err = NULL;
	size_t i;

	if (!plain)
		return &ch_enomem;
	if (module->kind == CH_MODULE_EXE && sym->options.exe)
		err = use_exe_option(sym, index);
	if (!err && module->match != CH_MATCH_MATCHED && sym->options.sysroot)
		err = try_path(sym, index, join(sym->options.sysroot, plain));
	if (!err && module->match != CH_MATCH_MATCHED && plain[0] == '/')
		err = try_path(sym, index, strdup(plain));
	if (!module->build_id_len)
		return err;
	for (i = 0; !err && i < sym->options.debug_dirs_count; i++)
		if (module->match != CH_MATCH_MATCHED)
			err = try_path(sym, index, by_build_id(sym->options.debug_dirs[i], module));
	if (!err && module->match != CH_MATCH_MATCHED)
		err = try_path(sym, index, by_build_id("/usr/lib/debug", module));
	return err;
}

/* Lend one mapping's bytes of the file where the core left them out. */
static struct ch_error *lend(struct ch_sym *sym, const struct ch_module_extra *extra,
			     const struct ch_file_map *map)
{
	const struct ch_segment *segment = ch_core_segment_at(sym->core, map->start);
	uint64_t bytes;

	if (map->off >= extra->file_bytes)
		return NULL;
	if (segment && ((segment->flags & CH_SEGMENT_WRITE) || segment->present_end >= map->end))
		return NULL;
	bytes = ch_min(map->end - map->start, extra->file_bytes - map->off);
	return ch_core_add_overlay(sym->core, map->start, map->start + bytes,
				   extra->file_data + map->off);
}

/* Whether the mapping of file offset off holds nothing that the program may write. */
static bool is_read_only(const struct ch_image *image, uint64_t off, uint64_t bytes)
{
	uint32_t i;

	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (phdr->p_type == PT_LOAD && (phdr->p_flags & PF_W) &&
		    off < phdr->p_offset + phdr->p_filesz &&
		    ch_align_down(phdr->p_offset, CH_PAGE_BYTES) < off + bytes)
			return false;
	}
	return true;
}

static struct ch_error *lend_all(struct ch_sym *sym)
{
	const struct ch_file_map *maps;
	const struct ch_module *module;
	struct ch_module_extra *extra;
	struct ch_error *err;
	size_t count, i;

	maps = ch_core_file_maps(sym->core, &count);
	for (i = 0; i < count; i++) {
		module = ch_sym_module_at(sym, maps[i].start);
		if (!module || module->match != CH_MATCH_MATCHED ||
		    strcmp(module->path, maps[i].path) != 0)
			continue;
		extra = CH_VEC_AT(&sym->extras, struct ch_module_extra,
				  (size_t)(module - CH_VEC_AT(&sym->modules, struct ch_module, 0)));
		if (!is_read_only(&extra->image, maps[i].off, maps[i].end - maps[i].start))
			continue;
		err = lend(sym, extra, &maps[i]);
		if (err)
			return err;
	}
	return NULL;
}

struct ch_error *chp_files_match(struct ch_sym *sym)
{
	struct ch_module *module;
	struct ch_error *err;
	size_t i;

	for (i = 0; i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, i);
		if (module->kind == CH_MODULE_VDSO || module->kind == CH_MODULE_PE)
			continue;
		err = match_module(sym, i);
		if (err)
			return err;
	}
	return lend_all(sym);
}
