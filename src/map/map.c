/*
 * The memory map as others see it: one ascending list without gaps in which every address has one
 * region. It is made again when somebody claimed something, and neighbours that look alike are
 * joined.
 */
#include "map/map_priv.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/context.h"
#include "util/search.h"

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Whether b continues a: everything people can see is equal, and a file goes on. */
static bool can_join(const struct ch_region *a, const struct ch_region *b)
{
	return a->end == b->start && a->usage == b->usage && a->type == b->type &&
	       a->state == b->state && a->prot == b->prot && a->flags == b->flags &&
	       a->basis == b->basis && same_text(a->owner, b->owner) &&
	       same_text(a->backing, b->backing) &&
	       (!a->backing || b->backing_off - a->backing_off == b->start - a->start);
}

static struct ch_error *add_gap(struct ch_vec *regions, uint64_t start, uint64_t end)
{
	struct ch_region *region;

	if (start >= end)
		return NULL;
	region = ch_vec_push(regions);
	if (!region)
		return &ch_enomem;
	*region = (struct ch_region){ .start = start,
				      .end = end,
				      .usage = CH_USAGE_FREE,
				      .type = CH_MEMTYPE_NONE,
				      .state = CH_STATE_FREE,
				      .basis = CH_BASIS_DERIVED };
	return NULL;
}

static struct ch_error *append(struct ch_vec *regions, const struct ch_region *next)
{
	struct ch_region *last;
	uint64_t end = 0;
	struct ch_error *err;

	if (regions->count) {
		last = CH_VEC_AT(regions, struct ch_region, regions->count - 1);
		end = last->end;
		if (can_join(last, next)) {
			last->end = next->end;
			last->in_core_bytes += next->in_core_bytes;
			last->lost_bytes += next->lost_bytes;
			return NULL;
		}
	}
	err = add_gap(regions, end, next->start);
	if (err)
		return err;
	last = ch_vec_push(regions);
	if (!last)
		return &ch_enomem;
	*last = *next;
	return NULL;
}

static void count_touched(const struct ch_map *map, struct ch_vec *regions)
{
	bool known = map->counted && ch_core_knows_touched(map->core);
	struct ch_region *region;
	size_t i;

	for (i = 0; map->counted && i < regions->count; i++) {
		region = CH_VEC_AT(regions, struct ch_region, i);
		region->flags |= known ? CH_REGION_COUNTED : 0U;
		if (region->in_core_bytes)
			region->touched_bytes =
				ch_core_touched_bytes(map->core, region->start, region->end);
	}
}

/* Lay claims, join neighbours, fill gaps. */
static struct ch_error *rebuild(struct ch_map *map)
{
	struct ch_vec laid = CH_VEC(struct ch_region), regions = CH_VEC(struct ch_region);
	struct ch_error *err;
	size_t i;

	err = chp_map_lay_claims(map, &laid);
	for (i = 0; !err && i < laid.count; i++)
		err = append(&regions, CH_VEC_AT(&laid, struct ch_region, i));
	if (!err)
		err = add_gap(
			&regions,
			regions.count
				? CH_VEC_AT(&regions, struct ch_region, regions.count - 1)->end
				: 0,
			map->space_end);
	ch_vec_deinit(&laid);
	if (err) {
		ch_vec_deinit(&regions);
		return err;
	}
	ch_vec_deinit(&map->regions);
	count_touched(map, &regions);
	map->regions = regions;
	map->dirty = false;
	return NULL;
}

struct ch_error *ch_map_create(struct ch_core *core, struct ch_sym *sym, struct ch_map **ret)
{
	struct ch_map *map = calloc(1, sizeof(*map));
	struct ch_error *err;

	if (!map)
		return &ch_enomem;
	map->core = core;
	map->sym = sym;
	map->pieces = CH_VEC(struct ch_piece);
	map->claims = CH_VEC(struct ch_stored_claim);
	map->regions = CH_VEC(struct ch_region);
	map->stacks = CH_VEC(struct ch_thread_stack);
	map->stack_parts = CH_VEC(struct ch_stack_part);
	map->names = CH_VEC(char *);
	err = chp_map_cut(map);
	if (!err) {
		chp_map_classify(map);
		err = chp_map_add_stacks(map);
	}
	if (!err)
		err = rebuild(map);
	if (err) {
		ch_map_destroy(map);
		return err;
	}
	*ret = map;
	return NULL;
}

void ch_map_destroy(struct ch_map *map)
{
	size_t i;

	if (!map)
		return;
	for (i = 0; i < map->names.count; i++)
		free(*CH_VEC_AT(&map->names, char *, i));
	ch_vec_deinit(&map->pieces);
	ch_vec_deinit(&map->claims);
	ch_vec_deinit(&map->regions);
	ch_vec_deinit(&map->stacks);
	ch_vec_deinit(&map->stack_parts);
	ch_vec_deinit(&map->names);
	free(map);
}

/* Without memory for the new regions the old ones still close. */
static void refresh(struct ch_map *map)
{
	struct ch_error *err = map->dirty ? rebuild(map) : NULL;

	if (!err)
		return;
	chp_context_finding(ch_core_context(map->core), CH_SEVERITY_INCOMPLETE, "map-stale",
			    "the memory map lacks what heaps said: %s", err->message);
	ch_error_destroy(err);
}

const struct ch_region *ch_map_regions(struct ch_map *map, size_t *count_ret)
{
	refresh(map);
	*count_ret = map->regions.count;
	return map->regions.items;
}

struct ch_error *ch_map_count_touched(struct ch_map *map, uint32_t threads)
{
	struct ch_error *err = ch_core_look_at_pages(map->core, threads);

	if (map->counted)
		return err;
	if (!err && !ch_core_knows_touched(map->core))
		chp_context_finding(
			ch_core_context(map->core), CH_SEVERITY_INCOMPLETE, "touched-unknown",
			"segments of the core share bytes of the file: which pages were "
			"touched is not known, and all that it holds is counted");
	map->counted = true;
	count_touched(map, &map->regions);
	return err;
}

const struct ch_region *ch_map_region_at(struct ch_map *map, uint64_t addr)
{
	const struct ch_region *regions;
	size_t count, above;

	if (map->has_vsyscall && addr >= map->vsyscall.start && addr < map->vsyscall.end)
		return &map->vsyscall;
	if (addr >= map->space_end)
		return NULL;
	regions = ch_map_regions(map, &count);
	above = ch_search(regions, count, it, it->start <= addr);
	return &regions[above ? above - 1 : 0];
}

uint64_t ch_map_space_end(const struct ch_map *map)
{
	return map->space_end;
}

const struct ch_region *ch_map_vsyscall(const struct ch_map *map)
{
	return map->has_vsyscall ? &map->vsyscall : NULL;
}

const struct ch_thread_stack *ch_map_thread_stacks(const struct ch_map *map, size_t *count_ret)
{
	*count_ret = map->stacks.count;
	return map->stacks.items;
}

const struct ch_thread_stack *ch_map_stacks_of(const struct ch_map *map, size_t thread_index,
					       size_t *count_ret)
{
	const struct ch_stack_part *part;

	*count_ret = 0;
	if (thread_index >= map->stack_parts.count)
		return NULL;
	part = CH_VEC_AT(&map->stack_parts, struct ch_stack_part, thread_index);
	*count_ret = part->end - part->first;
	return *count_ret ? CH_VEC_AT(&map->stacks, struct ch_thread_stack, part->first) : NULL;
}

const struct ch_thread_stack *ch_map_stack_at(const struct ch_map *map, uint64_t addr)
{
	const struct ch_thread_stack *stacks = map->stacks.items;
	size_t i;

	for (i = 0; i < map->stacks.count; i++)
		if (addr >= stacks[i].start && addr < stacks[i].end)
			return &stacks[i];
	return NULL;
}

bool ch_map_thread_stack(struct ch_map *map, size_t thread_index, uint64_t *start_ret,
			 uint64_t *end_ret)
{
	const struct ch_thread_stack *stack;
	size_t count;

	stack = ch_map_stacks_of(map, thread_index, &count);
	if (!count || stack->start >= stack->end)
		return false;
	*start_ret = stack->start;
	*end_ret = stack->end;
	return true;
}
