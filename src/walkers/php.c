/*
 * PHP, recognised by what it exports and not walked yet: a report names it, so that nobody takes
 * its memory for a leak of malloc's.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "libphp", NULL };

/* Exported by the executable, or the module of the web server. */
static const char *const symbols[] = { "_emalloc", "zend_startup" };

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
};

const struct ch_walker ch_walker_php = {
	.name = "php",
	.title = "PHP",
	.kind = CH_RUNTIME_LANGUAGE,
	.summary = "PHP: named, not walked yet",
	.priority = CH_WALKER_SPECIFIC,
	.signs = &signs,
};
