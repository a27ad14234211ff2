/*
 * Who holds it: chains from roots to a block, to all of a type, or to what has a mapping.
 */
#include "analysis/roots.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/mapping_holders.h"
#include "types/names.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Steps kept at each end of a long chain. */
#define ENDS 8

struct ch_roots_source {
	struct ch_graph *graph;
	struct ch_heaps *heaps;
	struct ch_chains *chains;
	/* of uint32_t: the targets, ascending */
	struct ch_vec ids;
};

/* ---- Targets ------------------------------------------------------------------ */

static struct ch_error *take_targets(void *arg, const struct ch_object *objects, size_t n)
{
	struct ch_roots_source *source = arg;
	uint32_t id, *slot;
	size_t i;

	for (i = 0; i < n; i++) {
		id = ch_graph_node_at(source->graph, objects[i].addr);
		if (id == CH_ID_NONE)
			continue;
		slot = ch_vec_push(&source->ids);
		if (!slot)
			return &ch_enomem;
		*slot = id;
	}
	return NULL;
}

/* Memory that is no block: of a mapping, those who have its address. */
static struct ch_error *find_mapping(struct ch_session *session, uint64_t addr,
				     struct ch_roots_result *ret)
{
	struct ch_roots_source *source = ret->source;
	const struct ch_region *mapping;
	struct ch_error *err = chp_mapping_at(session, addr, &mapping);

	if (!err && mapping) {
		ret->kind = CH_ROOTS_OF_MAPPING;
		ret->addr = mapping->start;
		ret->size_bytes = mapping->end - mapping->start;
		ret->name = mapping->backing;
		err = chp_mapping_holders(source->graph, source->heaps, mapping, &source->ids);
	}
	if (err || source->ids.count)
		return err;
	return ch_error_create(CH_ERROR_FAULT,
			       "0x%llx lies in no used block%s: see coreheap whatis",
			       (unsigned long long)addr,
			       mapping ? ", and no used block has an address of its mapping" : "");
}

/* The block that holds an address. */
static struct ch_error *find_block(struct ch_session *session, uint64_t addr,
				   struct ch_roots_result *ret)
{
	struct ch_roots_source *source = ret->source;
	uint32_t id = ch_graph_node_at(source->graph, addr), *slot;

	if (id == CH_ID_NONE)
		return find_mapping(session, addr, ret);
	slot = ch_vec_push(&source->ids);
	if (!slot)
		return &ch_enomem;
	*slot = id;
	ret->addr = ch_graph_addr(source->graph, id);
	ret->size_bytes = ch_graph_size_bytes(source->graph, id);
	return chp_node_whole_name(source->graph, source->heaps, id, &ret->type);
}

/* ---- Finding ------------------------------------------------------------------ */

static void judge(const struct ch_context *ctx, struct ch_roots_result *result)
{
	const char *cut = ch_chains_cut(result->source->chains);

	result->verdict = CH_ROOTS_REACHABLE;
	if (result->roots_count)
		return;
	result->verdict = CH_ROOTS_UNREACHABLE;
	if (cut) {
		result->verdict = CH_ROOTS_INCOMPLETE;
		snprintf(result->reason, sizeof(result->reason),
			 "no root was found before the bound of %s (--%s)", cut, cut);
	} else if (!ch_context_complete(ctx)) {
		result->verdict = CH_ROOTS_INCOMPLETE;
		snprintf(result->reason, sizeof(result->reason),
			 "no root was found in what the core holds, which is not all");
	} else if (ch_context_damaged(ctx)) {
		result->verdict = CH_ROOTS_INCOMPLETE;
		snprintf(result->reason, sizeof(result->reason),
			 "no root was found, but the heap is damaged: a chain may have led "
			 "through it");
	}
}

static struct ch_error *begin(struct ch_session *session, const struct ch_roots_options *options,
			      struct ch_roots_result *ret)
{
	const struct ch_graph_options graph_options = { .threads = options->threads };
	struct ch_roots_source *source = calloc(1, sizeof(*source));
	struct ch_error *err;

	*ret = (struct ch_roots_result){ .source = source };
	if (!source)
		return &ch_enomem;
	source->ids = CH_VEC(uint32_t);
	err = chp_session_named_heaps(session, &source->heaps);
	return err ? err : ch_graph_create(session, &graph_options, &source->graph);
}

static struct ch_error *find(struct ch_session *session, const struct ch_roots_options *options,
			     struct ch_roots_result *ret)
{
	struct ch_roots_source *source = ret->source;
	struct ch_error *err;
	size_t count;

	err = ch_chains_find(source->graph, source->ids.items, source->ids.count, &options->chains,
			     &source->chains);
	if (err)
		return err;
	ret->targets_count = source->ids.count;
	ch_chains_list(source->chains, &count);
	ret->roots_count = count;
	ch_chains_weak(source->chains, &count);
	ret->weak_count = count;
	ret->reaching_count = ch_chains_reaching_count(source->chains);
	judge(ch_session_context(session), ret);
	return NULL;
}

struct ch_error *chp_roots_of_addr(struct ch_session *session,
				   const struct ch_roots_options *options, uint64_t addr,
				   struct ch_roots_result *ret)
{
	struct ch_error *err = begin(session, options, ret);

	if (!err)
		err = find_block(session, addr, ret);
	return err ? err : find(session, options, ret);
}

struct ch_error *chp_roots_of_type(struct ch_session *session,
				   const struct ch_roots_options *options,
				   const struct ch_object_filter *filter, const char *name,
				   struct ch_roots_result *ret)
{
	struct ch_error *err = begin(session, options, ret);

	ret->kind = CH_ROOTS_OF_TYPE;
	ret->name = name;
	if (!err)
		err = chp_heaps_walk_where(ret->source->heaps, filter, take_targets, ret->source);
	if (!err && !ret->source->ids.count)
		err = ch_error_create(CH_ERROR_ARG, "no used block has the type '%s'", name);
	return err ? err : find(session, options, ret);
}

void chp_roots_deinit(struct ch_roots_result *result)
{
	struct ch_roots_source *source = result->source;

	free(result->type);
	if (!source)
		return;
	ch_chains_destroy(source->chains);
	ch_graph_destroy(source->graph);
	ch_vec_deinit(&source->ids);
	free(source);
}

/* ---- Chains ------------------------------------------------------------------- */

static void clear(struct ch_roots_chain *chain)
{
	size_t i;

	for (i = 0; i < chain->steps_count; i++)
		free(chain->steps[i].type);
	chain->steps_count = 0;
}

static struct ch_error *add_step(const struct ch_roots_source *source, const struct ch_chain *from,
				 uint32_t holder, uint32_t id, struct ch_roots_chain *chain)
{
	struct ch_step *step = &chain->steps[chain->steps_count];
	struct ch_error *err = chp_step_make(source->graph, source->heaps, from, holder, id, step);

	chain->steps_count += !err;
	return err;
}

/* From the root's node to a target, or to where an earlier chain came by. shown_by: by id, the
 * number of the chain that has it. */
static struct ch_error *add_path(const struct ch_roots_source *source, const struct ch_chain *from,
				 uint32_t *shown_by, struct ch_roots_chain *chain)
{
	uint32_t id = from->root.target, holder = CH_ID_NONE, at;
	struct ch_error *err = NULL;
	uint64_t length = 0;

	for (at = id; at != CH_ID_NONE && !shown_by[at]; at = ch_chains_next(source->chains, at)) {
		shown_by[at] = chain->number;
		length++;
	}
	for (; !err && length; length--) {
		if (chain->steps_count == ENDS && length > ENDS + 1) {
			/* The middle: count it, and go on before the last steps. */
			chain->elided_at = ENDS;
			chain->elided_count = length - ENDS;
			for (; length > ENDS; length--) {
				holder = id;
				id = ch_chains_next(source->chains, id);
			}
		}
		err = add_step(source, from, holder, id, chain);
		holder = id;
		id = ch_chains_next(source->chains, id);
	}
	if (err || at == CH_ID_NONE || shown_by[at] == chain->number)
		return err;
	chain->joins = shown_by[at];
	return add_step(source, from, holder, at, chain);
}

static struct ch_error *hand_over(const struct ch_roots_source *source, const struct ch_chain *from,
				  uint32_t number, uint32_t *shown_by, struct ch_roots_chain *chain,
				  ch_roots_chain_fn fn, void *arg)
{
	struct ch_error *err;

	*chain = (struct ch_roots_chain){ .number = number,
					  .length = from->steps,
					  .root = from->root };
	err = ch_root_describe(source->graph, &from->root, &chain->text);
	if (!err)
		err = add_path(source, from, shown_by, chain);
	if (!err)
		err = fn(arg, chain);
	clear(chain);
	return err;
}

struct ch_error *chp_roots_chains(const struct ch_roots_result *result, uint64_t most,
				  ch_roots_chain_fn fn, void *arg)
{
	const struct ch_roots_source *source = result->source;
	_cleanup_free_ struct ch_roots_chain *chain = malloc(sizeof(*chain));
	_cleanup_free_ uint32_t *shown_by =
		calloc(ch_graph_objects_count(source->graph) + 1ULL, sizeof(*shown_by));
	const struct ch_chain *chains;
	struct ch_error *err = NULL;
	size_t count, i;

	if (!chain || !shown_by)
		return &ch_enomem;
	chains = ch_chains_list(source->chains, &count);
	for (i = 0; !err && i < count && i < most && i < UINT32_MAX; i++)
		err = hand_over(source, &chains[i], (uint32_t)i + 1, shown_by, chain, fn, arg);
	return err;
}

struct ch_error *chp_roots_weak(const struct ch_roots_result *result, size_t index,
				struct ch_root *ret, struct ch_root_text *text_ret)
{
	size_t count;

	*ret = ch_chains_weak(result->source->chains, &count)[index];
	return ch_root_describe(result->source->graph, ret, text_ret);
}
