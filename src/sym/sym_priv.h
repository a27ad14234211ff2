/*
 * sym_priv.h - the inside of struct ch_sym, shared by the files of src/sym.
 *
 * modules.c finds modules in the core, image.c reads ELF headers from target
 * memory, files.c looks for their files on disk and lends their bytes to the
 * core, symbols.c opens libdwfl over what matched, unwind.c walks stacks.
 */
#ifndef COREHEAP_SYM_SYM_PRIV_H
#define COREHEAP_SYM_SYM_PRIV_H

#include <elf.h>
#include <elfutils/libdwfl.h>

#include <coreheap/sym.h>

#include "util/vec.h"

/** Program headers of one image; a real one has about a dozen. */
#define CH_PHDRS_MAX 64

/** ELF headers of a module, from memory or from its file. */
struct ch_image {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdrs[CH_PHDRS_MAX];
	uint32_t phdrs_count;
};

/** What goes with one ch_module, same index. */
struct ch_module_extra {
	/** Set once libdwfl knows the module. */
	struct ch_sym *sym;
	/** Headers are valid. */
	bool has_image;
	/** The file in use, mapped; NULL when none. */
	const uint8_t *file_data;
	uint64_t file_bytes;
	/** ELF image rebuilt from memory for libdwfl, owned. */
	uint8_t *memory_image;
	uint64_t memory_image_bytes;
	/** libdwfl's module, or NULL. */
	Dwfl_Module *dwfl;
	struct ch_image image;
};

struct ch_sym {
	struct ch_core *core;
	struct ch_context *ctx;
	struct ch_sym_options options;
	/** of struct ch_module and struct ch_module_extra, equally long */
	struct ch_vec modules, extras;
	/** of char *: paths made here, owned */
	struct ch_vec strings;
	/** Opened at the first need; NULL when that failed. */
	Dwfl *dwfl;
	bool dwfl_tried, attached;
};

/** image.c: ELF headers at a target address; false when they make no sense. */
bool chp_image_read(const struct ch_core *core, uint64_t addr, struct ch_image *ret);
/** image.c: the same from a file's bytes. */
bool chp_image_parse(const uint8_t *data, uint64_t len, struct ch_image *ret);
/** image.c: first program header of a type, or NULL. */
const Elf64_Phdr *chp_image_phdr(const struct ch_image *image, uint32_t type);
/** image.c: bytes from the first PT_LOAD to the end of the last; false if none. */
bool chp_image_extent(const struct ch_image *image, uint64_t *low_ret, uint64_t *high_ret);
/** image.c: build-id among notes of len bytes; its length, 0 when none. */
uint32_t chp_image_build_id(const uint8_t *notes, uint64_t len, uint8_t id[CH_BUILD_ID_MAX]);
/** image.c: fill bias, bss, TLS and build-id of a module at its start. */
void chp_image_describe(const struct ch_core *core, const struct ch_image *image,
			struct ch_module *module);
/** image.c: the file's layout rebuilt from memory, owned by the caller; NULL when the
 * code is not in the core, or out of memory. */
uint8_t *chp_image_rebuild(const struct ch_core *core, const struct ch_module *module,
			   const struct ch_image *image, uint64_t *len_ret);

/** modules.c: fill modules and extras, ascending. */
CH_MUST_CHECK struct ch_error *chp_modules_find(struct ch_sym *sym);
/** sym.c: the module that holds addr among the first count, which ascend; or NULL. */
struct ch_module *chp_module_among(const struct ch_sym *sym, size_t count, uint64_t addr);
/** files.c: find, check and map the file of each module; lend its bytes. */
CH_MUST_CHECK struct ch_error *chp_files_match(struct ch_sym *sym);
/** files.c: keep a string until the end; NULL when out of memory. */
const char *chp_sym_keep(struct ch_sym *sym, char *take);
/** symbols.c: open libdwfl over all modules once; false when it cannot be used. */
bool chp_dwfl_open(struct ch_sym *sym);

/** "1a2b.." of a build-id; buf holds 2 * CH_BUILD_ID_MAX + 1. */
char *chp_build_id_text(const uint8_t *id, uint32_t len, char *buf);

#endif /* COREHEAP_SYM_SYM_PRIV_H */
