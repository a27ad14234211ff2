/*
 * All extents that a radix tree leads to: each leaf is read page by page, from one extent's end to
 * the next one's start.
 */
#include "walkers/jemalloc/jemalloc_priv.h"

#include <stdlib.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "util/search.h"

#define E_ADDR   8
#define E_SIZE   16
#define E_BITMAP 64
/* Address space of a leaf. */
#define LEAF_SPACE_BITS (JEMALLOC_LEAF_BITS + 12)

/* A leaf of the tree, by the part of the address space that it is for. */
struct leaf {
	uint64_t addr, space;
};

struct reader {
	struct jemalloc *je;
	const struct jemalloc_tree *tree;
	uint16_t tree_index;
	/* elements of the leaf under way: those that the core lacks are 0 */
	uint64_t *elements;
	uint64_t space;
};

/*
 * rtree.h, rtree_leaf_elm_bits_decode(): the size class in the top 16 bits, the structure's
 * address below, flags in its low bits. Structures are aligned to 64 before 5.3, to 128 since.
 */
struct jemalloc_element jemalloc_element(uint64_t word)
{
	return (struct jemalloc_element){ .edata = word & 0x0000ffffffffffc0ULL,
					  .szind = (uint8_t)(word >> 48),
					  .is_slab = word & 1 };
}

uint32_t jemalloc_regions_count(const struct jemalloc_extent *slab)
{
	uint64_t count;

	if (!jemalloc_is_small(slab) || slab->bytes % jemalloc_extent_class(slab))
		return 0;
	count = slab->bytes / jemalloc_extent_class(slab);
	return count <= JEMALLOC_REGIONS_MAX ? (uint32_t)count : 0;
}

uint32_t jemalloc_free_regions(const uint8_t edata[JEMALLOC_EDATA_BYTES], uint32_t count)
{
	uint32_t at, sum = 0;

	for (at = 0; at < count; at += 64) {
		uint64_t word = ch_get64(edata + E_BITMAP + at / 8);

		if (count - at < 64)
			word &= (1ULL << (count - at)) - 1;
		sum += (uint32_t)__builtin_popcountll(word);
	}
	return sum;
}

/*
 * What must be true of an extent in use for its blocks to be told. A large block has the size of
 * its class; since 5.3.1 (sz.h, sz_large_size_classes_disabled()) whole pages up to it. A page
 * more than that is what it may begin behind.
 */
static const char *check_active(const struct jemalloc_extent *extent)
{
	uint64_t class_bytes;

	if (extent->is_slab)
		return jemalloc_regions_count(extent) ? NULL : "its regions do not fit it";
	if (!jemalloc_has_class(extent))
		return NULL;
	class_bytes = jemalloc_extent_class(extent);
	if (jemalloc_is_small(extent))
		return ch_inside(extent->offset, class_bytes, extent->bytes)
			       ? NULL
			       : "its block does not fit it";
	return extent->bytes > jemalloc_class_bytes(extent->lg_quantum, extent->szind - 1U) +
					       extent->offset &&
			       extent->bytes <= class_bytes + JEMALLOC_PAGE_BYTES
		       ? NULL
		       : "its block does not fit it";
}

const char *jemalloc_read_extent(const struct ch_core *core, const struct jemalloc_tree *tree,
				 uint64_t edata, struct jemalloc_extent *ret,
				 uint8_t bytes_ret[JEMALLOC_EDATA_BYTES])
{
	const struct jemalloc_layout *layout = tree->layout;
	uint64_t bits, addr;

	if (!ch_core_try_read(core, edata, bytes_ret, JEMALLOC_EDATA_BYTES))
		return "its structure is not in the core";
	bits = ch_get64(bytes_ret);
	addr = ch_get64(bytes_ret + E_ADDR);
	*ret = (struct jemalloc_extent){
		.start = ch_align_down(addr, JEMALLOC_PAGE_BYTES),
		.bytes = ch_align_down(ch_get64(bytes_ret + E_SIZE), JEMALLOC_PAGE_BYTES),
		.edata = edata,
		.offset = addr % JEMALLOC_PAGE_BYTES,
		.arena = bits & 0xfff,
		.state = (uint8_t)(bits >> layout->state_shift & ((1U << layout->state_bits) - 1)),
		.szind = (uint8_t)(bits >> layout->szind_shift),
		.lg_quantum = (uint8_t)tree->lg_quantum,
		.is_slab = bits >> 12 & 1,
	};
	/* pa.c, pa_dalloc() of 5.3: its size class is taken away, its mark of a slab is not. */
	ret->is_spare = ret->state == JEMALLOC_ACTIVE && layout->pai_shift &&
			bits >> layout->pai_shift & 1 && !jemalloc_has_class(ret);
	if (ret->is_spare)
		ret->is_slab = false;
	if (!ret->start || !ret->bytes || ret->start > 1ULL << 47 || ret->bytes > 1ULL << 47)
		return "its pages cannot be";
	if (ret->state > JEMALLOC_STATE_MAX)
		return "its state does not exist";
	return ret->state == JEMALLOC_ACTIVE ? check_active(ret) : NULL;
}

static bool is_mapped(struct ch_map *map, uint64_t start, uint64_t end)
{
	const struct ch_region *region;

	while (start < end) {
		region = ch_map_region_at(map, start);
		if (!region || region->state == CH_STATE_FREE || region->end <= start)
			return false;
		start = region->end;
	}
	return true;
}

static void report_extent(const struct reader *reader, uint64_t page, const char *why,
			  const char *then)
{
	chp_context_finding(reader->je->env.ctx, chp_blame(&reader->je->env), "jemalloc-extent",
			    "jemalloc: the extent of the page at 0x%llx: %s; %s",
			    (unsigned long long)page, why, then);
}

/* The count of free regions beside the bitmap. */
static void check_slab(const struct reader *reader, const struct jemalloc_extent *slab,
		       const uint8_t *edata)
{
	uint32_t free_count = jemalloc_free_regions(edata, jemalloc_regions_count(slab));
	uint32_t counted = ch_get64(edata) >> reader->tree->layout->nfree_shift & 0x3ff;

	if (free_count != counted)
		chp_context_finding(reader->je->env.ctx, chp_blame(&reader->je->env),
				    "jemalloc-slab",
				    "jemalloc: the slab at 0x%llx: %u regions are free by its "
				    "bitmap, %u by its count",
				    (unsigned long long)slab->start, free_count, counted);
}

/* Whether the element of an extent's last page leads to it, too; true in another leaf. */
static bool ends_where_it_says(const struct reader *reader, const struct jemalloc_extent *extent)
{
	uint64_t last = (extent->start + extent->bytes - reader->space) / JEMALLOC_PAGE_BYTES - 1;

	return last >= JEMALLOC_LEAF_COUNT ||
	       jemalloc_element(reader->elements[last]).edata == extent->edata;
}

/* Where the slots end that lead to the same structure as one does. */
static uint32_t slots_end(const struct reader *reader, uint32_t slot)
{
	const uint64_t edata = jemalloc_element(reader->elements[slot]).edata;

	while (slot < JEMALLOC_LEAF_COUNT &&
	       jemalloc_element(reader->elements[slot]).edata == edata)
		slot++;
	return slot;
}

/* Whether a page in the middle may stand for its extent, whose first elements are gone. */
static bool is_inside(const struct reader *reader, const struct jemalloc_extent *extent,
		      uint64_t page)
{
	const struct ch_vec *extents = &reader->je->extents;
	const struct jemalloc_extent *last =
		extents->count ? CH_VEC_AT(extents, struct jemalloc_extent, extents->count - 1)
			       : NULL;

	return extent->start >= reader->space && extent->start < page &&
	       page - extent->start < extent->bytes &&
	       (!last || last->start + last->bytes <= extent->start);
}

/* Why the extent that the structure of a slot describes cannot be the slot's, or NULL. */
static const char *check_slot(const struct reader *reader, uint32_t slot,
			      const struct jemalloc_extent *extent)
{
	const uint64_t page = reader->space + slot * JEMALLOC_PAGE_BYTES;
	const uint64_t end = extent->start + extent->bytes;
	const struct jemalloc_element element = jemalloc_element(reader->elements[slot]);

	if (extent->state == JEMALLOC_ACTIVE && !extent->is_spare &&
	    (element.szind != extent->szind || element.is_slab != extent->is_slab))
		return "its size class is another one in the tree";
	if (extent->start != page && !is_inside(reader, extent, page))
		return "its structure is another one's";
	if (!ends_where_it_says(reader, extent))
		return "its last page leads to another one";
	if (!is_mapped(reader->je->env.map, extent->start, end))
		return "it is not mapped";
	return NULL;
}

/* The extent of a slot: *next_ret, the slot behind it. One that cannot be costs the slots that
 * lead to it. */
static struct ch_error *read_slot(const struct reader *reader, uint32_t slot, uint32_t *next_ret)
{
	const uint64_t page = reader->space + slot * JEMALLOC_PAGE_BYTES;
	uint8_t bytes[JEMALLOC_EDATA_BYTES];
	struct jemalloc_extent extent, *kept;
	const char *why;

	why = jemalloc_read_extent(reader->je->env.core, reader->tree,
				   jemalloc_element(reader->elements[slot]).edata, &extent, bytes);
	if (!why)
		why = check_slot(reader, slot, &extent);
	if (why) {
		report_extent(reader, page, why, "it is left out");
		*next_ret = slots_end(reader, slot);
		return NULL;
	}
	if (extent.start != page)
		report_extent(reader, extent.start, "its first page leads nowhere",
			      "it was found by a later one");
	if (extent.state == JEMALLOC_ACTIVE && extent.is_slab)
		check_slab(reader, &extent, bytes);
	extent.tree = reader->tree_index;
	kept = ch_vec_push(&reader->je->extents);
	if (!kept)
		return &ch_enomem;
	*kept = extent;
	*next_ret = (uint32_t)ch_min((extent.start + extent.bytes - reader->space) /
					     JEMALLOC_PAGE_BYTES,
				     JEMALLOC_LEAF_COUNT);
	return NULL;
}

/* Copy a leaf; what the core lacks of it is empty. */
static void copy_leaf(const struct reader *reader, uint64_t leaf)
{
	const struct ch_core *core = reader->je->env.core;
	uint64_t at = leaf, end = leaf + JEMALLOC_LEAF_BYTES;
	bool absent = false;
	const uint8_t *bytes;
	size_t len;

	memset(reader->elements, 0, JEMALLOC_LEAF_BYTES);
	while (at < end) {
		bytes = ch_core_span(core, at, &len);
		if (bytes) {
			len = ch_min(len, end - at);
			memcpy((uint8_t *)reader->elements + (at - leaf), bytes, len);
			at += len;
		} else {
			absent = true;
			at = ch_core_next_present(core, at, end);
		}
	}
	if (absent)
		chp_context_finding(reader->je->env.ctx, CH_SEVERITY_INCOMPLETE, "jemalloc-leaf",
				    "jemalloc: the leaf of its radix tree at 0x%llx is not all in "
				    "the core",
				    (unsigned long long)leaf);
}

static struct ch_error *read_leaf(struct reader *reader, const struct leaf *leaf)
{
	struct ch_error *err = chp_context_check(reader->je->env.ctx);
	/* An extent may go on from the leaf before. */
	const struct ch_vec *extents = &reader->je->extents;
	const struct jemalloc_extent *last =
		extents->count ? CH_VEC_AT(extents, struct jemalloc_extent, extents->count - 1)
			       : NULL;
	uint32_t slot = 0;

	reader->space = leaf->space;
	copy_leaf(reader, leaf->addr);
	if (last && last->tree == reader->tree_index && last->start + last->bytes > leaf->space)
		slot = (uint32_t)ch_min((last->start + last->bytes - leaf->space) /
						JEMALLOC_PAGE_BYTES,
					JEMALLOC_LEAF_COUNT);
	while (!err && slot < JEMALLOC_LEAF_COUNT) {
		if (jemalloc_element(reader->elements[slot]).edata)
			err = read_slot(reader, slot, &slot);
		else
			slot++;
	}
	return err;
}

static int compare_leaves(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static int compare_spaces(const void *a, const void *b)
{
	const struct leaf *x = a, *y = b;

	return x->space < y->space ? -1 : x->space > y->space;
}

/*
 * Leaves that the root leads to, each for a part of the address space. Leaves that overlap are
 * none: that bounds what a damaged root can cost by the bytes of the core.
 */
static struct ch_error *find_leaves(const struct jemalloc *je, const struct jemalloc_tree *tree,
				    struct ch_vec *ret)
{
	uint64_t at = tree->root, end = tree->root + JEMALLOC_ROOT_BYTES, word;
	const uint8_t *bytes;
	struct leaf *items, *leaf;
	size_t len, i, kept = 0;

	while ((bytes = ch_core_next_data(je->env.core, &at, end, &len))) {
		len = ch_min(len, end - at) / 8 * 8;
		if (!len)
			break;
		for (i = 0; i < len; i += 8) {
			word = ch_get64(bytes + i);
			if (!word || word % 64)
				continue;
			leaf = ch_vec_push(ret);
			if (!leaf)
				return &ch_enomem;
			*leaf = (struct leaf){ .addr = word,
					       .space = (at + i - tree->root) / 8
							<< LEAF_SPACE_BITS };
		}
		at += len;
	}
	ch_vec_sort(ret, compare_leaves);
	items = ret->items;
	for (i = 0; i < ret->count; i++) {
		uint64_t leaf_end;

		if (kept && items[i].addr - items[kept - 1].addr < JEMALLOC_LEAF_BYTES)
			continue;
		if (!ch_add(items[i].addr, JEMALLOC_LEAF_BYTES, &leaf_end) ||
		    !is_mapped(je->env.map, items[i].addr, leaf_end))
			continue;
		items[kept++] = items[i];
	}
	if (kept != ret->count)
		chp_context_finding(
			je->env.ctx, chp_blame(&je->env), "jemalloc-leaf",
			"jemalloc: %zu elements of the root of its radix tree at 0x%llx "
			"lead to no leaf",
			ret->count - kept, (unsigned long long)tree->root);
	ret->count = kept;
	ch_vec_sort(ret, compare_spaces);
	return NULL;
}

/* Whether an extent holds one large block of a large class. */
static bool is_large(const struct jemalloc_extent *extent)
{
	return extent->state == JEMALLOC_ACTIVE && !extent->is_slab && !jemalloc_is_small(extent) &&
	       jemalloc_has_class(extent);
}

/*
 * Whether large extents are a page longer than their blocks (opt.cache_oblivious, which is the
 * default): not if all of them begin with their page, and are as long as a class and never more.
 */
static uint64_t pad_of(const struct jemalloc *je, size_t first)
{
	const struct jemalloc_extent *extents = je->extents.items;
	uint64_t plain = 0, class_bytes;
	size_t i;

	for (i = first; i < je->extents.count; i++) {
		if (!is_large(&extents[i]))
			continue;
		class_bytes = jemalloc_extent_class(&extents[i]);
		if (extents[i].offset || extents[i].bytes > class_bytes)
			return JEMALLOC_PAGE_BYTES;
		plain += extents[i].bytes == class_bytes;
	}
	return plain ? 0 : JEMALLOC_PAGE_BYTES;
}

uint64_t jemalloc_large_bytes(const struct jemalloc *je, const struct jemalloc_extent *extent)
{
	const struct jemalloc_tree *tree =
		CH_VEC_AT(&je->trees, struct jemalloc_tree, extent->tree);
	const uint64_t class_bytes = jemalloc_extent_class(extent);

	/* The class of a small block that was sampled (prof_tctx.h) is its own. */
	return jemalloc_is_small(extent) ? class_bytes
					 : ch_min(class_bytes, extent->bytes - tree->pad_bytes);
}

static struct ch_error *read_tree(struct jemalloc *je, uint16_t index)
{
	struct ch_vec leaves = CH_VEC(struct leaf);
	struct reader reader = { .je = je,
				 .tree = CH_VEC_AT(&je->trees, struct jemalloc_tree, index),
				 .tree_index = index,
				 .elements = malloc(JEMALLOC_LEAF_BYTES) };
	struct ch_error *err = reader.elements ? find_leaves(je, reader.tree, &leaves) : &ch_enomem;
	const size_t first = je->extents.count;
	size_t i;

	for (i = 0; !err && i < leaves.count; i++)
		err = read_leaf(&reader, CH_VEC_AT(&leaves, struct leaf, i));
	CH_VEC_AT(&je->trees, struct jemalloc_tree, index)->pad_bytes = pad_of(je, first);
	free(reader.elements);
	ch_vec_deinit(&leaves);
	return err;
}

static int compare_extents(const void *a, const void *b)
{
	const struct jemalloc_extent *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->edata < y->edata ? -1 : x->edata > y->edata;
}

/* Of extents that overlap the first is kept. */
static void order_extents(struct jemalloc *je)
{
	struct jemalloc_extent *items = je->extents.items;
	size_t i, kept = 0;

	ch_vec_sort(&je->extents, compare_extents);
	for (i = 0; i < je->extents.count; i++) {
		if (kept && items[i].start < items[kept - 1].start + items[kept - 1].bytes) {
			chp_context_finding(je->env.ctx, chp_blame(&je->env), "jemalloc-extent",
					    "jemalloc: the extent at 0x%llx lies in the one at "
					    "0x%llx; it is left out",
					    (unsigned long long)items[i].start,
					    (unsigned long long)items[kept - 1].start);
			continue;
		}
		items[kept++] = items[i];
	}
	je->extents.count = kept;
}

struct ch_error *jemalloc_find_extents(struct jemalloc *je)
{
	struct ch_error *err = NULL;
	uint16_t i;

	for (i = 0; !err && i < je->trees.count; i++)
		err = read_tree(je, i);
	order_extents(je);
	return err;
}

const struct jemalloc_extent *jemalloc_extent_at(const struct jemalloc *je, uint64_t addr)
{
	const struct jemalloc_extent *items = je->extents.items;
	size_t index = ch_search(items, je->extents.count, it, it->start + it->bytes <= addr);

	return index < je->extents.count && items[index].start <= addr ? &items[index] : NULL;
}
