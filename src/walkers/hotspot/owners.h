/*
 * owners.h - what Java objects say of native memory that they own: owners.c.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_OWNERS_H
#define COREHEAP_WALKERS_HOTSPOT_OWNERS_H

#include "walkers/hotspot/hotspot_priv.h"

/** What edges.c has learned of a class; NULL: nothing. */
static inline const struct hs_type *hs_type_of(const struct hs *hs, uint64_t klass)
{
	uint32_t i = ch_table_find(&hs->types_by_klass, klass);

	return i == CH_TABLE_NONE ? NULL : CH_VEC_AT(&hs->types, struct hs_type, i);
}

/** Set the role of a class of instances. */
void hs_owner_learn(struct hs *hs, struct hs_type *type);
/** Whether a buffer is a view of another one, or of a segment. */
bool hs_owner_is_view(const struct hs *hs, const struct hs_type *type, uint64_t buffer);
uint32_t hs_owner_rank(const void *state, uint64_t addr);
/** For struct ch_tracer. */
void hs_owner_native(const void *state, uint64_t owner, ch_native_fn fn, void *arg);
/** The native block that a Cleaner alone holds; 0: none. */
uint64_t hs_owner_orphan(const struct hs *hs, uint64_t cleaner);

#endif /* COREHEAP_WALKERS_HOTSPOT_OWNERS_H */
