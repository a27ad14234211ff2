/*
 * Areas as objects: blocks of a page, of which the free ones are in its lists or in that of its
 * heap; free memory; and what is the allocator's own.
 */
#include "walkers/mimalloc/mimalloc_priv.h"

#include "util/addrs.h"
#include "util/context.h"
#include "util/search.h"

struct walk {
	const struct mimalloc *mi;
	struct ch_object_batch batch;
	struct mimalloc_free free;
};

static struct ch_error *put(struct walk *walk, uint64_t addr, uint64_t end,
			    enum ch_object_state state, uint64_t key, enum ch_object_flags flags)
{
	const struct ch_object object = { .addr = addr,
					  .size_bytes = end - addr,
					  .chunk_bytes = end - addr,
					  .key = key,
					  .state = (uint8_t)state,
					  .flags = (uint16_t)flags };

	return end > addr ? ch_object_batch_put(&walk->batch, &object) : NULL;
}

/* Mark blocks of a page that other threads gave back to its heap. */
static void mark_delayed(struct walk *walk, const struct mimalloc_page *page, uint64_t first)
{
	const uint64_t *items = walk->mi->delayed.items;
	const uint64_t end = first + page->block_bytes * page->capacity;
	size_t i = ch_addrs_from(&walk->mi->delayed, first);

	for (; i < walk->mi->delayed.count && items[i] < end; i++) {
		const uint64_t index = (items[i] - first) / page->block_bytes;

		walk->free.bits[index / 64] |= 1ULL << index % 64;
	}
}

static void check_lists(const struct walk *walk, const struct mimalloc_area *area,
			const struct mimalloc_page *page)
{
	const uint32_t free_count = page->capacity - page->used;

	if (!walk->free.is_damaged && walk->free.owned == free_count)
		return;
	chp_context_finding(walk->mi->env.ctx, chp_blame(&walk->mi->env), "mimalloc-list",
			    "mimalloc: the page at 0x%llx: %u blocks are free by its lists, %u by "
			    "its count; what is in no list counts as used",
			    (unsigned long long)area->start, walk->free.owned, free_count);
}

/* Each word is written where it stays: a copy of what was just written stalls the processor. */
static inline struct ch_error *put_block(struct walk *walk, const struct mimalloc_layout *layout,
					 const struct mimalloc_page *page, uint64_t addr,
					 enum ch_object_state state)
{
	struct ch_object *object = &walk->batch.items[walk->batch.count++];

	object->addr = addr;
	object->size_bytes = page->block_bytes;
	object->chunk_bytes = page->block_bytes;
	object->key = 0;
	object->state = (uint8_t)state;
	object->header_bytes = 0;
	object->flags = 0;
	if (layout->has_padding && state == CH_OBJECT_USED &&
	    !mimalloc_usable(walk->mi->env.core, layout, page, addr, &object->size_bytes))
		chp_context_finding(walk->mi->env.ctx, CH_SEVERITY_DAMAGED, "mimalloc-canary",
				    "mimalloc: the canary behind the block at 0x%llx is gone: the "
				    "block was written to behind its end",
				    (unsigned long long)addr);
	return walk->batch.count == CH_BATCH_MAX ? ch_object_batch_flush(&walk->batch) : NULL;
}

static struct ch_error *walk_page(struct walk *walk, const struct mimalloc_area *area)
{
	const struct mimalloc_layout *layout =
		CH_VEC_AT(&walk->mi->instances, struct mimalloc_instance, area->instance)->layout;
	struct mimalloc_page page;
	struct ch_error *err;
	uint64_t addr = area->first, made_end;
	uint32_t i;

	/* It was read before, when the area was found. */
	if (!mimalloc_read_page(walk->mi->env.core, layout, area->page, &page))
		return NULL;
	if (page.block_bytes >= 2ULL << 30 && layout->page->block_size_bytes == 4)
		page.block_bytes = area->end - area->first;
	mimalloc_follow_lists(walk->mi->env.core, layout, &page, area->first, &walk->free);
	check_lists(walk, area, &page);
	mark_delayed(walk, &page, area->first);
	err = put(walk, area->start, addr, CH_OBJECT_OVERHEAD, MIMALLOC_TYPE_REST, 0);
	for (i = 0; !err && i < page.capacity; i++, addr += page.block_bytes)
		err = put_block(walk, layout, &page, addr,
				walk->free.bits[i / 64] >> i % 64 & 1 ? CH_OBJECT_FREE
								      : CH_OBJECT_USED);
	/* Room for blocks that were never made. */
	made_end = area->first + page.block_bytes * page.reserved;
	if (!err)
		err = put(walk, addr, made_end, CH_OBJECT_FREE, 0, 0);
	return err ? err
		   : put(walk, made_end, area->end, CH_OBJECT_OVERHEAD, MIMALLOC_TYPE_REST, 0);
}

static struct ch_error *walk_area(struct walk *walk, const struct mimalloc_area *area)
{
	switch (area->kind) {
	case MIMALLOC_AREA_BLOCKS:
		return walk_page(walk, area);
	case MIMALLOC_AREA_FREE:
		return put(walk, area->start, area->end, CH_OBJECT_FREE, 0, CH_OBJECT_PAGES);
	case MIMALLOC_AREA_META:
		return put(walk, area->start, area->end, CH_OBJECT_OVERHEAD, MIMALLOC_TYPE_META, 0);
	default:
		return put(walk, area->start, area->end, CH_OBJECT_OVERHEAD, MIMALLOC_TYPE_DAMAGED,
			   0);
	}
}

struct ch_error *mimalloc_walk(void *state, const struct ch_span *span, uint64_t from,
			       struct ch_object_sink *sink)
{
	const struct mimalloc *mi = state;
	const struct mimalloc_area *areas = mi->areas.items;
	const uint64_t first = ch_max(span->start, from);
	struct walk walk = { .mi = mi, .batch.sink = sink };
	size_t i = ch_search(areas, mi->areas.count, it, it->end <= first);
	struct ch_error *err = NULL;

	for (; !err && i < mi->areas.count && areas[i].start < span->committed_end; i++)
		err = walk_area(&walk, &areas[i]);
	return err ? err : ch_object_batch_flush(&walk.batch);
}
