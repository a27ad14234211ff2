/*
 * CPython, recognised by what it exports and not walked yet: a report names it, so that nobody
 * takes its memory for a leak of malloc's.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "libpython2", "libpython3", "python2", "python3", NULL };

/* Exported by an executable or library that holds the interpreter. */
static const char *const symbols[] = { "_PyRuntime", "Py_InitializeEx" };

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
};

const struct ch_walker ch_walker_cpython = {
	.name = "cpython",
	.title = "CPython",
	.kind = CH_RUNTIME_LANGUAGE,
	.summary = "CPython: named, not walked yet",
	.priority = CH_WALKER_SPECIFIC,
	.signs = &signs,
};
