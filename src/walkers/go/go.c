/*
 * Go, recognised by its symbols and by the addresses that its heap asks for first; not walked
 * yet. Its memory is named, so that nobody takes it for anonymous mappings of the program's own.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

/* In the symbol table of the executable, unless it is stripped. */
static const char *const symbols[] = { "runtime.gcBgMarkWorker", "runtime.mallocgc" };

static const struct ch_pattern patterns[] = {
	{
		.what = "Go build information",
		.bytes = "\xff Go buildinf:",
		.len = 14,
		.align = 16,
		.source = "Go 1.18 to 1.26, cmd/link/internal/ld/data.go, buildinfo",
	},
};

/* Hints for the first arenas, of amd64 and arm64; a program built with -race has others. */
static const struct ch_area areas[] = {
	{ 0xc000000000, 0x10000000000, "Go 1.11 to 1.26, src/runtime/malloc.go, mallocinit" },
	{ 0x4000000000, 0x8000000000, "Go 1.11 to 1.26, src/runtime/malloc.go, mallocinit" },
};

static const struct ch_signs signs = {
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
	.patterns = patterns,
	.patterns_count = CH_COUNT_OF(patterns),
	.areas = areas,
	.areas_count = CH_COUNT_OF(areas),
};

const struct ch_walker ch_walker_go = {
	.name = "go",
	.title = "Go",
	.kind = CH_RUNTIME_LANGUAGE,
	.summary = "Go: named, not walked yet",
	.priority = CH_WALKER_SPECIFIC,
	.signs = &signs,
};
