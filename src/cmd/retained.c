/*
 * The command "retained": its options, and the question that it asks of the library, what would
 * go with a block, or with all of a type.
 */
#include "report/retained.h"

#include "cmd/cmd.h"
#include "types/names.h"
#include "util/bytes.h"
#include "util/error.h"

#define DEPTH_DEFAULT 5

struct options {
	bool tree;
	uint64_t depth;
};

/* The block that was asked for. */
static struct ch_error *find_block(struct ch_cmd_env *env, struct ch_retained_result *result)
{
	struct ch_retained_row row;
	struct ch_error *err;
	uint64_t addr;

	err = chp_parse_addr(env->session, env->argv[0], &addr);
	if (err)
		return err;
	result->id = ch_graph_node_at(result->graph, addr);
	if (result->id == CH_ID_NONE)
		return ch_error_create(CH_ERROR_ARG,
				       "0x%llx lies in no used block: see coreheap whatis",
				       (unsigned long long)addr);
	if (!ch_retained_row(result->retained, result->id, &row))
		return ch_error_create(CH_ERROR_ARG,
				       "no root reaches the block at 0x%llx, so nothing is "
				       "retained by it: see coreheap leaks",
				       (unsigned long long)addr);
	return NULL;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct ch_graph_options graph_options = { .threads = env->threads };
	const struct options *options = env->options;
	struct ch_retained_result result = { .id = CH_ID_NONE };
	struct ch_error *err;

	if (options->tree)
		result.tree_depth =
			options->depth ? (uint32_t)ch_min(options->depth, 1000) : DEPTH_DEFAULT;
	err = chp_session_named_heaps(env->session, &result.heaps);
	if (!err)
		err = ch_graph_create(env->session, &graph_options, &result.graph);
	if (!err)
		err = ch_retained_make(result.graph, &result.retained);
	if (!err && env->argc)
		err = find_block(env, &result);
	if (!err)
		err = ch_report_retained(env->report, &result);
	ch_retained_destroy(result.retained);
	ch_graph_destroy(result.graph);
	return err;
}

static const struct ch_option options_table[] = {
	{ .name = "tree",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, tree),
	  .help = "the dominator tree by depth, with shares" },
	{ .name = "depth",
	  .value = "N",
	  .kind = CH_OPTION_COUNT,
	  .offset = offsetof(struct options, depth),
	  .help = "levels of the tree (default 5)" },
	{ 0 },
};

const struct ch_cmd ch_cmd_retained = {
	.name = "retained",
	.summary = "what would go away with a block: retained bytes by block and by type",
	.synopsis = "[OPTIONS] CORE [ADDR]",
	.examples = "coreheap retained core.1234\n"
		    "coreheap retained --tree core.1234\n"
		    "coreheap retained core.1234 0x55fca1fae970\n",
	.notes = "A block retains what only it leads to: all that no root would reach without it.\n"
		 "Bytes are usable bytes of blocks that roots reach. By type each byte counts "
		 "once: a\n"
		 "block below another one of its type adds nothing. The tree shows blocks with at "
		 "least\n"
		 "half a percent of the whole, the eight largest of each parent.\n",
	.options = options_table,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.run = run,
};
