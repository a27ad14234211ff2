/*
 * Demangling, by the C++ runtime's own function: libsupc++.a comes with every g++, and its
 * demangler is plain C that needs nothing but libc. It is linked statically, so that the program
 * does not depend on libstdc++.
 */
#include "sym/demangle.h"

#include <stddef.h>
#include <string.h>

/* It calls itself for parts of a name: at most as often as it has characters. libiberty's limit is
 * 2048 parts, two a character (demangle.h, DEMANGLE_RECURSION_LIMIT). */
#define MANGLED_BYTES_MAX 1024

/* Itanium C++ ABI, 3.4 "Demangler API": abi::__cxa_demangle() of <cxxabi.h>. */
char *__cxa_demangle(const char *mangled, char *buf, size_t *length, int *status);

char *chp_demangle(const char *mangled)
{
	int status;

	if (strnlen(mangled, MANGLED_BYTES_MAX + 1) > MANGLED_BYTES_MAX)
		return NULL;
	return __cxa_demangle(mangled, NULL, NULL, &status);
}
