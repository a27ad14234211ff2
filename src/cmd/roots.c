/*
 * The command "roots": its options, and the question that it asks of the library, why a block is
 * alive.
 */
#include "report/roots.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/mapping_holders.h"
#include "cmd/cmd.h"
#include "cmd/filter_options.h"
#include "types/names.h"
#include "util/bytes.h"
#include "util/error.h"

struct options {
	bool exact, all;
	uint64_t depth, seconds;
};

struct gathering {
	const struct ch_graph *graph;
	/* of uint32_t */
	struct ch_vec ids;
};

static struct ch_error *take_targets(void *arg, const struct ch_object *objects, size_t n)
{
	struct gathering *gathering = arg;
	uint32_t id, *slot;
	size_t i;

	for (i = 0; i < n; i++) {
		id = ch_graph_node_at(gathering->graph, objects[i].addr);
		if (id == CH_ID_NONE)
			continue;
		slot = ch_vec_push(&gathering->ids);
		if (!slot)
			return &ch_enomem;
		*slot = id;
	}
	return NULL;
}

/* All instances of a type. */
static struct ch_error *find_type(struct ch_cmd_env *env, struct ch_heaps *heaps, const char *name,
				  struct gathering *ret)
{
	const struct ch_filter_options options = { .type = name };
	struct ch_parsed_filter parsed;
	struct ch_error *err;

	err = chp_filter_parse(env->session, heaps, &options, 1U << CH_OBJECT_USED, &parsed);
	if (!err)
		err = chp_heaps_walk_where(heaps, &parsed.filter, take_targets, ret);
	chp_filter_deinit(&parsed);
	return err;
}

/* Memory that is no block: of a mapping, those who have its address. */
static struct ch_error *find_mapping(struct ch_cmd_env *env, struct ch_roots_result *result,
				     uint64_t addr, struct gathering *ret)
{
	struct ch_error *err = chp_mapping_at(env->session, addr, &result->mapping);

	if (!err && result->mapping)
		err = chp_mapping_holders(result->graph, result->heaps, result->mapping, &ret->ids);
	if (err || ret->ids.count)
		return err;
	return ch_error_create(CH_ERROR_ARG, "0x%llx lies in no used block%s: see coreheap whatis",
			       (unsigned long long)addr,
			       result->mapping ? ", and no used block has an address of its mapping"
					       : "");
}

/* The block that holds an address. */
static struct ch_error *find_block(struct ch_cmd_env *env, struct ch_roots_result *result,
				   uint64_t addr, struct gathering *ret)
{
	uint32_t id = ch_graph_node_at(result->graph, addr), *slot;

	if (id == CH_ID_NONE)
		return find_mapping(env, result, addr, ret);
	slot = ch_vec_push(&ret->ids);
	if (!slot)
		return &ch_enomem;
	*slot = id;
	return NULL;
}

/* An address first; what is none may be the name of a type. */
static struct ch_error *find_targets(struct ch_cmd_env *env, struct ch_roots_result *result,
				     struct gathering *ret)
{
	const char *text = env->argv[0];
	struct ch_error *err, *second;
	uint64_t addr;

	err = chp_parse_addr(env->session, text, &addr);
	if (!err)
		return find_block(env, result, addr, ret);
	if (err->code != CH_ERROR_ARG)
		return err;
	second = find_type(env, result->heaps, text, ret);
	if (second && second->code == CH_ERROR_ARG) {
		ch_error_destroy(second);
		second = ch_error_create(CH_ERROR_ARG, "%s, or that of a type in `types`",
					 err->message);
	}
	ch_error_destroy(err);
	if (!second && !ret->ids.count)
		second = ch_error_create(CH_ERROR_ARG, "no used block has the type '%s'", text);
	result->type_name = text;
	return second;
}

static void judge(struct ch_cmd_env *env, struct ch_roots_result *result)
{
	const char *cut = ch_chains_cut(result->chains);
	size_t count;

	ch_chains_list(result->chains, &count);
	result->verdict = CH_ROOTS_REACHABLE;
	if (count)
		return;
	result->verdict = CH_ROOTS_UNREACHABLE;
	if (cut) {
		result->verdict = CH_ROOTS_INCOMPLETE;
		snprintf(result->reason, sizeof(result->reason),
			 "no root was found before the bound of %s (--%s)", cut, cut);
	} else if (!ch_context_complete(ch_session_context(env->session))) {
		result->verdict = CH_ROOTS_INCOMPLETE;
		snprintf(result->reason, sizeof(result->reason),
			 "no root was found in what the core holds, which is not all");
	} else if (ch_context_damaged(ch_session_context(env->session))) {
		result->verdict = CH_ROOTS_INCOMPLETE;
		snprintf(result->reason, sizeof(result->reason),
			 "no root was found, but the heap is damaged: a chain may have led "
			 "through it");
	}
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct ch_graph_options graph_options = { .threads = env->threads };
	const struct options *options = env->options;
	const struct ch_chains_options chains_options = {
		.exact = options->exact,
		.depth_max = (uint32_t)ch_min(options->depth, UINT32_MAX - 1),
		.time_ms = ch_min(options->seconds, 1U << 30) * 1000,
	};
	struct gathering gathering = { .ids = CH_VEC(uint32_t) };
	struct ch_roots_result result = { .type_name = NULL };
	struct ch_error *err;

	if (env->argc != 1)
		return ch_error_create(CH_ERROR_ARG,
				       "roots needs an address or a type after the core");
	err = chp_session_named_heaps(env->session, &result.heaps);
	if (!err)
		err = ch_graph_create(env->session, &graph_options, &result.graph);
	gathering.graph = result.graph;
	if (!err)
		err = find_targets(env, &result, &gathering);
	result.targets = gathering.ids.items;
	result.targets_count = gathering.ids.count;
	if (!err)
		err = ch_chains_find(result.graph, result.targets, result.targets_count,
				     &chains_options, &result.chains);
	if (!err) {
		judge(env, &result);
		err = ch_report_roots(env->report, &result);
	}
	ch_chains_destroy(result.chains);
	ch_graph_destroy(result.graph);
	ch_vec_deinit(&gathering.ids);
	return err;
}

static const char *const aliases[] = { "gcroot", NULL };

static const struct ch_option options_table[] = {
	{ .name = "exact",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, exact),
	  .help = "only pointers to the first bytes of blocks" },
	{ .name = "depth",
	  .value = "N",
	  .kind = CH_OPTION_COUNT,
	  .offset = offsetof(struct options, depth),
	  .help = "at most N steps from root to target" },
	{ .name = "time",
	  .value = "SECONDS",
	  .kind = CH_OPTION_COUNT,
	  .offset = offsetof(struct options, seconds),
	  .help = "stop looking after this long" },
	/* Of gcroot: all roots are shown. */
	{ .name = "all", .kind = CH_OPTION_FLAG, .offset = offsetof(struct options, all) },
	{ 0 },
};

const struct ch_cmd ch_cmd_roots = {
	.name = "roots",
	.aliases = aliases,
	.summary = "who holds it: chains from roots to a block, or to all of a type",
	.synopsis = "[OPTIONS] CORE ADDR|TYPE",
	.examples = "coreheap roots core.1234 0x55fca1fae970\n"
		    "coreheap roots --limit 3 core.1234 '136-byte blocks'\n"
		    "coreheap roots --json core.1234 0x55fca1fae970 | jq '.chains[0].root.where'\n",
	.notes =
		"Each root has one chain: a shortest one by pointers to first bytes, else by any. "
		"A "
		"chain\n"
		"that meets an earlier one says so and ends. Chains by pointers to first bytes "
		"come "
		"first,\n"
		"then shorter ones, then roots that last: what a runtime names, data of modules, "
		"thread-\n"
		"local storage, other memory, and registers and stacks. Words below a stack "
		"pointer "
		"are last.\n"
		"The offset of a step is where in the block before it the pointer lies.\n"
		"Of an address in a mapped file, or in memory of no heap, the chains are those of\n"
		"the blocks that have the mapping's address: a MappedByteBuffer.\n",
	.options = options_table,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.run = run,
};
