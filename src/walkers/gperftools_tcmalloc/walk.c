/*
 * Spans as objects: of one size class those in the span's list and in caches are free; a large
 * block; free pages.
 */
#include "walkers/gperftools_tcmalloc/gperftools_tcmalloc_priv.h"

#include "util/addrs.h"
#include "util/context.h"
#include "util/search.h"

struct walk {
	const struct tcmalloc *tc;
	struct ch_object_batch batch;
	/* Of the span under way: free objects by its list. */
	uint64_t bits[TCMALLOC_OBJECTS_MAX / 64];
	/* The next of the cached ones. */
	size_t cached_at, central_at;
};

/* Each word is written where it stays: a copy of what was just written stalls the processor. */
static inline struct ch_error *put(struct walk *walk, uint64_t addr, uint64_t bytes,
				   enum ch_object_state state, uint64_t key,
				   enum ch_object_flags flags)
{
	struct ch_object *object;

	if (!bytes)
		return NULL;
	object = &walk->batch.items[walk->batch.count++];
	object->addr = addr;
	object->size_bytes = bytes;
	object->chunk_bytes = bytes;
	object->key = key;
	object->state = (uint8_t)state;
	object->header_bytes = 0;
	object->flags = (uint16_t)flags;
	return walk->batch.count == CH_BATCH_MAX ? ch_object_batch_flush(&walk->batch) : NULL;
}

/* Mark what is in the list of a span; how many there are. False: it breaks off. */
static bool mark_list(struct walk *walk, const struct tcmalloc_span *span, uint32_t count,
		      uint32_t *found_ret)
{
	const uint64_t bytes = walk->tc->sizes[span->class];
	uint64_t addr = span->objects, index;

	*found_ret = 0;
	memset(walk->bits, 0, ((size_t)count + 63) / 64 * 8);
	/* Each step marks an object: there are no more than those. */
	while (addr) {
		index = (addr - span->start) / bytes;
		if (addr < span->start || (addr - span->start) % bytes || index >= count ||
		    walk->bits[index / 64] >> index % 64 & 1)
			return false;
		walk->bits[index / 64] |= 1ULL << index % 64;
		++*found_ret;
		if (!ch_core_read_u64(walk->tc->env.core, addr, &addr))
			return false;
	}
	return true;
}

static struct ch_error *walk_objects(struct walk *walk, const struct tcmalloc_span *span)
{
	const struct tcmalloc *tc = walk->tc;
	const uint32_t count = tcmalloc_objects_count(tc, span);
	const uint64_t bytes = tc->sizes[span->class];
	uint64_t addr = span->start;
	struct ch_error *err = NULL;
	uint32_t found, i;

	if (!mark_list(walk, span, count, &found) || found + span->refcount != count)
		chp_context_finding(
			tc->env.ctx, chp_blame(&tc->env), "tcmalloc-list",
			"tcmalloc: the span at 0x%llx: %u objects are free by its list, "
			"%lld by its count; what is in no list counts as used",
			(unsigned long long)span->start, found, (long long)count - span->refcount);
	for (i = 0; !err && i < count; i++, addr += bytes)
		if (walk->bits[i / 64] >> i % 64 & 1)
			err = put(walk, addr, bytes, CH_OBJECT_FREE, 0, 0);
		else if (ch_addrs_next(&tc->cached, &walk->cached_at, addr) == addr)
			err = put(walk, addr, bytes, CH_OBJECT_FREE, 0, CH_OBJECT_CACHED);
		else if (ch_addrs_next(&tc->central, &walk->central_at, addr) == addr)
			err = put(walk, addr, bytes, CH_OBJECT_FREE, 0, 0);
		else
			err = put(walk, addr, bytes, CH_OBJECT_USED, 0, 0);
	return err ? err
		   : put(walk, addr, span->end - addr, CH_OBJECT_OVERHEAD, TCMALLOC_TYPE_REST, 0);
}

/* tcmalloc.cc, GetSizeWithCallback(): of a block that was sampled, what its size is rounded up to;
 * struct StackTrace begins with that. */
static uint64_t large_bytes(const struct tcmalloc *tc, const struct tcmalloc_span *span)
{
	const uint64_t bytes = span->end - span->start;
	uint64_t asked;
	uint32_t i;

	if (!span->is_sample || !ch_core_read_u64(tc->env.core, span->objects, &asked))
		return bytes;
	for (i = 1; i < tc->classes_count; i++)
		if (tc->sizes[i] >= asked)
			return ch_min(tc->sizes[i], bytes);
	return bytes;
}

static struct ch_error *walk_large(struct walk *walk, const struct tcmalloc_span *span)
{
	const uint64_t bytes = large_bytes(walk->tc, span);
	struct ch_error *err = put(walk, span->start, bytes, CH_OBJECT_USED, 0, 0);

	return err ? err
		   : put(walk, span->start + bytes, span->end - span->start - bytes,
			 CH_OBJECT_OVERHEAD, TCMALLOC_TYPE_REST, 0);
}

static struct ch_error *walk_span(struct walk *walk, const struct tcmalloc_span *span)
{
	if (span->location == TCMALLOC_NORMAL)
		return put(walk, span->start, span->end - span->start, CH_OBJECT_FREE, 0,
			   CH_OBJECT_PAGES);
	return span->class ? walk_objects(walk, span) : walk_large(walk, span);
}

struct ch_error *tcmalloc_walk(void *state, const struct ch_span *place, uint64_t from,
			       struct ch_object_sink *sink)
{
	const struct tcmalloc *tc = state;
	const struct tcmalloc_span *spans = tc->spans.items;
	const uint64_t first = ch_max(place->start, from);
	struct walk walk = { .tc = tc, .batch.sink = sink };
	size_t i = ch_search(spans, tc->spans.count, it, it->end <= first);
	struct ch_error *err = NULL;

	if (place->cookie == TCMALLOC_COOKIE_META) {
		err = put(&walk, place->start, place->end - place->start, CH_OBJECT_OVERHEAD,
			  TCMALLOC_TYPE_META, 0);
		return err ? err : ch_object_batch_flush(&walk.batch);
	}
	if (i < tc->spans.count) {
		walk.cached_at = ch_addrs_from(&tc->cached, spans[i].start);
		walk.central_at = ch_addrs_from(&tc->central, spans[i].start);
	}
	for (; !err && i < tc->spans.count && spans[i].start < place->committed_end; i++)
		err = walk_span(&walk, &spans[i]);
	return err ? err : ch_object_batch_flush(&walk.batch);
}
