/*
 * The walker of gperftools' tcmalloc: whether it is here, opening and closing, types and facts.
 */
#include "walkers/gperftools_tcmalloc/gperftools_tcmalloc_priv.h"

#include <stdlib.h>

#include "heap/signs.h"
#include "util/cleanup.h"
#include "util/error.h"

static const char *const modules[] = { "libtcmalloc", NULL };
static const char *const symbols[] = { "tc_malloc", "_ZN8tcmalloc6Static8sizemap_E" };

/* Filled in by SizeMap::Init(); class 0 stands for none. */
static const uint32_t sizes[] = { 0,   8,   16,  32,  48,  64,  80,  96,  112,
				  128, 144, 160, 176, 192, 208, 224, 240, 256,
				  288, 320, 352, 384, 416, 448, 480, 512, 576 };

static const struct ch_size_table tables[] = {
	{
		.what = "size classes of gperftools tcmalloc",
		.width = 4,
		.stride = 4,
		.sizes = sizes,
		.sizes_count = CH_COUNT_OF(sizes),
		.source = "gperftools 2.10, src/common.h, SizeMap::class_to_size_",
	},
	{
		.what = "size classes of gperftools tcmalloc",
		.width = 8,
		.stride = 8,
		.sizes = sizes,
		.sizes_count = CH_COUNT_OF(sizes),
		.source = "gperftools 2.1, src/common.h, SizeMap::class_to_size_",
	},
};

static const struct ch_signs signs = {
	.modules = modules,
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
	.tables = tables,
	.tables_count = CH_COUNT_OF(tables),
};

static struct ch_error *add_facts(struct tcmalloc *tc)
{
	struct ch_error *err = chp_fact_add(&tc->out.facts, "layout_basis", 0,
					    "spans that its page map leads to say their own pages");

	if (!err)
		err = chp_fact_add(&tc->out.facts, "layout_source", 0,
				   "gperftools 2.6.3 to 2.18.1, src/span.h, src/pagemap.h, "
				   "src/central_freelist.h, src/thread_cache.h");
	if (!err)
		err = chp_fact_add(&tc->out.facts, "page_bytes", 1ULL << tc->page_shift, NULL);
	if (!err)
		err = chp_fact_add(&tc->out.facts, "size_classes_count", tc->classes_count - 1,
				   NULL);
	return err ? err : chp_fact_add(&tc->out.facts, "spans_count", tc->spans.count, NULL);
}

static void gperftools_close(void *state)
{
	struct tcmalloc *tc = state;

	ch_vec_deinit(&tc->spans);
	ch_vec_deinit(&tc->cached);
	ch_vec_deinit(&tc->central);
	ch_vec_deinit(&tc->meta);
	chp_answers_deinit(&tc->out);
	free(tc);
}

static struct ch_error *fill(struct tcmalloc *tc)
{
	struct ch_error *err;

	if (!tcmalloc_find_map(tc))
		return ch_error_create(
			CH_ERROR_UNSUPPORTED,
			"no page map of gperftools 2.6 to 2.18 is in the data of any "
			"module: it is another release, or built to be small");
	if (!tcmalloc_find_sizes(tc))
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "its page map is there, its table of size classes is not");
	err = tcmalloc_find_spans(tc);
	if (!err)
		err = tcmalloc_find_caches(tc);
	if (!err)
		err = tcmalloc_make_heaps(tc);
	return err ? err : add_facts(tc);
}

static struct ch_error *gperftools_open(const struct ch_heap_env *env, void **state_ret)
{
	struct tcmalloc *tc = calloc(1, sizeof(*tc));
	struct ch_error *err;

	if (!tc)
		return &ch_enomem;
	tc->env = *env;
	tc->spans = CH_VEC(struct tcmalloc_span);
	tc->cached = CH_VEC(uint64_t);
	tc->central = CH_VEC(uint64_t);
	tc->meta = CH_VEC(struct tcmalloc_range);
	tc->out = CH_ANSWERS;
	err = fill(tc);
	if (err)
		gperftools_close(tc);
	else
		*state_ret = tc;
	return err;
}

static const struct ch_trim_rule trim_rule = {
	.name = "MallocExtension::ReleaseFreeMemory()",
	.pages_only = true,
	.source = "gperftools 2.10, src/tcmalloc.cc TCMallocImplementation::ReleaseToSystem(); "
		  "src/page_heap.cc PageHeap::ReleaseAtLeastNPages()",
};

static const struct ch_walker_allocator allocator = {
	.objects = tcmalloc_walk,
	.trim = &trim_rule,
};

static const char *const names[] = {
	[TCMALLOC_TYPE_META] = "metadata",
	[TCMALLOC_TYPE_REST] = "unused ends of spans",
};

static const struct ch_walker_types types = {
	.names = names,
	.names_count = CH_COUNT_OF(names),
};

const struct ch_walker ch_walker_gperftools_tcmalloc = {
	.name = "gperftools_tcmalloc",
	.title = "tcmalloc (gperftools)",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "tcmalloc of gperftools 2.6 to 2.18",
	.priority = CH_WALKER_GENERIC,
	.signs = &signs,
	.open = gperftools_open,
	.close = gperftools_close,
	.allocator = &allocator,
	.types = &types,
};
