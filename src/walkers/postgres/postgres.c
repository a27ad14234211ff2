/*
 * The walker of PostgreSQL's memory contexts: each is a heap, in blocks of malloc; what its chunks
 * are called is its name.
 */
#include "walkers/postgres/postgres_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/error.h"

static const char *const kind_names[] = {
	[POSTGRES_ASET] = "AllocSet",
	[POSTGRES_SLAB] = "Slab",
	[POSTGRES_GENERATION] = "Generation",
	[POSTGRES_GENERATION_13] = "Generation",
	[POSTGRES_BUMP] = "Bump",
	[POSTGRES_UNKNOWN] = "unknown",
};

static struct ch_error *postgres_probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	const char *basis;
	uint64_t root;

	if (postgres_find_root(env, &root, &basis)) {
		ret->score = 95;
		snprintf(ret->evidence, sizeof(ret->evidence), "root of contexts at 0x%llx, by %s",
			 (unsigned long long)root, basis);
	} else {
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "the program exports no TopMemoryContext, and no tree of memory contexts "
			 "was found");
	}
	return NULL;
}

static void postgres_close(void *state)
{
	struct postgres *pg = state;
	size_t i;

	for (i = 0; i < pg->contexts.count; i++)
		free(CH_VEC_AT(&pg->contexts, struct postgres_context, i)->ident);
	ch_vec_deinit(&pg->contexts);
	ch_table_deinit(&pg->by_addr);
	ch_vec_deinit(&pg->blocks);
	ch_table_deinit(&pg->blocks_by_addr);
	ch_vec_deinit(&pg->free_chunks);
	chp_constants_deinit(&pg->names);
	ch_table_deinit(&pg->tables);
	chp_answers_deinit(&pg->out);
	free(pg);
}

static const char *name_of(const struct postgres *pg, const struct postgres_context *context)
{
	return context->name == CH_TABLE_NONE ? "memory context without a name"
					      : chp_constant(&pg->names, context->name);
}

/* What is told of one context. Its facts may still move. */
static struct ch_error *add_heap(struct postgres *pg, struct postgres_context *context)
{
	const struct postgres_context *parent =
		CH_VEC_AT(&pg->contexts, struct postgres_context, context->parent);
	struct ch_vec *facts = &pg->out.heap_facts;
	struct ch_heap_desc *heap = ch_vec_push(&pg->out.heaps);
	const size_t first = facts->count;
	struct ch_error *err = NULL;

	if (!heap)
		return &ch_enomem;
	*heap = (struct ch_heap_desc){ .kind = kind_names[context->kind],
				       .name = name_of(pg, context),
				       .addr = context->addr };
	if (parent != context)
		err = chp_fact_add(facts, "parent", 0, name_of(pg, parent));
	if (!err)
		err = chp_fact_add(facts, "level", context->level, NULL);
	if (!err)
		err = chp_fact_add(facts, "malloc_blocks_count", context->blocks_count, NULL);
	if (!err)
		err = chp_fact_add(facts, "malloc_blocks_bytes", context->bytes, NULL);
	if (!err && context->ident)
		err = chp_fact_add(facts, "identifier", 0, context->ident);
	heap->facts_count = facts->count - first;
	return err;
}

static struct ch_error *add_heaps(struct postgres *pg)
{
	struct ch_heap_desc *heaps;
	struct ch_error *err = NULL;
	size_t i, first = 0;

	for (i = 0; !err && i < pg->contexts.count; i++)
		err = postgres_read_name(pg, CH_VEC_AT(&pg->contexts, struct postgres_context, i));
	for (i = 0; !err && i < pg->contexts.count; i++)
		err = add_heap(pg, CH_VEC_AT(&pg->contexts, struct postgres_context, i));
	heaps = pg->out.heaps.items;
	for (i = 0; !err && i < pg->out.heaps.count; i++) {
		heaps[i].facts = CH_VEC_AT(&pg->out.heap_facts, struct ch_fact, first);
		first += heaps[i].facts_count;
	}
	return err;
}

static struct ch_error *add_facts(struct postgres *pg)
{
	struct ch_error *err;

	err = chp_fact_add(&pg->out.facts, "postgresql_releases", 0, pg->layout->releases);
	if (!err)
		err = chp_fact_add(&pg->out.facts, "layout_source", 0, pg->layout->source);
	if (!err)
		err = chp_fact_add(&pg->out.facts, "root_basis", 0, pg->root_basis);
	return err ? err : chp_fact_add(&pg->out.facts, "contexts_count", pg->contexts.count, NULL);
}

static struct ch_error *fill(struct postgres *pg)
{
	struct ch_error *err;

	if (!postgres_find_root(&pg->env, &pg->root, &pg->root_basis))
		return ch_error_create(CH_ERROR_ABSENT,
				       "no root of memory contexts is in the core");
	pg->layout = postgres_layout_of(pg->env.core, pg->root);
	err = postgres_read_tree(pg);
	if (!err)
		err = postgres_read_blocks(pg);
	if (!err)
		err = postgres_read_lists(pg);
	if (!err && !pg->out.spans.count)
		err = ch_error_create(CH_ERROR_UNSUPPORTED, "memory contexts lie in blocks of an "
							    "allocator that is not walked");
	if (!err)
		err = add_heaps(pg);
	return err ? err : add_facts(pg);
}

static struct ch_error *postgres_open(const struct ch_heap_env *env, void **state_ret)
{
	struct postgres *pg = calloc(1, sizeof(*pg));
	struct ch_error *err;

	if (!pg)
		return &ch_enomem;
	pg->env = *env;
	pg->contexts = CH_VEC(struct postgres_context);
	pg->blocks = CH_VEC(struct postgres_block);
	pg->free_chunks = CH_VEC(uint64_t);
	pg->names = CH_CONSTANTS;
	pg->out = CH_ANSWERS;
	err = fill(pg);
	if (err) {
		postgres_close(pg);
		return err;
	}
	*state_ret = pg;
	return NULL;
}

static struct ch_error *postgres_type(void *state, uint64_t key, struct ch_type *ret)
{
	static const char *const structs[] = {
		[POSTGRES_ASET] = "AllocSetContext",
		[POSTGRES_SLAB] = "SlabContext",
		[POSTGRES_GENERATION] = "GenerationContext",
		[POSTGRES_GENERATION_13] = "GenerationContext",
		[POSTGRES_BUMP] = "BumpContext",
	};
	const struct postgres *pg = state;
	const uint64_t name = key - POSTGRES_KEY_OF_NAME(0);

	ret->basis = CH_BASIS_RECORDED;
	if (key < POSTGRES_KEY_OF_NAME(0))
		ret->name = structs[key - POSTGRES_KEY_OF_KIND(0)];
	else if (name < pg->names.texts.count)
		ret->name = chp_constant(&pg->names, (uint32_t)name);
	return NULL;
}

const struct ch_walker ch_walker_postgres = {
	.name = "postgres",
	.title = "PostgreSQL memory contexts",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "memory contexts of PostgreSQL 13 to 18, in blocks of malloc",
	.priority = CH_WALKER_SPECIFIC,
	.probe = postgres_probe,
	.open = postgres_open,
	.close = postgres_close,
	.allocator = &(const struct ch_walker_allocator){ .stage = 1,
							  .pooled = true,
							  .objects = postgres_objects },
	.types = &(const struct ch_walker_types){ .name = postgres_type },
};
