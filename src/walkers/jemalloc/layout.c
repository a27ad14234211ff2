/*
 * What differs between releases of jemalloc 5, and its size classes.
 */
#include "walkers/jemalloc/jemalloc_priv.h"

/* In all of them: arena index in bits 0 to 11 of e_bits, slab in bit 12, e_addr at 8, e_size_esn
 * at 16, the bitmap of free regions at 64. */
const struct jemalloc_layout jemalloc_layouts[] = {
	{
		.releases = "jemalloc 5.3",
		.state_shift = 17,
		.state_bits = 3,
		.szind_shift = 20,
		.nfree_shift = 28,
		.pai_shift = 14,
		.has_tcache_slow = true,
		.source = "jemalloc 5.3.0 and 5.3.1, include/jemalloc/internal/edata.h struct "
			  "edata_s, tcache_structs.h, cache_bin.h",
	},
	{
		.releases = "jemalloc 5.1 to 5.2.1",
		.state_shift = 16,
		.state_bits = 2,
		.szind_shift = 18,
		.nfree_shift = 26,
		.source = "jemalloc 5.1.0 and 5.2.1, include/jemalloc/internal/extent_structs.h "
			  "struct extent_s, cache_bin.h",
	},
	{
		.releases = "jemalloc 5.0",
		.state_shift = 15,
		.state_bits = 2,
		.szind_shift = 17,
		.nfree_shift = 25,
		.source = "jemalloc 5.0.1, include/jemalloc/internal/extent_structs.h struct "
			  "extent_s, tcache_structs.h",
	},
};
const size_t jemalloc_layouts_count = sizeof(jemalloc_layouts) / sizeof(jemalloc_layouts[0]);

/* jemalloc 5.3.0, src/sc.c, with LG_TINY_MIN 3 and LG_QUANTUM 4: 8, then multiples of 16 up to
 * 64, then four to a doubling. */
uint64_t jemalloc_class_bytes(uint32_t szind)
{
	uint32_t group;

	if (szind == 0)
		return 8;
	if (szind <= 4)
		return 16ULL * szind;
	group = (szind - 5) / 4;
	return (64ULL << group) + (16ULL << group) * ((szind - 5) % 4 + 1);
}
