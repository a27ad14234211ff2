/*
 * The walker of glibc's malloc, for all libcs of a process: it opens them one after the other,
 * and answers the engine with the heaps, spans and objects of all.
 */
#include "walkers/glibc/glibc_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "walkers/glibc/flight.h"
#include "walkers/glibc/repairs.h"

static const struct ch_module *find_libc(const struct ch_heap_env *env)
{
	const struct ch_module *modules;
	size_t count, i;

	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++)
		if (glibc_is_libc(&modules[i]))
			return &modules[i];
	return NULL;
}

/* Whether all writable memory of a module is in the core. */
static bool is_data_present(const struct ch_heap_env *env, const struct ch_module *module)
{
	const struct ch_region *region;
	uint64_t at = module->start;
	bool any = false;

	while (at < module->end) {
		region = ch_map_region_at(env->map, at);
		if (!region)
			break;
		if ((region->prot & CH_SEGMENT_WRITE) && region->state == CH_STATE_COMMIT) {
			if (region->in_core_bytes < region->end - region->start)
				return false;
			any = true;
		}
		at = region->end;
	}
	return any;
}

static struct ch_error *glibc_probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	const struct ch_module *libc = find_libc(env);
	struct glibc_place places[GLIBC_LIBCS_MAX];
	size_t count = glibc_find_main_arenas(env, places, GLIBC_LIBCS_MAX);

	ret->mapped = libc;
	if (count > 1) {
		ret->score = 90;
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "main_arena of glibc %s at 0x%llx: %s; and %zu more, each of another libc "
			 "in the process",
			 places[0].layout->releases, (unsigned long long)places[0].addr,
			 places[0].basis, count - 1);
	} else if (count) {
		ret->score = 90;
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "main_arena of glibc %s at 0x%llx: %s", places[0].layout->releases,
			 (unsigned long long)places[0].addr, places[0].basis);
	} else if (libc && is_data_present(env, libc)) {
		ret->unused = true;
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "%.64s is mapped, but its malloc was never called", libc->name);
	} else if (libc) {
		ret->score = 50;
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "%.64s is mapped, its main_arena is not in the core", libc->name);
	} else {
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "no libc.so.6 and no main_arena in the executable");
	}
	return NULL;
}

static bool add_heaps(struct glibc *glibc)
{
	struct ch_heap_desc *heap;
	struct glibc_arena *arena;
	size_t i;

	for (i = 0; i < glibc->arenas.count; i++) {
		arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, i);
		heap = ch_vec_push(&glibc->heaps);
		if (!heap || !glibc_add_arena_facts(arena, glibc->threads_known))
			return false;
		heap->kind = "arena";
		heap->name = arena->name;
		heap->addr = arena->addr;
		heap->addr_bytes = glibc->layout->state_bytes;
		heap->facts = arena->facts.items;
		heap->facts_count = arena->facts.count;
		heap->tids = arena->tids.items;
		heap->tids_count = arena->tids.count;
		heap->tids_known = glibc->threads_known;
	}
	if (!glibc->mmapped.count)
		return true;
	heap = ch_vec_push(&glibc->heaps);
	if (!heap)
		return false;
	heap->kind = "mmapped";
	heap->name = "mmapped chunks";
	return true;
}

/*
 * Only the main arena gives its top back, and only where it ends at the break
 * (glibc-2.36, malloc/malloc.c, mtrim and systrim): in the mapping of
 * sbrk_base, with nothing behind it.
 */
static uint64_t top_unit(const struct glibc *glibc, const struct glibc_piece *piece)
{
	const struct glibc_arena *arena =
		CH_VEC_AT(&glibc->arenas, struct glibc_arena, piece->arena);
	uint64_t at = glibc->par.addr ? glibc->par.sbrk_base : piece->start, unit;
	const struct ch_region *region;

	if (!arena->is_main || arena->top < piece->first || arena->top >= piece->end)
		return 0;
	while (at < piece->end) {
		region = ch_map_region_at(glibc->env.map, at);
		if (!region || !glibc_is_candidate(region) || region->end <= at)
			return 0;
		at = region->end;
	}
	if (at != piece->end)
		return 0;
	unit = glibc->par.thp_pagesize;
	return unit && !(unit & (unit - 1)) ? ch_max(unit, CH_PAGE_BYTES) : CH_PAGE_BYTES;
}

static bool add_spans(struct glibc *glibc)
{
	const struct glibc_mmapped *mmapped = glibc->mmapped.items;
	const struct glibc_piece *pieces = glibc->pieces.items;
	const struct glibc_arena *arenas = glibc->arenas.items;
	struct ch_span *span;
	size_t i;

	for (i = 0; i < glibc->pieces.count; i++) {
		bool is_main = arenas[pieces[i].arena].is_main;

		span = ch_vec_push(&glibc->spans);
		if (!span)
			return false;
		*span = (struct ch_span){ .start = pieces[i].start,
					  .end = pieces[i].reserved_end,
					  .committed_end = pieces[i].committed_end,
					  .kind = is_main ? "main heap" : "heap",
					  .heap = pieces[i].arena,
					  .usage = is_main ? CH_USAGE_HEAP : CH_USAGE_ARENA,
					  .basis = pieces[i].guessed ? CH_BASIS_HEURISTIC
								     : CH_BASIS_DERIVED,
					  .cookie = i,
					  .top_unit_bytes = top_unit(glibc, &pieces[i]),
					  .align_bytes = 16 };
	}
	for (i = 0; i < glibc->mmapped.count; i++) {
		span = ch_vec_push(&glibc->spans);
		if (!span)
			return false;
		*span = (struct ch_span){ .start = mmapped[i].start,
					  .end = mmapped[i].end,
					  .committed_end = mmapped[i].end,
					  .kind = "mmapped chunk",
					  .heap = (uint32_t)glibc->arenas.count,
					  .usage = CH_USAGE_MMAP_CHUNK,
					  .basis = glibc->mmapped_counted ? CH_BASIS_DERIVED
									  : CH_BASIS_HEURISTIC,
					  .cookie = GLIBC_COOKIE_MMAPPED | i,
					  .align_bytes = 16 };
	}
	return true;
}

static void arena_deinit(struct glibc_arena *arena)
{
	ch_vec_deinit(&arena->facts);
	ch_vec_deinit(&arena->tids);
}

static void libc_destroy(struct glibc *glibc)
{
	size_t i;

	for (i = 0; i < glibc->arenas.count; i++)
		arena_deinit(CH_VEC_AT(&glibc->arenas, struct glibc_arena, i));
	for (i = 0; i < glibc->pieces.count; i++)
		free(CH_VEC_AT(&glibc->pieces, struct glibc_piece, i)->fast);
	pthread_mutex_destroy(&glibc->cached_lock);
	glibc_flight_destroy(glibc->flight);
	glibc_repairs_destroy(glibc->repairs);
	ch_vec_deinit(&glibc->arenas);
	ch_vec_deinit(&glibc->pieces);
	ch_vec_deinit(&glibc->mmapped);
	ch_vec_deinit(&glibc->cached);
	ch_vec_deinit(&glibc->freed);
	ch_vec_deinit(&glibc->heaps);
	ch_vec_deinit(&glibc->spans);
	ch_vec_deinit(&glibc->facts);
	free(glibc);
}

static struct glibc *libc_create(const struct ch_heap_env *env, const struct glibc_place *place,
				 uint32_t number)
{
	struct glibc *glibc = calloc(1, sizeof(*glibc));

	if (!glibc)
		return NULL;
	glibc->env = *env;
	glibc->number = number;
	if (place)
		glibc->place = *place;
	pthread_mutex_init(&glibc->cached_lock, NULL);
	glibc->par.tcache_count = UINT64_MAX;
	glibc->arenas = CH_VEC(struct glibc_arena);
	glibc->pieces = CH_VEC(struct glibc_piece);
	glibc->mmapped = CH_VEC(struct glibc_mmapped);
	glibc->cached = CH_VEC(struct glibc_cached);
	glibc->freed = CH_VEC(struct glibc_freed);
	glibc->heaps = CH_VEC(struct ch_heap_desc);
	glibc->spans = CH_VEC(struct ch_span);
	glibc->facts = CH_VEC(struct ch_fact);
	glibc->flight = glibc_flight_create();
	glibc->repairs = glibc_repairs_create();
	if (glibc->flight && glibc->repairs)
		return glibc;
	libc_destroy(glibc);
	return NULL;
}

/* Find what one libc has, but for its mmapped chunks. */
static struct ch_error *fill(struct glibc *glibc)
{
	struct ch_error *err = glibc_find_arenas(glibc);

	if (err)
		return err;
	if (!glibc->layout)
		return ch_error_create(CH_ERROR_ABSENT,
				       "neither main_arena nor another arena is in the core");
	err = glibc_find_tcaches(glibc);
	return err ? err : glibc_find_threads(glibc);
}

static struct ch_error *describe(struct glibc *glibc)
{
	snprintf(glibc->evidence, sizeof(glibc->evidence), "%s%s%s",
		 glibc->arena_basis ? glibc->arena_basis : "arenas in their own heaps",
		 glibc->par.addr ? "; malloc_par fits" : "",
		 glibc->tcache_proven ? "; tcache lists hold" : "");
	return add_heaps(glibc) && add_spans(glibc) && glibc_add_facts(glibc) ? NULL : &ch_enomem;
}

/* ---- all libcs of a process -------------------------------------------------- */

/* Which libc a span belongs to is in its cookie, above its index there. */
#define COOKIE_SHIFT 48U

struct process {
	/* What the engine reads; first. Heaps and spans of all libcs, one after the other. */
	struct ch_answers out;
	struct glibc *libcs[GLIBC_LIBCS_MAX];
	size_t count;
	/** What the others have, while one is opened: of struct ch_taken. */
	struct ch_vec taken;
};

static void glibc_close(void *state)
{
	struct process *process = state;
	size_t i;

	for (i = 0; i < process->count; i++)
		libc_destroy(process->libcs[i]);
	ch_vec_deinit(&process->taken);
	chp_answers_deinit(&process->out);
	free(process);
}

static int compare_taken(const void *a, const void *b)
{
	const struct ch_taken *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Other runtimes' memory, and that of the libcs but one, in order. */
static struct ch_error *set_taken(struct process *process, struct glibc *libc,
				  const struct ch_heap_env *env)
{
	const struct glibc_piece *piece;
	struct ch_taken *taken;
	size_t i, k, kept = 0;

	process->taken.count = 0;
	for (i = 0; i < env->taken_count; i++) {
		taken = ch_vec_push(&process->taken);
		if (!taken)
			return &ch_enomem;
		*taken = env->taken[i];
	}
	for (i = 0; i < process->count; i++) {
		for (k = 0; process->libcs[i] != libc && k < process->libcs[i]->pieces.count; k++) {
			piece = CH_VEC_AT(&process->libcs[i]->pieces, struct glibc_piece, k);
			taken = ch_vec_push(&process->taken);
			if (!taken)
				return &ch_enomem;
			*taken = (struct ch_taken){ piece->start, piece->reserved_end };
		}
	}
	ch_vec_sort(&process->taken, compare_taken);
	taken = process->taken.items;
	for (i = 0; i < process->taken.count; i++) {
		if (kept && taken[i].start <= taken[kept - 1].end)
			taken[kept - 1].end = ch_max(taken[kept - 1].end, taken[i].end);
		else
			taken[kept++] = taken[i];
	}
	libc->env.taken = taken;
	libc->env.taken_count = process->taken.count = kept;
	return NULL;
}

/* Mmapped chunks do not say whose they are: the first libc has all of them. */
static struct ch_error *find_mmapped(struct process *process, const struct ch_heap_env *env)
{
	struct glibc *first = process->libcs[0];
	struct ch_error *err = set_taken(process, first, env);
	size_t i;

	for (i = 0; i < process->count; i++) {
		first->counted_mmaps += process->libcs[i]->par.n_mmaps;
		first->counted_mem += process->libcs[i]->par.mmapped_mem;
		first->all_arenas += process->libcs[i]->arenas.count;
		first->all_tcaches += process->libcs[i]->tcache_structs;
	}
	return err || !first->layout ? err : glibc_find_mmapped(first);
}

static struct ch_error *add_libc(struct process *process, const struct ch_heap_env *env,
				 const struct glibc_place *place)
{
	struct glibc *libc = libc_create(env, place, (uint32_t)process->count);
	struct ch_error *err;

	if (!libc)
		return &ch_enomem;
	process->libcs[process->count++] = libc;
	err = set_taken(process, libc, env);
	if (!err)
		err = fill(libc);
	if (!err && libc->number && !libc->par.addr)
		glibc_find_par_like(libc, process->libcs[0]);
	return err;
}

/* Whether a main arena has memory of brk: those of other namespaces have none
 * (glibc-2.36, malloc/arena.c, ptmalloc_init, __always_fail_morecore). */
static bool has_brk(const struct ch_heap_env *env, const struct glibc_place *place)
{
	const struct ch_region *region;
	uint64_t top;

	if (!ch_core_read_u64(env->core, place->addr + place->layout->top, &top))
		return false;
	region = ch_map_region_at(env->map, top);
	return region && region->usage == CH_USAGE_HEAP;
}

/* The program's own libc comes first. */
static void put_first(const struct ch_heap_env *env, struct glibc_place *places, size_t count)
{
	struct glibc_place place;
	size_t i;

	for (i = 0; i < count && !has_brk(env, &places[i]); i++)
		;
	if (i == 0 || i == count)
		return;
	place = places[i];
	memmove(places + 1, places, i * sizeof(*places));
	places[0] = place;
}

static struct ch_error *find_libcs(struct process *process, const struct ch_heap_env *env)
{
	struct glibc_place places[GLIBC_LIBCS_MAX];
	size_t count = glibc_find_main_arenas(env, places, GLIBC_LIBCS_MAX), i;
	struct ch_error *err = count ? NULL : add_libc(process, env, NULL);

	put_first(env, places, count);
	for (i = 0; !err && i < count; i++)
		err = add_libc(process, env, &places[i]);
	if (!err)
		err = find_mmapped(process, env);
	for (i = 0; !err && i < process->count; i++)
		err = describe(process->libcs[i]);
	return err;
}

/* Put the heaps and spans of all libcs into one table each. */
static bool join(struct process *process)
{
	const struct ch_heap_desc *heaps;
	const struct ch_span *spans;
	struct ch_heap_desc *heap;
	struct ch_span *span;
	size_t i, k, base;

	for (i = 0; i < process->count; i++) {
		heaps = process->libcs[i]->heaps.items;
		spans = process->libcs[i]->spans.items;
		base = process->out.heaps.count;
		for (k = 0; k < process->libcs[i]->heaps.count; k++) {
			heap = ch_vec_push(&process->out.heaps);
			if (!heap)
				return false;
			*heap = heaps[k];
		}
		for (k = 0; k < process->libcs[i]->spans.count; k++) {
			span = ch_vec_push(&process->out.spans);
			if (!span)
				return false;
			*span = spans[k];
			span->heap += (uint32_t)base;
			span->cookie |= (uint64_t)i << COOKIE_SHIFT;
		}
	}
	return true;
}

static struct ch_error *glibc_open(const struct ch_heap_env *env, void **state_ret)
{
	struct process *process = calloc(1, sizeof(*process));
	struct ch_error *err;

	if (!process)
		return &ch_enomem;
	process->taken = CH_VEC(struct ch_taken);
	process->out = CH_ANSWERS;
	err = find_libcs(process, env);
	if (!err && !join(process))
		err = &ch_enomem;
	if (err) {
		glibc_close(process);
		return err;
	}
	*state_ret = process;
	return NULL;
}

static struct ch_error *glibc_objects(void *state, const struct ch_span *span, uint64_t from,
				      struct ch_object_sink *sink)
{
	struct process *process = state;
	uint64_t cookie = span->cookie & ~GLIBC_COOKIE_MMAPPED;
	struct glibc *glibc = process->libcs[cookie >> COOKIE_SHIFT];
	struct ch_error *err;

	cookie &= (1ULL << COOKIE_SHIFT) - 1;
	if (span->cookie & GLIBC_COOKIE_MMAPPED)
		return glibc_walk_mmapped(CH_VEC_AT(&glibc->mmapped, struct glibc_mmapped, cookie),
					  sink);
	err = glibc_find_cached(glibc);
	if (err)
		return err;
	return glibc_walk_piece(glibc, CH_VEC_AT(&glibc->pieces, struct glibc_piece, cookie), from,
				sink);
}

/* What the first walk found free in each heap of each libc. */
static struct ch_error *check_all(void *state, const struct ch_heap_free *found)
{
	struct process *process = state;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < process->count; i++) {
		err = glibc_check(process->libcs[i], found);
		found += process->libcs[i]->heaps.count;
	}
	return err;
}

static const struct ch_fact *glibc_facts(void *state, size_t *count_ret)
{
	struct process *process = state;

	*count_ret = process->libcs[0]->facts.count;
	return process->libcs[0]->facts.items;
}

/* MINSIZE and one byte of top stay; the header of a chunk in a bin has 48 bytes. */
static const struct ch_trim_rule trim_rule = {
	.name = "malloc_trim(0)",
	.lead_bytes = 48,
	.top_keep_bytes = 33,
	.source = "glibc-2.36 malloc/malloc.c, mtrim, systrim, struct malloc_chunk",
};

static const struct ch_walker_allocator allocator = {
	.objects = glibc_objects,
	.trim = &trim_rule,
	.check = check_all,
};

static const char *const names[] = {
	[GLIBC_TYPE_TCACHE] = "tcache structures",
	[GLIBC_TYPE_FOREIGN] = "memory of other users of brk",
};

static const struct ch_walker_types types = {
	.names = names,
	.names_count = CH_COUNT_OF(names),
};

const struct ch_walker ch_walker_glibc = {
	.name = "glibc",
	.title = "glibc malloc",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "GNU C library malloc, 2.17 to 2.44",
	.priority = CH_WALKER_GENERIC,
	.probe = glibc_probe,
	.open = glibc_open,
	.close = glibc_close,
	.facts = glibc_facts,
	.allocator = &allocator,
	.types = &types,
};
