/*
 * A module's ELF file made again from its pages in memory, for libdwfl to read symbols and unwind
 * tables from where no file on disk matches.
 */
#include "sym/sym_priv.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"

/* An image rebuilt from memory for libdwfl: larger ones go without. */
#define REBUILD_BYTES_MAX (64ULL << 20)

/* Copy [addr, addr + len) to out where the core has it. */
static void copy_present(const struct ch_core *core, uint64_t addr, uint8_t *out, uint64_t len)
{
	uint64_t done = 0;
	const uint8_t *p;
	size_t n = 0;

	while (done < len) {
		p = ch_core_span(core, addr + done, &n);
		if (p) {
			n = ch_min(n, len - done);
			memcpy(out + done, p, n);
		} else {
			n = ch_core_next_present(core, addr + done, addr + len) - (addr + done);
		}
		done += n;
	}
}

/* Bytes the rebuilt file needs; 0 when it would be too large. */
static uint64_t rebuilt_bytes(const struct ch_image *image)
{
	uint64_t len, i;

	if (!ch_add(image->ehdr.e_phoff, image->phdrs_count * sizeof(Elf64_Phdr), &len))
		return 0;
	for (i = 0; i < image->phdrs_count; i++)
		if (image->phdrs[i].p_type == PT_LOAD)
			len = ch_max(len, image->phdrs[i].p_offset + image->phdrs[i].p_filesz);
	return len <= REBUILD_BYTES_MAX ? len : 0;
}

static bool holds(const Elf64_Phdr *load, const Elf64_Phdr *part)
{
	return part && part->p_vaddr >= load->p_vaddr &&
	       part->p_vaddr - load->p_vaddr < load->p_filesz;
}

/*
 * Whether libdwfl needs a segment: notes lie in the first one, unwind data
 * where PT_GNU_EH_FRAME says, as a rule beside .eh_frame. The code itself is
 * never looked at.
 */
static bool is_needed(const struct ch_image *image, const Elf64_Phdr *load, bool first)
{
	return first || !(load->p_flags & (PF_X | PF_W)) ||
	       holds(load, chp_image_phdr(image, PT_GNU_EH_FRAME));
}

/* Whether the unwind data is there: what libdwfl is wanted for. */
static bool has_unwind_data(const struct ch_core *core, const struct ch_module *module,
			    const struct ch_image *image)
{
	const Elf64_Phdr *frames = chp_image_phdr(image, PT_GNU_EH_FRAME);
	uint8_t head[12];

	return frames && ch_core_try_read(core, module->bias + frames->p_vaddr, head, sizeof(head));
}

/*
 * Program headers as libdwfl shall see them: it follows PT_DYNAMIC into hash
 * tables without a bound, and zeros for absent pages keep it there; symbols
 * are read by dynsym.c instead.
 */
static void put_phdrs(const struct ch_image *image, uint8_t *out)
{
	Elf64_Phdr phdr;
	uint32_t i;

	for (i = 0; i < image->phdrs_count; i++) {
		phdr = image->phdrs[i];
		if (phdr.p_type == PT_DYNAMIC || phdr.p_type == PT_INTERP)
			phdr.p_type = PT_NULL;
		memcpy(out + image->ehdr.e_phoff + i * sizeof(phdr), &phdr, sizeof(phdr));
	}
}

uint8_t *chp_image_rebuild(const struct ch_core *core, const struct ch_module *module,
			   const struct ch_image *image, uint64_t *len_ret)
{
	uint64_t len = rebuilt_bytes(image);
	Elf64_Ehdr ehdr = image->ehdr;
	bool first = true;
	uint8_t *out;
	uint32_t i;

	/* pages that nothing is copied to stay the zero page */
	out = len && has_unwind_data(core, module, image) ? calloc(1, len) : NULL;
	if (!out)
		return NULL;
	for (i = 0; i < image->phdrs_count; i++) {
		const Elf64_Phdr *phdr = &image->phdrs[i];

		if (phdr->p_type != PT_LOAD)
			continue;
		if (is_needed(image, phdr, first))
			copy_present(core, module->bias + phdr->p_vaddr, out + phdr->p_offset,
				     phdr->p_filesz);
		first = false;
	}
	/* Section headers are not loaded; without them libelf goes by segments. */
	ehdr.e_shoff = 0;
	ehdr.e_shnum = 0;
	ehdr.e_shstrndx = SHN_UNDEF;
	memcpy(out, &ehdr, sizeof(ehdr));
	put_phdrs(image, out);
	*len_ret = len;
	return out;
}
