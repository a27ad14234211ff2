/*
 * Objects of a region, one behind the other: each begins with the address of its method table,
 * which says how large it is. What threads have taken to allocate from is stepped over; where
 * an object makes no sense, the next one is looked for and what lies between is counted.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include "util/bytes.h"
#include "util/context.h"

/* Low bits of a method table's address that the collector borrows. */
#define MT_MASK (~7ULL)
/* Shapes of method tables kept while a span is walked: a power of two. */
#define SHAPES 1024

/* A walk through one span. */
struct walk {
	const struct clr *clr;
	const struct ch_span *span;
	struct ch_object_batch batch;
	/* Bytes at hand: [bytes, bytes + run) stands for [run_start, ...). */
	uint64_t run_start, run_end;
	const uint8_t *bytes;
	/* Next allocation context. */
	size_t context;
	uint64_t skipped_bytes, skipped_count, skipped_first;
	struct {
		uint64_t mt;
		struct clr_shape shape;
	} shapes[SHAPES];
};

static const uint8_t *bytes_at(struct walk *walk, uint64_t at, uint64_t n)
{
	size_t len;

	if (at < walk->run_start || at + n > walk->run_end) {
		walk->bytes = ch_core_span(walk->clr->core, at, &len);
		walk->run_start = at;
		walk->run_end = walk->bytes ? at + len : at;
		if (at + n > walk->run_end)
			return NULL;
	}
	return walk->bytes + (at - walk->run_start);
}

static bool find_shape(struct walk *walk, uint64_t mt, struct clr_shape *ret)
{
	size_t slot = (size_t)(mt >> 3 ^ mt >> 13) % SHAPES;

	if (walk->shapes[slot].mt != mt) {
		if (!clr_shape_read(walk->clr, mt, ret))
			return false;
		walk->shapes[slot].mt = mt;
		walk->shapes[slot].shape = *ret;
	}
	*ret = walk->shapes[slot].shape;
	return true;
}

/* The object at at, if there is one that ends by limit. */
static bool read_object(struct walk *walk, uint64_t at, uint64_t limit, struct ch_object *ret)
{
	const uint8_t *bytes = bytes_at(walk, at, 16);
	uint64_t mt = bytes ? ch_get64(bytes) & MT_MASK : 0, size, whole;
	struct clr_shape shape;

	if (!mt || !find_shape(walk, mt, &shape))
		return false;
	size = shape.base_bytes;
	if (shape.component_bytes)
		size += (uint64_t)shape.component_bytes * ch_get32(bytes + 8);
	whole = ch_max(ch_align_up(size, CLR_ALIGN), CLR_OBJECT_MIN);
	if (whole > limit - at)
		return false;
	*ret = (struct ch_object){
		.addr = at,
		.size_bytes = size,
		.chunk_bytes = whole,
		.key = mt,
		.state = mt == walk->clr->free_mt ? CH_OBJECT_FREE : CH_OBJECT_USED,
	};
	return true;
}

/* Emit [start, end) as one piece without contents. */
static struct ch_error *put_piece(struct walk *walk, uint64_t start, uint64_t end, uint64_t type,
				  enum ch_object_state state, uint16_t flags)
{
	const struct ch_object piece = { .addr = start,
					 .size_bytes = end - start,
					 .chunk_bytes = end - start,
					 .key = type,
					 .state = (uint8_t)state,
					 .flags = flags };

	return end > start ? ch_object_batch_put(&walk->batch, &piece) : NULL;
}

/* Bytes a thread has taken but not used begin at at: where they end. */
static bool skip_context(struct walk *walk, uint64_t at, uint64_t limit, uint64_t *end_ret)
{
	const struct clr_context *contexts = walk->clr->contexts.items;

	while (walk->context < walk->clr->contexts.count && contexts[walk->context].start < at)
		walk->context++;
	if (walk->context == walk->clr->contexts.count || contexts[walk->context].start != at)
		return false;
	/* Room for an object is kept behind the limit. */
	*end_ret = ch_min(ch_align_up(contexts[walk->context].limit, CLR_ALIGN) + CLR_OBJECT_MIN,
			  limit);
	return true;
}

/* Two objects in a row, the second one at least plausible, mark where to go on. */
static uint64_t resync(struct walk *walk, uint64_t at, uint64_t limit)
{
	struct ch_object first, second;
	uint64_t next;

	for (at += CLR_ALIGN; at < limit; at += CLR_ALIGN) {
		if (!bytes_at(walk, at, 16)) {
			/* Its first half may be there: go on behind it all the same. */
			if (limit - at <= CLR_ALIGN)
				return limit;
			at = ch_align_up(
				     ch_core_next_present(walk->clr->core, at + CLR_ALIGN, limit),
				     CLR_ALIGN) -
			     CLR_ALIGN;
			continue;
		}
		if (!read_object(walk, at, limit, &first))
			continue;
		next = at + first.chunk_bytes;
		if (next == limit || read_object(walk, next, limit, &second) ||
		    skip_context(walk, next, limit, &next))
			return at;
	}
	return limit;
}

static struct ch_error *walk_objects(struct walk *walk, uint64_t at, uint64_t limit)
{
	struct ch_error *err = NULL;
	struct ch_object_batch *batch = &walk->batch;
	uint64_t next;

	while (!err && at < limit) {
		if (skip_context(walk, at, limit, &next)) {
			err = put_piece(walk, at, next, CLR_TYPE_CONTEXT, CH_OBJECT_FREE,
					CH_OBJECT_CACHED);
			at = next;
		} else if (read_object(walk, at, limit, &batch->items[batch->count])) {
			/* Made where it belongs: a copy costs as much as the rest. */
			at += batch->items[batch->count++].chunk_bytes;
			if (batch->count == CH_BATCH_MAX)
				err = ch_object_batch_flush(batch);
		} else {
			next = resync(walk, at, limit);
			if (!walk->skipped_count++)
				walk->skipped_first = at;
			walk->skipped_bytes += next - at;
			at = next;
		}
	}
	return err;
}

struct ch_error *clr_frozen_visit(struct clr *clr, ch_walker_roots_fn fn, void *arg)
{
	struct walk walk = { .clr = clr };
	const struct clr_region *region;
	struct ch_error *err = NULL;
	struct ch_object object;
	uint64_t at;
	size_t i;

	for (i = 0; !err && i < clr->regions_list.count; i++) {
		region = CH_VEC_AT(&clr->regions_list, struct clr_region, i);
		if (!region->frozen)
			continue;
		for (at = region->first; !err && at < region->allocated; at += object.chunk_bytes) {
			if (!read_object(&walk, at, region->allocated, &object))
				break;
			const struct ch_walker_root root = { .kind = CH_WALKER_ROOT_FROZEN,
							     .addr = 0,
							     .value = at };

			if (object.state == CH_OBJECT_USED)
				err = fn(arg, &root);
		}
	}
	return err;
}

struct ch_error *clr_objects(void *state, const struct ch_span *span, uint64_t from,
			     struct ch_object_sink *sink)
{
	struct walk walk = { .clr = state, .span = span, .batch.sink = sink };
	const struct clr_region *region =
		CH_VEC_AT(&walk.clr->regions_list, struct clr_region, span->cookie);
	uint64_t allocated = region->allocated;
	struct ch_error *err = NULL;

	/* The collector's head of a region comes before the first object. */
	if (from == span->start) {
		err = put_piece(&walk, span->start, region->first, 0, CH_OBJECT_OVERHEAD, 0);
		from = region->first;
	}
	if (!err && from < allocated)
		err = walk_objects(&walk, from, allocated);
	if (!err && from <= span->committed_end)
		err = put_piece(&walk, ch_max(allocated, from), span->committed_end,
				CLR_TYPE_UNUSED, CH_OBJECT_FREE, CH_OBJECT_TOP);
	if (!err)
		err = ch_object_batch_flush(&walk.batch);
	if (walk.skipped_count)
		chp_context_finding(walk.clr->env->ctx, chp_blame(walk.clr->env), "clr-skipped",
				    "%s 0x%llx-0x%llx: %llu bytes in %llu places are no objects "
				    "(first at 0x%llx)",
				    span->kind, (unsigned long long)span->start,
				    (unsigned long long)allocated,
				    (unsigned long long)walk.skipped_bytes,
				    (unsigned long long)walk.skipped_count,
				    (unsigned long long)walk.skipped_first);
	return err;
}
