/*
 * dwarf.h - where the debug information of a module is.
 */
#ifndef COREHEAP_SYM_DWARF_H
#define COREHEAP_SYM_DWARF_H

#include <elfutils/libdw.h>
#include <libelf.h>

#include <coreheap/sym.h>

/** A file with sections of debug information. */
struct ch_debug_file {
	/** Borrowed until ch_sym_close(). Its compressed sections were decompressed. */
	Elf *elf;
	/** libdw's, of the same file. */
	Dwarf *dwarf;
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

/** What dwz took out of several files and put into one: named and told apart by build-id in
 * .gnu_debugaltlink. NULL: there is none. Borrowed until ch_sym_close(). */
Elf *chp_sym_debug_alternative(struct ch_sym *sym, const struct ch_debug_file *of);
/** The file of one split unit (.dwo), by the names that its skeleton has: it may be another
 * build's, which the units in it tell. NULL: none. Borrowed until ch_sym_close(). */
Elf *chp_sym_debug_split(struct ch_sym *sym, const struct ch_debug_file *of, const char *dir,
			 const char *name);
/** The package of all split units (.dwp) beside a file. NULL: none. Borrowed as above. */
Elf *chp_sym_debug_package(struct ch_sym *sym, const struct ch_debug_file *of);

#endif /* COREHEAP_SYM_DWARF_H */
