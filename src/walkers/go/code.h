/*
 * code.h - what a Go program has for itself to know its code by.
 *
 * The linker puts these tables into every program, stripped or not, because the runtime needs
 * them to unwind stacks and to find pointers on them:
 *   build information   the version of Go, the main module, what it was built from;
 *   moduledata          one a linked image (a program, a plugin, a shared library): where its text,
 *                       data and types lie, and where its tables are; images form a list;
 *   pclntab             functions by address, and for each of them tables from address to line,
 * file, frame size and inlined function. buildinfo.c reads the first, moduledata.c finds and reads
 * the second.
 *
 * Invariant: what is kept of an image was checked: tables lie where the image's own header
 * says, ranges do not end before they begin. Their contents are not trusted.
 */
#ifndef COREHEAP_WALKERS_GO_CODE_H
#define COREHEAP_WALKERS_GO_CODE_H

#include "heap/walker.h"
#include "util/vec.h"

/** A slice as the linker made it. */
struct go_slice {
	uint64_t addr, count;
};

/** A range of target addresses, [start, end). */
struct go_range {
	uint64_t start, end;
};

/** One bit for each word of a range: it may be a pointer. */
struct go_mask {
	uint64_t addr, bits;
};

/** What differs between releases; fields of moduledata by the number of their word. */
struct go_module_layout {
	const char *releases;
	/** Minor versions that have it. */
	uint32_t first_minor, last_minor;
	/** What the table of functions begins with. */
	uint32_t magic;
	/** 0: the release has no such field. */
	uint8_t types, gofunc, typelinks, itablinks, gcdatamask, gcbssmask, next;
	/** Where it says so. */
	const char *source;
};

/** A linked image. */
struct go_module {
	/** Address of its moduledata. */
	uint64_t addr;
	const struct go_module_layout *layout;
	/** Header of the pclntab, and its parts: names of functions, units, names of files,
	 * tables of numbers, functions; and the index by address. */
	uint64_t header;
	struct go_slice names, units, files, numbers, functions, index;
	/** The header is readable: all of it lies in the core, or in the file of the program. */
	bool has_table;
	struct go_range pc, text, noptrdata, data, bss, noptrbss, types;
	/** Base of offsets of data of functions; 0: such data is known by address. */
	uint64_t gofunc;
	/** Empty where the release has none. */
	struct go_slice typelinks, itablinks;
	/** Which words of data and bss may be pointers. */
	struct go_mask data_mask, bss_mask;
};

#define GO_TEXT_MAX 128

/** What the program says of itself; "" where it does not. Letters, digits and signs only. */
struct go_build {
	/** "go1.19.8", "devel go1.28-4c9f..." */
	char version[GO_TEXT_MAX];
	/** 19; 0: not known. */
	uint32_t minor;
	/** Import path of its package main; its module, and the version of that. */
	char package[GO_TEXT_MAX], module[GO_TEXT_MAX], module_version[GO_TEXT_MAX];
	/** The commit that it was built from, and whether files differed from it ("true"). */
	char revision[GO_TEXT_MAX], modified[GO_TEXT_MAX];
};

struct go_code {
	struct ch_heap_env env;
	struct go_build build;
	/** of struct go_module; the program first */
	struct ch_vec modules;
};

/** Find the images of a program. None is no error. Errors: NOMEM, STOP. On failure nothing is
 * left to free. */
CH_MUST_CHECK struct ch_error *go_code_init(struct go_code *code, const struct ch_heap_env *env);
void go_code_deinit(struct go_code *code);
/** Facts of the program and its images. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *go_code_facts(const struct go_code *code, struct ch_vec *facts);

/** buildinfo.c: look for it in all modules. */
void go_build_read(const struct ch_heap_env *env, struct go_build *ret);
/** buildinfo.c: take apart what `go version -m` shows, text of len bytes. */
void go_build_parse(const char *text, size_t len, struct go_build *ret);
/** buildinfo.c: the minor version of a text such as "go1.19.8"; 0: it is none. */
uint32_t go_minor(const char *version);

/** moduledata.c: the rows. */
extern const struct go_module_layout go_module_layouts[];
extern const size_t go_module_layouts_count;
/** moduledata.c: fill code->modules. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *go_modules_find(struct go_code *code);

#endif /* COREHEAP_WALKERS_GO_CODE_H */
