/*
 * One file on disk that may be a module's: it is opened, if it is a regular file, and judged by
 * build-id, by contents that both have, or by how the core maps it. A file of another build is
 * worse than none.
 */
#include "sym/candidate.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sym/hostfile.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/search.h"

/* The same of a file: with notes of packagers. */
#define NOTES_BYTES_MAX 65536
/* Entries of a dynamic section: some 30 in a real one. */
#define DYNAMIC_MAX 1024
/* With fewer entries than this, two dynamic sections say little. */
#define DYNAMIC_MIN 8

void chp_candidate_close(struct ch_candidate *file)
{
	if (file->data)
		munmap((void *)(uintptr_t)file->data, file->bytes);
	file->data = NULL;
	chp_image_deinit(&file->image);
}

static void find_build_id(struct ch_candidate *file, enum ch_build_note which)
{
	uint32_t i;

	for (i = 0; i < file->image.phdrs_count && !file->build_id_len; i++) {
		const Elf64_Phdr *phdr = &file->image.phdrs[i];

		if (phdr->p_type == PT_NOTE && phdr->p_filesz <= NOTES_BYTES_MAX &&
		    ch_inside(phdr->p_offset, phdr->p_filesz, file->bytes))
			file->build_id_len = chp_image_build_id(
				file->data + phdr->p_offset, phdr->p_filesz, which, file->build_id);
	}
}

bool chp_candidate_open(const struct ch_sym *sym, const char *path, bool pe,
			struct ch_candidate *ret)
{
	struct ch_candidate file = { 0 };
	int fd = chp_hostfile_open(sym, path, &file.bytes);
	void *data;

	if (fd < 0)
		return false;
	data = mmap(NULL, file.bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		chp_error_note_file(errno);
	close(fd);
	if (data == MAP_FAILED)
		return false;
	file.data = data;
	if (pe ? !chp_pe_parse(file.data, file.bytes, &file.pe)
	       : !chp_image_parse(file.data, file.bytes, sym->machine, &file.image)) {
		chp_candidate_close(&file);
		return false;
	}
	find_build_id(&file, CH_BUILD_NOTE_GNU);
	find_build_id(&file, CH_BUILD_NOTE_GO);
	*ret = file;
	return true;
}

/* The first mapping at the module's start or behind it. */
static size_t first_map(const struct ch_sym *sym, const struct ch_module *module)
{
	const struct ch_file_map *maps;
	size_t count;

	maps = ch_core_file_maps(sym->core, &count);
	return ch_search(maps, count, it, it->start < module->start);
}

/* File offset of the module's first mapping. */
static uint64_t first_offset(const struct ch_sym *sym, const struct ch_module *module)
{
	const struct ch_file_map *maps;
	size_t count, first = first_map(sym, module);

	maps = ch_core_file_maps(sym->core, &count);
	return first < count && maps[first].start == module->start ? maps[first].off : 0;
}

uint64_t chp_candidate_bias(const struct ch_sym *sym, const struct ch_module *module,
			    const struct ch_candidate *file)
{
	uint64_t bias;

	if (chp_image_bias(&file->image, module->start, first_offset(sym, module), &bias))
		return bias;
	return module->bias;
}

/*
 * Compare the dynamic section with the one in memory. The linker adds the bias
 * to addresses (glibc elf/get-dynamic-info.h) and fills in DT_DEBUG; all else
 * stays as in the file: sizes and places of symbols, strings, relocations and
 * initialisers, which differ from build to build.
 */
static enum ch_verdict judge_dynamic(const struct ch_sym *sym, uint64_t bias,
				     const struct ch_candidate *file)
{
	const Elf64_Phdr *phdr = chp_image_phdr(&file->image, PT_DYNAMIC);
	uint64_t i, tag, value, file_tag, file_value;

	if (!phdr || !ch_inside(phdr->p_offset, phdr->p_filesz, file->bytes))
		return CH_VERDICT_UNKNOWN;
	for (i = 0; i < ch_min(phdr->p_filesz / 16, DYNAMIC_MAX); i++) {
		file_tag = ch_get64(file->data + phdr->p_offset + i * 16);
		file_value = ch_get64(file->data + phdr->p_offset + i * 16 + 8);
		if (!ch_core_read_u64(sym->core, bias + phdr->p_vaddr + i * 16, &tag) ||
		    !ch_core_read_u64(sym->core, bias + phdr->p_vaddr + i * 16 + 8, &value))
			return CH_VERDICT_UNKNOWN;
		if (tag != file_tag)
			return CH_VERDICT_OTHER;
		if (tag == DT_NULL)
			break;
		if (tag != DT_DEBUG && value != file_value && value != file_value + bias)
			return CH_VERDICT_OTHER;
	}
	return i >= DYNAMIC_MIN ? CH_VERDICT_ALIKE : CH_VERDICT_UNKNOWN;
}

/* No build-id in the core: by headers and dynamic section. */
static enum ch_verdict judge_contents(const struct ch_sym *sym, const struct ch_module *module,
				      const struct ch_candidate *file)
{
	const struct ch_module_extra *extra = chp_module_extra(sym, module);
	const struct ch_image *a = &extra->image, *b = &file->image;
	enum ch_verdict verdict;
	uint8_t magic[4];
	uint64_t bias;

	/* Damage there says nothing about the file. */
	if (!extra->has_image && ch_core_try_read(sym->core, module->start, magic, sizeof(magic)) &&
	    first_offset(sym, module) == 0)
		return CH_VERDICT_UNKNOWN;
	/* Nor does what no loader puts there: a program of one file maps what is packed behind
	 * it. */
	if (!extra->has_image &&
	    !chp_image_bias(b, module->start, first_offset(sym, module), &bias))
		return CH_VERDICT_UNKNOWN;
	if (extra->has_image &&
	    (a->phdrs_count != b->phdrs_count ||
	     memcmp(a->phdrs, b->phdrs, a->phdrs_count * sizeof(a->phdrs[0])) != 0))
		return CH_VERDICT_OTHER;
	verdict = judge_dynamic(sym, chp_candidate_bias(sym, module, file), file);
	if (verdict == CH_VERDICT_UNKNOWN && extra->has_image && !chp_image_phdr(b, PT_DYNAMIC))
		return CH_VERDICT_ALIKE;
	return verdict;
}

/* Whether a mapping shows all of a file, its headers, or one of its sections, as the
 * runtime maps them: whole pages from the one that it begins in. */
static bool row_fits(const struct ch_file_map *row, const struct ch_candidate *file)
{
	uint64_t bytes = row->end - row->start, start, end;
	uint32_t i;

	if (row->off == 0 && (bytes == ch_align_up(file->bytes, CH_PAGE_BYTES) ||
			      bytes == ch_align_up(file->pe.header_bytes, CH_PAGE_BYTES)))
		return true;
	for (i = 0; i < file->pe.sections_count; i++) {
		start = ch_align_down(file->pe.sections[i].offset, CH_PAGE_BYTES);
		end = ch_align_up((uint64_t)file->pe.sections[i].offset +
					  file->pe.sections[i].bytes,
				  CH_PAGE_BYTES);
		if (row->off == start && bytes == end - start)
			return true;
	}
	return false;
}

/* No headers in the core: by the places and sizes of its mappings. */
static enum ch_verdict judge_rows(const struct ch_sym *sym, const struct ch_module *module,
				  const struct ch_candidate *file)
{
	const struct ch_file_map *maps;
	bool found = false;
	size_t count, i;

	maps = ch_core_file_maps(sym->core, &count);
	for (i = first_map(sym, module); i < count && maps[i].start < module->end; i++) {
		if (strcmp(maps[i].path, module->path) != 0)
			continue;
		if (!row_fits(&maps[i], file))
			return CH_VERDICT_OTHER;
		found = true;
	}
	return found ? CH_VERDICT_ALIKE : CH_VERDICT_UNKNOWN;
}

static enum ch_verdict judge_pe(const struct ch_sym *sym, const struct ch_module *module,
				const struct ch_candidate *file)
{
	struct ch_pe pe;

	if (!chp_pe_read(sym->core, module->start, &pe))
		return judge_rows(sym, module, file);
	return pe.timestamp == file->pe.timestamp && pe.image_bytes == file->pe.image_bytes &&
			       pe.checksum == file->pe.checksum
		       ? CH_VERDICT_SAME
		       : CH_VERDICT_OTHER;
}

enum ch_verdict chp_candidate_judge(const struct ch_sym *sym, const struct ch_module *module,
				    const struct ch_candidate *file)
{
	if (module->kind == CH_MODULE_PE)
		return judge_pe(sym, module, file);
	if (!module->build_id_len)
		return judge_contents(sym, module, file);
	return file->build_id_len == module->build_id_len &&
			       memcmp(file->build_id, module->build_id, module->build_id_len) == 0
		       ? CH_VERDICT_SAME
		       : CH_VERDICT_OTHER;
}
