/* What a module's program headers say of the access rights of its memory. */
#include "sym/sym_priv.h"
#include "util/bytes.h"

bool ch_sym_module_relro(const struct ch_sym *sym, const struct ch_module *module,
			 uint64_t *start_ret, uint64_t *end_ret)
{
	const struct ch_module_extra *extra = chp_module_extra(sym, module);
	const Elf64_Phdr *relro =
		extra->has_image ? chp_image_phdr(&extra->image, PT_GNU_RELRO) : NULL;

	*start_ret = *end_ret = module->start;
	if (!relro)
		return extra->has_image;
	*start_ret = module->bias + relro->p_vaddr;
	*end_ret = ch_max(*start_ret, ch_align_down(*start_ret + relro->p_memsz, CH_PAGE_BYTES));
	return true;
}

bool ch_sym_module_rights(const struct ch_sym *sym, const struct ch_module *module, uint64_t addr,
			  uint32_t *ret)
{
	const struct ch_module_extra *extra = chp_module_extra(sym, module);
	uint64_t at = addr - module->bias, start, end;
	uint32_t i, rights = 0;

	if (addr < module->start || !ch_sym_module_relro(sym, module, &start, &end))
		return false;
	if (addr >= ch_align_down(start, CH_PAGE_BYTES) && addr < end) {
		*ret = PF_R;
		return true;
	}
	for (i = 0; i < extra->image.phdrs_count; i++) {
		const Elf64_Phdr *phdr = &extra->image.phdrs[i];

		start = ch_align_down(phdr->p_vaddr, CH_PAGE_BYTES);
		end = ch_align_up(phdr->p_vaddr + phdr->p_memsz, CH_PAGE_BYTES);
		if (phdr->p_type == PT_LOAD && at >= start && at < end)
			rights = phdr->p_flags & (PF_R | PF_W | PF_X);
	}
	*ret = rights;
	return true;
}
