/*
 * The command "summary": its options, and the question that it asks of the library, where the
 * memory is and what explains it.
 */
#include "report/summary.h"

#include "cmd/cmd.h"

struct options {
	bool quick, all;
};

static const struct ch_option option_rows[] = {
	{ "quick", NULL, CH_OPTION_FLAG, offsetof(struct options, quick),
	  "only count: do not ask who holds what, and what nothing holds" },
	{ "all", NULL, CH_OPTION_FLAG, offsetof(struct options, all),
	  "all suspects, rows, types and warnings, and what they rest on, not one screen" },
	{ NULL, NULL, CH_OPTION_FLAG, 0, NULL },
};

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_summary summary;
	struct ch_error *err;

	err = chp_summary_make(
		env->session,
		&(struct ch_summary_options){ .threads = env->threads, .quick = options->quick },
		&summary);
	if (!err)
		err = ch_report_summary(env->report, &summary, options->all);
	chp_summary_deinit(&summary);
	return err;
}

const struct ch_cmd ch_cmd_summary = {
	.name = "summary",
	.summary = "where the memory went, on one screen, with a verdict",
	.synopsis = "[OPTIONS] CORE...",
	.examples = "  coreheap summary core.1234\n"
		    "  coreheap summary --all core.1234                with all evidence\n"
		    "  coreheap summary --quick core.1234              only the sums, in no time\n"
		    "  coreheap summary --markdown core.1234           for a ticket\n"
		    "  coreheap summary --jsonl *.core.zst | jq .verdict.class   a line for each\n",
	.options = option_rows,
	.options_size = sizeof(struct options),
	.cores = CH_CORES_EACH,
	.markdown = true,
	.run = run,
};
