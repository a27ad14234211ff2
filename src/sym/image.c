/*
 * ELF headers of a module, from memory or from its file: checked so that all later sums hold, and
 * what they say of its extent, build-id, zeroed data and thread-local storage.
 */
#include "sym/sym_priv.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"

/* Notes of a loaded module: a build-id, an ABI tag and properties take less than a page. */
#define NOTES_BYTES_MAX 16384
/* Four parts of 20 letters, with slashes between them. */
#define GO_ID_BYTES 83
/* A module larger than this is damage. */
#define MODULE_BYTES_MAX (16ULL << 30)

uint16_t chp_image_machine(enum ch_arch arch)
{
	return arch == CH_ARCH_AARCH64 ? EM_AARCH64 : EM_X86_64;
}

static bool is_sane_ehdr(const Elf64_Ehdr *ehdr, uint16_t machine)
{
	return memcmp(ehdr->e_ident, ELFMAG, SELFMAG) == 0 &&
	       ehdr->e_ident[EI_CLASS] == ELFCLASS64 && ehdr->e_ident[EI_DATA] == ELFDATA2LSB &&
	       (ehdr->e_type == ET_EXEC || ehdr->e_type == ET_DYN) && ehdr->e_machine == machine &&
	       ehdr->e_phentsize == sizeof(Elf64_Phdr) && ehdr->e_phnum > 0 &&
	       ehdr->e_phnum <= CH_PHDRS_MAX;
}

/* Sizes that fit their memory and do not wrap: all later sums rely on it. */
static bool are_sane_phdrs(const struct ch_image *image)
{
	uint64_t low, high, end;
	uint32_t i;

	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (!ch_add(phdr->p_vaddr, phdr->p_memsz, &end) ||
		    !ch_add(phdr->p_offset, phdr->p_filesz, &end))
			return false;
		if (phdr->p_type == PT_LOAD && phdr->p_filesz > phdr->p_memsz)
			return false;
	}
	return chp_image_extent(image, &low, &high) && high - low <= MODULE_BYTES_MAX;
}

/* Keep a copy of the program headers, if they are sane. */
static bool take_phdrs(struct ch_image *image, const Elf64_Phdr *phdrs)
{
	Elf64_Phdr *copy = calloc(image->ehdr.e_phnum, sizeof(*copy));

	if (!copy)
		return false;
	image->phdrs_count = image->ehdr.e_phnum;
	memcpy(copy, phdrs, image->phdrs_count * sizeof(*copy));
	image->phdrs = copy;
	if (are_sane_phdrs(image))
		return true;
	chp_image_deinit(image);
	return false;
}

bool chp_image_read(const struct ch_core *core, uint64_t addr, struct ch_image *ret)
{
	struct ch_image image = { 0 };
	Elf64_Phdr phdrs[CH_PHDRS_MAX];
	uint64_t at;

	if (!ch_core_try_read(core, addr, &image.ehdr, sizeof(image.ehdr)) ||
	    !is_sane_ehdr(&image.ehdr, chp_image_machine(ch_core_arch(core))) ||
	    !ch_add(addr, image.ehdr.e_phoff, &at) ||
	    !ch_core_try_read(core, at, phdrs, image.ehdr.e_phnum * sizeof(phdrs[0])) ||
	    !take_phdrs(&image, phdrs))
		return false;
	*ret = image;
	return true;
}

bool chp_image_parse(const uint8_t *data, uint64_t len, uint16_t machine, struct ch_image *ret)
{
	struct ch_image image = { 0 };
	Elf64_Phdr phdrs[CH_PHDRS_MAX];
	uint64_t bytes;

	if (len < sizeof(image.ehdr))
		return false;
	memcpy(&image.ehdr, data, sizeof(image.ehdr));
	bytes = image.ehdr.e_phnum * sizeof(phdrs[0]);
	if (!is_sane_ehdr(&image.ehdr, machine) || !ch_inside(image.ehdr.e_phoff, bytes, len))
		return false;
	memcpy(phdrs, data + image.ehdr.e_phoff, bytes);
	if (!take_phdrs(&image, phdrs))
		return false;
	*ret = image;
	return true;
}

void chp_image_deinit(struct ch_image *image)
{
	free(image->phdrs);
	image->phdrs = NULL;
	image->phdrs_count = 0;
}

const Elf64_Phdr *chp_image_phdr(const struct ch_image *image, uint32_t type)
{
	uint32_t i;

	for (i = 0; i < image->phdrs_count; i++)
		if (image->phdrs[i].p_type == type)
			return &image->phdrs[i];
	return NULL;
}

bool chp_image_extent(const struct ch_image *image, uint64_t *low_ret, uint64_t *high_ret)
{
	uint64_t low = UINT64_MAX, high = 0;
	uint32_t i;

	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (phdr->p_type != PT_LOAD || !phdr->p_memsz)
			continue;
		low = ch_min(low, ch_align_down(phdr->p_vaddr, CH_PAGE_BYTES));
		high = ch_max(high, ch_align_up(phdr->p_vaddr + phdr->p_memsz, CH_PAGE_BYTES));
	}
	*low_ret = low;
	*high_ret = high;
	return low < high;
}

bool chp_image_bias(const struct ch_image *image, uint64_t start, uint64_t off, uint64_t *ret)
{
	uint32_t i;

	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];
		uint64_t page = ch_align_down(phdr->p_offset, CH_PAGE_BYTES);

		if (phdr->p_type != PT_LOAD || off < page || off >= phdr->p_offset + phdr->p_filesz)
			continue;
		*ret = start - (off - page) - ch_align_down(phdr->p_vaddr, CH_PAGE_BYTES);
		return true;
	}
	return false;
}

/* The name and the type of the note that has a build-id. */
static const struct {
	const char *name;
	uint32_t name_bytes, type;
} build_notes[CH_BUILD_NOTES] = {
	[CH_BUILD_NOTE_GNU] = { "GNU", 4, NT_GNU_BUILD_ID },
	/* cmd/internal/buildid/note.go; the name ends in one byte more, for alignment */
	[CH_BUILD_NOTE_GO] = { "Go\0", 4, 4 },
};

/*
 * The last part of Go's build-id, 20 letters, is a hash of all that the linker wrote
 * (cmd/go/internal/work/buildid.go, updateBuildID); those before it stand for what it was made
 * from. What is not of this form was given by a build system, maybe to all of its programs.
 */
static bool take_go_id(const uint8_t **id, uint64_t *bytes)
{
	if (*bytes != GO_ID_BYTES || (*id)[20] != '/' || (*id)[41] != '/' || (*id)[62] != '/')
		return false;
	*id += 63;
	*bytes = 20;
	return true;
}

uint32_t chp_image_build_id(const uint8_t *notes, uint64_t len, enum ch_build_note which,
			    uint8_t id[CH_BUILD_ID_MAX])
{
	uint64_t pos = 0, name, desc, desc_bytes;
	const uint8_t *found;

	while (ch_inside(pos, 12, len)) {
		name = pos + 12;
		desc_bytes = ch_get32(notes + pos + 4);
		desc = name + ch_align_up(ch_get32(notes + pos), 4);
		if (!ch_inside(desc, desc_bytes, len))
			return 0;
		found = notes + desc;
		pos = ch_align_up(desc + desc_bytes, 4);
		if (ch_get32(notes + name - 4) != build_notes[which].type ||
		    ch_get32(notes + name - 12) != build_notes[which].name_bytes ||
		    memcmp(notes + name, build_notes[which].name, build_notes[which].name_bytes) !=
			    0 ||
		    (which == CH_BUILD_NOTE_GO && !take_go_id(&found, &desc_bytes)) ||
		    !desc_bytes || desc_bytes > CH_BUILD_ID_MAX)
			continue;
		memcpy(id, found, desc_bytes);
		return (uint32_t)desc_bytes;
	}
	return 0;
}

static void read_build_id(const struct ch_core *core, const struct ch_image *image,
			  enum ch_build_note which, struct ch_module *module)
{
	uint8_t buf[NOTES_BYTES_MAX];
	uint32_t i;

	for (i = 0; i < image->phdrs_count && !module->build_id_len; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (phdr->p_type != PT_NOTE || phdr->p_filesz > sizeof(buf) ||
		    !ch_core_try_read(core, module->bias + phdr->p_vaddr, buf, phdr->p_filesz))
			continue;
		module->build_id_len =
			chp_image_build_id(buf, phdr->p_filesz, which, module->build_id);
	}
}

void chp_image_describe(const struct ch_core *core, const struct ch_image *image,
			struct ch_module *module)
{
	const Elf64_Phdr *tls = chp_image_phdr(image, PT_TLS);
	uint64_t low, high, start;
	uint32_t i;

	/* The bias of a prelinked image is negative: sums wrap by intention. */
	if (!chp_image_extent(image, &low, &high) || module->bias + high <= module->start)
		return;
	module->end = ch_max(module->end, module->bias + high);
	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_W) ||
		    phdr->p_filesz == phdr->p_memsz)
			continue;
		start = module->bias + phdr->p_vaddr + phdr->p_filesz;
		if (start < module->start || start >= module->end)
			continue;
		module->bss_start = start;
		module->bss_end = ch_min(module->bias + phdr->p_vaddr + phdr->p_memsz, module->end);
	}
	if (tls) {
		module->tls_memsz = tls->p_memsz;
		module->tls_filesz = tls->p_filesz;
		module->tls_align = tls->p_align;
		module->tls_vaddr = tls->p_vaddr;
	}
	for (i = 0; i < CH_BUILD_NOTES && !module->build_id_len; i++)
		read_build_id(core, image, (enum ch_build_note)i, module);
}
