/*
 * What the static program (`make static`) has for dlopen(): it loads nothing. The linker puts it in
 * its place (--wrap).
 *
 * libdw loads the client of debuginfod by it where that is asked for. A static program of glibc
 * that loads a library loads the host's own libc with it, and these two must be of one version: on
 * another host than the one it was built on that ends in errors or worse. So nothing is found, and
 * src/sym/dwfl.c says that no server is asked.
 */
#include <stddef.h>

/* The name that the linker gives. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__wrap_dlopen(const char *name, int mode);

void *__wrap_dlopen(const char *name, int mode)
{
	(void)name;
	(void)mode;
	return NULL;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
