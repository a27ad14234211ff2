/*
 * Allocators that are named and no more: whoever has one of them in place of malloc is told why
 * the heap is not walked.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "libtbbmalloc", "libhoard",    "libsnmalloc",
				       "libscudo",     "librpmalloc", NULL };

/* Of TBB, Scudo (Android and LLVM), rpmalloc and snmalloc. */
static const char *const symbols[] = { "scalable_malloc", "__scudo_get_error_info",
				       "rpmalloc_initialize", "sn_rust_alloc" };

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
};

const struct ch_walker ch_walker_other_malloc = {
	.name = "other_malloc",
	.title = "another malloc",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "malloc of TBB, Hoard, snmalloc, Scudo, rpmalloc: named, not walked yet",
	.priority = CH_WALKER_GENERIC,
	.signs = &signs,
};
