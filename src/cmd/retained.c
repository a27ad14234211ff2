/*
 * The command "retained": its options, and the question that it asks of the library, what would
 * go with a block, or with all of a type.
 */
#include "report/retained.h"

#include "cmd/cmd.h"
#include "cmd/filter_options.h"
#include "util/bytes.h"
#include "util/error.h"

#define DEPTH_DEFAULT 5

struct options {
	struct ch_filter_options filter;
	bool tree;
	uint64_t depth;
};

static struct ch_error *show(struct ch_cmd_env *env, const struct ch_retained_options *wanted,
			     bool tree)
{
	struct ch_retained_result result;
	struct ch_error *err = chp_retained_make(env->session, wanted, &result);

	if (!err)
		err = ch_report_retained(env->report, &result, tree);
	chp_retained_deinit(&result);
	return err;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_retained_options wanted = { .threads = env->threads,
					      /* only who says so gets a list of all blocks */
					      .rows_max = env->report->unlimited
								  ? UINT64_MAX
								  : env->report->limit,
					      .has_addr = env->argc > 0 };
	struct ch_parsed_filter parsed;
	struct ch_error *err;

	if (options->tree)
		wanted.tree_depth =
			options->depth ? (uint32_t)ch_min(options->depth, 1000) : DEPTH_DEFAULT;
	err = env->argc ? chp_parse_addr(env->session, env->argv[0], &wanted.addr) : NULL;
	if (err)
		return err;
	err = chp_filter_parse_used(env->session, &options->filter, &parsed, &wanted.filter);
	if (!err && options->tree && wanted.filter)
		err = ch_error_create(CH_ERROR_ARG, "--tree has all blocks: it cannot be combined "
						    "with options that choose some");
	if (!err)
		err = show(env, &wanted, options->tree);
	chp_filter_deinit(&parsed);
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
	CH_FILTER_USED_OPTIONS,
	{ 0 },
};

const struct ch_cmd ch_cmd_retained = {
	.name = "retained",
	.summary = "what would go away with a block: retained bytes by block and by type",
	.synopsis = "[OPTIONS] CORE [ADDR]",
	.examples = "coreheap retained core.1234\n"
		    "coreheap retained --tree core.1234\n"
		    "coreheap retained --min-size 1K core.1234\n"
		    "coreheap retained core.1234 0x55fca1fae970\n",
	.notes = "A block retains what only it leads to: all that no root would reach without\n"
		 "it.\n"
		 "Bytes are usable bytes of blocks that roots reach. By type each byte counts\n"
		 "once: a\n"
		 "block below another one of its type adds nothing. The tree shows blocks with\n"
		 "at least\n"
		 "half a percent of the whole, the eight largest of each parent.\n"
		 "\n"
		 "The list has what no other block dominates. CHAIN is of lists: how many\n"
		 "blocks follow each other from the one in the row on, each the only one of\n"
		 "its type that the one before dominates, and in which field the next one is.\n"
		 "\n"
		 "Where blocks are chosen (--type ...), rows are of these: the list has what no\n"
		 "other one of these dominates, and \"these retain\" is the sum of it.\n",
	.see_also = (const char *const[]){ "roots", "types", "summary", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.run = run,
};
