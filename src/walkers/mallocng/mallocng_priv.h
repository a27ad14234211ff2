/*
 * mallocng_priv.h - the inside of the walker of musl's malloc, mallocng.
 *
 * layout.c has the offsets of its context, find.c finds the context and all
 * groups, slots.c walks them; mallocng.c is the walker.
 *
 * Terms are those of musl, src/malloc/mallocng/meta.h: memory is divided into
 * groups of 1 to 32 slots of one size; a struct meta, kept apart from the memory
 * it describes, says where its group is and which slots are free; metas lie in
 * meta areas, pages that begin with a secret of the process. A small group lies
 * in a slot of a larger one (nested). Slot i of a group begins at
 * group + 16 + i * stride; the four bytes before it are its header, so that the
 * bytes it costs run from there to the header of the next slot.
 */
#ifndef COREHEAP_WALKERS_MALLOCNG_PRIV_H
#define COREHEAP_WALKERS_MALLOCNG_PRIV_H

#include "heap/walker.h"
#include "util/bytes.h"
#include "util/vec.h"

/** meta.h: UNIT, IB, size of struct meta_area's head and of struct meta. */
#define UNIT_BYTES        16U
#define SLOT_HEADER_BYTES 4U
#define AREA_BYTES        4096U
#define AREA_HEAD_BYTES   24U
#define META_BYTES        40U
#define AREA_SLOTS_MAX    ((AREA_BYTES - AREA_HEAD_BYTES) / META_BYTES)
#define CLASSES_COUNT     48U
/** Size class of blocks from 128 KiB on. */
#define CLASS_MMAPPED 63U

/** Offsets in struct malloc_context. */
struct mallocng_layout {
	const char *releases;
	/** Offset of pagesize; 0 where the page size is a constant. */
	uint16_t pagesize;
	uint16_t init_done, area_left, area_head, area_tail, area_next, usage, brk, context_bytes;
	/** Where it says so. */
	const char *source;
};
extern const struct mallocng_layout mallocng_layouts[];
extern const size_t mallocng_layouts_count;
/** Bytes of a slot of each class, in units of 16. */
extern const uint16_t mallocng_classes[CLASSES_COUNT];

enum mallocng_kind {
	/** A mapping of its own, with any number of slots. */
	MALLOCNG_MAPPED,
	/** In a slot of another group. */
	MALLOCNG_NESTED,
	/** Left-over memory of images, given to malloc by the dynamic linker. */
	MALLOCNG_DONATED,
};

struct mallocng_group {
	/** The group [start, end) and its struct meta. */
	uint64_t start, end, meta;
	uint64_t stride;
	/** One bit a slot. */
	uint32_t free_mask;
	uint8_t slots_count, size_class;
	/** enum mallocng_kind */
	uint8_t kind;
};

struct mallocng {
	/** What the engine reads; first. */
	struct ch_answers out;
	struct ch_heap_env env;
	const struct mallocng_layout *layout;
	/** Address of struct malloc_context, 0 when it was not found. */
	uint64_t context;
	uint64_t secret;
	/** How the meta areas were found; text for people. */
	const char *basis, *secret_basis;
	/** of uint64_t: addresses of the meta areas, ascending */
	struct ch_vec areas;
	/** of struct mallocng_group, ascending: not in a slot, and nested */
	struct ch_vec groups, nested;
	uint64_t donated_count, mmapped_count;
};

/** find.c: the context in the data of a module; false when it is not there. */
bool mallocng_find_context(const struct ch_heap_env *env, const struct mallocng_layout **layout_ret,
			   uint64_t *addr_ret, const struct ch_module **module_ret);
/** find.c: a module that is musl's C library, or NULL. */
const struct ch_module *mallocng_find_musl(const struct ch_heap_env *env);
/** find.c: fill areas, groups and nested. */
CH_MUST_CHECK struct ch_error *mallocng_find_groups(struct mallocng *ng);
/** find.c: index of the first of groups that ends above addr, or their count. */
size_t mallocng_group_after(const struct ch_vec *groups, uint64_t addr);
/** slots.c: emit the objects of the groups in [start, end), from one on. */
CH_MUST_CHECK struct ch_error *mallocng_walk_groups(const struct mallocng *ng,
						    const struct ch_span *span, uint64_t from,
						    struct ch_object_sink *sink);
/** slots.c: emit meta areas. */
CH_MUST_CHECK struct ch_error *mallocng_walk_areas(const struct ch_span *span,
						   struct ch_object_sink *sink);

/** Types of overhead. */
enum mallocng_type {
	MALLOCNG_TYPE_HEADER = 1,
	MALLOCNG_TYPE_OFFSET,
	MALLOCNG_TYPE_REST,
	MALLOCNG_TYPE_META,
};

#endif /* COREHEAP_WALKERS_MALLOCNG_PRIV_H */
