/*
 * glibc_priv.h - the inside of the glibc malloc walker.
 *
 * layout.c has the offsets of each release; find.c finds main_arena and malloc_par, arenas.c the
 * other arenas and their heaps, brk.c the memory of the main arena, orphan.c does without it;
 * pieces.c keeps what they found in order. tcache.c and fastbins.c know the free chunks that look
 * used, mmapped.c chunks with a mapping of their own, threads.c the threads of each arena. chunks.c
 * follows sizes, walk.c walks, holes.c and damage.c find chunks again, repairs.c remembers how.
 * check.c compares, freed.c looks for signs of use after free, flight.c tells what a thread inside
 * malloc had half done from damage. facts.c puts facts together; glibc.c is the walker.
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

/** What is said instead of a size that may not be shown. */
#define GLIBC_NO_SIZE "an impossible size"

/** Offsets of one family of releases. */
struct glibc_layout {
	const char *releases;
	/** struct malloc_state; 0 where the release has no such member. */
	uint16_t fastbins, top, bins, next, attached, system_mem, max_system_mem, state_bytes;
	/** sizeof(heap_info), rounded up to the alignment of malloc. */
	uint16_t heap_info_bytes;
	/** Chunks with a mapping of their own: 2.43 moved the size field. */
	bool mmapped_243;
	/** struct malloc_par; 0 where the release has no such member. */
	uint16_t sbrk_base, n_mmaps, mmapped_mem, hp_pagesize, tcache_count;
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

/** Bytes of malloc_par that rows speak of. */
#define GLIBC_PAR_BYTES 0x88U
/** malloc/arena.c: a heap is aligned to HEAP_MAX_SIZE, 64 MiB by default, four
 * huge pages with glibc.malloc.hugetlb=2 (2.35-2.41). */
#define HEAP_ALIGN_MIN     (1ULL << 20)
#define HEAP_ALIGN_DEFAULT (64ULL << 20)
#define HEAP_ALIGN_MAX     (4ULL << 30)

/** A malloc_state found. */
struct glibc_place {
	const struct glibc_layout *layout;
	uint64_t addr;
	/** How; static. */
	const char *basis;
};

/** malloc_par as read from the core. */
struct glibc_par {
	/** 0 when not found. */
	uint64_t addr;
	uint64_t sbrk_base, n_mmaps, mmapped_mem;
	/** 0 when the release has none. */
	uint64_t hp_pagesize, thp_pagesize;
	/** UINT64_MAX when the release has none or malloc_par was not found. */
	uint64_t tcache_count;
};

/** malloc_state as read from the core. */
struct glibc_arena {
	uint64_t addr;
	/** locked: its mutex was held; absent: it is not in the core, only its memory
	 * is. */
	bool is_main, locked, absent;
	/** Parts of its memory are not in the core: lists and walk cannot agree. */
	bool partial;
	/** attached is UINT64_MAX where the release does not count it. */
	uint64_t top, system_mem, max_system_mem, attached;
	/** Bytes of the pieces found, to compare with system_mem. */
	uint64_t found_bytes;
	uint64_t top_bytes, fastbin_bytes, fastbin_count, tcache_bytes, tcache_count;
	/** Kernel ids of the threads whose thread_arena points here, ascending:
	 * of uint32_t. */
	struct ch_vec tids;
	/** Chunks in its bins, as its lists have them. */
	uint64_t bins_count, bins_bytes;
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
	/** End of the heap where further pieces of it follow behind memory of which the
	 * core has no segment; else end. */
	uint64_t whole_end;
	/** Found without its arena's word for it. */
	bool guessed;
	/** It begins behind such memory: where its first chunk is is not known. */
	bool headless;
	/** One bit for each 16 bytes from start: chunks in fast bins. NULL: none. */
	uint64_t *fast;
};

/** A chunk with a mapping of its own. */
struct glibc_mmapped {
	/** Mapping [start, end), chunk inside it. */
	uint64_t start, end, chunk, usable_bytes;
};

/** A chunk in a list of free chunks, or a tcache structure itself. */
struct glibc_cached {
	uint64_t chunk;
	/** Size of the list's chunks; 0: a list of several sizes. */
	uint32_t bytes;
	/** enum ch_object_flags; 0: in a bin, whose chunks do not look used. */
	uint16_t flags;
};

/** A block in a tcache, as its structure has it. */
struct glibc_freed {
	uint64_t user, tcache;
	/** Second word of the block: tcache_entry.key, 2.29 and later. */
	uint64_t key;
	/** Of the thread; 0: not known. */
	uint32_t tid;
	/** Usable bytes of the list's blocks. */
	uint32_t bytes;
};

struct glibc {
	struct ch_heap_env env;
	/** Which libc of the process it is, from 0, and its main_arena; addr 0: it is not
	 * in the core. */
	uint32_t number;
	struct glibc_place place;
	const struct glibc_layout *layout;
	/** The module that has main_arena; NULL: not known. */
	const struct ch_module *libc;
	/** What is half done; see flight.c. */
	struct glibc_flight *flight;
	/** What was repaired; see repairs.c. */
	struct glibc_repairs *repairs;
	/** An arena's heap or malloc_par confirmed the row. */
	bool row_fixed;
	/** Row of the thread caches; NULL: none was found. */
	const struct glibc_tcache_layout *tcache;
	/** A cache with blocks in it holds by that row. */
	bool tcache_proven;
	/** Where caches were found; static. */
	const char *tcache_basis;
	/** How main_arena was found; text for people. */
	const char *arena_basis;
	char evidence[256];
	struct glibc_par par;
	/** of struct glibc_arena; the main arena first where known */
	struct ch_vec arenas;
	/** of struct glibc_piece: ascending, apart; of struct glibc_mmapped */
	struct ch_vec pieces, mmapped;
	/** Free chunks that look used are found at the first walk: asking where
	 * the heaps are must not cost a walk of every list. */
	pthread_mutex_t cached_lock;
	bool cached_found;
	/** of struct glibc_cached, ascending: tcache chunks, the tcache structures
	 * themselves (CH_OBJECT_ALLOCATOR), and other chunks in lists */
	struct ch_vec cached;
	/** of struct glibc_freed */
	struct ch_vec freed;
	uint64_t mmapped_bytes, tcache_structs;
	/** Mmapped chunks as malloc counts them, of all libcs: the first one has all. */
	uint64_t counted_mmaps, counted_mem;
	/** Arenas and tcache structures of all libcs, in the first one. */
	uint64_t all_arenas, all_tcaches;
	/** The second word of all blocks in tcaches, if it is one random number (2.34 and
	 * later); 0: not known. */
	uint64_t key;
	/** Lists of free blocks that lead into memory that the core lacks. */
	uint64_t absent_lists;
	/** thread_arena was found in the threads' TLS. */
	bool threads_known;
	/** The mmapped chunks are those that malloc_par counts. */
	bool mmapped_counted;
	/** of struct ch_heap_desc, ch_span, ch_fact */
	struct ch_vec heaps, spans, facts;
};

/** Memory read in order: remembers the last run. */
struct glibc_view {
	const struct ch_core *core;
	const uint8_t *p;
	uint64_t start, end;
};

/** 16 bytes at an address, or NULL when absent. */
static inline const uint8_t *glibc_view_chunk(struct glibc_view *view, uint64_t addr)
{
	size_t len = 0;

	if (addr >= view->start && addr < view->end && view->end - addr >= CHUNK_HEADER_BYTES)
		return view->p + (addr - view->start);
	view->end = 0;
	view->p = ch_core_span_recorded(view->core, addr, &len);
	if (!view->p || len < CHUNK_HEADER_BYTES)
		return NULL;
	view->start = addr;
	view->end = addr + len;
	return view->p;
}

/* ---- find.c ---------------------------------------------------------------- */

/** Find main_arena in the data of modules, one in each libc: a process may have
 * several (dlmopen, LD_AUDIT, libc_malloc_debug.so, a static program with plugins).
 * How many were found, at most max. */
size_t glibc_find_main_arenas(const struct ch_heap_env *env, struct glibc_place *places,
			      size_t max);
/** Libcs that are told apart. */
#define GLIBC_LIBCS_MAX 8
/** Find malloc_par beside main_arena: fill par, and settle the row. */
void glibc_find_par(struct glibc *glibc, uint64_t main_arena);
/** As far from main_arena as in another libc; false when it is not there. */
bool glibc_find_par_like(struct glibc *glibc, const struct glibc *other);
/** Whether bins, counters and ring at addr look like a malloc_state, at most
 * bad_max of its bins being damaged. */
bool glibc_is_arena(const struct ch_heap_env *env, const struct glibc_layout *layout, uint64_t addr,
		    unsigned int bad_max);
/** The same for its bins alone. */
bool glibc_has_bins(const struct ch_heap_env *env, const struct glibc_layout *layout, uint64_t addr,
		    unsigned int bad_max);
/** Arenas but the main one lie just above an aligned heap_info. */
bool glibc_is_heap_place(uint64_t addr);
/** Whether a module is named as glibc's libc is. */
bool glibc_is_libc(const struct ch_module *module);
/** Rows that differ elsewhere than in malloc_state. */
bool glibc_is_same_state(const struct glibc_layout *a, const struct glibc_layout *b);

/* ---- arenas.c -------------------------------------------------------------- */

/** Fill arenas and pieces. */
CH_MUST_CHECK struct ch_error *glibc_find_arenas(struct glibc *glibc);
/** orphan.c: find the main arena's memory without it. */
CH_MUST_CHECK struct ch_error *glibc_find_orphan(struct glibc *glibc, bool *found_ret);
/* ---- pieces.c -------------------------------------------------------------- */

static inline struct glibc_arena *glibc_arena_at(const struct glibc *glibc, size_t index)
{
	return CH_VEC_AT(&glibc->arenas, struct glibc_arena, index);
}
/** Add the arena at addr as its malloc_state says it; the main one comes first. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *glibc_add_arena(struct glibc *glibc, uint64_t addr, bool is_main);
/** Add a main arena that is not in the core; addr 0: not known where it was. */
CH_MUST_CHECK struct ch_error *glibc_add_orphan(struct glibc *glibc, uint64_t addr);
/** Index of the piece whose range holds addr, or pieces.count. O(log n). */
size_t glibc_piece_at(const struct glibc *glibc, uint64_t addr);
/** The next page worth a look at or above at: skips arenas and what is not in
 * the core. UINT64_MAX when there is none. */
uint64_t glibc_next_page(const struct glibc *glibc, uint64_t at);
/** Add a heap and keep the order: one piece, or one for each part that the core has
 * segments of. What meets another piece is left out. */
CH_MUST_CHECK struct ch_error *glibc_add_heap(struct glibc *glibc, const struct glibc_piece *heap);
/** Whether a region may hold what malloc got from brk or mmap. */
bool glibc_is_candidate(const struct ch_region *region);
/** The same, with memory in between that the core has no segments of; all of
 * it below limit. */
uint64_t glibc_extent_end(const struct glibc *glibc, uint64_t start, uint64_t limit);
/** Whether there is nothing but such memory, and none, in [start, end). */
bool glibc_is_extent(const struct glibc *glibc, uint64_t start, uint64_t end);
/** End of the contiguous memory of that kind from start; start when none. */
uint64_t glibc_writable_end(const struct glibc *glibc, uint64_t start);
/** Whether parts of any heap are not in the core. */
bool glibc_is_partial(const struct glibc *glibc);
/** Whether addr is in a heap, and not in the core. */
bool glibc_is_absent(const struct glibc *glibc, uint64_t addr);

/* ---- facts.c --------------------------------------------------------------- */

/** Of an arena; known: which threads use it. False: no memory. */
bool glibc_add_arena_facts(struct glibc_arena *arena, bool known);
/** Of the walker. False: no memory. */
bool glibc_add_facts(struct glibc *glibc);
/** Put what glibc_find_cached() counted into the facts of arenas. */
void glibc_update_facts(struct glibc *glibc);

/* ---- brk.c ----------------------------------------------------------------- */

/** Find the memory of the main arena, arenas[0]. */
CH_MUST_CHECK struct ch_error *glibc_find_main_pieces(struct glibc *glibc);

/* ---- tcache.c, fastbins.c -------------------------------------------------- */

/** The structures of all threads: fill cached and tcache. */
CH_MUST_CHECK struct ch_error *glibc_find_tcaches(struct glibc *glibc);
/** Whether a used block is a tcache structure with blocks in it, all lists of
 * which hold. */
bool glibc_looks_like_tcache(const struct glibc *glibc, uint64_t user);
/** Order of cached: by chunk, those of bins last. */
int glibc_compare_cached(const void *a, const void *b);
/** Add chunks of bins to cached, up to a number that costs little: they show
 * what is damaged. */
CH_MUST_CHECK struct ch_error *glibc_take_binned(struct glibc *glibc);
/** Mark the chunks in fast bins, fill the counts of arenas, once. */
CH_MUST_CHECK struct ch_error *glibc_find_cached(struct glibc *glibc);
/** Target of a link stored at slot: safe-linking xors it with slot >> 12
 * (glibc 2.32, malloc/malloc.c, PROTECT_PTR). */
static inline uint64_t glibc_unmangle(bool mangled, uint64_t slot, uint64_t stored)
{
	return mangled ? stored ^ slot >> 12 : stored;
}
/** Look for wrong keys and blocks that are in tcaches twice. Sorts freed. */
void glibc_check_freed(struct glibc *glibc);
/** Why a link cannot lead to addr, for people. Written to buf. */
const char *glibc_explain_link(const struct glibc *glibc, uint64_t addr, char *buf, size_t bytes);
/** What a link to addr that makes no sense is a sign of, to append to a message. */
const char *glibc_sign(const struct glibc *glibc, uint64_t addr);

/** Whether a thread has thread-local storage and the core holds it. */
bool glibc_has_tls(const struct glibc *glibc, const struct ch_thread *thread);
/** How much of static TLS there may be below the thread pointer (above it on
 * aarch64): all modules' blocks, and some for alignment. A multiple of 8. */
int64_t glibc_tls_bytes(const struct glibc *glibc);

/* ---- threads.c, check.c ---------------------------------------------------- */

/** Which thread uses which arena: fill tids of arenas. */
CH_MUST_CHECK struct ch_error *glibc_find_threads(struct glibc *glibc);
/** Compare the lists and counters of malloc with what the walk found. */
CH_MUST_CHECK struct ch_error *glibc_check(void *state, const struct ch_heap_free *found);

/* ---- mmapped.c ------------------------------------------------------------- */

/** Fill mmapped. */
CH_MUST_CHECK struct ch_error *glibc_find_mmapped(struct glibc *glibc);

/* ---- chunks.c -------------------------------------------------------------- */

/** Size of the chunk, 0 when its header is absent. */
uint64_t glibc_chunk_size(const struct ch_core *core, uint64_t chunk);
/** Emit the objects of a piece, or of a mmapped chunk. */
CH_MUST_CHECK struct ch_error *glibc_walk_piece(const struct glibc *glibc,
						const struct glibc_piece *piece, uint64_t from,
						struct ch_object_sink *sink);
CH_MUST_CHECK struct ch_error *glibc_walk_mmapped(const struct glibc_mmapped *mmapped,
						  struct ch_object_sink *sink);

#define GLIBC_TYPE_TCACHE    1
#define GLIBC_TYPE_FOREIGN   2
#define GLIBC_COOKIE_MMAPPED (1ULL << 63)

#endif /* COREHEAP_WALKERS_GLIBC_PRIV_H */
