/*
 * Allocations that fail are noted, all of them: what a caller then leaves out makes the answer
 * wrong, and nobody can be trusted to remember that at each of some hundred places. The linker
 * puts these functions in the place of malloc and its like (--wrap, see the Makefile) in the
 * program and in the shared library, and in nothing that links the archive.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/bytes.h"
#include "util/error.h"

/* Tables with an item for each block, which are looked at here and there: with pages of 2 MB the
 * processor finds them faster, and the kernel hands them out faster. */
#define LARGE_BYTES (4U << 20)

/* The names that the linker gives. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__real_reallocarray(void *block, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t max);
FILE *__real_open_memstream(char **text, size_t *size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_reallocarray(void *block, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);
FILE *__wrap_open_memstream(char **text, size_t *size);

static void *noted(void *block)
{
	if (!block)
		chp_error_note_nomem();
	return block;
}

/* Where the kernel has no large pages, nothing changes. */
static void *in_large_pages(void *block, size_t bytes)
{
	uintptr_t start = ch_align_up((uintptr_t)block, CH_PAGE_BYTES);
	uintptr_t end = ch_align_down((uintptr_t)block + bytes, CH_PAGE_BYTES);

	if (block && bytes >= LARGE_BYTES)
		(void)madvise((void *)start, end - start, MADV_HUGEPAGE);
	return block;
}

void *__wrap_malloc(size_t size)
{
	return noted(in_large_pages(__real_malloc(size), size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return noted(in_large_pages(__real_calloc(count, size), count * size));
}

/* To ask for no bytes is to free. */
void *__wrap_realloc(void *block, size_t size)
{
	void *moved = __real_realloc(block, size);

	return size ? noted(moved) : moved;
}

void *__wrap_reallocarray(void *block, size_t count, size_t size)
{
	void *moved = __real_reallocarray(block, count, size);

	return count && size ? noted(moved) : moved;
}

char *__wrap_strdup(const char *text)
{
	return noted(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t max)
{
	return noted(__real_strndup(text, max));
}

FILE *__wrap_open_memstream(char **text, size_t *size)
{
	return noted(__real_open_memstream(text, size));
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
