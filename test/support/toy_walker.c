#include "support/toy_walker.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/context.h"
#include "util/vec.h"

struct toy {
	const struct ch_heap_env *env;
	/* of struct ch_span */
	struct ch_vec spans;
	struct ch_fact facts[1];
};

static const struct ch_heap_desc toy_heap = { .kind = "pools", .name = "toy pools" };

/* Whether a pool begins here; its bump in *ret. */
static bool pool_at(const struct ch_core *core, const struct ch_segment *segment, const char *magic,
		    uint64_t *ret)
{
	char found[8];

	return (segment->flags & CH_SEGMENT_WRITE) &&
	       ch_core_try_read(core, segment->start, found, sizeof(found)) &&
	       memcmp(found, magic, sizeof(found)) == 0 &&
	       ch_core_read_u64(core, segment->start + 8, ret);
}

static struct ch_error *probe_for(const struct ch_heap_env *env, const char *magic,
				  struct ch_probe *ret)
{
	const struct ch_segment *segments;
	size_t count, i;
	uint64_t bump;

	segments = ch_core_segments(env->core, &count);
	for (i = 0; i < count && !ret->score; i++) {
		if (!pool_at(env->core, &segments[i], magic, &bump))
			continue;
		ret->score = 100;
		snprintf(ret->evidence, sizeof(ret->evidence), "pool magic at 0x%llx",
			 (unsigned long long)segments[i].start);
	}
	return NULL;
}

static void close_toy(void *state)
{
	struct toy *toy = state;

	ch_vec_deinit(&toy->spans);
	free(toy);
}

static struct ch_error *open_for(const struct ch_heap_env *env, const char *magic, void **state_ret)
{
	struct toy *toy = calloc(1, sizeof(*toy));
	const struct ch_segment *segments;
	struct ch_span *span;
	size_t count, i;
	uint64_t bump;

	if (!toy)
		return &ch_enomem;
	toy->env = env;
	toy->spans = CH_VEC(struct ch_span);
	segments = ch_core_segments(env->core, &count);
	for (i = 0; i < count; i++) {
		if (!pool_at(env->core, &segments[i], magic, &bump))
			continue;
		span = ch_vec_push(&toy->spans);
		if (!span) {
			close_toy(toy);
			return &ch_enomem;
		}
		*span = (struct ch_span){ .start = segments[i].start,
					  .end = segments[i].end,
					  .committed_end = segments[i].end,
					  .kind = "pool",
					  .usage = CH_USAGE_ARENA,
					  .basis = CH_BASIS_DERIVED,
					  .cookie = bump };
	}
	toy->facts[0] = (struct ch_fact){ .key = "pools_count", .number = toy->spans.count };
	*state_ret = toy;
	return NULL;
}

static struct ch_error *probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	return probe_for(env, TOY_MAGIC, ret);
}

static struct ch_error *open_toy(const struct ch_heap_env *env, void **state_ret)
{
	return open_for(env, TOY_MAGIC, state_ret);
}

static struct ch_error *probe_other(const struct ch_heap_env *env, struct ch_probe *ret)
{
	return probe_for(env, TOY_OTHER_MAGIC, ret);
}

static struct ch_error *open_other(const struct ch_heap_env *env, void **state_ret)
{
	return open_for(env, TOY_OTHER_MAGIC, state_ret);
}

/* A pool in a block of another one. */
struct nested_search {
	struct toy *toy;
	const char *magic;
};

static struct ch_error *look_for_pools(void *arg, const struct ch_object *objects, size_t n)
{
	struct nested_search *search = arg;
	struct ch_span *span;
	char magic[8];
	uint64_t bump;
	size_t i;

	for (i = 0; i < n; i++) {
		if (objects[i].state != CH_OBJECT_USED || objects[i].size_bytes < TOY_HEADER_BYTES)
			continue;
		if (!ch_core_try_read(search->toy->env->core, objects[i].addr, magic, 8) ||
		    memcmp(magic, search->magic, 8) != 0 ||
		    !ch_core_read_u64(search->toy->env->core, objects[i].addr + 8, &bump))
			continue;
		span = ch_vec_push(&search->toy->spans);
		if (!span)
			return &ch_enomem;
		*span = (struct ch_span){ .start = objects[i].addr,
					  .end = objects[i].addr + objects[i].size_bytes,
					  .committed_end = objects[i].addr + objects[i].size_bytes,
					  .kind = "nested pool",
					  .usage = CH_USAGE_ARENA,
					  .basis = CH_BASIS_DERIVED,
					  .cookie = bump,
					  .block_addr = objects[i].addr };
	}
	return NULL;
}

static struct ch_error *open_nested(const struct ch_heap_env *env, const char *magic,
				    void **state_ret)
{
	struct nested_search search = { .toy = calloc(1, sizeof(*search.toy)), .magic = magic };
	struct ch_error *err;

	if (!search.toy)
		return &ch_enomem;
	search.toy->env = env;
	search.toy->spans = CH_VEC(struct ch_span);
	err = chp_outer_walk(env, 0, UINT64_MAX, look_for_pools, &search);
	if (err) {
		close_toy(search.toy);
		return err;
	}
	search.toy->facts[0] =
		(struct ch_fact){ .key = "pools_count", .number = search.toy->spans.count };
	*state_ret = search.toy;
	return NULL;
}

static struct ch_error *open_inner(const struct ch_heap_env *env, void **state_ret)
{
	return open_nested(env, TOY_MAGIC_INNER, state_ret);
}

static struct ch_error *open_innermost(const struct ch_heap_env *env, void **state_ret)
{
	return open_nested(env, TOY_MAGIC_INNERMOST, state_ret);
}

static const struct ch_heap_desc *heaps(void *state, size_t *count_ret)
{
	(void)state;
	*count_ret = 1;
	return &toy_heap;
}

static const struct ch_span *spans(void *state, size_t *count_ret)
{
	struct toy *toy = state;

	*count_ret = toy->spans.count;
	return toy->spans.items;
}

/* The block at an address; false when there is none that ends by limit. */
static bool block_at(const struct toy *toy, uint64_t at, uint64_t limit, struct ch_object *ret)
{
	uint8_t header[TOY_BLOCK_HEADER];
	uint64_t chunk;

	if (at >= limit || !ch_core_try_read(toy->env->core, at, header, sizeof(header)))
		return false;
	chunk = TOY_BLOCK_HEADER + ch_align_up(ch_get32(header), 8);
	if (chunk > limit - at)
		return false;
	*ret = (struct ch_object){ .addr = at + TOY_BLOCK_HEADER,
				   .size_bytes = ch_get32(header),
				   .chunk_bytes = chunk,
				   .key = ch_get16(header + 4),
				   .state = ch_get16(header + 6) ? CH_OBJECT_FREE : CH_OBJECT_USED,
				   .header_bytes = TOY_BLOCK_HEADER };
	return true;
}

static struct ch_error *objects(void *state, const struct ch_span *span, uint64_t from,
				struct ch_object_sink *sink)
{
	struct ch_object_batch batch;
	struct toy *toy = state;
	uint64_t bump = ch_min(span->cookie, span->end - span->start);
	uint64_t at = from, limit = span->start + bump;
	struct ch_object object;
	struct ch_error *err;

	/* Not initialised as a whole: the items are 20 KiB. */
	batch.sink = sink;
	batch.count = 0;
	if (at == span->start) {
		object = (struct ch_object){ .addr = at,
					     .size_bytes = TOY_HEADER_BYTES,
					     .chunk_bytes = TOY_HEADER_BYTES,
					     .state = CH_OBJECT_OVERHEAD };
		err = ch_object_batch_put(&batch, &object);
		if (err)
			return err;
		at += TOY_HEADER_BYTES;
	}
	for (; block_at(toy, at, limit, &object); at += object.chunk_bytes) {
		err = ch_object_batch_put(&batch, &object);
		if (err)
			return err;
	}
	if (at < limit) {
		chp_context_finding(toy->env->ctx, CH_SEVERITY_INCOMPLETE, "toy-damaged",
				    "pool 0x%llx: no block at 0x%llx",
				    (unsigned long long)span->start, (unsigned long long)at);
	} else if (at < span->end) {
		object = (struct ch_object){ .addr = at,
					     .size_bytes = span->end - at,
					     .chunk_bytes = span->end - at,
					     .state = CH_OBJECT_FREE,
					     .flags = CH_OBJECT_TOP };
		err = ch_object_batch_put(&batch, &object);
		if (err)
			return err;
	}
	return ch_object_batch_flush(&batch);
}

static struct ch_error *type(void *state, uint64_t id, struct ch_type *ret)
{
	(void)state;
	ret->name = id == 1 ? "Apple" : id == 2 ? "Pear" : id == 9 ? TOY_EVIL_NAME : NULL;
	ret->basis = CH_BASIS_RECORDED;
	return NULL;
}

static struct ch_error *type_of_other(void *state, uint64_t id, struct ch_type *ret)
{
	(void)state;
	ret->name = id == 1 ? "Plum" : id == 2 ? "Fig" : NULL;
	ret->basis = CH_BASIS_RECORDED;
	return NULL;
}

static const struct ch_fact *facts(void *state, size_t *count_ret)
{
	struct toy *toy = state;

	*count_ret = 1;
	return toy->facts;
}

static const struct ch_walker_types types = { .name = type };

const struct ch_walker ch_walker_toy = {
	.name = "toy",
	.summary = "bump allocator of the tests",
	.priority = CH_WALKER_SPECIFIC,
	.probe = probe,
	.open = open_toy,
	.close = close_toy,
	.facts = facts,
	.allocator = &(const struct ch_walker_allocator){ .heaps = heaps,
							  .spans = spans,
							  .objects = objects },
	.types = &types,
};

const struct ch_walker ch_walker_toy_inner = {
	.name = "toy_inner",
	.summary = "pools in blocks of the bump allocator",
	.priority = CH_WALKER_SPECIFIC,
	.probe = probe,
	.open = open_inner,
	.close = close_toy,
	.facts = facts,
	.allocator = &(const struct ch_walker_allocator){ .stage = 1,
							  .pooled = true,
							  .heaps = heaps,
							  .spans = spans,
							  .objects = objects },
	.types = &types,
};

const struct ch_walker ch_walker_toy_innermost = {
	.name = "toy_innermost",
	.summary = "pools in blocks of those pools",
	.priority = CH_WALKER_SPECIFIC,
	.probe = probe,
	.open = open_innermost,
	.close = close_toy,
	.facts = facts,
	.allocator =
		&(const struct ch_walker_allocator){
			.stage = 2, .heaps = heaps, .spans = spans, .objects = objects },
	.types = &types,
};

const struct ch_walker ch_walker_toy_other = {
	.name = "toy_other",
	.summary = "as toy, with other types of the same numbers",
	.priority = CH_WALKER_SPECIFIC,
	.probe = probe_other,
	.open = open_other,
	.close = close_toy,
	.facts = facts,
	.allocator = &(const struct ch_walker_allocator){ .heaps = heaps,
							  .spans = spans,
							  .objects = objects },
	.types = &(const struct ch_walker_types){ .name = type_of_other },
};
