/*
 * metaspace.h - the JVM's memory for classes, by the chunks that loaders have: metaspace.c.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_METASPACE_H
#define COREHEAP_WALKERS_HOTSPOT_METASPACE_H

#include "walkers/hotspot/hotspot_priv.h"

struct hs_metaspace {
	struct ch_metaspace result;
	/** It is this kind of metaspace, laid out as follows. */
	bool known;
	/** Of a loader's data; of an arena. */
	uint64_t offset;
	uint32_t first_chunk;
	/** Of the largest chunks. */
	uint64_t root_bytes;
	/** Who has the free chunks, by enum ch_metaspace_id; 0: there is none. */
	uint64_t managers[CH_METASPACES];
	uint64_t chunks_seen;
};

/** Read what loaders have, once they are listed, and claim what is committed. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *hs_metaspace_find(struct hs *hs);
/** All of it was read and claimed. */
bool hs_metaspace_is_whole(const struct hs *hs);
/** What of it has limits, added to hs->quotas. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *hs_metaspace_quotas(struct hs *hs);
CH_MUST_CHECK struct ch_error *hs_metaspace(void *state, struct ch_metaspace **ret);

#endif /* COREHEAP_WALKERS_HOTSPOT_METASPACE_H */
