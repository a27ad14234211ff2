/*
 * rust.h - names of Rust as people write them.
 */
#ifndef COREHEAP_SYM_RUST_H
#define COREHEAP_SYM_RUST_H

#include <stdbool.h>

/** Whether a symbol's name is one of Rust's scheme v0 ("_RNvC4shop4main"). */
bool chp_rust_is_mangled(const char *name);
/**
 * What such a name stands for ("shop::main"), without the hashes of crates: owned by the caller.
 * NULL: it is none, too long to be one, has a constant of a kind that is not read, or there is no
 * memory.
 */
char *chp_rust_demangle(const char *mangled);

#endif /* COREHEAP_SYM_RUST_H */
