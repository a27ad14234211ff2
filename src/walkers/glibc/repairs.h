/*
 * repairs.h - what repairs of one process have in common: damage costs once.
 */
#ifndef COREHEAP_WALKERS_GLIBC_REPAIRS_H
#define COREHEAP_WALKERS_GLIBC_REPAIRS_H

#include "walkers/glibc/chunks.h"

struct glibc_repairs;

/** NULL: no memory. */
struct glibc_repairs *glibc_repairs_create(void);
void glibc_repairs_destroy(struct glibc_repairs *repairs);

/** Whether a doubt was settled before, and how. May be asked by several threads. */
bool glibc_repairs_recall(const struct glibc *glibc, const struct glibc_doubt *doubt,
			  struct glibc_verdict *ret);
/** Keep a verdict. */
void glibc_repairs_keep(const struct glibc *glibc, const struct glibc_doubt *doubt,
			const struct glibc_verdict *verdict);

/** Set bit i of bits for each block, 16 * i + 16 bytes above low, that a word of writable memory or
 * a register points to. low is a multiple of 16, [low, high) lies in one piece. All memory is read
 * for that once. */
void glibc_repairs_pointed(const struct glibc *glibc, uint64_t low, uint64_t high, uint64_t *bits);

#endif /* COREHEAP_WALKERS_GLIBC_REPAIRS_H */
