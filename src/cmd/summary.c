/*
 * The command "summary": its options, and the question that it asks of the library, where the
 * memory is and what explains it.
 */
#include "report/summary.h"

#include "cmd/driver.h"

struct options {
	bool quick, all;
};

static const struct ch_option option_rows[] = {
	{ "quick", NULL, CH_OPTION_FLAG, offsetof(struct options, quick),
	  "only count: do not say what blocks of malloc are, who holds what, and what nothing "
	  "holds" },
	{ "all", NULL, CH_OPTION_FLAG, offsetof(struct options, all),
	  "all suspects, rows, types and warnings, and what they rest on, not one screen" },
	{ NULL, NULL, CH_OPTION_FLAG, 0, NULL },
};

/* Who looks at a screen reads what is known while the rest is made. */
static struct ch_error *print_head(void *arg, const struct ch_summary *summary)
{
	struct ch_cmd_env *env = arg;
	struct ch_error *err;

	chp_core_hush(env->open);
	err = ch_report_summary_head(env->report, summary);
	fflush(env->report->out);
	return err;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	bool early = env->line->terminal.is_terminal && env->report->format == CH_FORMAT_TEXT;
	struct ch_summary summary;
	struct ch_error *err;

	err = chp_summary_make(env->session,
			       &(struct ch_summary_options){ .threads = env->threads,
							     .quick = options->quick,
							     .begun = early ? print_head : NULL,
							     .arg = env },
			       &summary);
	chp_core_hush(env->open);
	if (!err)
		err = ch_report_summary(env->report, &summary,
					options->all || env->report->unlimited, early);
	chp_summary_deinit(&summary);
	return err;
}

const struct ch_cmd ch_cmd_summary = {
	.name = "summary",
	.summary = "where the memory went, on one screen, with a verdict",
	.synopsis = "[OPTIONS] CORE...",
	.examples = "  coreheap summary core.1234\n"
		    "  coreheap summary --all core.1234                with all evidence\n"
		    "  coreheap summary --quick core.1234              only the sums, no names of "
		    "blocks\n"
		    "  coreheap summary --markdown core.1234           for a ticket\n"
		    "  coreheap summary --jsonl *.core.zst | jq .verdict.class   a line for each\n",
	.notes = "One screen of at most 40 lines, what matters first: how the process died,\n"
		 "how much memory it had in use and a verdict, suspects (what holds much of\n"
		 "the memory, or what nothing holds, with a chain from a root and the command\n"
		 "to run next), where the memory is, and the largest types.\n"
		 "\n"
		 "Memory in use is what lies on pages with a byte other than zero (the least\n"
		 "that was resident), and zeros that a runtime is known to have written. The\n"
		 "verdict is about what is left of it without the images of programs and files\n"
		 "that are mapped to be read only. Its classes, as --json and --all have them:\n"
		 "  native-live      malloc blocks that the program has not freed are half of it\n"
		 "                   or more\n"
		 "  native-retained  what the program freed and malloc keeps is: no leak\n"
		 "  managed          the heaps of runtimes with a collector are (.NET, Java)\n"
		 "  managed-garbage  the same, and most of that is garbage, not collected yet\n"
		 "  managed-free     the same, and most of that is free\n"
		 "  loader           types and code that runtimes loaded or compiled are\n"
		 "  stacks           stacks of threads are\n"
		 "  files            mapped files and shared memory are\n"
		 "  mixed            no part is half of it\n"
		 "  inconclusive     half of it or more has no known owner, or was not walked\n"
		 "\n"
		 "Of several cores, and of the cores in a folder and below it, each has a\n"
		 "screen, or with --jsonl a line, also one that cannot be read. With --jsonl\n"
		 "-j of them are read at a time, and one that is broken stops no other.\n",
	.see_also = (const char *const[]){ "heap", "retained", "leaks", "roots", "diff", NULL },
	.options = option_rows,
	.options_size = sizeof(struct options),
	.cores = CH_CORES_EACH,
	.markdown = true,
	.run = run,
};
