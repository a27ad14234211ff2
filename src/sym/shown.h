/*
 * shown.h - names of symbols as people read them.
 *
 * What looks a symbol up gets its name as the symbol table has it, for that is what code compares;
 * what shows a name to people has it from here.
 */
#ifndef COREHEAP_SYM_SHOWN_H
#define COREHEAP_SYM_SHOWN_H

#include <coreheap/sym.h>

/** The name that is shown for a symbol's: demangled where it is one of C++ or Rust, else the name
 * itself. name is borrowed until ch_sym_close(), as is what is returned. Each is demangled once.
 * NULL for NULL. Not to be called by several threads at a time. */
const char *chp_sym_shown(struct ch_sym *sym, const char *name);

/** What is put behind the shown name of a function so that it reads as one: nothing where it has
 * its parameters. Static. */
const char *chp_sym_call(const char *shown);

/** As ch_sym_at(), with the name that is shown. */
bool chp_sym_shown_at(struct ch_sym *sym, uint64_t addr, struct ch_symbol *ret);

#endif /* COREHEAP_SYM_SHOWN_H */
