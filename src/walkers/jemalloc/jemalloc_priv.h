/*
 * jemalloc_priv.h - the inside of the walker of jemalloc 5.
 *
 * layout.c has what differs from release to release and the size classes, find.c finds radix trees
 * by their shape, extents.c reads all extents out of one, bases.c finds the allocator's own
 * memory, tcache.c what threads keep for themselves; slabs.c walks extents, heaps.c makes heaps
 * and spans of them; jemalloc.c is the walker.
 *
 * Terms are those of jemalloc, include/jemalloc/internal/edata.h: memory is divided into extents
 * of whole pages; an extent in use is a slab of regions of one size, with a bit for each free one,
 * or one large block; others are dirty (free, as they were left), muzzy (free, given back lazily)
 * or retained (address space only). A radix tree in the data of the module leads from a page to
 * the structure that describes its extent (edata_t; extent_t before 5.3). Such structures, the
 * tree's leaves and the arenas lie in base blocks, mappings of the allocator's own. A tcache has a
 * stack of free regions for each size class (bin); arenas count them as allocated.
 */
#ifndef COREHEAP_WALKERS_JEMALLOC_PRIV_H
#define COREHEAP_WALKERS_JEMALLOC_PRIV_H

#include "heap/walker.h"
#include "util/bytes.h"
#include "util/vec.h"

/** Address bits that tell pages, roots and leaves apart: rtree.h with LG_VADDR 48, LG_PAGE 12. */
#define JEMALLOC_PAGE_BYTES  4096ULL
#define JEMALLOC_LEAF_BITS   18U
#define JEMALLOC_ROOT_BITS   18U
#define JEMALLOC_LEAF_COUNT  (1U << JEMALLOC_LEAF_BITS)
#define JEMALLOC_LEAF_BYTES  (8ULL * JEMALLOC_LEAF_COUNT)
#define JEMALLOC_ROOT_COUNT  (1U << JEMALLOC_ROOT_BITS)
#define JEMALLOC_ROOT_BYTES  (8ULL * JEMALLOC_ROOT_COUNT)
#define JEMALLOC_EDATA_BYTES 128U
/** Sizes of which blocks are multiples: 16, or 8 (--with-lg-quantum=3, as redis builds it). */
#define JEMALLOC_LG_QUANTUM_MAX 4U
#define JEMALLOC_LG_TINY        3U
/** Regions of a slab at most. */
#define JEMALLOC_REGIONS_MAX 512U
/** base.c: base blocks begin at multiples of it, and are as long. */
#define JEMALLOC_BASE_BYTES (2ULL << 20)

/** What differs between releases. */
struct jemalloc_layout {
	const char *releases;
	/** Where fields of e_bits begin, and bits of state. */
	uint8_t state_shift, state_bits, szind_shift, nfree_shift;
	/** That of the bit of extents in huge pages (opt.hpa); 0: there is none. */
	uint8_t pai_shift;
	/** Bins know their top and the low bits of their end (cache_bin.h of 5.3), and their
	 * thread's struct tcache_slow_s leads to all of its arena. */
	bool has_tcache_slow;
	/** Where it says so. */
	const char *source;
};
extern const struct jemalloc_layout jemalloc_layouts[];
extern const size_t jemalloc_layouts_count;
/** layout.c: bytes of a size class below jemalloc_classes_count(). */
uint64_t jemalloc_class_bytes(uint32_t lg_quantum, uint32_t szind);
/** sc.h: SC_NSIZES. A quantum of 8 has 24, 40 and 56, too. */
static inline uint32_t jemalloc_classes_count(uint32_t lg_quantum)
{
	return lg_quantum == JEMALLOC_LG_TINY ? 235 : 232;
}
/** sc.h: SC_NBINS. */
static inline uint32_t jemalloc_bins_count(uint32_t lg_quantum)
{
	return lg_quantum == JEMALLOC_LG_TINY ? 39 : 36;
}

/** edata.h, enum extent_state_e. */
enum jemalloc_state {
	JEMALLOC_ACTIVE,
	JEMALLOC_DIRTY,
	JEMALLOC_MUZZY,
	JEMALLOC_RETAINED,
	/** And above: under way from one to another. */
	JEMALLOC_TRANSITION,
	JEMALLOC_STATE_MAX,
};

struct jemalloc_extent {
	/** Its pages, and the structure that describes it. */
	uint64_t start, bytes, edata;
	/** Of a large block: where it begins behind start. */
	uint16_t offset;
	/** Index of the arena, and of the tree in struct jemalloc. */
	uint16_t arena, tree;
	/** enum jemalloc_state; its size class, and what that is one of. */
	uint8_t state, szind, lg_quantum;
	bool is_slab;
	/** Active, but given back and kept for later (sec.h, with opt.hpa). */
	bool is_spare;
};

/** A radix tree: an instance of the allocator. */
struct jemalloc_tree {
	const struct ch_module *module;
	/** Address of its root, and the row that its extents agree with. */
	uint64_t root;
	const struct jemalloc_layout *layout;
	uint32_t lg_quantum;
	/** What a large extent has more than its block: a page, or 0 without opt.cache_oblivious.
	 */
	uint64_t pad_bytes;
};

/** A mapping for the allocator's own structures. */
struct jemalloc_base {
	/** [start, end), not used yet from free_start on. */
	uint64_t start, free_start, end;
	uint16_t arena, tree;
};

/** A thread that allocates from an arena. */
struct jemalloc_thread {
	uint32_t tid;
	uint16_t arena, tree;
};

/** An arena's sums; as many as there are heaps. */
struct jemalloc_arena {
	uint16_t tree, index;
	uint64_t slabs_count, large_count, dirty_bytes, muzzy_bytes, retained_bytes, base_bytes;
	uint64_t cached_count, cached_bytes;
	/** Where its facts and threads begin, and how many there are. */
	size_t facts_at, facts_count, tids_at, tids_count;
	char name[64];
};

struct jemalloc {
	/** What the engine reads; first. */
	struct ch_answers out;
	struct ch_heap_env env;
	/** of struct jemalloc_tree */
	struct ch_vec trees;
	/** of struct jemalloc_extent, ascending, not overlapping */
	struct ch_vec extents;
	/** of struct jemalloc_base, ascending */
	struct ch_vec bases;
	/** of uint64_t, ascending: regions in caches; addresses in blocks of the allocator's own */
	struct ch_vec cached, own;
	/** of struct jemalloc_thread, by arena and tid */
	struct ch_vec threads;
	uint64_t tcaches_count;
	char version[64];
	/** of struct jemalloc_arena, uint32_t */
	struct ch_vec arenas, tids;
};

/** An element of a leaf, unpacked; edata 0: none. */
struct jemalloc_element {
	uint64_t edata;
	uint8_t szind;
	bool is_slab;
};
/** extents.c */
struct jemalloc_element jemalloc_element(uint64_t word);
/** extents.c: read what edata describes, by the layout of a tree; why it cannot be an extent, or
 * NULL. bytes_ret: the structure as it lies in the core. */
const char *jemalloc_read_extent(const struct ch_core *core, const struct jemalloc_tree *tree,
				 uint64_t edata, struct jemalloc_extent *ret,
				 uint8_t bytes_ret[JEMALLOC_EDATA_BYTES]);
/** extents.c: free regions by the bitmap of a slab of count regions. */
uint32_t jemalloc_free_regions(const uint8_t edata[JEMALLOC_EDATA_BYTES], uint32_t count);
/** Bytes of the size class of an extent in use. */
static inline uint64_t jemalloc_extent_class(const struct jemalloc_extent *extent)
{
	return jemalloc_class_bytes(extent->lg_quantum, extent->szind);
}
static inline bool jemalloc_is_small(const struct jemalloc_extent *extent)
{
	return extent->szind < jemalloc_bins_count(extent->lg_quantum);
}
static inline bool jemalloc_has_class(const struct jemalloc_extent *extent)
{
	return extent->szind < jemalloc_classes_count(extent->lg_quantum);
}
/** extents.c: regions of a slab; 0: it cannot be one. */
uint32_t jemalloc_regions_count(const struct jemalloc_extent *slab);
/** extents.c: usable bytes of a large block. */
uint64_t jemalloc_large_bytes(const struct jemalloc *je, const struct jemalloc_extent *extent);
/** extents.c: fill extents from all trees. */
CH_MUST_CHECK struct ch_error *jemalloc_find_extents(struct jemalloc *je);
/** extents.c: the extent that holds addr, or NULL. */
const struct jemalloc_extent *jemalloc_extent_at(const struct jemalloc *je, uint64_t addr);
/** find.c: fill trees; nothing where there are none. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *jemalloc_find_trees(const struct ch_heap_env *env,
						   struct ch_vec *trees);
/** find.c: fill version, as the library has it for mallctl("version"). */
void jemalloc_find_version(struct jemalloc *je);
/** bases.c: fill bases. */
CH_MUST_CHECK struct ch_error *jemalloc_find_bases(struct jemalloc *je);
/** bases.c: the base block that holds addr, or NULL. */
const struct jemalloc_base *jemalloc_base_at(const struct jemalloc *je, uint64_t addr);
/** tcache.c: fill cached, own and threads. */
CH_MUST_CHECK struct ch_error *jemalloc_find_tcaches(struct jemalloc *je);
/** heaps.c: make heaps and spans of extents and bases. */
CH_MUST_CHECK struct ch_error *jemalloc_make_heaps(struct jemalloc *je);
/** slabs.c */
CH_MUST_CHECK struct ch_error *jemalloc_walk_extents(const struct jemalloc *je,
						     const struct ch_span *span, uint64_t from,
						     struct ch_object_sink *sink);
CH_MUST_CHECK struct ch_error *jemalloc_walk_base(const struct jemalloc *je,
						  const struct ch_span *span,
						  struct ch_object_sink *sink);

/** Cookie of spans of base blocks; those of extents have none. */
#define JEMALLOC_COOKIE_BASE 1U

/** Types of overhead. */
enum jemalloc_type {
	JEMALLOC_TYPE_META = 1,
	JEMALLOC_TYPE_META_FREE,
	JEMALLOC_TYPE_PADDING,
	JEMALLOC_TYPE_REST,
	JEMALLOC_TYPE_UNDER_WAY,
};

#endif /* COREHEAP_WALKERS_JEMALLOC_PRIV_H */
