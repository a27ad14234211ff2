/*
 * demangle.h - names of C++ and of Rust as people write them.
 */
#ifndef COREHEAP_SYM_DEMANGLE_H
#define COREHEAP_SYM_DEMANGLE_H

/**
 * What a mangled name of a symbol ("_ZN3foo3barEv") or of a type ("N3foo3barE") stands for, by the
 * Itanium C++ ABI, or one of a symbol of Rust ("_RNvC4shop4main"): owned by the caller. NULL: it is
 * none, too long to be one, or there is no memory.
 */
char *chp_demangle(const char *mangled);

#endif /* COREHEAP_SYM_DEMANGLE_H */
