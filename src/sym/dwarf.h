/*
 * dwarf.h - where the debug information of a module is.
 */
#ifndef COREHEAP_SYM_DWARF_H
#define COREHEAP_SYM_DWARF_H

#include <libelf.h>

#include <coreheap/sym.h>

/** A file with sections of debug information. */
struct ch_debug_file {
	/** Borrowed until ch_sym_close(). Its compressed sections were decompressed. */
	Elf *elf;
	/** Target address minus the address that debug information has. */
	uint64_t bias;
	/** The module's file and the one with the sections (often the same); NULL: not known.
	 * Borrowed. */
	const char *main_path, *path;
};

/** That of a module: of its file, or of a separate one with its build-id, or named by its debug
 * link. False: there is none. */
bool chp_sym_debug_file(struct ch_sym *sym, const struct ch_module *module,
			struct ch_debug_file *ret);

#endif /* COREHEAP_SYM_DWARF_H */
