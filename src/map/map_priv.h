/*
 * map_priv.h - the inside of struct ch_map, shared by the files of src/map.
 *
 * base.c cuts segments and NT_FILE into pieces, classify.c says what each is,
 * stacks.c adds thread stacks and TLS as claims, claims.c lays claims over the
 * pieces, map.c makes regions of it all.
 */
#ifndef COREHEAP_MAP_MAP_PRIV_H
#define COREHEAP_MAP_MAP_PRIV_H

#include <coreheap/map.h>

#include "util/vec.h"

/** A stretch of mapped memory from one segment and at most one file mapping. */
struct ch_piece {
	/** Everything but in_core_bytes and lost_bytes. */
	struct ch_region region;
	/** End of the bytes that the core holds, and of those that the dumper
	 * wrote: region.start when none. */
	uint64_t present_end, recorded_end;
	/** Higher layers may say what it is. */
	bool claimable;
};

/** A claim as stored: the owner is interned. */
struct ch_stored_claim {
	struct ch_claim claim;
	/** Lower wins where claims meet; then the earlier one. */
	uint32_t rank;
	uint32_t order;
	/** Also a guard page. */
	bool guard;
};

struct ch_stack_range {
	uint64_t start, end;
};

/** Of ch_map.stacks: a thread's. */
struct ch_stack_part {
	/** Indexes into ch_map.stacks: [first, end). */
	uint32_t first, end;
};

struct ch_map {
	struct ch_core *core;
	struct ch_sym *sym;
	uint64_t space_end;
	/** of struct ch_piece, ascending, below space_end */
	struct ch_vec pieces;
	/** of struct ch_stored_claim, in order of arrival */
	struct ch_vec claims;
	/** of struct ch_region, gaps included; valid unless dirty */
	struct ch_vec regions;
	bool dirty;
	/** Regions have touched_bytes; so has the core. */
	bool counted;
	struct ch_region vsyscall;
	bool has_vsyscall;
	/** of struct ch_thread_stack, by thread index; of struct ch_stack_part, one for
	 * each thread */
	struct ch_vec stacks, stack_parts;
	/** of char *: owner names, owned */
	struct ch_vec names;
};

/** Fill pieces and space_end. */
CH_MUST_CHECK struct ch_error *chp_map_cut(struct ch_map *map);
/** Say what each piece is. */
void chp_map_classify(struct ch_map *map);
/** Find stacks, guards and TLS of all threads; add them as claims. */
CH_MUST_CHECK struct ch_error *chp_map_add_stacks(struct ch_map *map);
/** Keep a claim; rank orders claims that meet. */
CH_MUST_CHECK struct ch_error *chp_map_keep_claim(struct ch_map *map, const struct ch_claim *claim,
						  uint32_t rank, bool guard);
/** Lay claims over pieces: regions, not coalesced, without gaps. */
CH_MUST_CHECK struct ch_error *chp_map_lay_claims(struct ch_map *map, struct ch_vec *regions);

/** Index of the first piece that ends above addr; pieces.count if none. */
size_t chp_map_piece_after(const struct ch_map *map, uint64_t addr);
/** The piece that holds addr, or NULL. */
struct ch_piece *chp_map_piece_at(const struct ch_map *map, uint64_t addr);

/** Rank of an ordinary claim, and of a stack that the program made for a thread
 * or a coroutine, with the TLS in it: in a heap, it is a heap block first. */
#define CH_RANK(usage)        ((uint32_t)(usage)*4)
#define CH_RANK_PROGRAM_TLS   (CH_RANK(CH_USAGE_MMAP_CHUNK) + 1)
#define CH_RANK_PROGRAM_STACK (CH_RANK(CH_USAGE_MMAP_CHUNK) + 2)

#endif /* COREHEAP_MAP_MAP_PRIV_H */
