/*
 * The .NET walker's table for the engine, and what it opens and closes: the garbage collected
 * heap is read from the runtime's own tables, without its debugging library. objects.c walks a
 * region, the other files answer one kind of question each.
 */
#include "walkers/coreclr/conduct.h"
#include "walkers/coreclr/coreclr_priv.h"
#include "walkers/coreclr/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

static struct ch_error *probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	const struct ch_module *runtime = clr_find_runtime(env);
	_cleanup_free_ char *path = NULL;

	if (!runtime)
		return NULL;
	path = chp_text_escape(runtime->path, 160);
	if (!path)
		return &ch_enomem;
	ret->mapped = true;
	ret->score = 100;
	snprintf(ret->evidence, sizeof(ret->evidence), "%s", path);
	return NULL;
}

static void close_walker(void *state)
{
	struct clr *clr = state;
	size_t i;

	for (i = 0; i < clr->names.count; i++)
		free(*CH_VEC_AT(&clr->names, char *, i));
	for (i = 0; i < clr->type_names.count; i++)
		free(*CH_VEC_AT(&clr->type_names, char *, i));
	ch_vec_deinit(&clr->heaps);
	ch_vec_deinit(&clr->names);
	ch_vec_deinit(&clr->spans);
	ch_vec_deinit(&clr->regions_list);
	ch_vec_deinit(&clr->contexts);
	clr_modules_free(clr);
	clr_value_types_free(clr);
	ch_table_deinit(&clr->types_by_mt);
	ch_vec_deinit(&clr->types);
	ch_vec_deinit(&clr->series);
	ch_vec_deinit(&clr->slots);
	ch_vec_deinit(&clr->numbers);
	ch_vec_deinit(&clr->handle_segments);
	ch_vec_deinit(&clr->threads);
	ch_vec_deinit(&clr->module_list);
	ch_vec_deinit(&clr->claims);
	ch_vec_deinit(&clr->allocators);
	clr_assemblies_free(clr);
	ch_vec_deinit(&clr->facts);
	ch_vec_deinit(&clr->type_names);
	free(clr);
}

/* What must be true before anything is said: the best known types have their names. */
static struct ch_error *check_names(struct clr *clr)
{
	char name[CLR_NAME_MAX];

	if (!clr_type_name(clr, clr->object_mt, name, sizeof(name))) {
		clr_needs_names(clr);
		return NULL;
	}
	if (strcmp(name, "System.Object") != 0 ||
	    !clr_type_name(clr, clr->string_mt, name, sizeof(name)) ||
	    strcmp(name, "System.String") != 0)
		return ch_error_create(CH_ERROR_CORRUPT,
				       "the runtime's tables do not fit its types: System.Object "
				       "and System.String are not where they say");
	return NULL;
}

static struct ch_error *make_facts(struct clr *clr)
{
	struct ch_error *err;

	err = chp_fact_add(&clr->facts, "collector", 0, clr->server ? "server" : "workstation");
	if (!err)
		err = chp_fact_add(&clr->facts, "heap_layout", 0,
				   clr->regions ? "regions" : "segments");
	if (!err && clr->server)
		err = chp_fact_add(&clr->facts, "gc_heaps_count", clr->heaps_count, NULL);
	if (!err && clr->dynamic_count)
		err = chp_fact_add(&clr->facts, "dynamic_modules_count", clr->dynamic_count, NULL);
	if (!err && clr->collectible_count)
		err = chp_fact_add(&clr->facts, "collectible_loaders_count", clr->collectible_count,
				   NULL);
	if (!err && clr->collectible_count)
		err = chp_fact_add(&clr->facts, "collectible_loaders_bytes", clr->collectible_bytes,
				   NULL);
	if (!err)
		err = chp_fact_add(&clr->facts, "tables", 0,
				   clr->tables_source ? clr->tables_source
						      : "contract descriptor of the runtime");
	return err;
}

static struct ch_error *open_walker(const struct ch_heap_env *env, void **state_ret)
{
	struct clr *clr = calloc(1, sizeof(*clr));
	struct ch_error *err;

	if (!clr)
		return &ch_enomem;
	clr->env = env;
	clr->core = env->core;
	clr->runtime = clr_find_runtime(env);
	clr->types = CH_VEC(struct clr_type);
	clr->modules = CH_VEC(struct clr_module *);
	clr->heaps = CH_VEC(struct ch_heap_desc);
	clr->names = CH_VEC(char *);
	clr->spans = CH_VEC(struct ch_span);
	clr->regions_list = CH_VEC(struct clr_region);
	clr->contexts = CH_VEC(struct clr_context);
	clr->series = CH_VEC(struct clr_series);
	clr->slots = CH_VEC(struct clr_slot);
	clr->numbers = CH_VEC(struct clr_slot);
	clr->handle_segments = CH_VEC(uint64_t);
	clr->threads = CH_VEC(struct clr_thread);
	clr->module_list = CH_VEC(uint64_t);
	clr->claims = CH_VEC(struct ch_walker_claim);
	clr->allocators = CH_VEC(struct clr_allocator);
	clr->assemblies = CH_VEC(struct ch_assembly);
	clr->facts = CH_VEC(struct ch_fact);
	clr->type_names = CH_VEC(char *);
	err = clr->runtime ? clr_find_tables(clr)
			   : ch_error_create(CH_ERROR_UNSUPPORTED, "no runtime");
	if (!err)
		err = clr_gc_open(clr);
	if (!err)
		err = check_names(clr);
	if (!err)
		err = clr_loader_find(clr);
	if (!err)
		err = make_facts(clr);
	if (err) {
		close_walker(clr);
		return err;
	}
	*state_ret = clr;
	return NULL;
}

static const struct ch_heap_desc *heaps(void *state, size_t *count_ret)
{
	const struct clr *clr = state;

	*count_ret = clr->heaps.count;
	return clr->heaps.items;
}

static const struct ch_span *spans(void *state, size_t *count_ret)
{
	const struct clr *clr = state;

	*count_ret = clr->spans.count;
	return clr->spans.items;
}

static const struct ch_fact *facts(void *state, size_t *count_ret)
{
	const struct clr *clr = state;

	*count_ret = clr->facts.count;
	return clr->facts.items;
}

static struct ch_error *type(void *state, uint64_t id, struct ch_type *ret)
{
	struct clr *clr = state;
	char name[CLR_NAME_MAX];
	char **slot;

	ret->basis = CH_BASIS_DERIVED;
	if (id == CLR_TYPE_CONTEXT || id == CLR_TYPE_UNUSED) {
		ret->name = id == CLR_TYPE_CONTEXT ? "taken by a thread to allocate from"
						   : "end of a region, not allocated";
		return NULL;
	}
	if (!clr_type_name(clr, id, name, sizeof(name)))
		snprintf(name, sizeof(name), "MT %s (no metadata)",
			 chp_core_word(clr->core, id, CH_NO_ADDRESS).text);
	slot = ch_vec_push(&clr->type_names);
	if (!slot)
		return &ch_enomem;
	*slot = chp_text_escape(name, 4 * sizeof(name));
	if (!*slot)
		return &ch_enomem;
	ret->name = *slot;
	return NULL;
}

static const struct ch_walker_allocator allocator = {
	.heaps = heaps,
	.spans = spans,
	.objects = clr_objects,
};

static const struct ch_walker_types types = {
	.name = type,
	.inspector = &clr_inspector,
};

static const char *const young[] = { "gen0", "gen1", NULL };

static const struct ch_walker_runtime runtime = {
	.class_library = CH_CLASS_LIBRARY_DOTNET,
	.young = young,
	.code = clr_code_at,
	.thrown = clr_thrown,
	.handles = clr_handles_list,
	.methods = clr_methods_visit,
	.meaning = clr_meaning,
	.claims = clr_loader_claims,
	.conduct = &clr_conduct,
};

static const struct ch_walker_section sections[] = {
	{ &chp_section_assemblies, clr_assemblies },
	{ .shape = NULL },
};

const struct ch_walker ch_walker_coreclr = {
	.name = "coreclr",
	.title = ".NET",
	.kind = CH_RUNTIME_LANGUAGE,
	.summary = ".NET Core 3.1, .NET 8 to 10: generations, regions and segments, types by name",
	.priority = CH_WALKER_SPECIFIC,
	.probe = probe,
	.open = open_walker,
	.close = close_walker,
	.facts = facts,
	.tracer = &clr_tracer,
	.allocator = &allocator,
	.types = &types,
	.runtime = &runtime,
	.sections = sections,
};
