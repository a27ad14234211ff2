/*
 * coreheap/sym.h - modules, symbols and stack frames of a core.
 *
 * Modules come from NT_FILE, or from ELF headers in memory, and from the link
 * map and the auxiliary vector, so they are known without any file at hand; a file on disk serves
 * symbols, unwind data and absent read-only pages only if its build-id equals the one in the core
 * (or, where the core holds none, if the caller named it with exe).
 *
 * Vocabulary:
 *   module   one mapped ELF (or PE) image: a set of mappings under one path;
 *   bias     what must be added to an address of the ELF file to get the
 *            target address;
 *   match    whether the file on disk is the one that was mapped.
 *
 * Invariant: modules ascend by start; their [start, end) do not overlap.
 * No network is used unless options.debuginfod is set.
 */
#ifndef COREHEAP_SYM_H
#define COREHEAP_SYM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/core.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ch_sym;

/** All strings are borrowed until ch_sym_close(). */
struct ch_sym_options {
	/** Folder under which recorded paths, then bare names, are looked up
	 * first, or NULL. */
	const char *sysroot;
	/** File to take for the main executable, or NULL. */
	const char *exe;
	/** Folders with separate debug files (".build-id/xx/yy.debug"). */
	const char *const *debug_dirs;
	size_t debug_dirs_count;
	/** Allow debuginfod look-ups over the network, at the servers that
	 * DEBUGINFOD_URLS names. */
	bool debuginfod;
	/** Called when libdw has no memory left; it must not return. NULL: libdw then ends the
	 * process with an exit code of its own. */
	void (*no_memory)(void) __attribute__((__noreturn__));
};

enum ch_module_kind {
	CH_MODULE_EXE,
	CH_MODULE_LIB,
	CH_MODULE_INTERP,
	CH_MODULE_VDSO,
	/** A PE image (a managed assembly) mapped from a file. */
	CH_MODULE_PE,
};

enum ch_module_match {
	/** The file on disk has the build-id of the core. */
	CH_MATCH_MATCHED,
	/** A file is there, but it is another build: not used. */
	CH_MATCH_MISMATCHED,
	/** A file is there, but the core holds nothing to compare it with: not
	 * used. */
	CH_MATCH_UNVERIFIED,
	/** No file at the recorded path, under sysroot or by build-id. */
	CH_MATCH_MISSING,
	/** Nothing to look for (vdso): the image is in the core. */
	CH_MATCH_IN_CORE,
	/** The core holds no build-id to compare, but headers and dynamic section
	 * of the file are those in memory, or the user named it (exe) and nothing
	 * contradicts: used for names and stacks, not for bytes. */
	CH_MATCH_LIKELY,
};

#define CH_BUILD_ID_MAX 64

struct ch_module {
	/** Target range from the first to the end of the last mapping, the
	 * anonymous tail of .bss included. Holes belong to it. */
	uint64_t start, end;
	/** Target address minus ELF address. */
	uint64_t bias;
	/** End of file-backed bytes and of p_memsz of the last writable PT_LOAD:
	 * [bss_start, bss_end) is the module's bss (page-rounded outside);
	 * both 0 when program headers are not at hand. */
	uint64_t bss_start, bss_end;
	/** Path as recorded (unescaped), "[vdso]" for the vdso; a bare name or one
	 * in brackets where only an image without a path was found. */
	const char *path;
	/** Last component of path. */
	const char *name;
	/** Build-id from the core; length 0 when the core does not hold it. */
	uint8_t build_id[CH_BUILD_ID_MAX];
	uint32_t build_id_len;
	/** Build-id of file_path; length 0 when it has none. */
	uint8_t file_build_id[CH_BUILD_ID_MAX];
	uint32_t file_build_id_len;
	enum ch_module_kind kind;
	enum ch_module_match match;
	/** File in use or rejected (see match), or NULL. */
	const char *file_path;
	/** How the module was found: "NT_FILE", "ELF headers", "link map", "auxv". Static. */
	const char *basis;
	/** Sum of its mappings' bytes, in NT_FILE or by its program headers, plus its bss. */
	uint64_t mapped_bytes;
	/** PT_TLS: size in memory and in the file (0: none), alignment, ELF address. */
	uint64_t tls_memsz, tls_filesz, tls_align, tls_vaddr;
	/** Address of its struct link_map, 0 when not found. */
	uint64_t link_map;
};

struct ch_symbol {
	/** Symbol name, not demangled; borrowed until ch_sym_close(). */
	const char *name;
	/** Target address and size (0 when the table gives none). */
	uint64_t addr, size_bytes;
	/** Queried address minus addr. */
	uint64_t offset;
	/** Module it lies in. */
	const struct ch_module *module;
};

enum ch_frame_basis {
	/** Frame 0: the registers themselves. */
	CH_FRAME_REGS,
	/** Call frame information. */
	CH_FRAME_CFI,
	/** Frame pointer chain (heuristic). */
	CH_FRAME_FP,
	/** The frame above called an address without code: the return address
	 * is where a call leaves it. */
	CH_FRAME_CALL,
	/** What a runtime says of frames of code that it made. */
	CH_FRAME_RUNTIME,
	/** No frame of its own on the stack: the compiler put the function into the
	 * one that called it, which is a further frame. */
	CH_FRAME_INLINED,
	/** What a signal interrupted, as the kernel kept it on the handler's stack (found by
	 * its shape): frames of the handler between it and the one above may be missing. */
	CH_FRAME_SIGNAL,
};

struct ch_frame {
	/** Program counter; for callers the return address. */
	uint64_t pc;
	/** Stack pointer in that frame; 0 when not known. */
	uint64_t sp;
	/** Frame pointer register in that frame; 0 when not known. */
	uint64_t fp;
	enum ch_frame_basis basis;
	/** Symbol of pc (of pc - 1 for callers); name NULL when unknown. */
	struct ch_symbol symbol;
	/** Set by who asks a runtime for a name: what made the code ("C2",
	 * "interpreted"; static), its source file and line; NULL and 0 otherwise. */
	const char *code, *source;
	uint32_t line;
};

/**
 * Find modules and open what can be matched. core must outlive it. Damage and
 * mismatches are findings of the core's context. Errors: NOMEM, ARG.
 * options may be NULL.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_sym_open(struct ch_core *core, const struct ch_sym_options *options, struct ch_sym **ret);

/** Close; NULL accepted. */
CH_PUBLIC void ch_sym_close(struct ch_sym *sym);

/** All modules, ascending by start. Borrowed until ch_sym_close(). */
CH_PUBLIC const struct ch_module *ch_sym_modules(const struct ch_sym *sym, size_t *count_ret);

/** The program's own module, or NULL. */
CH_PUBLIC const struct ch_module *ch_sym_executable(const struct ch_sym *sym);

/** The module whose range holds addr, or NULL. O(log n). */
CH_PUBLIC const struct ch_module *ch_sym_module_at(const struct ch_sym *sym, uint64_t addr);

/**
 * Where a module's data became read only after the linker filled it: [*start_ret, *end_ret), whole
 * pages at its end as _dl_protect_relro() has them; empty when it asks for none. False when the
 * headers are not at hand.
 */
CH_PUBLIC bool ch_sym_module_relro(const struct ch_sym *sym, const struct ch_module *module,
				   uint64_t *start_ret, uint64_t *end_ret);

/**
 * Access rights that the module's program headers give to addr, as enum
 * ch_segment_flags: RELRO is read only, holes between segments have none.
 * False when the headers are not at hand.
 */
CH_PUBLIC bool ch_sym_module_rights(const struct ch_sym *sym, const struct ch_module *module,
				    uint64_t addr, uint32_t *ret);

/**
 * Copy len bytes of data that the program never changes, from the core or, where
 * the dumper left them out, from the module's file (same build-id) with relative
 * relocations applied. The caller vouches for "never changes": of other data the
 * file tells how it began, not what it was. Errors: FAULT (not mapped), ABSENT
 * (neither has the bytes, or the dynamic linker filled them by a symbol's name),
 * NOMEM. buf is untouched on failure. Cost: the module's relocations, once.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_sym_read_constant(struct ch_sym *sym, uint64_t addr,
							      void *buf, size_t len);

/**
 * The symbol around addr (.symtab, .dynsym, separate debug files; loaded at
 * the module's first use): the innermost one whose size reaches addr, else one
 * without size that lies nearest below in the same section. Names come without
 * "@VERSION". False when there is none; then module + offset is all that is
 * known. O(log n) after the first use.
 */
CH_PUBLIC bool ch_sym_at(struct ch_sym *sym, uint64_t addr, struct ch_symbol *ret);

/** A place in the source of a program. */
struct ch_source {
	/** The function that was put into the next one, not demangled; NULL: the one that
	 * symbols name. */
	const char *function;
	/** The file's name without its folders; NULL when not known. */
	const char *file;
	/** 0 when not known. */
	uint32_t line;
};

/**
 * The source of an address of code, by the debug information at hand (of a caller, ask for the
 * byte before its return address): at most max rows, the innermost function first. Texts are
 * borrowed until ch_sym_close(), as the file has them: escape them. 0 when nothing tells.
 * Cost: the line table and the functions of its compilation unit, at its first use.
 */
CH_PUBLIC size_t ch_sym_sources(struct ch_sym *sym, uint64_t addr, struct ch_source *rows,
				size_t max);

/**
 * The thread-local variable of a module around an offset into the module's TLS
 * block; ret->addr is the variable's offset. False when there is none.
 */
CH_PUBLIC bool ch_sym_tls_at(struct ch_sym *sym, const struct ch_module *module, uint64_t offset,
			     struct ch_symbol *ret);

/**
 * Find a symbol by exact name, without "@VERSION", in one module, or in all
 * when module is NULL (modules in order of address; a global symbol of any
 * module wins over local ones). Thread-local variables have no address and are
 * not found. False when there is none. Cost: all symbols of the modules looked
 * into; their files are opened at first use.
 */
CH_PUBLIC bool ch_sym_by_name(struct ch_sym *sym, const struct ch_module *module, const char *name,
			      struct ch_symbol *ret);

/**
 * A symbol that a module exports, found through its hash table in target memory
 * (DT_GNU_HASH): as cheap as the dynamic linker's own look-up, without opening
 * symbol tables. False when it has none, or the table is not at hand. ret->name
 * is the name given.
 */
CH_PUBLIC bool ch_sym_exported(const struct ch_sym *sym, const struct ch_module *module,
			       const char *name, struct ch_symbol *ret);

/**
 * Unwind one thread: index as in ch_core_threads(). Up to max frames are
 * written to frames; *count_ret frames are valid, also on failure of a deeper
 * step (why in *end_ret: "end of stack", "no unwind data for libx.so",
 * "memory at 0x.. is not in the core", "limit of frames"; safe to print,
 * borrowed until the next call). Frames by call frame information are exact
 * where the memory is; each caller lies strictly higher on the stack.
 * Errors: ARG (no such thread, max is 0), NOMEM.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_sym_unwind(struct ch_sym *sym, size_t thread_index,
						       struct ch_frame *frames, size_t max,
						       size_t *count_ret, const char **end_ret);

/** Stable lower-case names. */
CH_PUBLIC const char *ch_module_kind_name(enum ch_module_kind kind);
CH_PUBLIC const char *ch_module_match_name(enum ch_module_match match);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_SYM_H */
