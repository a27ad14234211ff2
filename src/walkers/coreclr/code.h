/*
 * code.h - code of .NET: ranges, methods, what addresses in it mean, and the traces that
 * exceptions carry.
 */
#ifndef COREHEAP_WALKERS_CORECLR_CODE_H
#define COREHEAP_WALKERS_CORECLR_CODE_H

#include "heap/walker.h"

struct clr;

/** code.c: called with each range of code: of the compiler's, or what the runtime has
 * stubs in. Errors: those of fn. */
typedef struct ch_error *(*clr_range_fn)(void *arg, uint64_t start, uint64_t end);
CH_MUST_CHECK struct ch_error *clr_code_heaps_visit(const struct clr *clr, clr_range_fn fn,
						    void *arg);

/** exceptions.c: as ch_inspector.tracing. */
extern const struct ch_tracing clr_tracing;
/** exceptions.c: as ch_walker.thrown. */
bool clr_thrown(void *state, size_t index, uint32_t depth, struct ch_exception *ret);

/** code.c: take the runtime's table of code, which begins at a variable. */
void clr_code_tables(struct clr *clr, uint64_t variable);
/** code.c: as ch_walker.code. */
bool clr_code_at(void *state, uint64_t addr, struct ch_code *ret, char *buf, size_t max);
/** As ch_walker.methods. */
CH_MUST_CHECK struct ch_error *clr_methods_visit(void *state, ch_methods_fn fn, void *arg);
/** meaning.c: as ch_walker.meaning. */
bool clr_meaning(void *state, uint64_t addr, struct ch_meaning *ret);
/** "Type.Method" of where a method is entered: its code, or what jumps there. */
bool clr_entry_name(struct clr *clr, uint64_t entry, char *buf, size_t max);
/** "Type.Method" of a MethodDesc, unescaped. */
bool clr_method_name(struct clr *clr, uint64_t method, char *buf, size_t max);

#endif /* COREHEAP_WALKERS_CORECLR_CODE_H */
