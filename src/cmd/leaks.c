/*
 * The command "leaks": its options, and the question that it asks of the library, blocks that
 * nothing reaches.
 */
#include "report/leaks.h"
#include "cmd/cmd.h"
#include "cmd/filter_options.h"

struct options {
	struct ch_filter_options filter;
	const char *sort;
	bool list, possible, dead;
};

/* What is listed block by block; 0: nothing is. */
static uint32_t reaches_of(const struct ch_cmd_env *env)
{
	const struct options *options = env->options;

	if (options->dead)
		return 1U << CH_REACH_DEAD;
	if (options->possible)
		return 1U << CH_REACH_POSSIBLE | 1U << CH_REACH_LEFTOVER;
	return options->list || env->report->format == CH_FORMAT_JSONL
		       ? 1U << CH_REACH_DIRECT | 1U << CH_REACH_INDIRECT
		       : 0;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_leaks_options wanted = { .threads = env->threads };
	struct ch_leaks_result result = { .source = NULL };
	struct ch_parsed_filter parsed;
	struct ch_error *err;

	err = chp_filter_parse_used(env->session, &options->filter, &parsed, &wanted.filter);
	if (!err)
		err = chp_parse_order(options->sort, &wanted.order);
	if (!err)
		err = chp_leaks_make(env->session, &wanted, &result);
	if (!err)
		err = ch_report_leaks(env->report, &result, reaches_of(env));
	chp_leaks_deinit(&result);
	chp_filter_deinit(&parsed);
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
	  .help = "each block that is reachable only through an interior pointer, or held only by "
		  "what "
		  "threads that ended left behind" },
	{ .name = "dead",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, dead),
	  .help = "each object that its runtime's collector would free, and what only those hold" },
	CH_ORDER_OPTION(struct options),
	CH_FILTER_USED_OPTIONS,
	{ 0 },
};

const struct ch_cmd ch_cmd_leaks = {
	.name = "leaks",
	.summary = "used blocks that nothing holds, grouped by type, size and first word",
	.synopsis = "[OPTIONS] CORE",
	.examples = "coreheap leaks core.1234\n"
		    "coreheap leaks --list core.1234\n"
		    "coreheap leaks --min-size 1M --sort count core.1234\n"
		    "coreheap leaks --jsonl core.1234 | jq -r .addr\n",
	.notes =
		"Roots are registers, stacks from the stack pointer up, thread-local storage,\n"
		"writable data of modules, and writable memory that belongs to no heap. Any\n"
		"aligned word that looks like an address counts: a block is lost only if\n"
		"nothing at all points at it. Each used block is of one class:\n"
		"  reachable        a root leads to it by pointers to the first bytes of blocks\n"
		"  possibly-lost    reachable only through an interior pointer, one that leads\n"
		"                   behind the first byte of a block: it may be chance\n"
		"  thread-leftover  held only by what threads that ended left behind\n"
		"  pooled           held by nothing but the pool of the program that it goes with\n"
		"  dead             garbage of a runtime, not collected yet, and what only that\n"
		"                   holds: no leak\n"
		"  directly-lost    nothing in the core holds it: a leak\n"
		"  indirectly-lost  only directly lost blocks hold it\n"
		"\n"
		"Blocks of one size that are pointed at only at one and the same place inside\n"
		"(a link in the middle, a second base class, a header, marked pointers) are\n"
		"reachable by that. Bytes are those of chunks, as in `types`. Objects of a\n"
		"runtime that collects its garbage are never lost: those that nothing holds are\n"
		"dead, and their classes are rows of their own.\n"
		"\n"
		"Where blocks are chosen (--type ...), all is about these; the row filtered-out\n"
		"has the others.\n",
	.see_also = (const char *const[]){ "roots", "objects", "types", "diff", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.jsonl = true,
	.run = run,
};
