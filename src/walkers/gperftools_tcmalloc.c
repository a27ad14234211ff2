/*
 * The tcmalloc of gperftools, recognised by its library's name, its symbols, or its table of size
 * classes; not walked yet.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "libtcmalloc", NULL };
static const char *const symbols[] = { "tc_malloc", "_ZN8tcmalloc6Static8sizemap_E" };

/* Filled in by SizeMap::Init(); class 0 stands for none. */
static const uint32_t sizes[] = { 0,   8,   16,  32,  48,  64,  80,  96,  112,
				  128, 144, 160, 176, 192, 208, 224, 240, 256,
				  288, 320, 352, 384, 416, 448, 480, 512, 576 };

static const struct ch_size_table tables[] = {
	{
		.what = "size classes of gperftools tcmalloc",
		.width = 4,
		.stride = 4,
		.sizes = sizes,
		.sizes_count = CH_COUNT_OF(sizes),
		.source = "gperftools 2.10, src/common.h, SizeMap::class_to_size_",
	},
	{
		.what = "size classes of gperftools tcmalloc",
		.width = 8,
		.stride = 8,
		.sizes = sizes,
		.sizes_count = CH_COUNT_OF(sizes),
		.source = "gperftools 2.1, src/common.h, SizeMap::class_to_size_",
	},
};

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
	.tables = tables,
	.tables_count = CH_COUNT_OF(tables),
};

const struct ch_walker ch_walker_gperftools_tcmalloc = {
	.name = "gperftools_tcmalloc",
	.title = "tcmalloc (gperftools)",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "tcmalloc of gperftools: named, not walked yet",
	.priority = CH_WALKER_GENERIC,
	.signs = &signs,
};
