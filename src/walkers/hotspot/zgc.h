/*
 * zgc.h - the heap of ZGC; part of hotspot_priv.h, which includes it.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_ZGC_H
#define COREHEAP_WALKERS_HOTSPOT_ZGC_H

/** zgc.c: pages of the heap at addr. Errors: CORRUPT, UNSUPPORTED, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *hs_zgc_open(struct hs *hs, uint64_t addr);
/** Its bookkeeping, and its heap where it is mapped once more. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *hs_zgc_claim(struct hs *hs);
/** The member of X or of Z, whichever runs. */
static inline enum hs_member_id hs_z_id(const struct hs *hs, enum hs_member_id id)
{
	return (enum hs_member_id)(id + hs->colors.ids);
}
/** zgc_pointers.c: what a pointer between objects stands for; 0: nothing. */
uint64_t hs_zgc_decode(const struct hs *hs, uint64_t word);
/** The same of a word on a stack or in a register, or what it stood for. */
uint64_t hs_zgc_decode_spilled(const struct hs *hs, uint64_t word);
/** The object that a pointer of 8 bytes stands for. */
static inline uint64_t hs_decode(const struct hs *hs, uint64_t word)
{
	return hs->colors.used ? hs_zgc_decode(hs, word) : word;
}

#endif /* COREHEAP_WALKERS_HOTSPOT_ZGC_H */
