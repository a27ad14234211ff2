/*
 * The facts of the walker and of each arena: what malloc counts, which row of layouts it was read
 * by and why. Renderers show them as they are, so they are put together in one place.
 */
#include "walkers/glibc/glibc_priv.h"

#include <string.h>

bool glibc_add_arena_facts(struct glibc_arena *arena, bool known)
{
	struct ch_vec *facts = &arena->facts;

	if (arena->absent)
		return !chp_fact_add(facts, "top_bytes", arena->top_bytes, NULL) &&
		       !chp_fact_add(facts, "tcache_bytes", arena->tcache_bytes, NULL) &&
		       !chp_fact_add(facts, "tcache_count", arena->tcache_count, NULL);
	return !chp_fact_add(facts, "system_mem_bytes", arena->system_mem, NULL) &&
	       !chp_fact_add(facts, "max_system_mem_bytes", arena->max_system_mem, NULL) &&
	       !chp_fact_add(facts, "top_bytes", arena->top_bytes, NULL) &&
	       !chp_fact_add(facts, "tcache_bytes", arena->tcache_bytes, NULL) &&
	       !chp_fact_add(facts, "tcache_count", arena->tcache_count, NULL) &&
	       !chp_fact_add(facts, "fastbin_bytes", arena->fastbin_bytes, NULL) &&
	       !chp_fact_add(facts, "fastbin_count", arena->fastbin_count, NULL) &&
	       (!known || !chp_fact_add(facts, "threads_count", arena->tids.count, NULL)) &&
	       (arena->attached == UINT64_MAX ||
		!chp_fact_add(facts, "attached_threads_count", arena->attached, NULL));
}

void glibc_update_facts(struct glibc *glibc)
{
	const struct glibc_arena *arena;
	struct ch_fact *facts;
	size_t i, fact;

	for (i = 0; i < glibc->arenas.count; i++) {
		arena = CH_VEC_AT(&glibc->arenas, struct glibc_arena, i);
		facts = arena->facts.items;
		for (fact = 0; fact < arena->facts.count; fact++) {
			if (strcmp(facts[fact].key, "fastbin_bytes") == 0)
				facts[fact].number = arena->fastbin_bytes;
			else if (strcmp(facts[fact].key, "fastbin_count") == 0)
				facts[fact].number = arena->fastbin_count;
		}
	}
}

bool glibc_add_facts(struct glibc *glibc)
{
	struct ch_vec *facts = &glibc->facts;

	return !chp_fact_add(facts, "glibc_releases", 0, glibc->layout->releases) &&
	       !chp_fact_add(facts, "layout_basis", 0, glibc->evidence) &&
	       !chp_fact_add(facts, "layout_source", 0, glibc->layout->source) &&
	       !chp_fact_add(facts, "tcache_releases", 0,
			     glibc->tcache ? glibc->tcache->releases : "none seen") &&
	       !chp_fact_add(facts, "tcache_basis", 0, glibc->tcache_basis) &&
	       !chp_fact_add(facts, "tcaches_count", glibc->all_tcaches, NULL) &&
	       !chp_fact_add(facts, "arenas_count", glibc->all_arenas, NULL) &&
	       !chp_fact_add(facts, "mmapped_count", glibc->mmapped.count, NULL) &&
	       !chp_fact_add(facts, "mmapped_bytes", glibc->mmapped_bytes, NULL) &&
	       (!glibc->par.addr ||
		(!chp_fact_add(facts, "n_mmaps_count", glibc->counted_mmaps, NULL) &&
		 !chp_fact_add(facts, "mmapped_mem_bytes", glibc->counted_mem, NULL)));
}
