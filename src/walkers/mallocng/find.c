/*
 * Finding musl's allocator: its context in the data of libc, by the secret that all of its areas
 * begin with, and the groups that its metadata describe.
 */
#include "walkers/mallocng/mallocng_priv.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "heap/signs.h"
#include "util/addrs.h"
#include "util/context.h"
#include "util/search.h"

/* Areas that one walk along their list may name; each holds 101 groups. */
#define AREAS_MAX (1U << 22)

/* ---- the context ------------------------------------------------------------ */

const struct ch_module *mallocng_find_musl(const struct ch_heap_env *env)
{
	const struct ch_module *modules;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++)
		if (strncmp(modules[i].name, "ld-musl", 7) == 0 ||
		    strcmp(modules[i].name, "libc.so") == 0)
			return &modules[i];
	return NULL;
}

static bool is_area(const struct ch_core *core, uint64_t addr, uint64_t secret)
{
	uint8_t head[AREA_HEAD_BYTES];

	return addr && addr % AREA_BYTES == 0 && ch_core_try_read(core, addr, head, sizeof(head)) &&
	       ch_get64(head) == secret && ch_get32(head + 16) - 1 < AREA_SLOTS_MAX;
}

/* One of the two ends of the list is enough: the other may be damaged. */
static bool is_context(const struct ch_core *core, const struct mallocng_layout *layout,
		       uint64_t addr)
{
	uint64_t secret, pagesize = AREA_BYTES, head, tail;
	uint32_t init_done;

	return ch_core_read_u64(core, addr, &secret) && secret &&
	       ch_core_read_u32(core, addr + layout->init_done, &init_done) && init_done == 1 &&
	       (!layout->pagesize || ch_core_read_u64(core, addr + layout->pagesize, &pagesize)) &&
	       (pagesize == 4096 || pagesize == 16384 || pagesize == 65536) &&
	       ch_core_read_u64(core, addr + layout->area_head, &head) &&
	       ch_core_read_u64(core, addr + layout->area_tail, &tail) &&
	       (is_area(core, head, secret) || is_area(core, tail, secret));
}

static bool find_in_run(const struct ch_heap_env *env, const struct ch_data_run *run,
			const struct mallocng_layout **layout_ret, uint64_t *addr_ret)
{
	size_t at = ch_align_up(run->addr, 8) - run->addr, row;

	for (; at < run->len && run->len - at >= 24; at += 8) {
		for (row = 0; row < mallocng_layouts_count; row++) {
			const struct mallocng_layout *layout = &mallocng_layouts[row];

			if (ch_get32(run->bytes + at + layout->init_done) != 1 ||
			    !is_context(env->core, layout, run->addr + at))
				continue;
			*layout_ret = layout;
			*addr_ret = run->addr + at;
			return true;
		}
	}
	return false;
}

bool mallocng_find_context(const struct ch_heap_env *env, const struct mallocng_layout **layout_ret,
			   uint64_t *addr_ret, const struct ch_module **module_ret)
{
	const struct ch_module *modules;
	struct ch_data_run run = { 0 };
	size_t count, i;
	uint64_t at;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++) {
		at = modules[i].start;
		while (chp_data_next(env, &modules[i], &at, &run)) {
			if (!find_in_run(env, &run, layout_ret, addr_ret))
				continue;
			*module_ret = &modules[i];
			return true;
		}
	}
	return false;
}

/* ---- meta areas -------------------------------------------------------------- */

/* glue.h, get_random_secret(): the second half of the kernel's 16 random bytes. */
static void find_secret(struct mallocng *ng)
{
	uint64_t addr, secret;

	ng->secret_basis = "the bytes of AT_RANDOM are not in the core";
	if (!ch_core_auxv(ng->env.core, AT_RANDOM, &addr) ||
	    !ch_core_read_u64(ng->env.core, addr + 8, &secret))
		return;
	if (!ng->context)
		ng->secret = secret;
	ng->secret_basis = ng->secret == secret ? "equals bytes 8 to 15 of AT_RANDOM"
						: "differs from bytes 8 to 15 of AT_RANDOM";
}

static bool add_area(struct mallocng *ng, uint64_t addr)
{
	uint64_t *slot = ch_vec_push(&ng->areas);

	if (slot)
		*slot = addr;
	return slot != NULL;
}

/*
 * Follow the list of areas from its head. A list that runs in a circle is found
 * by an address that is met again (Brent). *whole_ret: it ends at the tail.
 */
static struct ch_error *follow_areas(struct mallocng *ng, bool *whole_ret)
{
	const struct ch_core *core = ng->env.core;
	uint64_t at = 0, tail = 0, mark = 0, steps = 0, next_mark = 1;

	*whole_ret = false;
	if (!ch_core_read_u64(core, ng->context + ng->layout->area_head, &at) ||
	    !ch_core_read_u64(core, ng->context + ng->layout->area_tail, &tail))
		return NULL;
	while (steps < AREAS_MAX && at != mark && is_area(core, at, ng->secret)) {
		if (!add_area(ng, at))
			return &ch_enomem;
		if (++steps == next_mark) {
			mark = at;
			next_mark *= 2;
		}
		if (at == tail) {
			*whole_ret = ch_core_read_u64(core, at + 8, &at) && at == 0;
			return NULL;
		}
		if (!ch_core_read_u64(core, at + 8, &at))
			return NULL;
	}
	return NULL;
}

/* Every page of private memory that begins with the secret. */
static struct ch_error *scan_areas(struct mallocng *ng)
{
	const struct ch_region *regions;
	uint64_t at, word;
	size_t count, i;

	regions = ch_map_regions(ng->env.map, &count);
	for (i = 0; i < count; i++) {
		if (regions[i].state != CH_STATE_COMMIT || !(regions[i].prot & CH_SEGMENT_WRITE) ||
		    regions[i].type != CH_MEMTYPE_PRIVATE || !regions[i].in_core_bytes)
			continue;
		for (at = ch_align_up(regions[i].start, AREA_BYTES); at < regions[i].end;
		     at += AREA_BYTES)
			if (ch_core_read_u64(ng->env.core, at, &word) && word == ng->secret &&
			    is_area(ng->env.core, at, ng->secret) && !add_area(ng, at))
				return &ch_enomem;
	}
	return NULL;
}

static void unique_areas(struct mallocng *ng)
{
	ch_addrs_sort(&ng->areas);
	ch_addrs_unique(&ng->areas);
}

static struct ch_error *find_areas(struct mallocng *ng)
{
	struct ch_error *err = NULL;
	bool whole = false;
	size_t listed;

	if (ng->context) {
		err = follow_areas(ng, &whole);
		ng->basis = "list of meta areas in the malloc context";
	}
	if (err || whole)
		return err;
	listed = ng->areas.count;
	err = scan_areas(ng);
	unique_areas(ng);
	ng->basis = "pages that begin with the secret";
	if (!err && ng->context)
		chp_context_finding(ng->env.ctx, chp_blame(&ng->env), "mallocng-areas",
				    "musl malloc: the list of meta areas breaks off after %zu; %zu "
				    "were found by their secret",
				    listed, ng->areas.count);
	return err;
}

/* ---- groups ------------------------------------------------------------------ */

/* struct meta as it lies in the core. */
struct meta {
	uint64_t mem, map_bytes;
	uint32_t avail, freed, last, size_class;
	bool freeable;
};

/* Bits of the last word: last_idx 5, freeable 1, sizeclass 6, maplen 52. */
static struct meta read_meta(const uint8_t *p)
{
	uint64_t word = ch_get64(p + 32), pages = word >> 12;

	return (struct meta){ .mem = ch_get64(p + 16),
			      .avail = ch_get32(p + 24),
			      .freed = ch_get32(p + 28),
			      .last = word & 31,
			      .freeable = word >> 5 & 1,
			      .size_class = word >> 6 & 63,
			      .map_bytes = pages < 1ULL << 40 ? pages * 4096 : UINT64_MAX };
}

/* Fill what follows from a meta; why it cannot be one, or NULL. */
static const char *make_group(const struct meta *meta, struct mallocng_group *ret)
{
	uint64_t used;

	if (meta->mem % UNIT_BYTES || meta->mem > UINT64_MAX / 2)
		return "its group is at no multiple of 16";
	if (meta->size_class >= CLASSES_COUNT &&
	    (meta->size_class != CLASS_MMAPPED || meta->last || !meta->map_bytes))
		return "its size class does not exist";
	if ((meta->avail & meta->freed) || (meta->avail | meta->freed) >> meta->last > 1)
		return "its bits of free slots contradict each other";
	ret->start = meta->mem;
	ret->slots_count = (uint8_t)(meta->last + 1);
	ret->size_class = (uint8_t)meta->size_class;
	ret->free_mask = meta->avail | meta->freed;
	ret->kind = meta->map_bytes  ? MALLOCNG_MAPPED
		    : meta->freeable ? MALLOCNG_NESTED
				     : MALLOCNG_DONATED;
	if (meta->map_bytes && !meta->last)
		ret->stride = meta->map_bytes - UNIT_BYTES;
	else
		ret->stride = (uint64_t)UNIT_BYTES * mallocng_classes[meta->size_class];
	used = UNIT_BYTES + ret->stride * ret->slots_count;
	ret->end = meta->mem + (meta->map_bytes ? meta->map_bytes : used);
	if (meta->map_bytes > UINT64_MAX / 4 || (meta->map_bytes && meta->map_bytes < used) ||
	    (meta->map_bytes && meta->mem % 4096))
		return "its slots do not fit its mapping";
	return NULL;
}

/* Whether all of [start, end) is mapped: what is not cannot be a group. */
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

static void report_meta(const struct mallocng *ng, uint64_t addr, const struct meta *meta,
			const char *why)
{
	chp_context_finding(
		ng->env.ctx, chp_blame(&ng->env), "mallocng-meta",
		"musl malloc: meta at 0x%llx of the group at %s: %s; the group is left out",
		(unsigned long long)addr,
		chp_core_word(ng->env.core, meta->mem, CH_NO_ADDRESS).text, why);
}

/* A group begins with the address of its meta: trust the meta, and tell. */
static void check_header(const struct mallocng *ng, const struct mallocng_group *group)
{
	uint64_t meta;

	if (!ch_core_read_u64(ng->env.core, group->start, &meta) || meta == group->meta)
		return;
	chp_context_finding(ng->env.ctx, CH_SEVERITY_DAMAGED, "mallocng-group",
			    "musl malloc: the group at 0x%llx begins with %s, expected 0x%llx: "
			    "its header was overwritten",
			    (unsigned long long)group->start,
			    chp_core_word(ng->env.core, meta, CH_NO_ADDRESS).text,
			    (unsigned long long)group->meta);
}

static struct ch_error *add_meta(struct mallocng *ng, uint64_t addr, const uint8_t *bytes)
{
	struct meta meta = read_meta(bytes);
	struct mallocng_group group = { .meta = addr }, *slot;
	const char *why;

	/* free_meta() clears it */
	if (!meta.mem)
		return NULL;
	why = make_group(&meta, &group);
	if (!why && !is_mapped(ng->env.map, group.start, group.end))
		why = "it is not mapped";
	if (why) {
		report_meta(ng, addr, &meta, why);
		return NULL;
	}
	check_header(ng, &group);
	slot = ch_vec_push(group.kind == MALLOCNG_NESTED ? &ng->nested : &ng->groups);
	if (!slot)
		return &ch_enomem;
	*slot = group;
	ng->donated_count += group.kind == MALLOCNG_DONATED;
	ng->mmapped_count += group.size_class == CLASS_MMAPPED;
	return NULL;
}

static struct ch_error *read_area(struct mallocng *ng, uint64_t area)
{
	uint8_t bytes[AREA_BYTES];
	struct ch_error *err = NULL;
	uint32_t i, slots;

	if (!ch_core_try_read(ng->env.core, area, bytes, sizeof(bytes))) {
		chp_context_finding(ng->env.ctx, CH_SEVERITY_INCOMPLETE, "mallocng-areas",
				    "musl malloc: the meta area at %s is not all in the core",
				    chp_core_word(ng->env.core, area, CH_NO_ADDRESS).text);
		return NULL;
	}
	slots = (uint32_t)ch_min(ch_get32(bytes + 16), AREA_SLOTS_MAX);
	for (i = 0; !err && i < slots; i++)
		err = add_meta(ng, area + AREA_HEAD_BYTES + (uint64_t)i * META_BYTES,
			       bytes + AREA_HEAD_BYTES + (size_t)i * META_BYTES);
	return err;
}

static int compare_groups(const void *a, const void *b)
{
	const struct mallocng_group *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->meta < y->meta ? -1 : x->meta > y->meta;
}

/* Sort groups; of those that overlap the first is kept. */
static void order_groups(struct mallocng *ng, struct ch_vec *groups, bool may_hold_others)
{
	struct mallocng_group *items = groups->items;
	size_t i, kept = 0;

	ch_vec_sort(groups, compare_groups);
	for (i = 0; i < groups->count; i++) {
		if (kept && (items[i].start == items[kept - 1].start ||
			     (!may_hold_others && items[i].start < items[kept - 1].end))) {
			chp_context_finding(ng->env.ctx, chp_blame(&ng->env), "mallocng-meta",
					    "musl malloc: meta at 0x%llx: its group at 0x%llx lies "
					    "in the one at 0x%llx; left out",
					    (unsigned long long)items[i].meta,
					    (unsigned long long)items[i].start,
					    (unsigned long long)items[kept - 1].start);
			continue;
		}
		items[kept++] = items[i];
	}
	groups->count = kept;
}

size_t mallocng_group_after(const struct ch_vec *groups, uint64_t addr)
{
	const struct mallocng_group *items = groups->items;

	return ch_search(items, groups->count, it, it->end <= addr);
}

/* usage_by_class counts the slots of all groups that can be given back. */
static void check_usage(const struct mallocng *ng)
{
	uint64_t found[CLASSES_COUNT] = { 0 }, counted;
	const struct ch_vec *lists[] = { &ng->groups, &ng->nested };
	const struct mallocng_group *items;
	size_t list, i;

	for (list = 0; list < 2; list++) {
		items = lists[list]->items;
		for (i = 0; i < lists[list]->count; i++)
			if (items[i].size_class < CLASSES_COUNT &&
			    items[i].kind != MALLOCNG_DONATED)
				found[items[i].size_class] += items[i].slots_count;
	}
	for (i = 0; ng->context && i < CLASSES_COUNT; i++)
		if (ch_core_read_u64(ng->env.core, ng->context + ng->layout->usage + 8 * i,
				     &counted) &&
		    counted != found[i])
			chp_context_finding(ng->env.ctx, chp_blame(&ng->env), "mallocng-usage",
					    "musl malloc: slots of %u bytes: malloc counts %llu, "
					    "%llu were found",
					    (unsigned int)(UNIT_BYTES * mallocng_classes[i]),
					    (unsigned long long)counted,
					    (unsigned long long)found[i]);
}

struct ch_error *mallocng_find_groups(struct mallocng *ng)
{
	const uint64_t *areas;
	struct ch_error *err;
	size_t i;

	if (ng->context && !ch_core_read_u64(ng->env.core, ng->context, &ng->secret))
		ng->context = 0;
	find_secret(ng);
	err = ng->secret ? find_areas(ng) : NULL;
	unique_areas(ng);
	areas = ng->areas.items;
	for (i = 0; !err && i < ng->areas.count; i++) {
		err = read_area(ng, areas[i]);
		if (!err)
			err = chp_context_check(ng->env.ctx);
	}
	if (err)
		return err;
	order_groups(ng, &ng->groups, false);
	order_groups(ng, &ng->nested, true);
	check_usage(ng);
	return NULL;
}
