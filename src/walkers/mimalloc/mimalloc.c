/*
 * The walker of mimalloc: whether it is here, opening and closing, types and facts.
 */
#include "walkers/mimalloc/mimalloc_priv.h"

#include <stdlib.h>

#include "heap/signs.h"
#include "util/cleanup.h"
#include "util/error.h"

static const char *const modules[] = { "libmimalloc", NULL };
static const char *const symbols[] = { "mi_malloc", "_mi_heap_main" };

/* MI_PAGE_QUEUES_EMPTY: in words up to 8, then four to a doubling. The first row
 * is the second one's double. */
static const uint32_t sizes[] = { 8,    8,    16,   24,   32,   40,   48,   56,   64,
				  80,   96,   112,  128,  160,  192,  224,  256,  320,
				  384,  448,  512,  640,  768,  896,  1024, 1280, 1536,
				  1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144, 7168 };

static const struct ch_size_table tables[] = {
	{
		.what = "page queues of mimalloc 1, 2 or 3.0",
		.width = 8,
		.stride = 24,
		.pointer_before = 16,
		.sizes = sizes,
		.sizes_count = CH_COUNT_OF(sizes),
		.source = "mimalloc v2.1.2, include/mimalloc/types.h, struct mi_page_queue_s",
	},
	{
		.what = "page queues of mimalloc 3.1 or later",
		.width = 8,
		.stride = 32,
		.pointer_before = 24,
		.sizes = sizes,
		.sizes_count = CH_COUNT_OF(sizes),
		.source = "mimalloc v3.1.5, include/mimalloc/types.h, struct mi_page_queue_s",
	},
};

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
	.tables = tables,
	.tables_count = CH_COUNT_OF(tables),
};

static struct ch_error *add_facts(struct mimalloc *mi)
{
	const struct mimalloc_layout *layout =
		CH_VEC_AT(&mi->instances, struct mimalloc_instance, 0)->layout;
	struct ch_error *err =
		chp_fact_add(&mi->out.facts, "mimalloc_releases", 0, layout->releases);

	if (!err)
		err = chp_fact_add(&mi->out.facts, "layout_basis", 0,
				   "lists of free blocks agree with the counts of their pages");
	if (!err)
		err = chp_fact_add(&mi->out.facts, "layout_source", 0, layout->source);
	if (!err)
		err = chp_fact_add(&mi->out.facts, "arenas_count", mi->arenas.count, NULL);
	return err ? err
		   : chp_fact_add(&mi->out.facts, "given_back_by_others_count", mi->delayed.count,
				  NULL);
}

static void mimalloc_close(void *state)
{
	struct mimalloc *mi = state;

	ch_vec_deinit(&mi->instances);
	ch_vec_deinit(&mi->areas);
	ch_vec_deinit(&mi->segments);
	ch_vec_deinit(&mi->arenas);
	ch_vec_deinit(&mi->delayed);
	ch_vec_deinit(&mi->owners);
	chp_answers_deinit(&mi->out);
	free(mi);
}

static struct ch_error *fill(struct mimalloc *mi)
{
	struct ch_error *err = mimalloc_find_segments(mi);

	if (!err)
		err = mimalloc_find_map(mi);
	if (err)
		return err;
	if (!mi->instances.count)
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "neither segments nor a page map of mimalloc 1.8 to 3.6 are "
				       "in the core: it is another release, or built with "
				       "MI_GUARDED or for debugging");
	mimalloc_order_areas(mi);
	err = mimalloc_find_delayed(mi);
	if (!err)
		err = mimalloc_make_heaps(mi);
	return err ? err : add_facts(mi);
}

static struct ch_error *mimalloc_open(const struct ch_heap_env *env, void **state_ret)
{
	struct mimalloc *mi = calloc(1, sizeof(*mi));
	struct ch_error *err;

	if (!mi)
		return &ch_enomem;
	mi->env = *env;
	mi->instances = CH_VEC(struct mimalloc_instance);
	mi->areas = CH_VEC(struct mimalloc_area);
	mi->segments = CH_VEC(struct mimalloc_range);
	mi->arenas = CH_VEC(struct mimalloc_range);
	mi->delayed = CH_VEC(uint64_t);
	mi->owners = CH_VEC(struct mimalloc_heap);
	mi->out = CH_ANSWERS;
	err = fill(mi);
	if (err)
		mimalloc_close(mi);
	else
		*state_ret = mi;
	return err;
}

/* A thread gives back what it owns, and what nobody does. */
static const struct ch_trim_rule trim_rule = {
	.name = "mi_collect(true) in each thread",
	.pages_only = true,
	.source = "mimalloc 2.2.4, src/heap.c mi_heap_collect_ex(), src/segment.c "
		  "mi_segment_try_purge()",
};

static const struct ch_walker_allocator allocator = {
	.objects = mimalloc_walk,
	.trim = &trim_rule,
};

static const char *const names[] = {
	[MIMALLOC_TYPE_META] = "metadata",
	[MIMALLOC_TYPE_REST] = "unused ends of pages",
	[MIMALLOC_TYPE_DAMAGED] = "pages whose descriptors are damaged",
};

static const struct ch_walker_types types = {
	.names = names,
	.names_count = CH_COUNT_OF(names),
};

const struct ch_walker ch_walker_mimalloc = {
	.name = "mimalloc",
	.title = "mimalloc",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "mimalloc 1.8 to 3.4, and 3.6",
	.priority = CH_WALKER_GENERIC,
	.signs = &signs,
	.open = mimalloc_open,
	.close = mimalloc_close,
	.allocator = &allocator,
	.types = &types,
};
