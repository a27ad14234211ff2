/*
 * Descriptors of pages: what they say, and which blocks their three lists hold. With MI_SECURE
 * links are encoded with two keys of the page, and blocks end with a canary.
 */
#include "walkers/mimalloc/mimalloc_priv.h"

#include <stdlib.h>

#include "util/addrs.h"
#include "util/cleanup.h"
#include "util/context.h"

/* Release 3: mi_memid_t, and enum mi_memkind_e: an arena, its slice and how many; or where memory
 * of the system begins and how much it is. */
#define MEMID_KIND 16
#define MEMKIND_OS 4
/* Low bits of thread_free are flags; so are those of an owner. */
#define FLAGS 7ULL
/* Blocks on lists of heaps, in all: more than that is a ring. */
#define DELAYED_MAX (1U << 22)

static uint64_t field(const uint8_t *p, uint32_t offset, uint32_t bytes)
{
	return bytes == 8   ? ch_get64(p + offset)
	       : bytes == 4 ? ch_get32(p + offset)
			    : ch_get16(p + offset);
}

/* Where the slices of a page of release 3 are. */
static bool read_memid(const struct mimalloc_layout *layout, const uint8_t *memid,
		       struct mimalloc_page *ret)
{
	const uint64_t base = ch_get64(memid), kind = ch_get32(memid + MEMID_KIND);
	uint64_t bytes = ch_get64(memid + 8);

	if (base > 1ULL << 47)
		return false;
	if (kind == layout->arena_kind) {
		ret->arena = base;
		/* The arena itself lies behind the first table. */
		ret->area_start = layout->kind == MIMALLOC_REGIONS
					  ? ch_align_down(base, MIMALLOC_REGION_BYTES)
					  : base;
		ret->area_start += (uint64_t)ch_get32(memid + 8) * MIMALLOC_SLICE_BYTES;
		bytes = (uint64_t)ch_get32(memid + 12) * MIMALLOC_SLICE_BYTES;
	} else {
		if (kind < MEMKIND_OS || kind > layout->arena_kind || bytes > 1ULL << 47)
			return false;
		ret->area_start = base;
	}
	ret->area_end = ret->area_start + bytes;
	return bytes > 0;
}

bool mimalloc_read_page(const struct ch_core *core, const struct mimalloc_layout *layout,
			uint64_t addr, struct mimalloc_page *ret)
{
	const struct mimalloc_page_layout *at = layout->page;
	uint8_t bytes[MIMALLOC_PAGE_BYTES];

	if (!addr || addr % 8 || !ch_core_try_read(core, addr, bytes, at->bytes))
		return false;
	*ret = (struct mimalloc_page){
		.addr = addr,
		.block_bytes = field(bytes, at->block_size, at->block_size_bytes),
		.heap = ch_get64(bytes + at->heap),
		.lists = { ch_get64(bytes + at->free), ch_get64(bytes + at->local_free),
			   ch_get64(bytes + at->thread_free) & ~FLAGS },
		.used = (uint32_t)field(bytes, at->used, at->used_bytes),
		.capacity = ch_get16(bytes + at->capacity),
		.reserved = ch_get16(bytes + at->reserved),
	};
	if (at->keys) {
		ret->keys[0] = ch_get64(bytes + at->keys);
		ret->keys[1] = ch_get64(bytes + at->keys + 8);
	}
	if (layout->start == MIMALLOC_START_STORED)
		ret->start = ch_get64(bytes + at->start);
	else if (layout->start == MIMALLOC_START_WORDS)
		ret->start = addr + 8ULL * ch_get32(bytes + at->start);
	else if (layout->start == MIMALLOC_START_BYTES)
		ret->start = addr + ch_get64(bytes + at->start);
	if (!at->memid)
		return true;
	ret->owner = ch_get64(bytes + at->owner) & ~FLAGS;
	return read_memid(layout, bytes + at->memid, ret);
}

/* ---- lists ------------------------------------------------------------------- */

/* internal.h, mi_rotl() and mi_rotr(): by the low bits of the key. */
static uint64_t rotate_left(uint64_t value, uint64_t by)
{
	by %= 64;
	return by ? value << by | value >> (64 - by) : value;
}

static uint64_t encode(uint64_t addr, const uint64_t keys[2])
{
	return rotate_left(addr ^ keys[1], keys[0]) + keys[0];
}

static uint64_t decode(uint64_t word, const uint64_t keys[2])
{
	return rotate_left(word - keys[0], 64 - keys[0] % 64) ^ keys[1];
}

bool mimalloc_next(const struct ch_core *core, const struct mimalloc_layout *layout,
		   const uint64_t keys[2], uint64_t null, uint64_t block, uint64_t *ret)
{
	if (!ch_core_read_u64(core, block, ret))
		return false;
	if (layout->page->keys) {
		*ret = decode(*ret, keys);
		if (*ret == null)
			*ret = 0;
	}
	return true;
}

/* Mark the block at addr; false: it is none, or marked. */
static bool mark(const struct mimalloc_page *page, uint64_t first, uint64_t addr,
		 struct mimalloc_free *free)
{
	const uint64_t index = (addr - first) / page->block_bytes;
	uint64_t bit;

	if (addr < first || index >= page->capacity || (addr - first) % page->block_bytes)
		return false;
	bit = 1ULL << index % 64;
	if (free->bits[index / 64] & bit)
		return false;
	free->bits[index / 64] |= bit;
	return true;
}

void mimalloc_follow_lists(const struct ch_core *core, const struct mimalloc_layout *layout,
			   const struct mimalloc_page *page, uint64_t first,
			   struct mimalloc_free *ret)
{
	uint64_t addr;
	uint32_t i;

	memset(ret->bits, 0, ((size_t)page->capacity + 63) / 64 * 8);
	ret->owned = ret->foreign = 0;
	ret->is_damaged = false;
	for (i = 0; i < 3; i++)
		/* Each step marks a block: there are no more than those. */
		for (addr = page->lists[i]; addr;) {
			if (!mark(page, first, addr, ret)) {
				ret->is_damaged = true;
				break;
			}
			++*(i == 2 ? &ret->foreign : &ret->owned);
			if (!mimalloc_next(core, layout, page->keys, page->addr, addr, &addr)) {
				ret->is_damaged = true;
				break;
			}
		}
}

int mimalloc_judge(const struct ch_core *core, const struct mimalloc_layout *layout,
		   const struct mimalloc_page *page, uint64_t first)
{
	struct mimalloc_free free;

	if (page->block_bytes < 8 || page->block_bytes % 8 || page->capacity > page->reserved ||
	    page->used > page->capacity)
		return -1;
	if (!page->capacity)
		return 0;
	mimalloc_follow_lists(core, layout, page, first, &free);
	return !free.is_damaged && page->used + free.owned == page->capacity &&
			       free.foreign <= page->used
		       ? 1
		       : -1;
}

/*
 * types.h, struct mi_padding_s, at the end of a block: a canary, and how many bytes before it were
 * not asked for. Since 2.2 the canary's first byte is always 0.
 */
bool mimalloc_usable(const struct ch_core *core, const struct mimalloc_layout *layout,
		     const struct mimalloc_page *page, uint64_t block, uint64_t *ret)
{
	uint64_t bytes = page->block_bytes;
	uint32_t canary, delta;

	*ret = bytes;
	if (!layout->has_padding || bytes < MIMALLOC_PADDING_BYTES)
		return true;
	bytes -= MIMALLOC_PADDING_BYTES;
	*ret = bytes;
	if (!ch_core_read_u32(core, block + bytes, &canary) ||
	    !ch_core_read_u32(core, block + bytes + 4, &delta))
		return true;
	if (((canary ^ (uint32_t)encode(block, page->keys)) & 0xffffff00U) || delta > bytes)
		return false;
	*ret = bytes - delta;
	return true;
}

/* ---- lists of heaps ------------------------------------------------------------ */

static struct ch_error *follow_heap(struct mimalloc *mi, const struct mimalloc_layout *layout,
				    uint64_t heap)
{
	uint64_t block, keys[2] = { 0 };

	if (!ch_core_read_u64(mi->env.core, heap + layout->heap_delayed, &block) ||
	    !ch_core_read_u64(mi->env.core, heap + layout->heap_keys, &keys[0]) ||
	    !ch_core_read_u64(mi->env.core, heap + layout->heap_keys + 8, &keys[1]))
		return NULL;
	while (block) {
		if (!ch_addrs_push(&mi->delayed, block))
			return &ch_enomem;
		if (block % 8 || mi->delayed.count >= DELAYED_MAX ||
		    !mimalloc_next(mi->env.core, layout, keys, heap, block, &block)) {
			chp_context_finding(
				mi->env.ctx, chp_blame(&mi->env), "mimalloc-list",
				"mimalloc: the list of blocks that other threads gave "
				"back to the heap at 0x%llx breaks off: what else is on "
				"it counts as used",
				(unsigned long long)heap);
			break;
		}
	}
	return NULL;
}

/* Heaps (mi_heap_t) that pages of an instance are of. */
static struct ch_error *list_heaps(const struct mimalloc *mi, uint16_t instance, struct ch_vec *ret)
{
	const struct mimalloc_layout *layout =
		CH_VEC_AT(&mi->instances, struct mimalloc_instance, instance)->layout;
	const struct mimalloc_area *areas = mi->areas.items;
	struct mimalloc_page page;
	uint64_t last = 0;
	size_t i;

	for (i = 0; i < mi->areas.count; i++) {
		if (areas[i].kind != MIMALLOC_AREA_BLOCKS || areas[i].instance != instance ||
		    !mimalloc_read_page(mi->env.core, layout, areas[i].page, &page) || !page.heap ||
		    page.heap == last)
			continue;
		last = page.heap;
		if (!ch_addrs_push(ret, last))
			return &ch_enomem;
	}
	ch_addrs_sort(ret);
	ch_addrs_unique(ret);
	return NULL;
}

/* Blocks that other threads gave back to full pages are in a list of the heap, and count as used in
 * their pages. */
struct ch_error *mimalloc_find_delayed(struct mimalloc *mi)
{
	struct ch_error *err = NULL;
	uint16_t i;
	size_t k;

	for (i = 0; !err && i < mi->instances.count; i++) {
		const struct mimalloc_layout *layout =
			CH_VEC_AT(&mi->instances, struct mimalloc_instance, i)->layout;
		struct ch_vec heaps = CH_VEC(uint64_t);

		if (!layout->heap_delayed)
			continue;
		err = list_heaps(mi, i, &heaps);
		for (k = 0; !err && k < heaps.count; k++)
			err = follow_heap(mi, layout, *CH_VEC_AT(&heaps, uint64_t, k));
		ch_vec_deinit(&heaps);
	}
	ch_addrs_sort(&mi->delayed);
	return err;
}
