/*
 * mimalloc_priv.h - the inside of the walker of mimalloc.
 *
 * layout.c has what differs from release to release, page.c reads descriptors of pages and their
 * lists of free blocks, segments.c finds segments (releases 1 and 2), pagemap.c finds pages by the
 * page map (release 3) or by tables (from 3.6 on), arenas.c says what of arenas is not in use;
 * heaps.c makes heaps and spans of all that, walk.c walks them; mimalloc.c is the walker.
 *
 * Terms are those of mimalloc, include/mimalloc/types.h. A page is a range of memory that is cut
 * into blocks of one size; its descriptor, mi_page_t, has three lists of free blocks: those to give
 * out next, those that the owner gave back, and those that other threads gave back. In releases 1
 * and 2 pages lie in segments, which begin at multiples of their size and hold the descriptors of
 * all of their pages; each belongs to a thread. In release 3 a map of the address space leads to
 * descriptors, and each page has its own owner. Pages that no thread owns are abandoned. Arenas are
 * large mappings that segments, or pages of release 3, are taken from.
 */
#ifndef COREHEAP_WALKERS_MIMALLOC_PRIV_H
#define COREHEAP_WALKERS_MIMALLOC_PRIV_H

#include "heap/walker.h"
#include "util/bytes.h"
#include "util/vec.h"

/** types.h, MI_SEGMENT_SLICE_SIZE and MI_ARENA_SLICE_SIZE on 64 bits. */
#define MIMALLOC_SLICE_BYTES 65536ULL
#define MIMALLOC_SLICE_SHIFT 16U
/** From 3.6 on each so many bytes of address space have a table of their slices of their own. */
#define MIMALLOC_REGION_BYTES (1ULL << 28)
/** Descriptors are read as so many bytes, heads of segments as so many. */
#define MIMALLOC_PAGE_BYTES    136U
#define MIMALLOC_SEGMENT_BYTES 384U
/** capacity has 16 bits. */
#define MIMALLOC_BLOCKS_MAX 65536U
/** MI_PADDING_SIZE where blocks have a canary behind them. */
#define MIMALLOC_PADDING_BYTES 8U

/** How the first block of a page is found. */
enum mimalloc_start {
	/** Its address is in the descriptor; or how many words or bytes it is behind that. */
	MIMALLOC_START_STORED,
	MIMALLOC_START_WORDS,
	MIMALLOC_START_BYTES,
	/** segment.c of releases 1 and 2, _mi_segment_page_start(). */
	MIMALLOC_START_AT_ONCE,
	MIMALLOC_START_128,
	MIMALLOC_START_384,
	MIMALLOC_START_BY_SIZE,
	MIMALLOC_START_ALIGNED,
};

/** How descriptors are found. */
enum mimalloc_kind {
	/** In segments, one for each slice of a segment; or one for each page. */
	MIMALLOC_SLICES,
	MIMALLOC_PAGES,
	/** By the page map; by tables of parts of the address space. */
	MIMALLOC_MAP,
	MIMALLOC_REGIONS,
};

/** Offsets in mi_page_t; 0: there is no such field. */
struct mimalloc_page_layout {
	uint8_t bytes, capacity, reserved, free, local_free, thread_free;
	uint8_t used, used_bytes, block_size, block_size_bytes;
	/** Where keys[2] are, if lists are encoded with them. */
	uint8_t keys;
	/** page_start, page_woffset; xheap; memid; xthread_id. */
	uint8_t start, heap, memid, owner;
};

/** Offsets in mi_segment_t. */
struct mimalloc_segment_layout {
	/** It begins at multiples of 1 << shift. */
	uint8_t shift;
	/** Blocks of arenas are so large (MI_ARENA_BLOCK_SIZE). */
	uint8_t arena_shift;
	uint16_t cookie, used, thread_id, abandoned, kind;
	/** Releases 2: segment_slices, segment_info_slices, slice_entries. */
	uint16_t slices, info, entries;
	/** Releases 1: segment_size, capacity, segment_info_size, page_shift. */
	uint16_t size, capacity, info_size, page_shift;
	/** Where descriptors begin. */
	uint16_t pages;
};

/** A row: a release, and whether it was built with MI_SECURE. */
struct mimalloc_layout {
	const char *releases;
	enum mimalloc_kind kind;
	enum mimalloc_start start;
	const struct mimalloc_page_layout *page;
	const struct mimalloc_segment_layout *segment;
	/** Of mi_heap_t: thread_delayed_free and keys[2]. */
	uint16_t heap_delayed, heap_keys;
	/** Of mi_memid_t: MI_MEM_ARENA. */
	uint8_t arena_kind;
	/** Blocks end with a canary and the number of bytes before it that were not asked for. */
	bool has_padding;
	const char *source;
};
extern const struct mimalloc_layout mimalloc_layouts[];
extern const size_t mimalloc_layouts_count;
/** layout.c: those of mimalloc_layouts[].segment, each once. */
extern const struct mimalloc_segment_layout mimalloc_segment_layouts[];
#define MIMALLOC_SEGMENT_LAYOUTS 8U

/** A descriptor of a page. */
struct mimalloc_page {
	uint64_t addr;
	uint64_t block_bytes;
	/** start, if it is stored; xheap; the heads of the lists, as they are. */
	uint64_t start, heap, lists[3];
	uint64_t keys[2];
	uint32_t used;
	uint16_t capacity, reserved;
	/** Release 3: xthread_id; where its slices are. */
	uint64_t owner, area_start, area_end;
	/** The first area is not of an arena. */
	uint64_t arena;
};

enum mimalloc_area_kind {
	/** Cut into blocks. */
	MIMALLOC_AREA_BLOCKS,
	/** Free: no page of blocks; or given back to the system, and never used. */
	MIMALLOC_AREA_FREE,
	MIMALLOC_AREA_SPACE,
	/** The allocator's own; a page whose descriptor is damaged. */
	MIMALLOC_AREA_META,
	MIMALLOC_AREA_DAMAGED,
};

/** A range of memory of one kind. */
struct mimalloc_area {
	uint64_t start, end;
	/** Its descriptor, and its first block. */
	uint64_t page, first;
	/** Who owns it: mi_threadid_t; 0: nobody. Later its place among the threads (heaps.c). */
	uint64_t owner;
	/** Index of its struct mimalloc_heap. */
	uint32_t heap;
	uint16_t instance;
	uint8_t kind;
};

/** The allocator may be in a process several times. */
struct mimalloc_instance {
	const struct ch_module *module;
	const struct mimalloc_layout *layout;
	/** Releases 1 and 2: _mi_heap_main.cookie. Release 3: the page map. */
	uint64_t key, map;
};

/** A target range [start, end). */
struct mimalloc_range {
	uint64_t start, end;
};

/** Sums of a heap. */
struct mimalloc_heap {
	uint64_t owner;
	uint16_t instance;
	uint32_t tid;
	uint64_t pages_count, huge_count, free_pages_bytes, metadata_bytes;
	size_t facts_at, facts_count;
	char name[96];
};

struct mimalloc {
	/** What the engine reads; first. */
	struct ch_answers out;
	struct ch_heap_env env;
	/** of struct mimalloc_instance */
	struct ch_vec instances;
	/** of struct mimalloc_area, ascending, not overlapping */
	struct ch_vec areas;
	/** of struct mimalloc_range: segments, ascending; arenas */
	struct ch_vec segments, arenas;
	/** Blocks or slices of arenas. */
	uint64_t arena_units;
	/** of uint64_t, ascending: blocks in lists of heaps instead of pages */
	struct ch_vec delayed;
	/** of struct mimalloc_heap */
	struct ch_vec owners;
};

/** page.c: read the descriptor at addr; false: it is not in the core, or none. */
bool mimalloc_read_page(const struct ch_core *core, const struct mimalloc_layout *layout,
			uint64_t addr, struct mimalloc_page *ret);
/** Bits of free blocks of a page, and how many there are. */
struct mimalloc_free {
	uint64_t bits[MIMALLOC_BLOCKS_MAX / 64];
	/** In lists of the owner; in those of other threads, which are counted as used. */
	uint32_t owned, foreign;
	/** A list leads out of the page, in the middle of a block, or to one that is in a list. */
	bool is_damaged;
};
/** page.c: follow the lists of a page whose first block is at first. */
void mimalloc_follow_lists(const struct ch_core *core, const struct mimalloc_layout *layout,
			   const struct mimalloc_page *page, uint64_t first,
			   struct mimalloc_free *ret);
/** page.c: the block behind one in a list; null: what the end of the list is encoded as. */
bool mimalloc_next(const struct ch_core *core, const struct mimalloc_layout *layout,
		   const uint64_t keys[2], uint64_t null, uint64_t block, uint64_t *ret);
/** page.c: how far a page agrees with a row: 1, -1; 0 says nothing. */
int mimalloc_judge(const struct ch_core *core, const struct mimalloc_layout *layout,
		   const struct mimalloc_page *page, uint64_t first);
/** page.c: bytes of a block that the program may use. False: it wrote behind its end. */
bool mimalloc_usable(const struct ch_core *core, const struct mimalloc_layout *layout,
		     const struct mimalloc_page *page, uint64_t block, uint64_t *ret);
/** page.c: find blocks that other threads gave back to heaps: fill delayed. */
CH_MUST_CHECK struct ch_error *mimalloc_find_delayed(struct mimalloc *mi);

/** segments.c: fill instances, areas and segments with releases 1 and 2. */
CH_MUST_CHECK struct ch_error *mimalloc_find_segments(struct mimalloc *mi);
/** pagemap.c: the same with release 3. */
CH_MUST_CHECK struct ch_error *mimalloc_find_map(struct mimalloc *mi);
/** arenas.c: what of the arenas of releases 1 and 2 is no segment. */
CH_MUST_CHECK struct ch_error *mimalloc_find_arenas(struct mimalloc *mi, uint16_t instance);
/** arenas.c: what of an arena of release 3 is no page. */
CH_MUST_CHECK struct ch_error *mimalloc_add_arena(struct mimalloc *mi, uint16_t instance,
						  uint64_t arena);
/** arenas.c: add an area: what is mapped for use, and what is not, by itself. Before blocks_end it
 * is not cut up. */
CH_MUST_CHECK struct ch_error *
mimalloc_add_area(struct mimalloc *mi, const struct mimalloc_area *area, uint64_t blocks_end);
/** arenas.c: order areas; of those that overlap the first is kept. */
void mimalloc_order_areas(struct mimalloc *mi);
/** heaps.c */
CH_MUST_CHECK struct ch_error *mimalloc_make_heaps(struct mimalloc *mi);
/** walk.c */
CH_MUST_CHECK struct ch_error *mimalloc_walk(void *state, const struct ch_span *span, uint64_t from,
					     struct ch_object_sink *sink);

/** Types of overhead. */
enum mimalloc_type {
	MIMALLOC_TYPE_META = 1,
	MIMALLOC_TYPE_REST,
	MIMALLOC_TYPE_DAMAGED,
};

#endif /* COREHEAP_WALKERS_MIMALLOC_PRIV_H */
