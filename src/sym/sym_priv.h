/*
 * sym_priv.h - the inside of struct ch_sym, shared by the files of src/sym.
 *
 * modules.c finds modules in the core, scan.c those that no note names, linkmap.c
 * those the dynamic linker knows; module_table.c keeps them. image.c and pe.c read headers from
 * target memory and from files, files.c looks for the modules' files on disk and lends their bytes
 * to the core, initial.c relocates the writable data of files where the core lacks
 * it, dwfl.c gives libdwfl what matched or an image rebuilt from memory (rebuild.c),
 * debugfile.c finds separate debug information, hostfile.c says which files of the host are opened,
 * tls.c thread-local variables, dynsym.c reads symbols from target memory, symbols.c names
 * addresses, unwind.c walks stacks.
 *
 * libdwfl sees files on disk and validated images, never the core itself.
 */
#ifndef COREHEAP_SYM_SYM_PRIV_H
#define COREHEAP_SYM_SYM_PRIV_H

#include <elf.h>
#include <elfutils/libdwfl.h>

#include <coreheap/sym.h>

#include "util/table.h"
#include "util/vec.h"

/** Program headers of one image; a real one has about a dozen. */
#define CH_PHDRS_MAX 64

/** Bytes of a path that is read from memory. */
#define CH_PATH_BYTES_MAX 4096

/** Where distributions put separate debug files. */
#define CH_DEBUG_DIR "/usr/lib/debug"

/** ELF headers of a module, from memory or from its file. */
struct ch_image {
	Elf64_Ehdr ehdr;
	/** Owned. */
	Elf64_Phdr *phdrs;
	uint32_t phdrs_count;
};

/** Sections of a PE image that are looked at; one of .NET has three or four. */
#define CH_PE_SECTIONS_MAX 16

/** What tells one build of a PE image from another. */
struct ch_pe {
	/** COFF TimeDateStamp: a hash of the contents in deterministic builds. */
	uint32_t timestamp;
	/** SizeOfImage, CheckSum and SizeOfHeaders of the optional header. */
	uint32_t image_bytes, checksum, header_bytes;
	/** Sections as they lie in the file: PointerToRawData, SizeOfRawData. */
	struct {
		uint32_t offset, bytes;
	} sections[CH_PE_SECTIONS_MAX];
	uint32_t sections_count;
};

/** A symbol of a module's index. */
struct ch_sym_entry {
	uint64_t addr;
	/** One past the last address it is an answer for. */
	uint64_t end;
	/** Largest end of this and all entries before it. */
	uint64_t max_end;
	/** Borrowed from libdwfl or from ch_sym.strings. */
	const char *name;
	/** Lower is the better name of several for one address. */
	uint16_t rank;
	/** The table gives no size: end is a guess. */
	bool sizeless;
	bool local;
};

/** What goes with one ch_module, same index. */
struct ch_module_extra {
	struct ch_sym *sym;
	/** Index in both vectors. */
	size_t index;
	/** Headers are valid. */
	bool has_image;
	/** symbols is filled. */
	bool indexed;
	/** A rebuilt image was tried. */
	bool rebuilt;
	/** The file in use, mapped; NULL when none. */
	const uint8_t *file_data;
	uint64_t file_bytes;
	/** ELF image rebuilt from memory for libdwfl, owned. */
	uint8_t *memory_image;
	uint64_t memory_image_bytes;
	/** What its writable data began as, owned; NULL until somebody asks. */
	struct ch_initial *initial;
	/** libdwfl's module, or NULL. */
	Dwfl_Module *dwfl;
	struct ch_image image;
	/** of struct ch_sym_entry, ascending by addr */
	struct ch_vec symbols;
	/** of struct ch_sym_entry: thread-local variables, by offset into the
	 * module's TLS block */
	struct ch_vec tls_symbols;
};

struct ch_unwind;
struct ch_initial;

struct ch_sym {
	struct ch_core *core;
	struct ch_context *ctx;
	struct ch_sym_options options;
	/** e_machine of the core. */
	uint16_t machine;
	/** of struct ch_module and struct ch_module_extra, equally long */
	struct ch_vec modules, extras;
	/** of char *: strings made here, owned */
	struct ch_vec strings;
	/** Of names of symbols, by their address: the shown one among the strings. */
	struct ch_table shown;
	/** Libraries that only the link map named. */
	size_t linked_count;
	/** Modules' files that are mapped; symbols in all indexes. */
	size_t files_count, symbols_count;
	/** What the tables of all modules in target memory took so far: bytes of
	 * string tables, entries, bytes of names and hash tables looked at. */
	uint64_t dynstr_bytes, dynsym_count, dynsym_name_bytes;
	/** Opened at the first need; NULL when that failed. */
	Dwfl *dwfl;
	bool dwfl_tried, attach_tried, attached;
	/** The folders of the core and of --exe, without links; NULL: there is none
	 * (hostfile.c). */
	char *core_folder, *exe_folder;
	/** Bytes of debug files whose checksum was taken so far. */
	uint64_t summed_bytes;
	/** Bytes of all images rebuilt so far. */
	uint64_t rebuilt_bytes;
	/** Bytes of writable data that were relocated so far. */
	uint64_t initial_bytes;
	/** A header alone: tells libdwfl the machine. */
	Elf64_Ehdr machine_ehdr;
	Elf *machine_elf;
	/** The walk that libdwfl's callbacks serve. */
	struct ch_unwind *unwind;
	/** of Elf *, owned: what debug information led to */
	struct ch_vec debug_elfs;
	/** Modules with thread-local storage: see tls.c. */
	struct ch_vec tls_modules;
	bool tls_listed;
	/** Why the last walk ended. */
	char end_text[256];
};

/** image.c: ELF headers at a target address; false when they make no sense for this core. */
bool chp_image_read(const struct ch_core *core, uint64_t addr, struct ch_image *ret);
/** image.c: the same from a file's bytes. */
bool chp_image_parse(const uint8_t *data, uint64_t len, uint16_t machine, struct ch_image *ret);
/** image.c: program headers are freed. */
void chp_image_deinit(struct ch_image *image);
/** image.c: e_machine of an architecture. */
uint16_t chp_image_machine(enum ch_arch arch);
/** image.c: first program header of a type, or NULL. */
const Elf64_Phdr *chp_image_phdr(const struct ch_image *image, uint32_t type);
/** image.c: ELF addresses from the first PT_LOAD to the end of the last; false if none. */
bool chp_image_extent(const struct ch_image *image, uint64_t *low_ret, uint64_t *high_ret);
/** Whose note says which build an image is of; asked in this order. */
enum ch_build_note {
	CH_BUILD_NOTE_GNU,
	/** Go's own linker writes no other before Go 1.24. */
	CH_BUILD_NOTE_GO,
	CH_BUILD_NOTES,
};
/** image.c: build-id among notes of len bytes; its length, 0 when none. */
uint32_t chp_image_build_id(const uint8_t *notes, uint64_t len, enum ch_build_note which,
			    uint8_t id[CH_BUILD_ID_MAX]);
/** image.c: fill end, bss, TLS and build-id of a module whose bias is known. */
void chp_image_describe(const struct ch_core *core, const struct ch_image *image,
			struct ch_module *module);
/** image.c: bias of an image of which start maps the file's bytes from off; false: none. */
bool chp_image_bias(const struct ch_image *image, uint64_t start, uint64_t off, uint64_t *ret);
/**
 * rebuild.c: the file's layout rebuilt from memory for libdwfl, owned by the
 * caller; NULL when neither symbols nor unwind data are in the core, when it
 * is too large, or out of memory.
 */
uint8_t *chp_image_rebuild(const struct ch_core *core, const struct ch_module *module,
			   const struct ch_image *image, uint64_t *len_ret);

/** pe.c: identity of a PE image at a target address; false when it is none. */
bool chp_pe_read(const struct ch_core *core, uint64_t addr, struct ch_pe *ret);
/** pe.c: the same from the first bytes of a file. */
bool chp_pe_parse(const uint8_t *data, uint64_t len, struct ch_pe *ret);

/* ---- module_table.c ------------------------------------------------------------------ */

/** Append a module; NULL when out of memory or too many. path is kept by the caller. */
struct ch_module *chp_module_add(struct ch_sym *sym, uint64_t start, uint64_t end, const char *path,
				 const char *basis);
/** Append a module whose ELF headers lie at start, if they do. */
CH_MUST_CHECK struct ch_error *chp_module_add_at(struct ch_sym *sym, uint64_t start,
						 const char *path, const char *basis);
/** Sort what was appended; ends that overlap are cut. */
CH_MUST_CHECK struct ch_error *chp_modules_sort(struct ch_sym *sym);
/** Whether there are as many as can be, which is told. */
bool chp_modules_is_full(const struct ch_sym *sym);
/** Give the module added last the headers found at its start. */
void chp_module_image_take(struct ch_sym *sym, struct ch_module *module, struct ch_image *image);
/** Path of a module until its name is found. */
#define CH_UNNAMED "[unnamed]"
/** Whether its path is one that was made up, as CH_UNNAMED is. */
bool chp_module_is_unnamed(const struct ch_module *module);
/** Path is kept by the caller. */
void chp_module_set_path(struct ch_module *module, const char *path);
/** Path of the executable by AT_EXECFN or the process' name, kept; NULL: no memory. */
const char *chp_exe_path(struct ch_sym *sym);
/** Value of a tag of the module's dynamic section, as memory has it. */
bool chp_dynamic_find(const struct ch_sym *sym, const struct ch_module *module, uint64_t tag,
		      uint64_t *ret);
/** The module that holds addr among the first count, which ascend; or NULL. */
struct ch_module *chp_module_among(const struct ch_sym *sym, size_t count, uint64_t addr);
/** The executable, or NULL. */
struct ch_module *chp_sym_exe(const struct ch_sym *sym);
/** What goes with a module of this sym. */
struct ch_module_extra *chp_module_extra(const struct ch_sym *sym, const struct ch_module *module);
/** Keep a string until the end; NULL when out of memory. */
const char *chp_sym_keep(struct ch_sym *sym, char *take);
/** "1a2b.." of a build-id; buf holds 2 * CH_BUILD_ID_MAX + 1. */
char *chp_build_id_text(const uint8_t *id, uint32_t len, char *buf);

/* ---- the others ------------------------------------------------------------------------ */

/** modules.c: fill modules and extras, ascending. */
CH_MUST_CHECK struct ch_error *chp_modules_find(struct ch_sym *sym);
/** modules.c: bss that lies outside the file's mappings counts as the module's memory. */
void chp_modules_add_bss(struct ch_sym *sym);
/** scan.c: append images by their ELF headers in segments; sorted. */
CH_MUST_CHECK struct ch_error *chp_scan_images(struct ch_sym *sym);
/** scan.c: name what neither notes nor the link map named. */
CH_MUST_CHECK struct ch_error *chp_scan_name(struct ch_sym *sym);
/** scan.c: give the core the file mappings of modules that NT_FILE does not name. */
CH_MUST_CHECK struct ch_error *chp_scan_rows(struct ch_sym *sym);
/** linkmap.c: link_map of the modules, and those only it knows. */
CH_MUST_CHECK struct ch_error *chp_linkmap_walk(struct ch_sym *sym);

/** files.c: find, check and map the file of each module; lend its bytes. */
CH_MUST_CHECK struct ch_error *chp_files_match(struct ch_sym *sym);
/** initial.c: lend what the dynamic linker wrote and then protected. */
CH_MUST_CHECK struct ch_error *chp_initial_lend(struct ch_sym *sym);
/** initial.c: NULL accepted. */
void chp_initial_destroy(struct ch_initial *initial);
/** files.c: a recorded path without the kernel's mark of an unlinked file; owned by the caller. */
char *chp_path_plain(const char *path);

/**
 * dynsym.c: show each symbol of the dynamic table in target memory, bounded,
 * until visit returns false. Names are kept by sym.
 */
void chp_dynsym_visit(struct ch_sym *sym, const struct ch_module *module,
		      bool (*visit)(struct ch_module_extra *extra, const char *name,
				    const Elf64_Sym *symbol));

/** dwfl.c: open libdwfl over all modules once; false when it cannot be used. */
bool chp_dwfl_open(struct ch_sym *sym);
/** Debug information of a module that libdwfl has, or NULL. Asked for before libdwfl opens it for
 * itself, as that would end the process where memory runs out. */
Dwarf *chp_dwfl_dwarf(const struct ch_sym *sym, const struct ch_module_extra *extra,
		      Dwarf_Addr *bias_ret);
/** After libdwfl had no answer: say so where that was for want of memory. */
void chp_dwfl_note_failure(void);

/**
 * debugfile.c: open the separate debug file of a module; -1 when there is none.
 * debuglink and crc come from .gnu_debuglink of the main file; NULL: none.
 * *path_ret is owned by the caller.
 */
int chp_debugfile_open(struct ch_sym *sym, const struct ch_module *module, const char *debuglink,
		       uint32_t crc, char **path_ret);

#endif /* COREHEAP_SYM_SYM_PRIV_H */
