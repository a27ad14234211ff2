/*
 * The .NET walker: objects of the garbage collected heap, from the runtime's own
 * tables, without its debugging library.
 */
#include "walkers/coreclr/conduct.h"
#include "walkers/coreclr/coreclr_priv.h"
#include "walkers/coreclr/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"
#include "util/text.h"

/* Low bits of a method table's address that the collector borrows. */
#define MT_MASK (~7ULL)
/* Shapes of method tables kept while a span is walked: a power of two. */
#define SHAPES 1024

static struct ch_error *probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	const struct ch_module *runtime = clr_find_runtime(env);
	_cleanup_free_ char *path = NULL;

	if (!runtime)
		return NULL;
	path = chp_text_escape(runtime->path, 160);
	if (!path)
		return &ch_enomem;
	ret->mapped = true;
	ret->score = 100;
	snprintf(ret->evidence, sizeof(ret->evidence), "%s", path);
	return NULL;
}

static void close_walker(void *state)
{
	struct clr *clr = state;
	size_t i;

	for (i = 0; i < clr->names.count; i++)
		free(*CH_VEC_AT(&clr->names, char *, i));
	for (i = 0; i < clr->type_names.count; i++)
		free(*CH_VEC_AT(&clr->type_names, char *, i));
	ch_vec_deinit(&clr->heaps);
	ch_vec_deinit(&clr->names);
	ch_vec_deinit(&clr->spans);
	ch_vec_deinit(&clr->regions_list);
	ch_vec_deinit(&clr->contexts);
	clr_modules_free(clr);
	clr_value_types_free(clr);
	free(clr->types);
	ch_vec_deinit(&clr->series);
	ch_vec_deinit(&clr->slots);
	ch_vec_deinit(&clr->numbers);
	ch_vec_deinit(&clr->handle_segments);
	ch_vec_deinit(&clr->threads);
	ch_vec_deinit(&clr->module_list);
	ch_vec_deinit(&clr->claims);
	ch_vec_deinit(&clr->allocators);
	clr_assemblies_free(clr);
	ch_vec_deinit(&clr->facts);
	ch_vec_deinit(&clr->type_names);
	free(clr);
}

/* What must be true before anything is said: the best known types have their names. */
static struct ch_error *check_names(struct clr *clr)
{
	char name[CLR_NAME_MAX];

	if (!clr_type_name(clr, clr->object_mt, name, sizeof(name))) {
		clr_needs_names(clr);
		return NULL;
	}
	if (strcmp(name, "System.Object") != 0 ||
	    !clr_type_name(clr, clr->string_mt, name, sizeof(name)) ||
	    strcmp(name, "System.String") != 0)
		return ch_error_create(CH_ERROR_CORRUPT,
				       "the runtime's tables do not fit its types: System.Object "
				       "and System.String are not where they say");
	return NULL;
}

static struct ch_error *add_fact(struct clr *clr, const char *key, uint64_t number,
				 const char *text)
{
	struct ch_fact *fact = ch_vec_push(&clr->facts);

	if (!fact)
		return &ch_enomem;
	*fact = (struct ch_fact){ .key = key, .number = number, .text = text };
	return NULL;
}

static struct ch_error *make_facts(struct clr *clr)
{
	struct ch_error *err;

	err = add_fact(clr, "collector", 0, clr->server ? "server" : "workstation");
	if (!err)
		err = add_fact(clr, "heap_layout", 0, clr->regions ? "regions" : "segments");
	if (!err && clr->server)
		err = add_fact(clr, "gc_heaps_count", clr->heaps_count, NULL);
	if (!err && clr->dynamic_count)
		err = add_fact(clr, "dynamic_modules_count", clr->dynamic_count, NULL);
	if (!err && clr->collectible_count)
		err = add_fact(clr, "collectible_loaders_count", clr->collectible_count, NULL);
	if (!err && clr->collectible_count)
		err = add_fact(clr, "collectible_loaders_bytes", clr->collectible_bytes, NULL);
	if (!err)
		err = add_fact(clr, "tables", 0,
			       clr->tables_source ? clr->tables_source
						  : "contract descriptor of the runtime");
	return err;
}

static struct ch_error *open_walker(const struct ch_heap_env *env, void **state_ret)
{
	struct clr *clr = calloc(1, sizeof(*clr));
	struct ch_error *err;

	if (!clr)
		return &ch_enomem;
	clr->env = env;
	clr->core = env->core;
	clr->runtime = clr_find_runtime(env);
	clr->heaps = CH_VEC(struct ch_heap_desc);
	clr->names = CH_VEC(char *);
	clr->spans = CH_VEC(struct ch_span);
	clr->regions_list = CH_VEC(struct clr_region);
	clr->contexts = CH_VEC(struct clr_context);
	clr->series = CH_VEC(struct clr_series);
	clr->slots = CH_VEC(struct clr_slot);
	clr->numbers = CH_VEC(struct clr_slot);
	clr->handle_segments = CH_VEC(uint64_t);
	clr->threads = CH_VEC(struct clr_thread);
	clr->module_list = CH_VEC(uint64_t);
	clr->claims = CH_VEC(struct ch_walker_claim);
	clr->allocators = CH_VEC(struct clr_allocator);
	clr->assemblies = CH_VEC(struct ch_assembly);
	clr->facts = CH_VEC(struct ch_fact);
	clr->type_names = CH_VEC(char *);
	err = clr->runtime ? clr_find_tables(clr)
			   : ch_error_create(CH_ERROR_UNSUPPORTED, "no runtime");
	if (!err)
		err = clr_gc_open(clr);
	if (!err)
		err = check_names(clr);
	if (!err)
		err = clr_loader_find(clr);
	if (!err)
		err = make_facts(clr);
	if (err) {
		close_walker(clr);
		return err;
	}
	*state_ret = clr;
	return NULL;
}

static const struct ch_heap_desc *heaps(void *state, size_t *count_ret)
{
	const struct clr *clr = state;

	*count_ret = clr->heaps.count;
	return clr->heaps.items;
}

static const struct ch_span *spans(void *state, size_t *count_ret)
{
	const struct clr *clr = state;

	*count_ret = clr->spans.count;
	return clr->spans.items;
}

static const struct ch_fact *facts(void *state, size_t *count_ret)
{
	const struct clr *clr = state;

	*count_ret = clr->facts.count;
	return clr->facts.items;
}

static struct ch_error *type(void *state, uint64_t id, struct ch_type *ret)
{
	struct clr *clr = state;
	char name[CLR_NAME_MAX];
	char **slot;

	ret->basis = CH_BASIS_DERIVED;
	if (id == CLR_TYPE_CONTEXT || id == CLR_TYPE_UNUSED) {
		ret->name = id == CLR_TYPE_CONTEXT ? "taken by a thread to allocate from"
						   : "end of a region, not allocated";
		return NULL;
	}
	if (!clr_type_name(clr, id, name, sizeof(name)))
		snprintf(name, sizeof(name), "MT %s (no metadata)",
			 chp_core_word(clr->core, id, CH_NO_ADDRESS).text);
	slot = ch_vec_push(&clr->type_names);
	if (!slot)
		return &ch_enomem;
	*slot = chp_text_escape(name, 4 * sizeof(name));
	if (!*slot)
		return &ch_enomem;
	ret->name = *slot;
	return NULL;
}

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
		.type = mt,
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
					 .type = type,
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

static struct ch_error *objects(void *state, const struct ch_span *span, uint64_t from,
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

const struct ch_walker ch_walker_coreclr = {
	.name = "coreclr",
	.title = ".NET",
	.kind = CH_RUNTIME_LANGUAGE,
	.summary = ".NET Core 3.1, .NET 8 to 10: generations, regions and segments, types by name",
	.priority = CH_WALKER_SPECIFIC,
	.probe = probe,
	.open = open_walker,
	.close = close_walker,
	.heaps = heaps,
	.spans = spans,
	.objects = objects,
	.type = type,
	.facts = facts,
	.tracer = &clr_tracer,
	.code = clr_code_at,
	.thrown = clr_thrown,
	.handles = clr_handles_list,
	.methods = clr_methods_visit,
	.meaning = clr_meaning,
	.assemblies = clr_assemblies,
	.claims = clr_loader_claims,
	.inspector = &clr_inspector,
	.conduct = &clr_conduct,
};
