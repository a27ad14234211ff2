/*
 * How a root holds what a suspect is about.
 */
#include <stdlib.h>

#include "analysis/suspects_graph.h"
#include "graph/key.h"
#include "graph/rootname.h"
#include "util/cleanup.h"
#include "util/context.h"

/* Of equally good ones on stacks. */
#define CHAINS_LOOKED_AT 64

static bool is_passing(const struct ch_root *root)
{
	return root->kind == CH_ROOT_STACK || root->kind == CH_ROOT_REGISTER ||
	       root->kind == CH_ROOT_GOROUTINE;
}

/* Whether a root lies in the frame of a method of a managed runtime: its locals say more than
 * what native code that it called has of them. */
static bool is_of_method(const struct ch_suspecting *suspecting, struct ch_graph *graph,
			 const struct ch_root *root)
{
	const struct ch_frame *frames, *found = NULL;
	struct ch_error *err;
	struct ch_code code;
	size_t count, i;

	if (root->kind != CH_ROOT_STACK || root->thread == UINT32_MAX)
		return false;
	err = chp_rootnames_frames(graph, root->thread, &frames, &count);
	if (err) {
		chp_context_drop_take(ch_session_context(suspecting->session), err);
		return false;
	}
	for (i = 0; i < count; i++)
		if (frames[i].sp && frames[i].sp <= root->addr &&
		    (!found || frames[i].sp >= found->sp))
			found = &frames[i];
	return found && ch_heaps_frame_code(suspecting->heaps, found, found == frames, 0, &code);
}

/* The shortest chain of those that are as good as the first, of a root that lasts if there
 * is one, else of a local of a method. */
static const struct ch_chain *best_chain(const struct ch_suspecting *suspecting,
					 struct ch_graph *graph, const struct ch_chain *list,
					 size_t count)
{
	const struct ch_chain *best = list;
	size_t i;

	for (i = 0; i < count && list[i].inner == list->inner; i++)
		if (!is_passing(&list[i].root))
			return &list[i];
	/* the last one is of the caller, which handed it on */
	for (i = 0; i < count && i < CHAINS_LOOKED_AT && list[i].inner == list->inner &&
		    list[i].steps == list->steps;
	     i++)
		if (is_of_method(suspecting, graph, &list[i].root))
			best = &list[i];
	return best;
}

/* Of a long way the ends. ids: from the root's block on. */
static struct ch_error *keep_steps(struct ch_graph *graph, struct ch_heaps *heaps,
				   const struct ch_chain *chain, const struct ch_vec *ids,
				   struct ch_suspect_chain *ret)
{
	struct ch_error *err = NULL;
	size_t i;

	ret->elided_at = CH_SUSPECT_STEPS / 2;
	if (ids->count > CH_SUSPECT_STEPS)
		ret->elided_count = ids->count - CH_SUSPECT_STEPS;
	for (i = 0; !err && i < ids->count; i++) {
		if (i >= ret->elided_at && i < ret->elided_at + ret->elided_count)
			continue;
		err = chp_step_make(graph, heaps, chain,
				    i ? *CH_VEC_AT(ids, uint32_t, i - 1) : CH_ID_NONE,
				    *CH_VEC_AT(ids, uint32_t, i), &ret->steps[ret->steps_count]);
		ret->steps_count += !err;
	}
	return err;
}

static struct ch_error *make_chain(const struct ch_suspecting *suspecting, struct ch_graph *graph,
				   const struct ch_chains *chains, struct ch_suspect_chain *ret)
{
	struct ch_vec ids = CH_VEC(uint32_t);
	const struct ch_chain *list, *best;
	struct ch_error *err;
	size_t roots;
	uint32_t id, *slot;

	list = ch_chains_list(chains, &roots);
	if (!roots)
		return NULL;
	best = best_chain(suspecting, graph, list, roots);
	ret->root = best->root;
	err = ch_root_describe(graph, &best->root, &ret->text);
	for (id = best->root.target; !err && id != CH_ID_NONE; id = ch_chains_next(chains, id)) {
		slot = ch_vec_push(&ids);
		if (slot)
			*slot = id;
		else
			err = &ch_enomem;
	}
	if (!err)
		err = keep_steps(graph, suspecting->heaps, best, &ids, ret);
	ret->roots_count = err ? 0 : roots;
	ch_vec_deinit(&ids);
	return err;
}

struct ch_error *chp_suspect_chain(const struct ch_suspecting *suspecting, struct ch_graph *graph,
				   const uint32_t *targets, size_t count,
				   struct ch_suspect_chain *ret)
{
	struct ch_chains *chains = NULL;
	struct ch_error *err;

	err = ch_chains_find(graph, targets, count, NULL, &chains);
	if (!err)
		err = make_chain(suspecting, graph, chains, ret);
	ch_chains_destroy(chains);
	return err;
}

/* Of entries whose key is held weakly: what leads to the key is what they are for. */
static void name_keys(const struct ch_trails *trails, struct ch_suspect_chain *chain)
{
	char key[sizeof(chain->key)];
	size_t i;

	for (i = 0; i < chain->steps_count; i++) {
		if (!chp_key_text(trails, chain->steps[i].id, key, sizeof(key)))
			continue;
		snprintf(chain->steps[i].detail, sizeof(chain->steps[i].detail), "of %s", key);
		snprintf(chain->key, sizeof(chain->key), "%s", key);
	}
}

struct ch_error *chp_suspect_find_chain(const struct ch_looking *looking, uint32_t target,
					struct ch_suspect_chain *ret)
{
	struct ch_error *err;

	err = chp_suspect_chain(looking->suspecting, looking->graph, &target, 1, ret);
	if (!err)
		name_keys(&looking->trails, ret);
	return err;
}

struct ch_error *chp_suspect_trail(const struct ch_looking *looking, uint32_t id,
				   struct ch_suspect_chain *ret)
{
	const struct ch_trails *trails = &looking->trails;
	const struct ch_root *root = chp_trails_root(trails, id);
	size_t length = root ? chp_trails_length(trails, id) : 0;
	struct ch_vec ids = CH_VEC(uint32_t);
	struct ch_chain chain;
	struct ch_error *err;

	if (!root)
		return NULL;
	chain = (struct ch_chain){ .root = *root, .steps = (uint32_t)length - 1 };
	if (!ch_vec_reserve(&ids, length))
		return &ch_enomem;
	for (ids.count = length; length-- > 0; id = trails->holder[id])
		*CH_VEC_AT(&ids, uint32_t, length) = id;
	ret->root = *root;
	err = ch_root_describe(looking->graph, root, &ret->text);
	if (!err)
		err = keep_steps(looking->graph, looking->suspecting->heaps, &chain, &ids, ret);
	ch_vec_deinit(&ids);
	ret->roots_count = err ? 0 : 1;
	if (!err)
		name_keys(trails, ret);
	return err;
}

struct ch_error *chp_suspect_pointed(const struct ch_suspecting *suspecting, struct ch_graph *graph,
				     const struct ch_suspect_source *source,
				     struct ch_suspect *suspect)
{
	struct ch_suspect_owner *slot;
	struct ch_root_text text;
	struct ch_error *err;

	suspect->owners_total++;
	if (suspect->owners_count == CH_SUSPECT_OWNERS)
		return NULL;
	slot = &suspect->owners[suspect->owners_count];
	slot->count = source->count;
	if (source->is_block) {
		slot->runtime = "native";
		err = chp_node_type_name(graph, suspecting->heaps, source->id, &slot->name);
	} else {
		slot->runtime = ch_root_kind_name(source->root.kind);
		err = ch_root_describe(graph, &source->root, &text);
		slot->name = err ? NULL : strdup(text.where);
		if (!err && !slot->name)
			err = &ch_enomem;
	}
	suspect->owners_count += !err;
	return err;
}
