/*
 * chunks.h - objects that hold the frames of virtual threads: chunks.c.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_CHUNKS_H
#define COREHEAP_WALKERS_HOTSPOT_CHUNKS_H

#include "heap/walker.h"

struct hs;

/** Where a stack chunk has how many words its stack has and at which of them the frames begin;
 * where the stack begins. In bytes of the object. */
struct hs_chunks {
	/** 0: not known. */
	uint32_t size_at;
	uint32_t sp_at, stack_at;
};

/** Whether the class of this name (the class's own bytes) and layout helper is that of chunks. */
bool hs_is_chunk_class(const char *symbol, uint32_t layout);
/** Learn them from the class. False: its fields are not known. */
bool hs_chunks_learn(const struct hs *hs, uint64_t klass, uint32_t layout, struct hs_chunks *ret);
/** Bytes of a chunk whose stack has so many words, as its field says it; 0: impossible. */
uint64_t hs_chunk_bytes(const struct hs *hs, const struct hs_chunks *chunks, uint32_t words);
/** The frames of a chunk of size_bytes, inside of it. False: it has none. */
bool hs_chunk_frames(const struct hs *hs, const struct hs_chunks *chunks, uint64_t addr,
		     uint64_t size_bytes, struct ch_ref_run *ret);

#endif /* COREHEAP_WALKERS_HOTSPOT_CHUNKS_H */
