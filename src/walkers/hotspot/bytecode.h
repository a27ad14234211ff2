/*
 * bytecode.h - what the code of a Java method says of its local variables: bytecode.c.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_BYTECODE_H
#define COREHEAP_WALKERS_HOTSPOT_BYTECODE_H

#include <stdbool.h>
#include <stdint.h>

/** Locals that are told apart; of others nothing is said. */
#define HS_LOCALS_MAX 64

/**
 * Which of the first 64 locals have a reference whenever the bytecode at bci is about to run:
 * bits. codes: as they lie in memory, rewritten by the interpreter (JDK 9 and later); entry: the
 * bits at the first one. False: not known, as it is not reached without an exception, calls
 * subroutines of its own (jsr), or makes no sense. Out of memory is not known, too.
 */
bool hs_bytecode_refs(const uint8_t *codes, uint32_t size, uint32_t bci, uint64_t entry,
		      uint64_t *ret);

#endif /* COREHEAP_WALKERS_HOTSPOT_BYTECODE_H */
