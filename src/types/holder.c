/*
 * Blocks that nothing else names, by the nearest named place that points at them.
 *
 * One walk, breadth first from all places at once: variables, thread-local variables, and blocks
 * that somebody else named. What is found is true of each block: words lead from the place to it
 * as the name says. It is not who owns the block, and a word may be left over from an earlier use
 * of its memory: the basis is heuristic. Names hold no addresses, so that the next dump of the
 * program has the same ones.
 *
 * Words that lead to a block's first byte go before those that lead into it. A chain (a list, a
 * tree) is one step however long it is: its blocks are on a stack of their own, which is emptied
 * before the next block of the level is looked at.
 */
#include "types/holder_priv.h"

#include <stdlib.h>

#include "types/naming.h"
#include "util/bytes.h"
#include "util/context.h"
#include "util/error.h"

/* ---- The walk -------------------------------------------------------------------------- */

/* From what was met of places, level by level. */
static struct ch_error *walk_on(struct ch_holding *holding, size_t begin)
{
	struct ch_error *err = NULL;
	size_t end;

	while (!err && begin < holding->queue_count) {
		end = holding->queue_count;
		err = chp_holding_fold(holding);
		if (!err)
			err = chp_holding_scan(holding, begin, end);
		begin = end;
	}
	return err;
}

static struct ch_error *walk(struct ch_holding *holding, struct ch_naming *naming)
{
	struct ch_error *err = chp_holding_places(holding, naming);
	size_t begin;

	if (!err)
		err = walk_on(holding, 0);
	begin = holding->queue_count;
	if (!err)
		err = chp_holding_left_over(holding, naming);
	return err ? err : walk_on(holding, begin);
}

/* ---- What is said of it ------------------------------------------------------------------ */

struct saying {
	struct ch_holding *holding;
	struct ch_naming *naming;
	/* By node: the one that stands for it. */
	uint32_t *same;
	uint64_t count;
};

static struct ch_error *open_blocks(void *arg, const struct ch_named_block *blocks, size_t n)
{
	struct saying *saying = arg;
	size_t i;

	for (i = 0; i < n; i++) {
		if (chp_naming_words(saying->naming, &blocks[i]) == CH_WORDS_BYTES)
			continue;
		if (chp_holding_is_passed(&blocks[i])) {
			saying->holding->any_passed = true;
		} else if (blocks[i].type) {
			saying->holding->any_named = true;
			continue;
		}
		saying->holding->blocks[blocks[i].id] = CH_HOLD_OPEN;
		saying->count++;
	}
	return NULL;
}

static struct ch_error *say_blocks(void *arg, const struct ch_named_block *blocks, size_t n)
{
	extern const struct ch_provider ch_provider_holder;
	struct saying *saying = arg;
	struct ch_error *err = NULL;
	uint32_t node;
	size_t i;

	for (i = 0; !err && i < n; i++) {
		node = saying->holding->blocks[blocks[i].id];
		if (node && !(node & CH_HOLD_WAY))
			err = chp_naming_say(saying->naming, &ch_provider_holder, &blocks[i],
					     saying->same[node - 1] + 1ULL);
	}
	return err;
}

static void end_walk(struct ch_holding *holding)
{
	free(holding->blocks);
	free(holding->queue);
	holding->blocks = holding->queue = NULL;
	ch_vec_deinit(&holding->ways);
	ch_vec_deinit(&holding->word_sizes);
	ch_table_deinit(&holding->words_by);
	ch_table_deinit(&holding->ways_by);
	ch_table_deinit(&holding->places_by);
}

static struct ch_error *rest(void *state, struct ch_naming *naming)
{
	struct ch_holding *holding = state;
	struct saying saying = { .holding = holding, .naming = naming };
	struct ch_error *err;
	size_t i, count;

	holding->env.index = naming->env.index;
	count = holding->env.index->objects_count;
	holding->blocks = malloc((count + 1) * sizeof(*holding->blocks));
	if (!holding->blocks)
		return &ch_enomem;
	for (i = 0; i < count; i++)
		holding->blocks[i] = CH_HOLD_CLOSED;
	err = chp_naming_all(naming, open_blocks, &saying);
	holding->queue = calloc(saying.count + 1, sizeof(*holding->queue));
	if (!err && !holding->queue)
		err = &ch_enomem;
	if (!err)
		err = walk(holding, naming);
	if (!err)
		err = chp_holding_unite(holding, &saying.same);
	if (!err)
		err = chp_naming_left(naming, say_blocks, &saying);
	if (!err && holding->full)
		chp_context_finding(holding->env.ctx, CH_SEVERITY_NOTE, "holders-limit",
				    "blocks are held in more ways than names are made of: some of "
				    "them have no name");
	free(saying.same);
	end_walk(holding);
	return err;
}

static struct ch_error *type(void *state, uint64_t key, struct ch_type *ret)
{
	struct ch_holding *holding = state;
	const struct ch_hold_node *node = CH_VEC_AT(&holding->nodes, struct ch_hold_node, key - 1);
	const struct ch_place *place = CH_VEC_AT(&holding->places, struct ch_place, node->place);
	char **slot = ch_vec_push(&holding->names);

	if (!slot)
		return &ch_enomem;
	*slot = chp_holding_text(holding, node);
	if (!*slot)
		return &ch_enomem;
	ret->name = *slot;
	ret->module = place->module ? place->module->name : NULL;
	return NULL;
}

static void close_holder(void *state)
{
	struct ch_holding *holding = state;
	size_t i;

	end_walk(holding);
	for (i = 0; i < holding->names.count; i++)
		free(*CH_VEC_AT(&holding->names, char *, i));
	ch_vec_deinit(&holding->names);
	ch_vec_deinit(&holding->places);
	ch_vec_deinit(&holding->nodes);
	ch_table_deinit(&holding->nodes_by);
	free(holding);
}

static struct ch_error *open_holder(const struct ch_provider_env *env, void **state_ret)
{
	struct ch_holding *holding;
	size_t count;

	ch_sym_modules(env->sym, &count);
	if (!count)
		return NULL;
	holding = calloc(1, sizeof(*holding));
	if (!holding)
		return &ch_enomem;
	holding->env = *env;
	holding->places = CH_VEC(struct ch_place);
	holding->nodes = CH_VEC(struct ch_hold_node);
	holding->names = CH_VEC(char *);
	holding->ways = CH_VEC(struct ch_hold_way);
	holding->word_sizes = CH_VEC(uint32_t);
	*state_ret = holding;
	return NULL;
}

const struct ch_provider ch_provider_holder = {
	.name = "holder",
	.summary = "blocks by the nearest named place that points at them",
	.basis = CH_BASIS_HEURISTIC,
	.rank = CH_RANK_HOLDER,
	.open = open_holder,
	.close = close_holder,
	.rest = rest,
	.type = type,
};
