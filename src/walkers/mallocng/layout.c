/*
 * Where releases of musl have the members of the allocator's context.
 */
#include "walkers/mallocng/mallocng_priv.h"

/* struct meta, meta_area, group and malloc_context are the same in 1.2.1 to
 * 1.2.5; only architectures whose page size is not a constant have a pagesize. */
const struct mallocng_layout mallocng_layouts[] = {
	{
		.releases = "musl 1.2.1 to 1.2.5, constant page size",
		.init_done = 8,
		.area_left = 40,
		.area_head = 56,
		.area_tail = 64,
		.area_next = 72,
		.usage = 464,
		.brk = 920,
		.context_bytes = 928,
		.source = "musl v1.2.1 and v1.2.5, src/malloc/mallocng/meta.h struct "
			  "malloc_context; arch/x86_64/bits/limits.h PAGESIZE",
	},
	{
		.releases = "musl 1.2.1 to 1.2.5, page size of the kernel",
		.pagesize = 8,
		.init_done = 16,
		.area_left = 48,
		.area_head = 64,
		.area_tail = 72,
		.area_next = 80,
		.usage = 472,
		.brk = 928,
		.context_bytes = 936,
		.source = "musl v1.2.5, src/malloc/mallocng/meta.h struct malloc_context "
			  "without PAGESIZE (aarch64)",
	},
};
const size_t mallocng_layouts_count = sizeof(mallocng_layouts) / sizeof(mallocng_layouts[0]);

/* musl v1.2.5, src/malloc/mallocng/malloc.c, size_classes: four to a doubling,
 * each with room for a group's header beside a power of two. */
const uint16_t mallocng_classes[CLASSES_COUNT] = {
	1,   2,   3,   4,    5,    6,    7,    8,    9,    10,   12,   15,   18,   20,   25,   31,
	36,  42,  50,  63,   72,   84,   102,  127,  146,  170,  204,  255,  292,  340,  409,  511,
	584, 682, 818, 1023, 1169, 1364, 1637, 2047, 2340, 2730, 3276, 4095, 4680, 5460, 6552, 8191,
};
