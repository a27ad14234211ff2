/*
 * mimalloc, recognised by its library's name, its symbols, or its table of empty pages; not
 * walked yet.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "libmimalloc", NULL };
static const char *const symbols[] = { "mi_malloc", "_mi_heap_main" };

/* MI_PAGE_QUEUES_EMPTY: in words up to 8, then four to a doubling. The first row
 * is the second one's double. */
static const uint32_t sizes[] = { 8,    8,    16,   24,   32,   40,   48,   56,   64,
				  80,   96,   112,  128,  160,  192,  224,  256,  320,
				  384,  448,  512,  640,  768,  896,  1024, 1280, 1536,
				  1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168 };

static const struct ch_size_table tables[] = {
	{
		.what = "page queues of mimalloc 1, 2 or 3.0",
		.width = 8,
		.stride = 24,
		.pointer_before = 16,
		.sizes = sizes,
		.sizes_count = CH_COUNT_OF(sizes),
		.source = "mimalloc v2.1.2, include/mimalloc/types.h, struct mi_page_queue_s",
	},
	{
		.what = "page queues of mimalloc 3.1 or later",
		.width = 8,
		.stride = 32,
		.pointer_before = 24,
		.sizes = sizes,
		.sizes_count = CH_COUNT_OF(sizes),
		.source = "mimalloc v3.1.5, include/mimalloc/types.h, struct mi_page_queue_s",
	},
};

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
	.tables = tables,
	.tables_count = CH_COUNT_OF(tables),
};

const struct ch_walker ch_walker_mimalloc = {
	.name = "mimalloc",
	.title = "mimalloc",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "mimalloc 2 and 3: named, not walked yet",
	.priority = CH_WALKER_GENERIC,
	.signs = &signs,
};
