/*
 * jemalloc, recognised by its library's name, its symbols under the usual prefixes, or its table
 * of size classes; not walked yet.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "libjemalloc", NULL };

/* je_ and _rjem_ are the prefixes of Debian's static library, and of the Rust
 * crate tikv-jemallocator; other programs export the plain names. */
static const char *const symbols[] = { "mallctl", "je_mallctl", "_rjem_mallctl",
				       "je_arena_emap_global" };

/* Four sizes to a doubling, filled in by sz_boot(). */
static const uint32_t sizes[] = { 8,    16,   32,   48,   64,   80,   96,   112,  128,  160,  192,
				  224,  256,  320,  384,  448,  512,  640,  768,  896,  1024, 1280,
				  1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168 };

static const struct ch_size_table tables[] = {
	{
		.what = "size classes of jemalloc 5",
		.width = 8,
		.stride = 8,
		.sizes = sizes,
		.sizes_count = CH_COUNT_OF(sizes),
		.source = "jemalloc 5.3.0, include/jemalloc/internal/sz.h, sz_index2size_tab",
	},
};

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
	.tables = tables,
	.tables_count = CH_COUNT_OF(tables),
};

const struct ch_walker ch_walker_jemalloc = {
	.name = "jemalloc",
	.title = "jemalloc",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "jemalloc: named, not walked yet",
	.priority = CH_WALKER_GENERIC,
	.signs = &signs,
};
