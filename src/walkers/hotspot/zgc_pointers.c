/*
 * ZGC's colored pointers: what one stands for, and where the object went that it led to when
 * it got its color. Reading pointers needs no more of ZGC than this; zgc.c opens its heap.
 *
 * Layout facts: gc/z/ of openjdk/jdk (tags jdk-17+35, jdk-21+35, jdk-25+36), in 21 gc/x/ for
 * the single generation: zAddress.hpp (colors), zForwarding.inline.hpp and zForwardingEntry.hpp
 * (what was moved), zHash.inline.hpp.
 */
#include "walkers/hotspot/hotspot_priv.h"

/* A table of moved objects has at most twice as many entries as a page has objects. */
#define ENTRIES_MAX (1ULL << 24)
/* Colors of the generational kind, zAddress.hpp: RRRRMMmmFFrr0000. */
#define REMAP_SHIFT   12
#define REMAP_BITS    4
#define RESERVED_MASK 15
/* From the remapped bits on an address follows; on x86_64 from the one that is set on, as the
 * lowest bits of an address are 0. */
#define PLAIN_SHIFT (REMAP_SHIFT + REMAP_BITS)

/* zHash.inline.hpp, uint32_to_uint32() */
static uint32_t hash(uint32_t key)
{
	key = ~key + (key << 15);
	key ^= key >> 12;
	key += key << 2;
	key ^= key >> 4;
	key *= 2057;
	return key ^ key >> 16;
}

/* Where the object at offset went, by one table; false: that does not know it. An object may go
 * to offset 0, where the heap begins. */
static bool moved_by(const struct hs *hs, uint32_t table, uint64_t offset, uint64_t *ret)
{
	uint64_t map = hs->colors.moved[table].map, granule = offset >> hs->colors.granule_shift;
	uint64_t forwarding, start, shift, length, index, at, entry, i;

	if (granule >= hs->colors.moved[table].count ||
	    !hs_read_ptr(hs, map + 8 * granule, &forwarding) || !forwarding ||
	    !hs_member_ptr(hs, hs_z_id(hs, HS_Z_VIRTUAL_START),
			   hs_member_addr(hs, hs_z_id(hs, HS_Z_FORWARDING_VIRTUAL), forwarding),
			   &start) ||
	    !hs_member_ptr(hs, hs_z_id(hs, HS_Z_FORWARDING_SHIFT), forwarding, &shift) ||
	    !hs_member_ptr(hs, hs_z_id(hs, HS_Z_FORWARDING_ENTRIES), forwarding, &length) ||
	    offset < start || shift > 63 || !length || length > ENTRIES_MAX ||
	    length & (length - 1))
		return false;
	index = (offset - start) >> shift;
	at = hash((uint32_t)index);
	for (i = 0; i < length; i++) {
		if (!hs_read_ptr(hs,
				 forwarding + hs->colors.forwarding_bytes +
					 8 * ((at + i) & (length - 1)),
				 &entry) ||
		    !(entry & 1))
			return false;
		/* zForwardingEntry.hpp: 1 bit that it is one, 45 of an offset, 18 of an index */
		if (entry >> 46 == index) {
			*ret = entry >> 1 & ((1ULL << 45) - 1);
			return true;
		}
	}
	return false;
}

/* The number of a color, 0 .. 3: its lowest bit is that of the young generation's last
 * relocation, the other one that of the old one's. */
static uint32_t color_of(uint64_t word)
{
	uint32_t remap = word >> REMAP_SHIFT & ((1U << REMAP_BITS) - 1);

	return remap ? (uint32_t)__builtin_ctz(remap) : 0;
}

/* Where the object is now that was at offset when its pointer got its color. */
static uint64_t moved_to(const struct hs *hs, uint64_t offset, uint64_t word)
{
	const struct hs_colors *colors = &hs->colors;
	uint32_t stale = color_of(word) ^ color_of(colors->good_mask), i;
	uint64_t to;

	for (i = 0; i < colors->moved_count; i++) {
		if (colors->generational && !(stale & colors->moved[i].color_bit))
			continue;
		if (moved_by(hs, i, offset, &to))
			return to;
	}
	return offset;
}

static uint64_t decode_single(const struct hs *hs, uint64_t word)
{
	const struct hs_colors *colors = &hs->colors;
	/* behind the offset come bits for marked twice, remapped, finalizable */
	uint64_t offset = word & colors->offset_mask, metadata = word & ~colors->offset_mask;

	if (!metadata || metadata / (colors->offset_mask + 1) > 15)
		return 0;
	if (word & colors->bad_mask)
		offset = moved_to(hs, offset, word);
	return offset | colors->view;
}

static uint64_t decode_generational(const struct hs *hs, uint64_t word)
{
	const struct hs_colors *colors = &hs->colors;
	const uint64_t remap = word >> REMAP_SHIFT & ((1U << REMAP_BITS) - 1);
	uint32_t shift = PLAIN_SHIFT;
	uint64_t addr;

	if (word >= colors->view && word <= (colors->view | colors->offset_mask))
		return word;
	if (!remap || word & RESERVED_MASK)
		return 0;
	if (ch_core_arch(hs->core) == CH_ARCH_X86_64)
		shift = REMAP_SHIFT + 1 + color_of(word);
	addr = word >> shift;
	if (addr < colors->view || addr > (colors->view | colors->offset_mask))
		return 0;
	return word & colors->bad_mask
		       ? moved_to(hs, addr & colors->offset_mask, word) | colors->view
		       : addr;
}

uint64_t hs_zgc_decode(const struct hs *hs, uint64_t word)
{
	if (hs->colors.generational)
		return decode_generational(hs, word);
	return decode_single(hs, word);
}

/* A stack that its thread has not walked since what it holds moved has addresses of then. */
uint64_t hs_zgc_decode_spilled(const struct hs *hs, uint64_t word)
{
	const struct hs_colors *colors = &hs->colors;
	uint64_t to;
	uint32_t i;

	if (!colors->generational || word < colors->view ||
	    word > (colors->view | colors->offset_mask))
		return hs_zgc_decode(hs, word);
	for (i = 0; i < colors->moved_count; i++) {
		if (moved_by(hs, i, word & colors->offset_mask, &to))
			return to | colors->view;
	}
	return word;
}
