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

/* jemalloc 5.3.0, src/sc.c, with LG_TINY_MIN 3: 8, if the quantum is 16; four multiples of the
 * quantum, then four to a doubling. */
uint64_t jemalloc_class_bytes(uint32_t lg_quantum, uint32_t szind)
{
	const uint64_t quantum = 1ULL << lg_quantum;
	uint32_t group;

	if (lg_quantum > JEMALLOC_LG_TINY && szind-- == 0)
		return 1ULL << JEMALLOC_LG_TINY;
	if (szind < 4)
		return quantum * (szind + 1);
	group = (szind - 4) / 4;
	return (4 * quantum << group) + (quantum << group) * ((szind - 4) % 4 + 1);
}
