/*
 * V8, recognised by what it exports and not walked yet: a report names it, so that nobody takes
 * its memory for a leak of malloc's.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "libnode", "node", "nodejs", "libv8", NULL };

/* Of an executable that exports V8 to its add-ons, as node and Electron do. */
static const char *const symbols[] = { "_ZN2v87Isolate10GetCurrentEv", "v8dbg_SmiTag" };

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
};

const struct ch_walker ch_walker_v8 = {
	.name = "v8",
	.title = "Node.js (V8)",
	.kind = CH_RUNTIME_LANGUAGE,
	.summary = "Node.js (V8): named, not walked yet",
	.priority = CH_WALKER_SPECIFIC,
	.signs = &signs,
};
