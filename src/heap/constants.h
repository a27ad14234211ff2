/*
 * constants.h - texts of the target that are constants of its program: names of pools and the like,
 * which may be shown, as what lies in the heap may not. Each is kept once, escaped.
 */
#ifndef COREHEAP_HEAP_CONSTANTS_H
#define COREHEAP_HEAP_CONSTANTS_H

#include "heap/walker.h"
#include "util/table.h"
#include "util/vec.h"

/** Longer ones are cut. */
#define CH_CONSTANT_BYTES_MAX 64

/** Zero it, but for texts. */
struct ch_constants {
	/** of char *, escaped, owned */
	struct ch_vec texts;
	/** Indices of texts: by hash, and by the address of a constant. */
	struct ch_table by_text, by_addr;
};

#define CH_CONSTANTS ((struct ch_constants){ .texts = CH_VEC(char *) })

void chp_constants_deinit(struct ch_constants *constants);
/** The index of a text, which is added if it is new; its first CH_CONSTANT_BYTES_MAX bytes count.
 * Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_constants_add(struct ch_constants *constants, const char *text,
						 uint32_t *ret);
/** The same of the text at addr; CH_TABLE_NONE: it is none, or not in memory of a module that the
 * program cannot write to. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_constants_at(struct ch_constants *constants,
						const struct ch_heap_env *env, uint64_t addr,
						uint32_t *ret);

static inline const char *chp_constant(const struct ch_constants *constants, uint32_t index)
{
	return *CH_VEC_AT(&constants->texts, char *, index);
}

#endif /* COREHEAP_HEAP_CONSTANTS_H */
