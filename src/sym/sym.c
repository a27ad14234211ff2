#include "sym/sym_priv.h"

#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

struct ch_error *ch_sym_open(struct ch_core *core, const struct ch_sym_options *options,
			     struct ch_sym **ret)
{
	struct ch_sym *sym = calloc(1, sizeof(*sym));
	struct ch_error *err;

	if (!sym)
		return &ch_enomem;
	elf_version(EV_CURRENT);
	sym->core = core;
	sym->ctx = ch_core_context(core);
	if (options)
		sym->options = *options;
	sym->machine = chp_image_machine(ch_core_arch(core));
	sym->modules = CH_VEC(struct ch_module);
	sym->extras = CH_VEC(struct ch_module_extra);
	sym->strings = CH_VEC(char *);
	err = chp_modules_find(sym);
	if (!err)
		err = chp_files_match(sym);
	if (err) {
		ch_sym_close(sym);
		return err;
	}
	chp_modules_add_bss(sym);
	*ret = sym;
	return NULL;
}

void ch_sym_close(struct ch_sym *sym)
{
	struct ch_module_extra *extra;
	size_t i;

	if (!sym)
		return;
	if (sym->dwfl)
		dwfl_end(sym->dwfl);
	elf_end(sym->machine_elf);
	/* They show the files that are unmapped here. */
	ch_core_remove_overlays(sym->core);
	ch_core_remove_file_maps(sym->core);
	for (i = 0; i < sym->extras.count; i++) {
		extra = CH_VEC_AT(&sym->extras, struct ch_module_extra, i);
		if (extra->file_data)
			munmap((void *)(uintptr_t)extra->file_data, extra->file_bytes);
		free(extra->memory_image);
		chp_initial_destroy(extra->initial);
		chp_image_deinit(&extra->image);
		ch_vec_deinit(&extra->symbols);
		ch_vec_deinit(&extra->tls_symbols);
	}
	for (i = 0; i < sym->strings.count; i++)
		free(*CH_VEC_AT(&sym->strings, char *, i));
	ch_vec_deinit(&sym->modules);
	ch_vec_deinit(&sym->extras);
	ch_vec_deinit(&sym->strings);
	free(sym);
}

const char *chp_sym_keep(struct ch_sym *sym, char *take)
{
	char **slot = take ? ch_vec_push(&sym->strings) : NULL;

	if (!slot) {
		free(take);
		return NULL;
	}
	*slot = take;
	return take;
}

const struct ch_module *ch_sym_modules(const struct ch_sym *sym, size_t *count_ret)
{
	*count_ret = sym->modules.count;
	return sym->modules.items;
}

struct ch_module *chp_module_among(const struct ch_sym *sym, size_t count, uint64_t addr)
{
	struct ch_module *modules = sym->modules.items;
	size_t low = 0, high = count, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (modules[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < count && modules[low].start <= addr ? &modules[low] : NULL;
}

const struct ch_module *ch_sym_module_at(const struct ch_sym *sym, uint64_t addr)
{
	return chp_module_among(sym, sym->modules.count, addr);
}

struct ch_module *chp_sym_exe(const struct ch_sym *sym)
{
	struct ch_module *module;
	size_t i;

	for (i = 0; i < sym->modules.count; i++) {
		module = CH_VEC_AT(&sym->modules, struct ch_module, i);
		if (module->kind == CH_MODULE_EXE)
			return module;
	}
	return NULL;
}

bool ch_sym_module_rights(const struct ch_sym *sym, const struct ch_module *module, uint64_t addr,
			  uint32_t *ret)
{
	const struct ch_module_extra *extra = chp_module_extra(sym, module);
	uint64_t at = addr - module->bias, start, end;
	uint32_t i, rights = 0;

	if (!extra->has_image || addr < module->start)
		return false;
	for (i = 0; i < extra->image.phdrs_count; i++) {
		const Elf64_Phdr *phdr = &extra->image.phdrs[i];

		start = ch_align_down(phdr->p_vaddr, CH_PAGE_BYTES);
		end = ch_align_up(phdr->p_vaddr + phdr->p_memsz, CH_PAGE_BYTES);
		if (at < start || at >= end)
			continue;
		if (phdr->p_type == PT_LOAD) {
			rights = phdr->p_flags & (PF_R | PF_W | PF_X);
		} else if (phdr->p_type == PT_GNU_RELRO &&
			   at < ch_align_down(phdr->p_vaddr + phdr->p_memsz, CH_PAGE_BYTES)) {
			/* _dl_protect_relro() rounds the end down */
			*ret = PF_R;
			return true;
		}
	}
	*ret = rights;
	return true;
}

struct ch_module_extra *chp_module_extra(const struct ch_sym *sym, const struct ch_module *module)
{
	return CH_VEC_AT(&sym->extras, struct ch_module_extra,
			 (size_t)(module - CH_VEC_AT(&sym->modules, struct ch_module, 0)));
}

char *chp_build_id_text(const uint8_t *id, uint32_t len, char *buf)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		snprintf(buf + 2 * (size_t)i, 3, "%02x", id[i]);
	buf[2 * (size_t)len] = '\0';
	return buf;
}

const char *ch_module_kind_name(enum ch_module_kind kind)
{
	static const char *const names[] = { "exe", "lib", "interp", "vdso", "pe" };

	return (size_t)kind < CH_COUNT_OF(names) ? names[kind] : "unknown";
}

const char *ch_module_match_name(enum ch_module_match match)
{
	static const char *const names[] = { "matched", "mismatched", "unverified",
					     "missing", "in-core",    "likely" };

	return (size_t)match < CH_COUNT_OF(names) ? names[match] : "unknown";
}
