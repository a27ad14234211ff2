/*
 * The command "leaks": its options, and the question that it asks of the library, blocks that
 * nothing reaches.
 */
#include "report/leaks.h"
#include "cmd/cmd.h"
#include "types/names.h"

struct options {
	bool list, possible, dead;
};

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct ch_graph_options graph_options = { .threads = env->threads };
	const struct options *options = env->options;
	struct ch_leaks_result result = { .list = options->list || options->possible ||
						  options->dead };
	struct ch_error *err;

	result.reaches = 1U << CH_REACH_DIRECT | 1U << CH_REACH_INDIRECT;
	if (options->possible)
		result.reaches = 1U << CH_REACH_POSSIBLE | 1U << CH_REACH_LEFTOVER;
	if (options->dead)
		result.reaches = 1U << CH_REACH_DEAD;
	err = chp_session_named_heaps(env->session, &result.heaps);
	if (!err)
		err = ch_session_sym(env->session, &result.sym);
	if (!err)
		err = chp_coverage_find(env->session, &result.coverage);
	if (!err)
		err = ch_graph_create(env->session, &graph_options, &result.graph);
	if (!err)
		err = ch_leaks_find(result.graph, &result.leaks);
	if (!err)
		chp_heaps_tell_none(result.heaps, ch_session_context(env->session));
	if (!err)
		err = ch_report_leaks(env->report, &result);
	ch_leaks_destroy(result.leaks);
	ch_graph_destroy(result.graph);
	return err;
}

static const struct ch_option options_table[] = {
	{ .name = "list",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, list),
	  .help = "each lost block by address, not groups of them" },
	{ .name = "possible",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, possible),
	  .help = "each block that is held only by interior pointers or ended threads" },
	{ .name = "dead",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, dead),
	  .help = "each object that its runtime's collector would free, and what only those hold" },
	{ 0 },
};

const struct ch_cmd ch_cmd_leaks = {
	.name = "leaks",
	.summary = "used blocks that nothing holds, grouped by type, size and first word",
	.synopsis = "[OPTIONS] CORE",
	.examples = "coreheap leaks core.1234\n"
		    "coreheap leaks --list core.1234\n"
		    "coreheap leaks --jsonl core.1234 | jq -r .addr\n",
	.notes = "Roots are registers, stacks from the stack pointer up, thread-local storage, "
		 "writable\n"
		 "data of modules, and writable memory that belongs to no heap. Any aligned word "
		 "that\n"
		 "looks like an address counts: a block is lost only if nothing at all points at "
		 "it.\n"
		 "Blocks of one size that are pointed at only at one and the same place inside (a "
		 "link in\n"
		 "the middle, a second base class, a header, marked pointers) are held by that.\n"
		 "Bytes are those of chunks, as in `types`. Objects of a runtime that collects its "
		 "garbage\n"
		 "are never lost: those that nothing holds are dead, and their classes are rows of "
		 "their own.\n",
	.options = options_table,
	.options_size = sizeof(struct options),
	.jsonl = true,
	.run = run,
};
