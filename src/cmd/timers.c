/*
 * The command "timers": its options, and the question that it asks of the library, timers.
 */
#include "report/work.h"

#include "cmd/cmd.h"

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_work work = { .known = false };
	struct ch_heaps *heaps;
	struct ch_error *err;

	err = ch_session_heaps(env->session, &heaps);
	if (err)
		return err;
	err = chp_timers_find(heaps, ch_session_core(env->session), &work);
	if (!err)
		err = ch_report_timers(env->report, &work);
	chp_work_deinit(&work);
	return err;
}

static const char *const aliases[] = { "timerinfo", "ti", NULL };

const struct ch_cmd ch_cmd_timers = {
	.name = "timers",
	.aliases = aliases,
	.summary = "timers of .NET that will fire: what they call, and when",
	.synopsis = "CORE",
	.examples = "coreheap timers core.1234\n"
		    "coreheap timers --json core.1234 | jq -c '.timers[] | [.count, .calls]'\n",
	.notes = "DUE is the time from when it was set, PERIOD that from one call to the next;\n"
		 "- is never.\n"
		 "WITH is the type of the object that the method is given.\n",
	.see_also = (const char *const[]){ "async", "threadpool", NULL },
	.run = run,
};
