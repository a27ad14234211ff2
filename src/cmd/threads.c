/*
 * The command "threads": its options, and the question that it asks of the library, threads and
 * their stacks.
 */
#include "report/threads.h"

#include <stddef.h>

#include "cmd/cmd.h"
#include "util/error.h"

#define FRAMES_MAX 4096

struct options {
	bool regs, group, all;
	uint64_t frames;
};

static const struct ch_option option_rows[] = {
	{ "regs", NULL, CH_OPTION_FLAG, offsetof(struct options, regs), "show registers" },
	{ "group", NULL, CH_OPTION_FLAG, offsetof(struct options, group),
	  "show each different stack once, with its number of threads" },
	{ "frames", "N", CH_OPTION_COUNT, offsetof(struct options, frames),
	  "most frames of a stack (default: 64, at most 4096)" },
	/* Of clrstack: all threads are shown. */
	{ "all", NULL, CH_OPTION_FLAG, offsetof(struct options, all), NULL },
	{ NULL, NULL, CH_OPTION_FLAG, 0, NULL },
};

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	const size_t frames = options->frames ? (size_t)options->frames : CH_FRAMES_DEFAULT;
	struct ch_thread_rows rows = { .texts = NULL };
	struct ch_error *err;

	if (options->frames > FRAMES_MAX)
		return ch_error_create(CH_ERROR_ARG, "--frames: at most %d", FRAMES_MAX);
	err = chp_thread_rows_make(env->session, frames, &rows);
	if (!err)
		err = chp_thread_rows_goroutines(env->session, frames, &rows);
	rows.threads.with_regs = options->regs;
	rows.threads.grouped = options->group;
	if (!err)
		err = ch_report_threads(env->report, &rows.threads);
	chp_thread_rows_deinit(&rows);
	return err;
}

const struct ch_cmd ch_cmd_threads = {
	.name = "threads",
	.summary = "threads with stack bytes and backtraces, or grouped by stack",
	.synopsis = "[OPTIONS] CORE",
	.examples = "  coreheap threads core.1234\n"
		    "  coreheap threads --group core.1234    each different stack once\n",
	.notes = "Registers, stack bytes and backtraces. Where a runtime is in the process,\n"
		 "also its methods; of a JVM names and states of its threads, what they wait\n"
		 "for, and Java methods, interpreted, compiled and inlined, with lines. Of a Go\n"
		 "program also its goroutines, those that stand in one place together: what they\n"
		 "wait for, how long at least, and what started them.\n",
	.see_also = (const char *const[]){ "locks", "exceptions", "stackobjects", NULL },
	.options = option_rows,
	.options_size = sizeof(struct options),
	.run = run,
};
