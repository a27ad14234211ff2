/*
 * glibc_priv.h - the inside of the glibc malloc walker.
 *
 * layout.c has the offsets of each release, arenas.c finds arenas and the
 * memory they own, caches.c the free chunks that look used, mmapped.c chunks
 * with a mapping of their own, chunks.c walks; glibc.c is the walker.
 *
 * Terms are those of malloc/malloc.c and malloc/arena.c. A chunk's address is
 * that of its prev_size field; the user pointer is 16 bytes above.
 */
#ifndef COREHEAP_WALKERS_GLIBC_PRIV_H
#define COREHEAP_WALKERS_GLIBC_PRIV_H

#include <pthread.h>

#include "heap/walker.h"
#include "util/bytes.h"
#include "util/vec.h"

#define CHUNK_HEADER_BYTES 16U
#define CHUNK_BYTES_MIN    32U
#define CHUNK_PREV_INUSE   1U
#define CHUNK_IS_MMAPPED   2U
#define CHUNK_NON_MAIN     4U
#define CHUNK_FLAGS        7U
#define BINS_COUNT         127U
#define FASTBINS_COUNT     10U

/** Offsets of one family of releases. */
struct glibc_layout {
	const char *releases;
	/** struct malloc_state; 0 where the release has no such member. */
	uint16_t fastbins, top, bins, next, attached, system_mem, max_system_mem, state_bytes;
	/** sizeof(heap_info), rounded up to the alignment of malloc. */
	uint16_t heap_info_bytes;
	/** Chunks with a mapping of their own: 2.43 moved the size field. */
	bool mmapped_243;
	/** struct malloc_par: sbrk_base, n_mmaps, mmapped_mem. */
	uint16_t sbrk_base, n_mmaps, mmapped_mem;
	/** Where it says so. */
	const char *source;
};
extern const struct glibc_layout glibc_layouts[];
extern const size_t glibc_layouts_count;

/** Per-thread cache structures. */
struct glibc_tcache_layout {
	const char *releases;
	/** Size of the chunk that holds it. */
	uint16_t chunk_bytes;
	/** Width of a count, number of bins, offset of the list heads. */
	uint8_t count_bytes, bins, small_bins;
	uint16_t entries;
	/** Counts say how many more fit, not how many there are. */
	bool counts_down;
	/** Links are xored with their own address >> 12 (safe-linking). */
	bool mangled;
	const char *source;
};
extern const struct glibc_tcache_layout glibc_tcaches[];
extern const size_t glibc_tcaches_count;

/** malloc_state as read from the core. */
struct glibc_arena {
	uint64_t addr;
	bool is_main;
	uint64_t top, system_mem, max_system_mem, attached;
	/** Bytes of the pieces found, to compare with system_mem. */
	uint64_t found_bytes;
	uint64_t top_bytes, fastbin_bytes, fastbin_count, tcache_bytes, tcache_count;
	uint32_t pieces_count;
	char name[24];
	/** of struct ch_fact */
	struct ch_vec facts;
};

/** Memory of one arena: a heap of arena.c, or a stretch of brk or mmap. */
struct glibc_piece {
	/** Owned range; chunks begin at first and end at end. */
	uint64_t start, first, end;
	/** End of accessible memory, and of the reservation behind it. */
	uint64_t committed_end, reserved_end;
	uint32_t arena;
	/** Found without its arena's word for it. */
	bool guessed;
	/** One bit for each 16 bytes from start: chunks in fast bins. NULL: none. */
	uint64_t *fast;
};

/** A chunk with a mapping of its own. */
struct glibc_mmapped {
	/** Mapping [start, end), chunk inside it. */
	uint64_t start, end, chunk, usable_bytes;
};

/** A chunk in a tcache, or a tcache structure itself. */
struct glibc_cached {
	uint64_t chunk;
	/** enum ch_object_flags */
	uint16_t flags;
};

struct glibc {
	struct ch_heap_env env;
	const struct glibc_layout *layout;
	/** An arena's heap or malloc_par confirmed the row. */
	bool row_fixed;
	/** NULL: none was found. */
	const struct glibc_tcache_layout *tcache;
	/** How main_arena was found; text for people. */
	const char *arena_basis;
	char evidence[256];
	/** Address of malloc_par, 0 when not found, and what it says. */
	uint64_t par, sbrk_base, n_mmaps, mmapped_mem;
	/** Links of fast bins are mangled. */
	bool mangled_fastbins;
	/** of struct glibc_arena; the main arena first where known */
	struct ch_vec arenas;
	/** of struct glibc_piece, glibc_mmapped: ascending */
	struct ch_vec pieces, mmapped;
	/** Free chunks that look used are found at the first walk: asking where
	 * the heaps are must not cost a walk of every list. */
	pthread_mutex_t cached_lock;
	bool cached_found;
	/** of struct glibc_cached, ascending: tcache chunks, and the tcache
	 * structures themselves (CH_OBJECT_ALLOCATOR) */
	struct ch_vec cached;
	uint64_t mmapped_bytes, tcache_structs;
	/** of struct ch_heap_desc, ch_span, ch_fact */
	struct ch_vec heaps, spans, facts;
};

/** Memory read in order: remembers the last run. */
struct glibc_view {
	const struct ch_core *core;
	const uint8_t *p;
	uint64_t start, end;
};

/** 16 bytes at a 16-byte aligned address, or NULL when absent. */
static inline const uint8_t *glibc_view_chunk(struct glibc_view *view, uint64_t addr)
{
	size_t len = 0;

	if (addr >= view->start && addr < view->end && view->end - addr >= 16)
		return view->p + (addr - view->start);
	view->p = ch_core_span_recorded(view->core, addr, &len);
	if (!view->p || len < 16)
		return NULL;
	view->start = addr;
	view->end = addr + len;
	return view->p;
}

/** arenas.c: find main_arena in the data of modules; false when it is not there. */
bool glibc_find_main_arena(const struct ch_heap_env *env, const struct glibc_layout **layout_ret,
			   uint64_t *addr_ret);
/** arenas.c: fill arenas and pieces. */
CH_MUST_CHECK struct ch_error *glibc_find_arenas(struct glibc *glibc);
/** arenas.c: whether bins, counters and ring at addr look like a malloc_state, at most
 * bad_max of its bins being damaged. */
bool glibc_is_arena(const struct ch_heap_env *env, const struct glibc_layout *layout, uint64_t addr,
		    unsigned int bad_max);
/** arenas.c: index of the piece whose chunks hold addr, or pieces.count. */
size_t glibc_piece_at(const struct glibc *glibc, uint64_t addr);
/** caches.c: the structures of all threads: fill cached and tcache. */
CH_MUST_CHECK struct ch_error *glibc_find_tcaches(struct glibc *glibc);
/** caches.c: mark the chunks in fast bins, fill the counts of arenas. */
CH_MUST_CHECK struct ch_error *glibc_find_cached(struct glibc *glibc);
/** glibc.c: put what glibc_find_cached() counted into the facts of arenas. */
void glibc_update_facts(struct glibc *glibc);
/** mmapped.c: fill mmapped. */
CH_MUST_CHECK struct ch_error *glibc_find_mmapped(struct glibc *glibc);
/** chunks.c: emit the objects of a piece, or of a mmapped chunk. */
CH_MUST_CHECK struct ch_error *glibc_walk_piece(const struct glibc *glibc,
						const struct glibc_piece *piece, uint64_t from,
						struct ch_object_sink *sink);
CH_MUST_CHECK struct ch_error *glibc_walk_mmapped(const struct glibc_mmapped *mmapped,
						  struct ch_object_sink *sink);
/**
 * chunks.c: follow sizes from chunk up to end, at most max chunks. True when
 * they hold for all of them, or up to top, a fencepost or end; *stop_ret is
 * where it stopped.
 */
bool glibc_follow(struct glibc_view *view, uint64_t chunk, uint64_t end, uint64_t top, size_t max,
		  uint64_t *stop_ret);

#define GLIBC_TYPE_TCACHE    1
#define GLIBC_TYPE_DAMAGED   2
#define GLIBC_COOKIE_MMAPPED (1ULL << 63)

#endif /* COREHEAP_WALKERS_GLIBC_PRIV_H */
