#include "sym/sym_priv.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"

/* An image rebuilt from memory for libdwfl: larger ones go without. */
#define REBUILD_BYTES_MAX (256ULL << 20)
#define NOTES_BYTES_MAX   16384
/* A module larger than this is damage. */
#define MODULE_BYTES_MAX (16ULL << 30)

static bool is_sane_ehdr(const Elf64_Ehdr *ehdr)
{
	return memcmp(ehdr->e_ident, ELFMAG, SELFMAG) == 0 &&
	       ehdr->e_ident[EI_CLASS] == ELFCLASS64 && ehdr->e_ident[EI_DATA] == ELFDATA2LSB &&
	       (ehdr->e_type == ET_EXEC || ehdr->e_type == ET_DYN) &&
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

bool chp_image_read(const struct ch_core *core, uint64_t addr, struct ch_image *ret)
{
	struct ch_image image = { 0 };
	uint64_t at;

	if (!ch_core_try_read(core, addr, &image.ehdr, sizeof(image.ehdr)) ||
	    !is_sane_ehdr(&image.ehdr) || !ch_add(addr, image.ehdr.e_phoff, &at))
		return false;
	image.phdrs_count = image.ehdr.e_phnum;
	if (!ch_core_try_read(core, at, image.phdrs, image.phdrs_count * sizeof(image.phdrs[0])) ||
	    !are_sane_phdrs(&image))
		return false;
	*ret = image;
	return true;
}

bool chp_image_parse(const uint8_t *data, uint64_t len, struct ch_image *ret)
{
	struct ch_image image = { 0 };
	uint64_t bytes;

	if (len < sizeof(image.ehdr))
		return false;
	memcpy(&image.ehdr, data, sizeof(image.ehdr));
	if (!is_sane_ehdr(&image.ehdr))
		return false;
	image.phdrs_count = image.ehdr.e_phnum;
	bytes = image.phdrs_count * sizeof(image.phdrs[0]);
	if (!ch_inside(image.ehdr.e_phoff, bytes, len))
		return false;
	memcpy(image.phdrs, data + image.ehdr.e_phoff, bytes);
	if (!are_sane_phdrs(&image))
		return false;
	*ret = image;
	return true;
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

uint32_t chp_image_build_id(const uint8_t *notes, uint64_t len, uint8_t id[CH_BUILD_ID_MAX])
{
	uint64_t pos = 0, name, desc, desc_bytes;

	while (ch_inside(pos, 12, len)) {
		name = pos + 12;
		desc_bytes = ch_get32(notes + pos + 4);
		desc = name + ch_align_up(ch_get32(notes + pos), 4);
		if (!ch_inside(desc, desc_bytes, len))
			return 0;
		if (ch_get32(notes + pos + 8) == NT_GNU_BUILD_ID && ch_get32(notes + pos) == 4 &&
		    memcmp(notes + name, "GNU", 4) == 0 && desc_bytes <= CH_BUILD_ID_MAX) {
			memcpy(id, notes + desc, desc_bytes);
			return (uint32_t)desc_bytes;
		}
		pos = ch_align_up(desc + desc_bytes, 4);
	}
	return 0;
}

static void read_build_id(const struct ch_core *core, const struct ch_image *image,
			  struct ch_module *module)
{
	uint8_t buf[NOTES_BYTES_MAX];
	uint32_t i;

	for (i = 0; i < image->phdrs_count && !module->build_id_len; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (phdr->p_type != PT_NOTE || phdr->p_filesz > sizeof(buf) ||
		    !ch_core_try_read(core, module->bias + phdr->p_vaddr, buf, phdr->p_filesz))
			continue;
		module->build_id_len = chp_image_build_id(buf, phdr->p_filesz, module->build_id);
	}
}

void chp_image_describe(const struct ch_core *core, const struct ch_image *image,
			struct ch_module *module)
{
	const Elf64_Phdr *tls = chp_image_phdr(image, PT_TLS);
	uint64_t low, high;
	uint32_t i;

	if (!chp_image_extent(image, &low, &high))
		return;
	module->bias = module->start - low;
	module->end = ch_max(module->end, module->start + (high - low));
	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_W))
			continue;
		module->bss_start = module->bias + phdr->p_vaddr + phdr->p_filesz;
		module->bss_end = module->bias + phdr->p_vaddr + phdr->p_memsz;
	}
	if (tls) {
		module->tls_memsz = tls->p_memsz;
		module->tls_filesz = tls->p_filesz;
		module->tls_align = tls->p_align;
		module->tls_vaddr = tls->p_vaddr;
	}
	if (!module->build_id_len)
		read_build_id(core, image, module);
}

/* Copy [addr, addr + len) to out where the core has it. Whether all was there. */
static bool copy_present(const struct ch_core *core, uint64_t addr, uint8_t *out, uint64_t len)
{
	uint64_t done = 0;
	bool whole = true;
	const uint8_t *p;
	size_t n = 0;

	while (done < len) {
		p = ch_core_span(core, addr + done, &n);
		if (p) {
			n = ch_min(n, len - done);
			memcpy(out + done, p, n);
		} else {
			n = ch_min(CH_PAGE_BYTES - (addr + done) % CH_PAGE_BYTES, len - done);
			whole = false;
		}
		done += n;
	}
	return whole;
}

/* Bytes the rebuilt file needs; 0 when it would be too large. */
static uint64_t rebuilt_bytes(const struct ch_image *image)
{
	uint64_t len = image->ehdr.e_phoff + image->phdrs_count * sizeof(Elf64_Phdr);
	uint32_t i;

	if (image->ehdr.e_phoff > REBUILD_BYTES_MAX)
		return 0;
	for (i = 0; i < image->phdrs_count; i++)
		if (image->phdrs[i].p_type == PT_LOAD)
			len = ch_max(len, image->phdrs[i].p_offset + image->phdrs[i].p_filesz);
	return len <= REBUILD_BYTES_MAX ? len : 0;
}

uint8_t *chp_image_rebuild(const struct ch_core *core, const struct ch_module *module,
			   const struct ch_image *image, uint64_t *len_ret)
{
	uint64_t len = rebuilt_bytes(image);
	Elf64_Ehdr ehdr = image->ehdr;
	bool has_code = false;
	uint8_t *out;
	uint32_t i;

	out = len ? calloc(1, len) : NULL;
	if (!out)
		return NULL;
	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (phdr->p_type == PT_LOAD &&
		    copy_present(core, module->bias + phdr->p_vaddr, out + phdr->p_offset,
				 phdr->p_filesz) &&
		    (phdr->p_flags & PF_X))
			has_code = true;
	}
	if (!has_code) {
		free(out);
		return NULL;
	}
	/* Section headers are not loaded; without them libelf goes by segments. */
	ehdr.e_shoff = 0;
	ehdr.e_shnum = 0;
	ehdr.e_shstrndx = SHN_UNDEF;
	memcpy(out, &ehdr, sizeof(ehdr));
	memcpy(out + ehdr.e_phoff, image->phdrs, image->phdrs_count * sizeof(Elf64_Phdr));
	*len_ret = len;
	return out;
}
