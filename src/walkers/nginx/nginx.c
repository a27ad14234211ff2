/*
 * The walker of nginx: pools, the tables of connections, and shared zones.
 */
#include "walkers/nginx/nginx_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "heap/signs.h"
#include "util/bytes.h"
#include "util/error.h"

#define AT_PAGESZ 6

/* Programs that are nginx under another name. */
static const char *const programs[] = { "nginx", "openresty", "tengine", "angie", "freenginx" };

static const struct {
	const char *name;
	enum ch_basis basis;
} names[] = {
	[NGINX_CYCLE_POOL] = { "cycle pool", CH_BASIS_DERIVED },
	[NGINX_CONNECTION_POOL] = { "connection pool", CH_BASIS_HEURISTIC },
	[NGINX_REQUEST_POOL] = { "request pool", CH_BASIS_DERIVED },
	[NGINX_POOL] = { "nginx pool", CH_BASIS_HEURISTIC },
	[NGINX_CONNECTION] = { "ngx_connection_t", CH_BASIS_DERIVED },
	[NGINX_EVENT] = { "ngx_event_t", CH_BASIS_DERIVED },
};

/* The program, if it is nginx: by ngx_cycle, which modules need, or by its name. */
static const struct ch_module *find_program(const struct ch_heap_env *env, uint64_t *cycle_ret)
{
	const struct ch_module *modules;
	struct ch_symbol symbol;
	size_t count, i, k;

	*cycle_ret = 0;
	modules = ch_sym_modules(env->sym, &count);
	for (i = 0; i < count; i++) {
		if (modules[i].kind != CH_MODULE_EXE)
			continue;
		if (ch_sym_exported(env->sym, &modules[i], "ngx_cycle", &symbol) ||
		    ch_sym_by_name(env->sym, &modules[i], "ngx_cycle", &symbol)) {
			if (!ch_core_read_u64(env->core, symbol.addr, cycle_ret))
				*cycle_ret = 0;
			return &modules[i];
		}
		for (k = 0; k < sizeof(programs) / sizeof(programs[0]); k++)
			if (chp_has_stem(modules[i].name, programs[k]))
				return &modules[i];
	}
	return NULL;
}

static struct ch_error *nginx_probe(const struct ch_heap_env *env, struct ch_probe *ret)
{
	uint64_t cycle;
	const struct ch_module *program = find_program(env, &cycle);

	if (!program) {
		snprintf(ret->evidence, sizeof(ret->evidence),
			 "the program has no ngx_cycle, and is not called nginx");
		return NULL;
	}
	ret->score = cycle ? 95 : 60;
	snprintf(ret->evidence, sizeof(ret->evidence), cycle ? "ngx_cycle of %.64s" : "%.64s",
		 program->name);
	return NULL;
}

static void nginx_close(void *state)
{
	struct nginx *ng = state;
	size_t i;

	for (i = 0; i < ng->zone_names.count; i++)
		free(*CH_VEC_AT(&ng->zone_names, char *, i));
	ch_vec_deinit(&ng->zone_names);
	ch_vec_deinit(&ng->parts);
	ch_vec_deinit(&ng->heaps);
	ch_table_deinit(&ng->blocks);
	ch_table_deinit(&ng->owned);
	chp_answers_deinit(&ng->out);
	free(ng);
}

static const char *name_of(const struct nginx *ng, uint64_t key)
{
	const char *name;

	if (key < NGINX_ZONE)
		return names[key].name;
	name = *CH_VEC_AT(&ng->zone_names, char *, key - NGINX_ZONE);
	return name ? name : "shared zone";
}

/* What is told of heap i; facts may still move. */
static struct ch_error *add_desc(struct nginx *ng, size_t i)
{
	const struct nginx_heap *heap = CH_VEC_AT(&ng->heaps, struct nginx_heap, i);
	const bool zone = heap->key >= NGINX_ZONE;
	struct ch_heap_desc *desc = ch_vec_push(&ng->out.heaps);
	struct ch_error *err;

	if (!desc)
		return &ch_enomem;
	*desc = (struct ch_heap_desc){ .kind = heap->kind,
				       .name = heap->key == NGINX_CONNECTION
						       ? "connections"
						       : name_of(ng, heap->key),
				       .addr = heap->addr,
				       .facts_count = 3 };
	err = chp_fact_add(&ng->out.heap_facts, zone ? "free_pages_count" : "malloc_blocks_count",
			   heap->counts[0], NULL);
	if (!err)
		err = chp_fact_add(&ng->out.heap_facts,
				   zone ? "failed_requests_count" : "large_count", heap->counts[1],
				   NULL);
	return err ? err
		   : chp_fact_add(&ng->out.heap_facts, zone ? "zone_bytes" : "malloc_blocks_bytes",
				  heap->bytes, NULL);
}

static struct ch_error *fill(struct nginx *ng)
{
	struct ch_heap_desc *descs;
	struct ch_error *err;
	size_t i;

	find_program(&ng->env, &ng->cycle);
	if (!ch_core_auxv(ng->env.core, AT_PAGESZ, &ng->page_bytes) || !ng->page_bytes ||
	    ng->page_bytes & (ng->page_bytes - 1) || ng->page_bytes > 1U << 16)
		ng->page_bytes = CH_PAGE_BYTES;
	/* tables tell of pools; but the cycle may be found by its pool */
	err = nginx_read_tables(ng);
	if (!err)
		err = nginx_read_pools(ng);
	if (!err && !ng->connections)
		err = nginx_read_tables(ng);
	if (!err)
		err = nginx_read_zones(ng);
	if (!err && !ng->out.spans.count)
		err = ch_error_create(CH_ERROR_ABSENT, "no pool of nginx is in a block of an "
						       "allocator that is walked");
	for (i = 0; !err && i < ng->heaps.count; i++)
		err = add_desc(ng, i);
	if (err)
		return err;
	descs = ng->out.heaps.items;
	for (i = 0; i < ng->out.heaps.count; i++)
		descs[i].facts = CH_VEC_AT(&ng->out.heap_facts, struct ch_fact, 3 * i);
	err = chp_fact_add(&ng->out.facts, "zones_count", ng->zone_names.count, NULL);
	return err ? err
		   : chp_fact_add(&ng->out.facts, "connections_count", ng->connections_count, NULL);
}

static struct ch_error *nginx_open(const struct ch_heap_env *env, void **state_ret)
{
	struct nginx *ng = calloc(1, sizeof(*ng));
	struct ch_error *err;

	if (!ng)
		return &ch_enomem;
	ng->env = *env;
	ng->parts = CH_VEC(struct nginx_part);
	ng->heaps = CH_VEC(struct nginx_heap);
	ng->zone_names = CH_VEC(char *);
	ng->out = CH_ANSWERS;
	err = fill(ng);
	if (err) {
		nginx_close(ng);
		return err;
	}
	*state_ret = ng;
	return NULL;
}

static struct ch_error *walk_block(const struct nginx_part *part, struct ch_object_batch *batch)
{
	struct ch_object rest = { .addr = part->used_end,
				  .size_bytes = part->end - part->used_end,
				  .chunk_bytes = part->end - part->used_end,
				  .state = CH_OBJECT_FREE,
				  .flags = CH_OBJECT_TOP };
	struct ch_error *err;

	err = nginx_put(batch, part->start, part->used_end - part->start, CH_OBJECT_USED,
			part->key);
	return err || !rest.chunk_bytes ? err : ch_object_batch_put(batch, &rest);
}

static struct ch_error *nginx_objects(void *state, const struct ch_span *span, uint64_t from,
				      struct ch_object_sink *sink)
{
	const struct nginx *ng = state;
	const struct nginx_part *part = CH_VEC_AT(&ng->parts, struct nginx_part, span->cookie);
	struct ch_object_batch batch;
	struct ch_error *err;

	/* Not initialised as a whole: the items are 20 KiB. */
	batch.sink = sink;
	batch.count = 0;
	if (part->kind == NGINX_SLAB)
		err = nginx_walk_slab(ng, part, from, &batch);
	else if (part->kind == NGINX_TABLE)
		err = nginx_walk_table(ng, part, from, &batch);
	else
		err = walk_block(part, &batch);
	return err ? err : ch_object_batch_flush(&batch);
}

static struct ch_error *nginx_type(void *state, uint64_t key, struct ch_type *ret)
{
	const struct nginx *ng = state;

	ret->name = name_of(ng, key);
	ret->basis = key < NGINX_ZONE ? names[key].basis : CH_BASIS_DERIVED;
	return NULL;
}

const struct ch_walker ch_walker_nginx = {
	.name = "nginx",
	.title = "nginx",
	.kind = CH_RUNTIME_ALLOCATOR,
	.summary = "pools, connections and shared zones of nginx",
	.priority = CH_WALKER_SPECIFIC,
	.probe = nginx_probe,
	.open = nginx_open,
	.close = nginx_close,
	.allocator = &(const struct ch_walker_allocator){ .stage = 1,
							  .pooled = true,
							  .objects = nginx_objects },
	.types = &(const struct ch_walker_types){ .name = nginx_type },
};
