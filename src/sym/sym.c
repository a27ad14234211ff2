/*
 * Opening and closing what is known of a core's modules, and the few questions about a module
 * that need nothing else.
 */
#include "sym/hostfile.h"
#include "sym/sym_priv.h"

#include <libelf.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "util/bytes.h"
#include "util/cleanup.h"

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
	sym->debug_elfs = CH_VEC(Elf *);
	sym->core_folder = chp_hostfile_folder_of(ch_core_path(core));
	if (sym->options.exe)
		sym->exe_folder = chp_hostfile_folder_of(sym->options.exe);
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
	ch_table_deinit(&sym->shown);
	ch_vec_deinit(&sym->tls_modules);
	for (i = 0; i < sym->debug_elfs.count; i++)
		elf_end(*CH_VEC_AT(&sym->debug_elfs, Elf *, i));
	ch_vec_deinit(&sym->debug_elfs);
	free(sym->core_folder);
	free(sym->exe_folder);
	free(sym);
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
