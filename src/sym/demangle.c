/*
 * Demangling: of Rust by rust.h, else by the C++ runtime's own function: libsupc++.a comes with
 * every g++, and its demangler is plain C that needs nothing but libc. It is linked statically, so
 * that the program does not depend on libstdc++. What it writes is then made readable: the standard
 * library's own defaults are left out.
 */
#include "sym/demangle.h"

#include <setjmp.h>
#include <stddef.h>
#include <string.h>

#include "sym/rust.h"
#include "sym/templates.h"

/* It calls itself for parts of a name: at most as often as it has characters. libiberty's limit is
 * 2048 parts, two a character (demangle.h, DEMANGLE_RECURSION_LIMIT). */
#define MANGLED_BYTES_MAX 1024
/* A name says "what stands there" of its own parts, and each such step may double it: 273
 * characters can stand for 1.7 GB. */
#define NAME_BYTES_MAX 8192

/* libsupc++'s demangler that hands out the name piece by piece (libiberty/cp-demangle.c): all it
 * needs is on its stack, so that it may be left in the middle. */
int __gcclibcxx_demangle_callback(const char *mangled,
				  void (*fn)(const char *text, size_t bytes, void *arg), void *arg);

struct name {
	jmp_buf full;
	size_t bytes;
	char text[NAME_BYTES_MAX];
};

static void add(const char *text, size_t bytes, void *arg)
{
	struct name *name = arg;

	/* there is no other way to make it stop */
	if (bytes >= sizeof(name->text) - name->bytes)
		longjmp(name->full, 1); /* NOLINT(cert-err52-cpp) */
	memcpy(name->text + name->bytes, text, bytes);
	name->bytes += bytes;
}

char *chp_demangle(const char *mangled)
{
	struct name name;

	if (chp_rust_is_mangled(mangled))
		return chp_rust_demangle(mangled);
	if (strnlen(mangled, MANGLED_BYTES_MAX + 1) > MANGLED_BYTES_MAX)
		return NULL;
	name.bytes = 0;
	if (setjmp(name.full) != 0 || /* NOLINT(cert-err52-cpp) */
	    __gcclibcxx_demangle_callback(mangled, add, &name) != 0)
		return NULL;
	name.text[name.bytes] = '\0';
	chp_templates_fold(name.text);
	return strdup(name.text);
}
