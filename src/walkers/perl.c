/*
 * Perl, recognised by what it exports and not walked yet: a report names it, so that nobody takes
 * its memory for a leak of malloc's.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "libperl", NULL };

/* Exported by an executable or library that holds the interpreter. */
static const char *const symbols[] = { "Perl_sv_newmortal", "perl_construct" };

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
};

const struct ch_walker ch_walker_perl = {
	.name = "perl",
	.title = "Perl",
	.kind = CH_RUNTIME_ON_MALLOC,
	.summary = "Perl: named; its objects are blocks of malloc",
	.priority = CH_WALKER_SPECIFIC,
	.signs = &signs,
};
