/*
 * signs.h - how an allocator or runtime gives itself away, as a table.
 *
 * For walkers: chp_signs_probe() answers probe() from a const struct ch_signs.
 * Four kinds of evidence are looked for: a library by its file name; symbols
 * that only this allocator defines, exported by any module or in the symbol
 * table of the executable (it may be linked in statically); its table of block
 * sizes, or a pattern, in writable data, which need neither names nor files.
 */
#ifndef COREHEAP_HEAP_SIGNS_H
#define COREHEAP_HEAP_SIGNS_H

#include "heap/walker.h"

/** A table of growing sizes in writable data of a module. */
struct ch_size_table {
	/** For people: "page queues of mimalloc 1, 2 or 3.0". */
	const char *what;
	/** Bytes of a number (4 or 8), and from one to the next. */
	uint32_t width, stride;
	/** The table is there before the first block, but each row has a pointer
	 * this many bytes before its number, which is 0 until then. 0: no such
	 * pointer, the numbers themselves are filled in at the first use. */
	uint32_t pointer_before;
	const uint32_t *sizes;
	size_t sizes_count;
	/** Project, version, file, name. */
	const char *source;
};

/** Bytes in writable data of a module that nothing else has. */
struct ch_pattern {
	/** For people: "Go build information". */
	const char *what;
	const char *bytes;
	/** At most 32. */
	uint32_t len, align;
	/** Project, version, file, name. */
	const char *source;
};

/** Target range [start, end) where the heap lies as a rule: nothing else is put there
 * unless it asks for it. */
struct ch_area {
	uint64_t start, end;
	/** Project, version, file, name. */
	const char *source;
};

struct ch_signs {
	/** Starts of file names: "libjemalloc". Ended by NULL; NULL: none. */
	const char *const *modules;
	/** Symbols, each enough by itself. */
	const char *const *symbols;
	size_t symbols_count;
	const struct ch_size_table *tables;
	size_t tables_count;
	const struct ch_pattern *patterns;
	size_t patterns_count;
	/** No signs, but what belongs to it where it is. */
	const struct ch_area *areas;
	size_t areas_count;
};

/** Look for the signs and fill ret. Errors: none. */
CH_MUST_CHECK struct ch_error *chp_signs_probe(const struct ch_heap_env *env,
					       const struct ch_signs *signs, struct ch_probe *ret);

/** A run of writable data of a module, as it lies in the core. Zero it before the
 * first module. */
struct ch_data_run {
	uint64_t addr;
	const uint8_t *bytes;
	size_t len;
	/** Sum of len over all runs so far, of all modules. */
	uint64_t looked_bytes;
};

/**
 * The next run at or above *at in module's writable memory; moves *at behind it.
 * Begin with module->start. False at the end. At most 64 MiB a module
 * and 256 MiB in all: modules of a bad core may share their bytes.
 */
bool chp_data_next(const struct ch_heap_env *env, const struct ch_module *module, uint64_t *at,
		   struct ch_data_run *ret);
/** The same of all of it but code: what the linker relocated and protected, too. */
bool chp_image_next(const struct ch_heap_env *env, const struct ch_module *module, uint64_t *at,
		    struct ch_data_run *ret);

/**
 * Call fn with each word (8 bytes, aligned) of the executable's writable data and its address,
 * until it returns true; whether it did.
 */
bool chp_exe_words(const struct ch_heap_env *env,
		   bool (*fn)(void *arg, uint64_t addr, uint64_t word), void *arg);

/** Whether a file's name is stem, or goes on with a version or a suffix:
 * "libc.so.6", "libc-2.31.so", "libtcmalloc_minimal.so.4". */
bool chp_has_stem(const char *name, const char *stem);

#endif /* COREHEAP_HEAP_SIGNS_H */
