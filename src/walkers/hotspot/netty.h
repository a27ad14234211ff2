/*
 * netty.h - buffers and pools of Netty: netty.c knows its classes, arenas.c what is in its
 * pools.
 */
#ifndef COREHEAP_WALKERS_HOTSPOT_NETTY_H
#define COREHEAP_WALKERS_HOTSPOT_NETTY_H

#include "heap/walker.h"
#include "util/vec.h"

struct hs;

/** What instances of a class are. */
enum hs_netty_kind {
	/** A pool. */
	HS_NETTY_ARENA,
	/** Memory of a pool; the same of the adaptive allocator. */
	HS_NETTY_CHUNK,
	HS_NETTY_ADAPTIVE,
	/** A piece in the cache of a thread; pages of a chunk cut into small pieces. */
	HS_NETTY_CACHED,
	HS_NETTY_PAGES,
	/** A counted buffer. */
	HS_NETTY_BUFFER,
};

/** A class that matters, and where its fields lie; 0: it has no such field. */
struct hs_netty_class {
	uint64_t klass;
	enum hs_netty_kind kind;
	/** An arena of memory outside of the heap. */
	bool direct;
	/** Of a buffer: its references are counted by twos, and odd once it was released;
	 * refs_inside: in the object that the field refers to. */
	bool doubled, refs_boxed;
	uint32_t refs, refs_inside;
	/** What it holds: an int, or an array; what it takes of its chunk; where that is. */
	uint32_t capacity, array, taken, chunk, address;
	/** Of a chunk: its pool, bytes, free bytes, memory, whether it is one piece by itself; its
	 * small pieces by page, in releases whose handles lead there. */
	uint32_t owner, bytes, free, memory, unpooled, pages;
	/** Of pages: pieces and those that are free, of taken bytes each, whether they are in use.
	 * Of a cached piece: where it is in its chunk. */
	uint32_t pieces, pieces_free, in_use, handle;
	/** Sums over a class of buffers: arenas.c. */
	struct ch_counted_type sums;
};

#define HS_NETTY_SIEVE 1024
#define HS_NETTY_QUOTA "direct memory of Netty"

struct hs_netty {
	/** of struct hs_netty_class, by klass; a sieve before them: no class with the same low
	 * bits. */
	struct ch_vec classes;
	bool sieve[HS_NETTY_SIEVE];
	/** of struct ch_pool, by addr once found; of struct ch_pool_chunk; of uint32_t; of
	 * struct ch_counted_type */
	struct ch_vec pools, chunks, tids, types;
	/** of uint64_t, ascending: buffers that are chunks of the adaptive allocator's */
	struct ch_vec own;
	bool read;
	struct ch_pools result;
};

/** What is known of Netty's classes: hs->netty. No classes: it is not loaded. Errors: NOMEM,
 * STOP. */
CH_MUST_CHECK struct ch_error *hs_netty_open(struct hs *hs);
void hs_netty_free(struct hs_netty *netty);
/** NULL: it does not matter. */
struct hs_netty_class *hs_netty_class_at(const struct hs *hs, uint64_t klass);
/** Whether a class ("shaded/io/netty/buffer/PoolChunk") is the one of Netty's, in whichever
 * package that was put. */
bool hs_netty_is(const char *name, const char *wanted);
/** As in struct ch_pooling. */
bool hs_netty_counted(void *state, uint64_t addr, uint64_t klass, struct ch_counted *ret);
/** A number in a field of an object, from 1 on; 0: it has none. */
uint32_t hs_netty_int(const struct hs *hs, uint64_t object, uint32_t offset);
/** The reference in a field of an object; 0: none. */
uint64_t hs_netty_ref(const struct hs *hs, uint64_t object, uint32_t offset);
/** Of reading pools. */
struct hs_netty_reading {
	struct hs *hs;
	struct hs_netty *netty;
	struct ch_heaps *heaps;
	/** of struct use (holdings.c); of struct adaptive (arenas.c) */
	struct ch_vec uses, adaptive;
};
/** holdings.c: pools by address, as they are until all are read. pool_at: NULL, there is none. */
int hs_netty_compare_pools(const void *a, const void *b);
struct ch_pool *hs_netty_pool_at(const struct hs_netty *netty, uint64_t addr);
/** Which threads allocate from which; which buffers and caches have pieces of them, among the
 * objects of [low, high). Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *hs_netty_threads(struct hs_netty_reading *reading);
CH_MUST_CHECK struct ch_error *hs_netty_holdings(struct hs_netty_reading *reading, uint64_t low,
						 uint64_t high);
/** arenas.c: as in struct ch_pooling. */
CH_MUST_CHECK struct ch_error *hs_netty_pools(void *state, struct ch_heaps *heaps,
					      struct ch_pools **ret);
/** Its counters of direct memory are added to hs->quotas; with none of its own, its chunks are
 * told of the quota of java.nio's, if there is one. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *hs_netty_quotas(struct hs *hs, struct ch_quota *nio);
/** direct.c: what is known of memory outside of the heap. Errors: NOMEM, STOP. */
struct hs_direct {
	bool known, limited;
	/** java.nio.Bits: bytes reserved for buffers, buffers, and the most bytes. */
	uint64_t reserved_bytes, count, limit_bytes;
	bool netty_known;
	/** Netty's own counter of buffers without cleaners, and its limit. */
	uint64_t netty_bytes, netty_limit_bytes;
};
CH_MUST_CHECK struct ch_error *hs_direct_find(struct hs *hs, struct hs_direct *ret);
/** As ch_pooling.quotas. */
CH_MUST_CHECK struct ch_error *hs_quotas(void *state, struct ch_quota **ret, size_t *count_ret);
/** arenas.c */
extern const struct ch_pooling hs_pooling;

#endif /* COREHEAP_WALKERS_HOTSPOT_NETTY_H */
