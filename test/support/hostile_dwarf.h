/*
 * hostile_dwarf.h - files of debug information that no compiler would write.
 */
#ifndef COREHEAP_TEST_HOSTILE_DWARF_H
#define COREHEAP_TEST_HOSTILE_DWARF_H

#include <stddef.h>
#include <stdint.h>

/** One of them; those with types that can be used have a structure "node". */
struct hostile_dwarf {
	const char *name;
	/** The file, the caller's to free. */
	uint8_t *(*make)(size_t *len_ret);
};

/** All of them, up to one without a name. */
extern const struct hostile_dwarf hostile_dwarfs[];

#endif /* COREHEAP_TEST_HOSTILE_DWARF_H */
