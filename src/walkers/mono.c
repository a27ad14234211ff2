/*
 * Mono, recognised by what it exports and not walked yet: a report names it, so that nobody takes
 * its memory for a leak of malloc's.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "libmonosgen", "libmonoboehm", "mono-sgen", "mono-boehm",
				       NULL };

/* Also of a libcoreclr.so that is Mono in the place of CoreCLR. */
static const char *const symbols[] = { "mono_get_root_domain", "mono_gc_collect" };

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
};

const struct ch_walker ch_walker_mono = {
	.name = "mono",
	.title = "Mono",
	.kind = CH_RUNTIME_LANGUAGE,
	.summary = "Mono: named, not walked yet",
	.priority = CH_WALKER_SPECIFIC,
	.signs = &signs,
};
