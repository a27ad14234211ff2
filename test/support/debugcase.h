/*
 * debugcase.h - debug information of a module, without a program that has it.
 */
#ifndef COREHEAP_TEST_DEBUGCASE_H
#define COREHEAP_TEST_DEBUGCASE_H

#include <coreheap/core.h>
#include <coreheap/sym.h>
#include <libelf.h>

#include "debug/types.h"

struct debugcase {
	struct ch_context *ctx;
	struct ch_core *core;
	struct ch_sym *sym;
	struct ch_ctypes *ctypes;
	Elf *elf;
	uint8_t *bytes;
};

/** A core with one module, mapped from 0x400000 for two pages, whose debug information is in the
 * ELF file of these bytes, which are copied. Ends the test on failure. */
void debugcase_open(struct debugcase *c, const uint8_t *bytes, size_t len);
void debugcase_close(struct debugcase *c);
/** Ask for all variables, and for all of every type that is found. */
void debugcase_use(struct debugcase *c);

#endif /* COREHEAP_TEST_DEBUGCASE_H */
