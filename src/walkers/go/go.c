/*
 * The walker of Go: whether it is here, opening and closing, facts.
 */
#include "walkers/go/rtypes.h"

#include <stdlib.h>

#include "heap/signs.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* In the symbol table of the executable, unless it is stripped. */
static const char *const symbols[] = { "runtime.gcBgMarkWorker", "runtime.mallocgc" };

static const struct ch_pattern patterns[] = {
	{
		.what = "Go build information",
		.bytes = "\xff Go buildinf:",
		.len = 14,
		.align = 16,
		.source = "Go 1.18 to 1.26, cmd/link/internal/ld/data.go, buildinfo",
	},
};

/* Hints for the first arenas, of amd64 and arm64; a program built with -race has others. */
static const struct ch_area areas[] = {
	{ 0xc000000000, 0x10000000000, "Go 1.11 to 1.26, src/runtime/malloc.go, mallocinit" },
	{ 0x4000000000, 0x8000000000, "Go 1.11 to 1.26, src/runtime/malloc.go, mallocinit" },
};

static const struct ch_signs signs = {
	.symbols = symbols,
	.symbols_count = CH_COUNT_OF(symbols),
	.patterns = patterns,
	.patterns_count = CH_COUNT_OF(patterns),
	.areas = areas,
	.areas_count = CH_COUNT_OF(areas),
};

static void go_close(void *state)
{
	struct go *go = state;
	size_t i;

	for (i = 0; i < go->names.count; i++)
		free(*CH_VEC_AT(&go->names, char *, i));
	ch_vec_deinit(&go->names);
	ch_vec_deinit(&go->page_spans);
	ch_vec_deinit(&go->named);
	ch_vec_deinit(&go->shapes);
	ch_vec_deinit(&go->leads);
	ch_table_deinit(&go->named_by_what);
	ch_table_deinit(&go->shapes_by_type);
	free(go->types);
	go_code_deinit(&go->code);
	ch_vec_deinit(&go->in_use);
	ch_vec_deinit(&go->spans_known);
	chp_answers_deinit(&go->out);
	ch_vec_deinit(&go->claims);
	free(go);
}

static struct ch_error *add_facts(struct go *go)
{
	struct ch_error *err = go_code_facts(&go->code, &go->out.facts);

	if (err || !go->layout)
		return err;
	err = chp_fact_add(&go->out.facts, "layout_releases", 0, go->layout->releases);
	if (!err)
		err = chp_fact_add(&go->out.facts, "layout_basis", 0,
				   "spans that its list leads to agree with it");
	return err ? err : chp_fact_add(&go->out.facts, "layout_source", 0, go->layout->source);
}

static bool is_area(const struct ch_region *region)
{
	size_t i;

	for (i = 0; i < CH_COUNT_OF(areas); i++)
		if (region->start >= areas[i].start && region->end <= areas[i].end)
			return true;
	return false;
}

/* Memory where the heap lies as a rule. */
static struct ch_error *claim_areas(struct go *go)
{
	const struct ch_region *regions;
	struct ch_walker_claim *slot;
	size_t count, i;

	regions = ch_map_regions(go->env.map, &count);
	for (i = 0; i < count; i++) {
		if (regions[i].usage != CH_USAGE_ANON || !is_area(&regions[i]))
			continue;
		slot = ch_vec_push(&go->claims);
		if (!slot)
			return &ch_enomem;
		*slot = (struct ch_walker_claim){ .start = regions[i].start,
						  .end = regions[i].end,
						  .usage = CH_USAGE_MANAGED_OTHER,
						  .basis = CH_BASIS_HEURISTIC,
						  .label = "Go heap, not read" };
	}
	return NULL;
}

/* What is left of a heap that cannot be read is the program's code and goroutines. */
static struct ch_error *without_heap(struct go *go, struct ch_error *err)
{
	struct ch_error *failure;

	if (err->code == CH_ERROR_NOMEM || err->code == CH_ERROR_STOP || !go->code.modules.count)
		return err;
	chp_context_finding(
		go->env.ctx, CH_SEVERITY_INCOMPLETE, "heap-not-opened",
		"Go is here, but its heap could not be read: %s; objects, types and the "
		"runtime's counters are not known, code and goroutines are",
		err->message);
	ch_error_destroy(err);
	go->in_use.count = 0;
	go->spans_known.count = 0;
	go->layout = NULL;
	failure = claim_areas(go);
	return failure ? failure : add_facts(go);
}

static struct ch_error *fill(struct go *go)
{
	struct ch_heap_desc *heap;
	struct ch_error *err = go_find(go);

	if (!err)
		err = go_spans_find(go);
	if (err)
		return without_heap(go, err);
	if (!go->code.modules.count)
		chp_context_finding(
			go->env.ctx, CH_SEVERITY_INCOMPLETE, "go-image-not-known",
			"no description of Go's program (moduledata) as 1.16 to 1.27 have it is in "
			"the data of any module: types, functions and goroutines are not known, "
			"and any word of data counts as a pointer");
	err = go_heap_make(go);
	if (!err) {
		go_arenas_find(go);
		go_spans_find_marks(go);
		err = go_own_claim(go);
	}
	if (!err)
		err = go_objects_index(go);
	if (err)
		return err;
	go_stats_find(go);
	err = go_stats_facts(go);
	if (err)
		return err;
	heap = CH_VEC_AT(&go->out.heaps, struct ch_heap_desc, 0);
	heap->facts = go->out.heap_facts.items;
	heap->facts_count = go->out.heap_facts.count;
	return add_facts(go);
}

static struct ch_error *go_open(const struct ch_heap_env *env, void **state_ret)
{
	struct go *go = calloc(1, sizeof(*go));
	struct ch_error *err;

	if (!go)
		return &ch_enomem;
	err = go_code_init(&go->code, env);
	if (err) {
		free(go);
		return err;
	}
	go->env = *env;
	go->in_use = CH_VEC(struct go_pages);
	go->page_spans = CH_VEC(uint32_t);
	go->named = CH_VEC(struct go_named);
	go->shapes = CH_VEC(struct go_shape);
	go->leads = CH_VEC(struct go_lead);
	go->names = CH_VEC(char *);
	go->spans_known = CH_VEC(struct go_span);
	go->out = CH_ANSWERS;
	go->claims = CH_VEC(struct ch_walker_claim);
	err = fill(go);
	if (err)
		go_close(go);
	else
		*state_ret = go;
	return err;
}

static const struct ch_walker_claim *go_claims(void *state, size_t *count_ret)
{
	struct go *go = state;

	*count_ret = go->claims.count;
	return go->claims.items;
}

static const struct ch_trim_rule trim_rule = {
	.name = "debug.FreeOSMemory()",
	.pages_only = true,
	.source = "Go 1.24.4, src/runtime/mheap.go, runtime_debug_freeOSMemory",
};

static const struct ch_walker_allocator allocator = {
	.objects = go_walk,
	.trim = &trim_rule,
};

static const struct ch_walker_types types = {
	.name = go_type,
	.learn = go_learn,
	.inspector = &go_inspector,
};

static const struct ch_walker_runtime runtime = {
	.claims = go_claims,
	.code = go_frames_code,
	.caller = go_frames_caller,
	.owns = go_frames_owns,
	.frame = go_frames_frame,
	.goroutines = go_goroutines,
	.find_stuck = go_find_stuck,
	.thrown = go_thrown,
	.said = go_said,
	.set_timers = go_set_timers,
	.sites = go_sites,
};

const struct ch_walker ch_walker_go = {
	.name = "go",
	.title = "Go",
	.kind = CH_RUNTIME_LANGUAGE,
	.summary = "Go 1.17 to 1.27: spans, objects, types, the runtime's counters, goroutines",
	.priority = CH_WALKER_SPECIFIC,
	.signs = &signs,
	.open = go_open,
	.close = go_close,
	.allocator = &allocator,
	.types = &types,
	.tracer = &go_tracer,
	.runtime = &runtime,
};
