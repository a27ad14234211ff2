/*
 * The walker of jemalloc 5: whether it is here, opening and closing, types and facts.
 */
#include "walkers/jemalloc/jemalloc_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "heap/signs.h"
#include "util/cleanup.h"
#include "util/error.h"

static const char *const modules[] = { "libjemalloc", NULL };

/* je_ and _rjem_ are the prefixes of Debian's static library, and of the Rust
 * crate tikv-jemallocator; other programs export the plain names. */
static const char *const symbols[] = { "mallctl", "je_mallctl", "_rjem_mallctl",
				       "je_arena_emap_global" };

/* Four sizes to a doubling, filled in by sz_boot(). */
static const uint32_t sizes[] = { 8,    16,   32,   48,   64,   80,   96,   112,  128,  160,  192,
				  224,  256,  320,  384,  448,  512,  640,  768,  896,  1024, 1280,
				  1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168 };

static const struct ch_size_table tables[] = {
	{
		.what = "size classes of jemalloc 5",
		.width = 8,
		.stride = 8,
		.sizes = sizes,
		.sizes_count = CH_COUNT_OF(sizes),
		.source = "jemalloc 5.3.0, include/jemalloc/internal/sz.h, sz_index2size_tab",
	},
};

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
	.tables = tables,
	.tables_count = CH_COUNT_OF(tables),
};

static bool add_facts(struct jemalloc *je)
{
	const struct jemalloc_tree *tree = CH_VEC_AT(&je->trees, struct jemalloc_tree, 0);
	struct ch_vec *facts = &je->out.facts;

	return (!je->version[0] || !chp_fact_add(facts, "jemalloc_version", 0, je->version)) &&
	       !chp_fact_add(facts, "jemalloc_releases", 0, tree->layout->releases) &&
	       !chp_fact_add(facts, "layout_basis", 0,
			     "slabs that its radix tree leads to agree with it") &&
	       !chp_fact_add(facts, "layout_source", 0, tree->layout->source) &&
	       !chp_fact_add(facts, "quantum_bytes", 1ULL << tree->lg_quantum, NULL) &&
	       !chp_fact_add(facts, "arenas_count", je->arenas.count, NULL) &&
	       !chp_fact_add(facts, "extents_count", je->extents.count, NULL) &&
	       !chp_fact_add(facts, "tcaches_count", je->tcaches_count, NULL);
}

static void jemalloc_close(void *state)
{
	struct jemalloc *je = state;

	ch_vec_deinit(&je->trees);
	ch_vec_deinit(&je->extents);
	ch_vec_deinit(&je->bases);
	ch_vec_deinit(&je->cached);
	ch_vec_deinit(&je->own);
	ch_vec_deinit(&je->threads);
	ch_vec_deinit(&je->arenas);
	chp_answers_deinit(&je->out);
	ch_vec_deinit(&je->tids);
	free(je);
}

static struct ch_error *fill(struct jemalloc *je)
{
	struct ch_error *err = jemalloc_find_trees(&je->env, &je->trees);

	if (err)
		return err;
	if (!je->trees.count)
		return ch_error_create(
			CH_ERROR_UNSUPPORTED,
			"no radix tree of jemalloc 5 is in the data of any module: its "
			"version is older, or built for other pages or addresses");
	jemalloc_find_version(je);
	err = jemalloc_find_extents(je);
	if (!err)
		err = jemalloc_find_bases(je);
	if (!err)
		err = jemalloc_find_tcaches(je);
	if (!err)
		err = jemalloc_make_heaps(je);
	return err || add_facts(je) ? err : &ch_enomem;
}

static struct ch_error *jemalloc_open(const struct ch_heap_env *env, void **state_ret)
{
	struct jemalloc *je = calloc(1, sizeof(*je));
	struct ch_error *err;

	if (!je)
		return &ch_enomem;
	je->env = *env;
	je->trees = CH_VEC(struct jemalloc_tree);
	je->extents = CH_VEC(struct jemalloc_extent);
	je->bases = CH_VEC(struct jemalloc_base);
	je->cached = CH_VEC(uint64_t);
	je->own = CH_VEC(uint64_t);
	je->threads = CH_VEC(struct jemalloc_thread);
	je->arenas = CH_VEC(struct jemalloc_arena);
	je->out = CH_ANSWERS;
	je->tids = CH_VEC(uint32_t);
	err = fill(je);
	if (err)
		jemalloc_close(je);
	else
		*state_ret = je;
	return err;
}

static struct ch_error *jemalloc_objects(void *state, const struct ch_span *span, uint64_t from,
					 struct ch_object_sink *sink)
{
	return span->cookie == JEMALLOC_COOKIE_BASE
		       ? jemalloc_walk_base(state, span, sink)
		       : jemalloc_walk_extents(state, span, from, sink);
}

static const struct ch_trim_rule trim_rule = {
	.name = "mallctl(\"arena.4096.purge\")",
	.pages_only = true,
	.source = "jemalloc 5.3.0, src/arena.c arena_decay() with all; "
		  "include/jemalloc/jemalloc_macros.h.in MALLCTL_ARENAS_ALL",
};

static const struct ch_walker_allocator allocator = {
	.objects = jemalloc_objects,
	.trim = &trim_rule,
};

static const char *const names[] = {
	[JEMALLOC_TYPE_META] = "metadata",
	[JEMALLOC_TYPE_META_FREE] = "unused metadata memory",
	[JEMALLOC_TYPE_PADDING] = "padding of large blocks",
	[JEMALLOC_TYPE_REST] = "unused ends of slabs",
	[JEMALLOC_TYPE_UNDER_WAY] = "extents under way",
};

static const struct ch_walker_types types = {
	.names = names,
	.names_count = CH_COUNT_OF(names),
};

const struct ch_walker ch_walker_jemalloc = {
	.name = "jemalloc",
	.title = "jemalloc",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "jemalloc 5.0 to 5.3",
	.priority = CH_WALKER_GENERIC,
	.signs = &signs,
	.open = jemalloc_open,
	.close = jemalloc_close,
	.allocator = &allocator,
	.types = &types,
};
