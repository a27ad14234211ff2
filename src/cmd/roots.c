/*
 * The command "roots": its options, and the question that it asks of the library, why a block is
 * alive.
 */
#include "report/roots.h"

#include "cmd/cmd.h"
#include "cmd/filter_options.h"
#include "types/names.h"
#include "util/bytes.h"
#include "util/error.h"

struct options {
	bool exact, all;
	uint64_t depth, seconds;
};

/* What is no address may be the name of a type; bad_addr says why it is none, and is taken. */
static struct ch_error *find_type(struct ch_cmd_env *env, const struct ch_roots_options *wanted,
				  struct ch_error *bad_addr, struct ch_roots_result *ret)
{
	const struct ch_filter_options options = { .type = env->argv[0] };
	struct ch_parsed_filter parsed;
	struct ch_heaps *heaps;
	struct ch_error *err = chp_session_named_heaps(env->session, &heaps);

	if (err) {
		ch_error_destroy(bad_addr);
		return err;
	}
	err = chp_filter_parse(env->session, heaps, &options, 1U << CH_OBJECT_USED, &parsed);
	if (err && err->code == CH_ERROR_ARG) {
		ch_error_destroy(err);
		err = ch_error_create(CH_ERROR_ARG, "%s, or that of a type in `types`",
				      bad_addr->message);
	} else if (!err) {
		err = chp_roots_of_type(env->session, wanted, &parsed.filter, env->argv[0], ret);
	}
	ch_error_destroy(bad_addr);
	chp_filter_deinit(&parsed);
	return err;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	const struct ch_roots_options wanted = {
		.threads = env->threads,
		.chains = { .exact = options->exact,
			    .depth_max = (uint32_t)ch_min(options->depth, UINT32_MAX - 1),
			    .time_ms = ch_min(options->seconds, 1U << 30) * 1000 },
	};
	struct ch_roots_result result = { .source = NULL };
	struct ch_error *err;
	uint64_t addr;

	if (env->argc != 1)
		return ch_error_create(CH_ERROR_ARG,
				       "roots needs an address or a type after the core");
	err = chp_parse_addr(env->session, env->argv[0], &addr);
	if (!err)
		err = chp_roots_of_addr(env->session, &wanted, addr, &result);
	else if (err->code == CH_ERROR_ARG)
		err = find_type(env, &wanted, err, &result);
	if (!err)
		err = ch_report_roots(env->report, &result);
	chp_roots_deinit(&result);
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
	.notes = "Each root has one chain: a shortest one by pointers to first bytes, else by\n"
		 "any. A chain\n"
		 "that meets an earlier one says so and ends. Chains by pointers to first\n"
		 "bytes come first,\n"
		 "then shorter ones, then roots that last: what a runtime names, data of\n"
		 "modules, thread-\n"
		 "local storage, other memory, and registers and stacks. Words below a stack\n"
		 "pointer are last.\n"
		 "The offset of a step is where in the block before it the pointer lies.\n"
		 "Of an address in a mapped file, or in memory of no heap, the chains are\n"
		 "those of\n"
		 "the blocks that have the mapping's address: a MappedByteBuffer.\n",
	.see_also = (const char *const[]){ "refs", "retained", "show", "leaks", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.run = run,
};
