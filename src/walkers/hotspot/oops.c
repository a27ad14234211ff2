/*
 * How a reference is read: at the width that the JVM gave it, compressed or not, and what it
 * stands for with ZGC's colors. Also the class word behind an object's mark. All other files
 * read references through these, so that none of them knows of encodings.
 */
#include "walkers/hotspot/hotspot_priv.h"

uint64_t hs_klass_at(const struct hs *hs, uint64_t addr)
{
	uint64_t word;
	uint32_t narrow;

	if (hs->compact || !hs->narrow_klass) {
		if (!hs_read_ptr(hs, hs->compact ? addr : addr + 8, &word))
			return 0;
		if (!hs->compact)
			return word;
		word >>= hs->mark_shift;
		return word ? hs->klass_base + (word << hs->klass_shift) : 0;
	}
	if (!hs_read_u32(hs, addr + 8, &narrow) || !narrow)
		return 0;
	return hs->klass_base + ((uint64_t)narrow << hs->klass_shift);
}

bool hs_read_word(const struct hs *hs, uint64_t addr, uint64_t *ret)
{
	if (!hs_read_ptr(hs, addr, ret))
		return false;
	*ret = hs_decode(hs, *ret);
	return true;
}

bool hs_read_oop(const struct hs *hs, uint64_t addr, uint64_t *ret)
{
	uint32_t narrow;

	if (!hs->narrow_oop)
		return hs_read_word(hs, addr, ret);
	if (!hs_read_u32(hs, addr, &narrow))
		return false;
	*ret = narrow ? hs->oop_base + ((uint64_t)narrow << hs->oop_shift) : 0;
	return true;
}

bool hs_member_object(const struct hs *hs, enum hs_member_id id, uint64_t addr, uint64_t *at_ret,
		      uint64_t *ret)
{
	*at_ret = hs_member_addr(hs, id, addr);
	if (!*at_ret || (!hs->members[id].is_oop && !hs_read_ptr(hs, *at_ret, at_ret)))
		return false;
	return *at_ret && hs_read_word(hs, *at_ret, ret);
}
