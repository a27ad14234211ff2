/*
 * coreheap/leaks.h - how each node of the object graph is held, if at all.
 */
#ifndef COREHEAP_LEAKS_H
#define COREHEAP_LEAKS_H

#include <coreheap/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a node is held. Each node is in the first class that fits. */
enum ch_reach {
	/** From a live root by pointers to first bytes, or to a place inside that blocks
	 * of the size are held by (struct ch_offset_rule), only; or by any pointers, if it is from
	 * a pool. */
	CH_REACH_LIVE,
	/** From a live root, but each way has another interior pointer in it: what
	 * valgrind calls possibly lost. */
	CH_REACH_POSSIBLE,
	/** Only from what threads that ended left behind. */
	CH_REACH_LEFTOVER,
	/** Only by the pool that it is from, which gives back all that it handed out at once, or
	 * by such memory: not lost. */
	CH_REACH_POOLED,
	/** An object that its runtime's collector would free, or what only such
	 * objects hold: garbage, not lost. */
	CH_REACH_DEAD,
	/** Lost, and no lost block outside of its own ring leads to it. Of a ring,
	 * the block with the lowest address. */
	CH_REACH_DIRECT,
	/** Lost, and reached from a directly lost block. */
	CH_REACH_INDIRECT,
};
#define CH_REACHES (CH_REACH_INDIRECT + 1)

/** What the first word of a lost block leads to. */
enum ch_signature {
	/** The block is smaller than a word, or its first word is not in the core. */
	CH_SIGNATURE_NONE,
	CH_SIGNATURE_ZERO,
	/** Code, data or a vtable of a module: the word itself is kept. */
	CH_SIGNATURE_MODULE,
	CH_SIGNATURE_LOST,
	CH_SIGNATURE_HELD,
	/** No address of anything known. */
	CH_SIGNATURE_OTHER,
};

struct ch_leak_sum {
	/** Blocks, their usable bytes, and those of their chunks. */
	uint64_t count, bytes, chunk_bytes;
	/** Of chunk_bytes, those aside that are known to be on untouched pages. */
	uint64_t touched_bytes;
};

/** Lost blocks that are alike. */
struct ch_leak_group {
	/** As in struct ch_type_stat. */
	uint32_t type;
	enum ch_reach reach;
	enum ch_signature signature;
	/** For CH_SIGNATURE_MODULE: what the first word holds. */
	uint64_t word;
	struct ch_leak_sum sum;
	/** Lowest address. */
	uint64_t sample_addr;
};

/**
 * A place inside that a program holds blocks by, instead of their first bytes: a link of a
 * list in the middle of its elements, a second base class, a header before what an
 * allocator hands out, marks in the low bits of pointers. Of the blocks of one size that
 * words of live memory lead into, and that no way by first bytes reaches, ten or more are
 * pointed at there, and at least a quarter of all; or of the others, whatever their size,
 * ten or more of eight sizes or more, and at least half of those that are pointed at in
 * their first 128 bytes. The basis is heuristic.
 */
struct ch_offset_rule {
	/** Usable bytes of the blocks; 0: of any size. */
	uint64_t size_bytes;
	/** Where the pointers lead: 1 or more. */
	uint64_t offset;
	/** Blocks that are reachable by it, and their usable bytes: each counts for its
	 * lowest place. */
	uint64_t count, bytes;
};

struct ch_leaks;

/**
 * Find out how each node is held. Uses as many threads as the graph was made
 * with; the answer is the same for any number. Errors: NOMEM, STOP.
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_leaks_find(struct ch_graph *graph,
						       struct ch_leaks **ret);
CH_PUBLIC void ch_leaks_destroy(struct ch_leaks *leaks);

/** The class of a node. */
CH_PUBLIC enum ch_reach ch_leaks_reach(const struct ch_leaks *leaks, uint32_t id);
/** Sums by enum ch_reach. */
CH_PUBLIC const struct ch_leak_sum *ch_leaks_sums(const struct ch_leaks *leaks);
/** Of CH_REACH_LIVE: what is so by offset rules alone, with all that only those blocks
 * hold. */
CH_PUBLIC struct ch_leak_sum ch_leaks_offset_sum(const struct ch_leaks *leaks);
/** Rules by bytes of their blocks, descending. Borrowed. */
CH_PUBLIC const struct ch_offset_rule *ch_leaks_offset_rules(const struct ch_leaks *leaks,
							     size_t *count_ret);
/** Blocks of the allocators' own: they are no nodes. */
CH_PUBLIC struct ch_leak_sum ch_leaks_allocator_sum(const struct ch_leaks *leaks);
/** Groups of lost blocks by chunk bytes, descending. Borrowed. */
CH_PUBLIC const struct ch_leak_group *ch_leaks_groups(const struct ch_leaks *leaks,
						      size_t *count_ret);
/** Bytes of held blocks, and of live roots, that the core does not hold: what they
 * point at may look lost. */
CH_PUBLIC uint64_t ch_leaks_absent_block_bytes(const struct ch_leaks *leaks);
CH_PUBLIC uint64_t ch_leaks_absent_root_bytes(const struct ch_leaks *leaks);

/** "reachable", "possibly-lost", "thread-leftover", "pooled", "dead", "directly-lost",
 * "indirectly-lost"; "zero", "module", ... Static. */
CH_PUBLIC const char *ch_reach_name(enum ch_reach reach);
CH_PUBLIC const char *ch_signature_name(enum ch_signature signature);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_LEAKS_H */
