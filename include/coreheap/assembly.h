/*
 * coreheap/assembly.h - managed code that was loaded, alike ones in one row.
 */
#ifndef COREHEAP_ASSEMBLY_H
#define COREHEAP_ASSEMBLY_H

#include <coreheap/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Managed code that was loaded; of what was made at run time, all that is alike. */
struct ch_assembly {
	/** Of one: its name. Of several: with '#' for what differs, digits. Escaped. */
	const char *name;
	/** "1.2.3.4"; of several that of the first. Escaped. */
	const char *version;
	/** "file", "in memory" (loaded from bytes) or "dynamic" (emitted). Static. */
	const char *kind;
	/** File that its image was mapped from; NULL: none. Unescaped, borrowed. */
	const char *path;
	/** Types that the first one refers to, by name, comma separated; "" unless it is
	 * dynamic. Escaped. */
	const char *references;
	/** Its image, and what the runtime knows it by, of the first one. */
	uint64_t image, addr;
	uint64_t count, types_count;
	/** Of the loader heaps that belong to these alone; 0 when they share those of
	 * all. */
	uint64_t loader_bytes;
	/** They can be unloaded. */
	bool collectible;
};

/** Of all runtimes, one after the other: files first, then by count, descending. Borrowed until
 * ch_heaps_close(). Errors: NOMEM, STOP. */
CH_PUBLIC CH_MUST_CHECK struct ch_error *
ch_heaps_assemblies(struct ch_heaps *heaps, const struct ch_assembly **ret, size_t *count_ret);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_ASSEMBLY_H */
