/*
 * The Erlang VM, recognised by what it exports and not walked yet: a report names it, so that
 * nobody takes its memory for a leak of malloc's.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "beam", NULL };

/* Exported by the executable to its drivers. */
static const char *const symbols[] = { "driver_alloc_binary", "enif_alloc_binary" };

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
};

const struct ch_walker ch_walker_erlang = {
	.name = "erlang",
	.title = "Erlang",
	.kind = CH_RUNTIME_LANGUAGE,
	.summary = "Erlang: named, not walked yet",
	.priority = CH_WALKER_SPECIFIC,
	.signs = &signs,
};
