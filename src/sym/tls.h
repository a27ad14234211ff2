/*
 * tls.h - where the thread-local variables of modules lie.
 *
 * Each thread has a block for each module that has such variables, and that the thread used.
 */
#ifndef COREHEAP_SYM_TLS_H
#define COREHEAP_SYM_TLS_H

#include <coreheap/sym.h>

/**
 * The module whose block of the thread with thread pointer base holds addr, and where in the
 * block; module NULL when none does. Errors: NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_tls_find(struct ch_sym *sym, uint64_t base, uint64_t addr,
					    const struct ch_module **module_ret,
					    uint64_t *offset_ret);
/**
 * Where the block of a module lies for the thread with thread pointer base; 0: it has none, or it
 * is not in the core. Errors: NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_tls_block(struct ch_sym *sym, uint64_t base,
					     const struct ch_module *module, uint64_t *ret);

#endif /* COREHEAP_SYM_TLS_H */
