/*
 * Sanitizers with an allocator of their own, recognised by what they export or by where they keep
 * their shadow; their heap is not walked.
 */
#include "heap/signs.h"

#include "util/cleanup.h"

static const char *const modules[] = { "libasan", "libhwasan",   "liblsan",
				       "libtsan", "libclang_rt", NULL };

/* Exported by a program that one is linked into. */
static const char *const symbols[] = { "__asan_init", "__hwasan_init", "__lsan_init", "__msan_init",
				       "__tsan_init" };

/* Of ASan on x86-64, before and since LLVM 17. */
static const struct ch_area areas[] = {
	{ 0x600000000000, 0x640000000000,
	  "LLVM 12, compiler-rt/lib/asan/asan_allocator.h, kAllocatorSpace" },
	{ 0x500000000000, 0x540000000000,
	  "LLVM 17, compiler-rt/lib/asan/asan_allocator.h, kAllocatorSpace" },
};

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
	.areas = areas,
	.areas_count = CH_COUNT_OF(areas),
};

const struct ch_walker ch_walker_sanitizer = {
	.name = "sanitizer",
	.title = "a sanitizer's allocator",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "malloc of ASan, HWASan, LSan, MSan and TSan: named, not walked yet",
	.priority = CH_WALKER_GENERIC,
	.signs = &signs,
};
