/*
 * methods.h - compiled code of runtimes, method by method, and what words in it stand for.
 */
#ifndef COREHEAP_HEAP_METHODS_H
#define COREHEAP_HEAP_METHODS_H

#include <coreheap/heap.h>

struct ch_method {
	/** As ch_code.kind. Static. */
	const char *kind;
	/** Target range of its code; end 0: not known. */
	uint64_t start, end;
	/** "Type.Method", unescaped; borrowed until the callback returns. */
	const char *name;
};
/** Non-NULL ends the visit: return it unchanged. */
typedef struct ch_error *(*ch_methods_fn)(void *arg, const struct ch_method *method);
/** All compiled methods of all runtimes that list theirs; *known_ret: there is one. Errors:
 * NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_heaps_methods(struct ch_heaps *heaps, ch_methods_fn fn,
						 void *arg, bool *known_ret);

/** What an address in code means to a runtime, where it is no object. */
enum ch_meaning_kind {
	/** A static field lies there, or begins there. */
	CH_MEANING_STATIC,
	/** A method is entered there, or it is the runtime's structure of a method. */
	CH_MEANING_METHOD,
	/** It is the runtime's structure of a type. */
	CH_MEANING_TYPE,
	/** A word there leads to where a method is entered. */
	CH_MEANING_CELL,
};
struct ch_meaning {
	enum ch_meaning_kind kind;
	/** "Type.field", "Type.Method", "Type", unescaped. */
	char name[1536];
};
/** The first runtime that knows it. False: none does. */
bool chp_heaps_meaning(struct ch_heaps *heaps, uint64_t addr, struct ch_meaning *ret);

#endif /* COREHEAP_HEAP_METHODS_H */
