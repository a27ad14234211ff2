/*
 * The facts of the walker and of each arena: what malloc counts, which row of layouts it was read
 * by and why. Renderers show them as they are, so they are put together in one place.
 */
#include "walkers/glibc/glibc_priv.h"

#include <string.h>

static bool add_fact(struct ch_vec *facts, const char *key, uint64_t number, const char *text)
{
	struct ch_fact *fact = ch_vec_push(facts);

	if (!fact)
		return false;
	*fact = (struct ch_fact){ .key = key, .number = number, .text = text };
	return true;
}

bool glibc_add_arena_facts(struct glibc_arena *arena, bool known)
{
	struct ch_vec *facts = &arena->facts;

	if (arena->absent)
		return add_fact(facts, "top_bytes", arena->top_bytes, NULL) &&
		       add_fact(facts, "tcache_bytes", arena->tcache_bytes, NULL) &&
		       add_fact(facts, "tcache_count", arena->tcache_count, NULL);
	return add_fact(facts, "system_mem_bytes", arena->system_mem, NULL) &&
	       add_fact(facts, "max_system_mem_bytes", arena->max_system_mem, NULL) &&
	       add_fact(facts, "top_bytes", arena->top_bytes, NULL) &&
	       add_fact(facts, "tcache_bytes", arena->tcache_bytes, NULL) &&
	       add_fact(facts, "tcache_count", arena->tcache_count, NULL) &&
	       add_fact(facts, "fastbin_bytes", arena->fastbin_bytes, NULL) &&
	       add_fact(facts, "fastbin_count", arena->fastbin_count, NULL) &&
	       (!known || add_fact(facts, "threads_count", arena->tids.count, NULL)) &&
	       (arena->attached == UINT64_MAX ||
		add_fact(facts, "attached_threads_count", arena->attached, NULL));
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

	return add_fact(facts, "glibc_releases", 0, glibc->layout->releases) &&
	       add_fact(facts, "layout_basis", 0, glibc->evidence) &&
	       add_fact(facts, "layout_source", 0, glibc->layout->source) &&
	       add_fact(facts, "tcache_releases", 0,
			glibc->tcache ? glibc->tcache->releases : "none seen") &&
	       add_fact(facts, "tcache_basis", 0, glibc->tcache_basis) &&
	       add_fact(facts, "tcaches_count", glibc->all_tcaches, NULL) &&
	       add_fact(facts, "arenas_count", glibc->all_arenas, NULL) &&
	       add_fact(facts, "mmapped_count", glibc->mmapped.count, NULL) &&
	       add_fact(facts, "mmapped_bytes", glibc->mmapped_bytes, NULL) &&
	       (!glibc->par.addr ||
		(add_fact(facts, "n_mmaps_count", glibc->counted_mmaps, NULL) &&
		 add_fact(facts, "mmapped_mem_bytes", glibc->counted_mem, NULL)));
}
