/*
 * plain_name.h - the name of a function without what differs from build to build.
 */
#ifndef COREHEAP_ANALYSIS_PLAIN_NAME_H
#define COREHEAP_ANALYSIS_PLAIN_NAME_H

#include <stddef.h>

/** Room for a name; what is longer is cut, always in the same place. */
#define CH_PLAIN_NAME_MAX 512

/**
 * The plain name of a function of C, C++ or Rust, demangled: without parameters, what it
 * returns, arguments of templates, numbers of lambdas, ABI tags, a compiler's suffixes
 * (".constprop.0"), versions of symbols, Rust's hash; of glibc's copies for one processor
 * ("__memmove_avx_unaligned_erms") the function. "ns::Shop<int>::add(int) const" is
 * "ns::Shop::add".
 */
void chp_plain_name(const char *name, char ret[CH_PLAIN_NAME_MAX]);

/** The same of a method of .NET or Java: without the numbers and addresses that compilers and
 * runtimes give to lambdas, local functions, nameless classes and what they generate. */
void chp_plain_method(const char *name, char ret[CH_PLAIN_NAME_MAX]);

#endif /* COREHEAP_ANALYSIS_PLAIN_NAME_H */
