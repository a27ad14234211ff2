/*
 * The walker of musl's mallocng: heaps, spans of groups and of metadata, and facts for reports.
 */
#include "walkers/mallocng/mallocng_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/error.h"

/* Cookie of spans of meta areas; those of groups have none. */
#define COOKIE_AREAS 1U

static struct ch_error *mallocng_probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	const struct ch_module *musl = mallocng_find_musl(env), *module;
	const struct mallocng_layout *layout;
	uint64_t addr;

	ret->mapped = musl;
	if (mallocng_find_context(env, &layout, &addr, &module)) {
		ret->score = 95;
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "malloc context at 0x%llx in %.64s: its meta areas carry its secret",
			 (unsigned long long)addr, module->name);
	} else if (musl && ch_core_stats(env->core)->truncated) {
		ret->score = 50;
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "%.64s is mapped, its malloc context is not in the core", musl->name);
	} else if (musl) {
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "%.64s is mapped, but mallocng was never used (musl before 1.2.1 has "
			 "another malloc)",
			 musl->name);
	} else {
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "no ld-musl is mapped, no module holds a malloc context of musl 1.2.1 or "
			 "later");
	}
	return NULL;
}

static bool add_facts(struct mallocng *ng)
{
	struct ch_vec *facts = &ng->out.facts;

	return (!ng->layout || (!chp_fact_add(facts, "musl_releases", 0, ng->layout->releases) &&
				!chp_fact_add(facts, "layout_source", 0, ng->layout->source))) &&
	       !chp_fact_add(facts, "areas_basis", 0, ng->basis) &&
	       !chp_fact_add(facts, "secret_basis", 0, ng->secret_basis) &&
	       !chp_fact_add(facts, "meta_areas_count", ng->areas.count, NULL) &&
	       !chp_fact_add(facts, "groups_count", ng->groups.count + ng->nested.count, NULL) &&
	       !chp_fact_add(facts, "nested_groups_count", ng->nested.count, NULL) &&
	       !chp_fact_add(facts, "donated_groups_count", ng->donated_count, NULL) &&
	       !chp_fact_add(facts, "mmapped_count", ng->mmapped_count, NULL);
}

/* Add a heap; its index. UINT32_MAX: out of memory. */
static uint32_t add_heap(struct mallocng *ng, const char *kind, const char *name, uint64_t addr)
{
	struct ch_heap_desc *heap = ch_vec_push(&ng->out.heaps);

	if (!heap)
		return UINT32_MAX;
	*heap = (struct ch_heap_desc){ .kind = kind, .name = name, .addr = addr };
	return (uint32_t)ng->out.heaps.count - 1;
}

static bool is_mmapped(const struct mallocng_group *group)
{
	return group->size_class == CLASS_MMAPPED;
}

/* What the map should call a group's memory. Donated memory belongs to an image
 * and stays there: the map never takes memory from one. */
static enum ch_usage usage_of(const struct mallocng *ng, const struct mallocng_group *group)
{
	const struct ch_region *region;

	if (group->kind == MALLOCNG_MAPPED)
		return is_mmapped(group) ? CH_USAGE_MMAP_CHUNK : CH_USAGE_ARENA;
	region = ch_map_region_at(ng->env.map, group->start);
	return region && region->type == CH_MEMTYPE_IMAGE ? region->usage : CH_USAGE_ARENA;
}

/* The groups of one heap: those that touch are one span. */
static bool add_group_spans(struct mallocng *ng, const char *kind, const char *heap_kind,
			    const char *name, bool (*wanted)(const struct mallocng_group *group))
{
	const struct mallocng_group *groups = ng->groups.items;
	struct ch_span *last = NULL;
	uint32_t heap = 0;
	size_t i;

	for (i = 0; i < ng->groups.count; i++) {
		if (!wanted(&groups[i]))
			continue;
		if (!last)
			heap = add_heap(ng, heap_kind, name, 0);
		if (heap == UINT32_MAX)
			return false;
		if (last && last->end == groups[i].start && !is_mmapped(&groups[i])) {
			last->end = last->committed_end = groups[i].end;
			continue;
		}
		last = ch_vec_push(&ng->out.spans);
		if (!last)
			return false;
		*last = (struct ch_span){ .start = groups[i].start,
					  .end = groups[i].end,
					  .committed_end = groups[i].end,
					  .kind = kind,
					  .heap = heap,
					  .usage = usage_of(ng, &groups[i]),
					  .basis = CH_BASIS_DERIVED,
					  .align_bytes = 16 };
	}
	return true;
}

static bool is_shared_group(const struct mallocng_group *group)
{
	return group->kind == MALLOCNG_MAPPED && !is_mmapped(group);
}

static bool is_donated(const struct mallocng_group *group)
{
	return group->kind == MALLOCNG_DONATED;
}

/* Address space that follows addr for meta areas to come (alloc_meta()). */
static uint64_t areas_left_bytes(const struct mallocng *ng, uint64_t addr)
{
	uint64_t next, left;

	if (!ng->context ||
	    !ch_core_read_u64(ng->env.core, ng->context + ng->layout->area_next, &next) ||
	    !ch_core_read_u64(ng->env.core, ng->context + ng->layout->area_left, &left) ||
	    next != addr || left > 1U << 20)
		return 0;
	return left * AREA_BYTES;
}

static bool is_in_brk(const struct mallocng *ng, uint64_t addr)
{
	uint64_t brk;

	/* (uintptr_t)-1 once brk failed */
	return ng->context && ch_core_read_u64(ng->env.core, ng->context + ng->layout->brk, &brk) &&
	       brk != UINT64_MAX && addr < brk && brk - addr < 1U << 30;
}

static bool add_area_spans(struct mallocng *ng)
{
	const uint64_t *areas = ng->areas.items;
	struct ch_span *last = NULL;
	uint32_t heap = 0;
	size_t i;

	for (i = 0; i < ng->areas.count; i++) {
		if (!last)
			heap = add_heap(ng, "bookkeeping", "meta areas", ng->context);
		if (heap == UINT32_MAX)
			return false;
		if (!last || last->end != areas[i]) {
			last = ch_vec_push(&ng->out.spans);
			if (!last)
				return false;
			*last = (struct ch_span){ .start = areas[i],
						  .kind = "meta areas",
						  .heap = heap,
						  .usage = is_in_brk(ng, areas[i]) ? CH_USAGE_HEAP
										   : CH_USAGE_ARENA,
						  .basis = CH_BASIS_DERIVED,
						  .cookie = COOKIE_AREAS };
		}
		last->committed_end = areas[i] + AREA_BYTES;
		last->end = last->committed_end + areas_left_bytes(ng, last->committed_end);
	}
	return true;
}

static bool add_spans(struct mallocng *ng)
{
	return add_group_spans(ng, "groups", "groups", "groups", is_shared_group) &&
	       add_group_spans(ng, "mmapped block", "mmapped", "mmapped blocks", is_mmapped) &&
	       add_group_spans(ng, "donated memory", "donated", "donated memory", is_donated) &&
	       add_area_spans(ng);
}

static void mallocng_close(void *state)
{
	struct mallocng *ng = state;

	ch_vec_deinit(&ng->areas);
	ch_vec_deinit(&ng->groups);
	ch_vec_deinit(&ng->nested);
	chp_answers_deinit(&ng->out);
	free(ng);
}

static struct ch_error *fill(struct mallocng *ng)
{
	const struct ch_module *module;
	struct ch_error *err;

	if (!mallocng_find_context(&ng->env, &ng->layout, &ng->context, &module))
		ng->context = 0;
	err = mallocng_find_groups(ng);
	if (err)
		return err;
	if (!ng->areas.count)
		return ch_error_create(CH_ERROR_ABSENT, "no meta area of musl's malloc is in the "
							"core");
	return add_spans(ng) && add_facts(ng) ? NULL : &ch_enomem;
}

static struct ch_error *mallocng_open(const struct ch_heap_env *env, void **state_ret)
{
	struct mallocng *ng = calloc(1, sizeof(*ng));
	struct ch_error *err;

	if (!ng)
		return &ch_enomem;
	ng->env = *env;
	ng->areas = CH_VEC(uint64_t);
	ng->groups = CH_VEC(struct mallocng_group);
	ng->nested = CH_VEC(struct mallocng_group);
	ng->out = CH_ANSWERS;
	err = fill(ng);
	if (err) {
		mallocng_close(ng);
		return err;
	}
	*state_ret = ng;
	return NULL;
}

static struct ch_error *mallocng_objects(void *state, const struct ch_span *span, uint64_t from,
					 struct ch_object_sink *sink)
{
	return span->cookie == COOKIE_AREAS ? mallocng_walk_areas(span, sink)
					    : mallocng_walk_groups(state, span, from, sink);
}

static const struct ch_walker_allocator allocator = {
	.objects = mallocng_objects,
};

static const char *const names[] = {
	[MALLOCNG_TYPE_HEADER] = "headers of groups",
	[MALLOCNG_TYPE_OFFSET] = "offsets before blocks",
	[MALLOCNG_TYPE_REST] = "unused ends of groups",
	[MALLOCNG_TYPE_META] = "meta areas",
};

static const struct ch_walker_types types = {
	.names = names,
	.names_count = CH_COUNT_OF(names),
};

const struct ch_walker ch_walker_mallocng = {
	.name = "mallocng",
	.title = "musl malloc",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "malloc of musl 1.2.1 and later",
	.priority = CH_WALKER_GENERIC,
	.probe = mallocng_probe,
	.open = mallocng_open,
	.close = mallocng_close,
	.allocator = &allocator,
	.types = &types,
};
