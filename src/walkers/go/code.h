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
#include "util/table.h"
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
	uint8_t types, etypes, gofunc, typelinks, itablinks, gcdatamask, gcbssmask, next;
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
	/** The header is none that a release of Go writes. */
	bool bad_table;
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

/** Where fields of the runtime's structures for goroutines (g) and threads (m) lie. */
struct go_g_layout {
	const char *releases;
	uint32_t first_minor, last_minor;
	/** Of a g: where it stood when it last called the kernel; the frame pointer of where it
	 * waits; state, number, since when it waits, for what. */
	uint8_t syscall_sp, frame_pointer, status, number, since, reason;
	/** Of an m: its number to the kernel, its goroutines for signals and for the program. */
	uint8_t thread, signal_g, current_g;
	const char *source;
};

/** What a goroutine does: as the runtime numbers it. */
enum go_state {
	GO_IDLE,
	GO_RUNNABLE,
	GO_RUNNING,
	GO_SYSCALL,
	GO_WAITING,
	GO_DEAD = 6,
	GO_COPYING = 8,
	GO_PREEMPTED,
	GO_LEAKED,
	GO_DEAD_EXTRA,
	GO_STATES,
};

struct go_goroutine {
	/** Address of its g, and its number. */
	uint64_t addr, number;
	struct go_range stack;
	/** Where it stands, unless a thread runs it; and where it left its stack last. */
	struct ch_frame_regs at, saved;
	/** Address of the statement that started it, and its function. */
	uint64_t created, start;
	/** Its thread (m), and the one that it may run on alone; 0: none. */
	uint64_t machine, locked;
	/** Labels for profiles; 0: none. */
	uint64_t labels;
	/** When it began to wait, in the process's own nanoseconds; 0: not noted. */
	uint64_t since;
	/** enum go_state; number of what it waits for. */
	uint8_t state, reason;
	/** Nothing can wake it: known after go_find_stuck(). */
	bool stuck;
};

/** A thread of the kernel that the runtime uses. */
struct go_machine {
	uint64_t addr;
	/** By its index in ch_core_threads(). */
	size_t thread;
	uint32_t tid;
	/** Stacks for the scheduler and for signals. */
	struct go_range system, signal;
	/** Index of the goroutine that it runs; SIZE_MAX: none. */
	size_t current;
};

struct go_code {
	struct ch_heap_env env;
	struct go_build build;
	/** of struct go_module; the program first */
	struct ch_vec modules;
	/** NULL: no list of goroutines was found. */
	const struct go_g_layout *g_layout;
	/** The runtime's list (allgs). */
	struct go_slice g_list;
	/** of struct go_goroutine, in the order of the list; of struct go_machine */
	struct ch_vec goroutines, machines;
	/** By address of g: index in goroutines. */
	struct ch_table g_by_addr;
	/** By address of a thread (m), and of the goroutine that it runs: index in machines. */
	struct ch_table machine_by_addr;
	/** Names of what goroutines wait for (waitReasonStrings); count 0: not found. */
	struct go_slice reasons;
	/** Of a g: address of the statement that started it, 0: not found. */
	uint32_t created_at;
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

/** A function of the program, as the linker describes it; numbers are offsets into tables. */
struct go_function {
	const struct go_module *module;
	/** Its code, target range [entry, end). */
	uint64_t entry, end;
	uint32_t name;
	/** Bytes of its arguments and results on the stack; UINT32_MAX / 2 + 1: not known. */
	uint32_t arguments_bytes;
	/** Tables by address: bytes of the frame, files, lines. */
	uint32_t frame_sizes, files, lines;
	/** Where its further tables are, and how many; and its data behind those. */
	uint64_t numbers;
	uint32_t numbers_count, data_count;
	/** First of the files of the unit that it was compiled in. */
	uint32_t unit;
	uint8_t flags;
};
/** Flags: nobody calls it; it changes the stack pointer in a way that no table describes. */
#define GO_FLAG_TOP      1U
#define GO_FLAG_SP_WRITE 2U

/** Data of a function. */
enum go_data_kind {
	/** Which words of arguments, and of locals, are pointers. */
	GO_DATA_ARGUMENTS,
	GO_DATA_LOCALS,
	/** Variables whose address was taken. */
	GO_DATA_OBJECTS,
	/** Functions that were put into it. */
	GO_DATA_INLINED,
};

/** File and line; the file is borrowed from the core, and not escaped. */
struct go_line {
	const char *file;
	uint32_t line;
};

/** A function at a place of code: the one itself, or one that was put into it. */
struct go_place {
	/** Borrowed from the core, not escaped. */
	const char *name;
	/** Its line; file NULL: not known. */
	struct go_line line;
	/** An address that stands for the place. */
	uint64_t pc;
	/** It was put into the function of the next depth. */
	bool inlined;
};

/** pclntab.c: the image whose code holds pc; NULL: none. */
const struct go_module *go_module_at(const struct go_code *code, uint64_t pc);
/** pclntab.c: whether functions of an image can be read, by some of them. */
bool go_functions_whole(const struct go_code *code, const struct go_module *module);
/** pclntab.c: the function that holds pc. False: none, or its tables are not in the core. */
bool go_function_at(const struct go_code *code, uint64_t pc, struct go_function *ret);
/** pclntab.c: a name of a table; borrowed from the core, NULL: not there. */
const char *go_name(const struct go_code *code, const struct go_module *module, uint32_t at);
/** pclntab.c: what a table of a function says of pc. False: nothing. */
bool go_number(const struct go_code *code, const struct go_function *function, uint32_t table,
	       uint64_t pc, int32_t *ret);
/** pclntab.c: which of the function's maps of pointers is valid at pc; -1: none. */
int32_t go_stack_map_index(const struct go_code *code, const struct go_function *function,
			   uint64_t pc);
/** pclntab.c: address of data of a function; 0: it has none. */
uint64_t go_data(const struct go_code *code, const struct go_function *function,
		 enum go_data_kind kind);
/** pclntab.c: file and line of pc, of the function or of one that was put into it. */
bool go_line(const struct go_code *code, const struct go_function *function, uint64_t pc,
	     struct go_line *ret);
/** pclntab.c: what runs at pc: depth 0 the innermost function, 1 and on those that it was put
 * into, the function itself last. False: there are no more. */
bool go_place(const struct go_code *code, const struct go_function *function, uint64_t pc,
	      uint32_t depth, struct go_place *ret);

/** goroutines.c: find and read goroutines and threads. None is no error. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *go_goroutines_find(struct go_code *code);
/** goroutines.c: what a goroutine waits for, "chan receive"; "" where it does not wait, or the
 * name is not in the core. */
void go_reason(const struct go_code *code, const struct go_goroutine *goroutine, char *buf,
	       size_t max);
/** goroutines.c: the thread on whose stack for the scheduler sp lies; NULL: none. */
const struct go_machine *go_machine_at(const struct go_code *code, uint64_t sp);

/** frames.c: callbacks of the walker; all take the state of the walker, struct go. */
bool go_frames_code(void *state, uint64_t addr, struct ch_code *ret, char *buf, size_t max);
bool go_frames_owns(void *state, uint64_t addr);
bool go_frames_frame(void *state, const struct ch_walker_frame *frame, struct ch_code *ret,
		     char *buf, size_t max);
struct ch_error *go_goroutines(void *state, ch_goroutines_fn fn, void *arg);
bool go_frames_caller(void *state, const struct ch_frame_regs *frame, struct ch_frame_regs *ret);

#endif /* COREHEAP_WALKERS_GO_CODE_H */
