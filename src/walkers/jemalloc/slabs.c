/*
 * Extents as objects: the regions of a slab by its bitmap, large blocks, free pages; and base
 * blocks, which are all the allocator's.
 */
#include "walkers/jemalloc/jemalloc_priv.h"

#include "util/addrs.h"
#include "util/cleanup.h"
#include "util/search.h"

struct walk {
	const struct jemalloc *je;
	struct ch_object_batch batch;
	/* The next of the cached, and of the allocator's own. */
	size_t cached_at, own_at;
	uint64_t next_cached, next_own;
};

static struct ch_error *put_overhead(struct walk *walk, uint64_t start, uint64_t end,
				     enum jemalloc_type type)
{
	const struct ch_object object = { .addr = start,
					  .size_bytes = end - start,
					  .chunk_bytes = end - start,
					  .key = type,
					  .state = CH_OBJECT_OVERHEAD };

	return end > start ? ch_object_batch_put(&walk->batch, &object) : NULL;
}

/* Each word is written where it stays: a copy of what was just written stalls the processor. */
static inline struct ch_error *put(struct walk *walk, uint64_t addr, uint64_t bytes,
				   enum ch_object_state state, enum ch_object_flags flags)
{
	struct ch_object *object = &walk->batch.items[walk->batch.count++];

	object->addr = addr;
	object->size_bytes = bytes;
	object->chunk_bytes = bytes;
	object->key = 0;
	object->state = (uint8_t)state;
	object->header_bytes = 0;
	object->flags = (uint16_t)flags;
	return walk->batch.count == CH_BATCH_MAX ? ch_object_batch_flush(&walk->batch) : NULL;
}

/* A block that its arena counts as in use: it may be in a cache, or jemalloc's own. */
static inline struct ch_error *put_block(struct walk *walk, uint64_t addr, uint64_t bytes)
{
	if (__builtin_expect(walk->next_cached < addr, 0))
		walk->next_cached = ch_addrs_next(&walk->je->cached, &walk->cached_at, addr);
	if (__builtin_expect(walk->next_own < addr, 0))
		walk->next_own = ch_addrs_next(&walk->je->own, &walk->own_at, addr);
	if (__builtin_expect(walk->next_cached == addr, 0))
		return put(walk, addr, bytes, CH_OBJECT_FREE, CH_OBJECT_CACHED);
	return put(walk, addr, bytes, CH_OBJECT_USED,
		   walk->next_own - addr < bytes ? CH_OBJECT_ALLOCATOR : 0);
}

static struct ch_error *walk_slab(struct walk *walk, const struct jemalloc_extent *slab)
{
	const uint64_t bytes = jemalloc_extent_class(slab);
	const uint32_t count = jemalloc_regions_count(slab);
	uint64_t addr = slab->start;
	uint8_t bitmap[JEMALLOC_REGIONS_MAX / 8];
	struct ch_error *err = NULL;
	uint32_t i;

	/* It was read before, when the extent was found. */
	if (!ch_core_try_read(walk->je->env.core, slab->edata + 64, bitmap, sizeof(bitmap)))
		return put_overhead(walk, slab->start, slab->start + slab->bytes,
				    JEMALLOC_TYPE_UNDER_WAY);
	for (i = 0; !err && i < count; i++, addr += bytes)
		if (bitmap[i / 8] >> i % 8 & 1)
			err = put(walk, addr, bytes, CH_OBJECT_FREE, 0);
		else
			err = put_block(walk, addr, bytes);
	return err ? err : put_overhead(walk, addr, slab->start + slab->bytes, JEMALLOC_TYPE_REST);
}

/* A large block begins at a random cache line of its first page (opt.cache_oblivious). */
static struct ch_error *walk_large(struct walk *walk, const struct jemalloc_extent *extent)
{
	const uint64_t start = extent->start + extent->offset, end = extent->start + extent->bytes;
	struct ch_error *err;
	uint64_t bytes;

	if (extent->is_spare)
		return put(walk, extent->start, extent->bytes, CH_OBJECT_FREE, 0);
	if (!jemalloc_has_class(extent))
		return put_overhead(walk, extent->start, end, JEMALLOC_TYPE_UNDER_WAY);
	bytes = jemalloc_large_bytes(walk->je, extent);
	err = put_overhead(walk, extent->start, start, JEMALLOC_TYPE_PADDING);
	if (!err)
		err = put_block(walk, start, bytes);
	return err ? err : put_overhead(walk, start + bytes, end, JEMALLOC_TYPE_PADDING);
}

static struct ch_error *walk_extent(struct walk *walk, const struct jemalloc_extent *extent)
{
	if (extent->state == JEMALLOC_ACTIVE)
		return extent->is_slab ? walk_slab(walk, extent) : walk_large(walk, extent);
	if (extent->state == JEMALLOC_DIRTY || extent->state == JEMALLOC_MUZZY)
		return put(walk, extent->start, extent->bytes, CH_OBJECT_FREE, CH_OBJECT_PAGES);
	return put_overhead(walk, extent->start, extent->start + extent->bytes,
			    JEMALLOC_TYPE_UNDER_WAY);
}

struct ch_error *jemalloc_walk_extents(const struct jemalloc *je, const struct ch_span *span,
				       uint64_t from, struct ch_object_sink *sink)
{
	const struct jemalloc_extent *extents = je->extents.items;
	const uint64_t first = ch_max(span->start, from);
	struct walk walk = { .je = je, .batch.sink = sink };
	size_t i = ch_search(extents, je->extents.count, it, it->start + it->bytes <= first);
	struct ch_error *err = NULL;

	if (i < je->extents.count) {
		walk.cached_at = ch_addrs_from(&je->cached, extents[i].start);
		walk.own_at = ch_addrs_from(&je->own, extents[i].start);
	}
	for (; !err && i < je->extents.count && extents[i].start < span->committed_end; i++)
		err = walk_extent(&walk, &extents[i]);
	return err ? err : ch_object_batch_flush(&walk.batch);
}

struct ch_error *jemalloc_walk_base(const struct jemalloc *je, const struct ch_span *span,
				    struct ch_object_sink *sink)
{
	const struct jemalloc_base *base = jemalloc_base_at(je, span->start);
	struct walk walk = { .je = je, .batch.sink = sink };
	struct ch_error *err;

	if (!base)
		return NULL;
	err = put_overhead(&walk, base->start, base->free_start, JEMALLOC_TYPE_META);
	if (!err)
		err = put_overhead(&walk, base->free_start, base->end, JEMALLOC_TYPE_META_FREE);
	return err ? err : ch_object_batch_flush(&walk.batch);
}
