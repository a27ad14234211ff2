/*
 * The command "async": its options, and the question that it asks of the library, asynchronous
 * methods that wait, and for what.
 */
#include "report/async.h"

#include "cmd/cmd.h"
#include "util/context.h"

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_async async = { .known = false };
	struct ch_heaps *heaps;
	struct ch_error *err;

	err = ch_session_heaps(env->session, &heaps);
	if (err)
		return err;
	err = chp_async_find(heaps, ch_session_core(env->session), &async);
	if (!err && async.cut)
		chp_context_finding(ch_session_context(env->session), CH_SEVERITY_INCOMPLETE,
				    "async-cut",
				    "there are more tasks, or longer chains of them, than are "
				    "followed: some are left out");
	if (!err)
		err = ch_report_async(env->report, &async);
	chp_async_deinit(&async);
	return err;
}

struct options {
	bool stats, coalesce;
};

static const char *const aliases[] = { "dumpasync", NULL };

static const struct ch_option options_table[] = {
	/* Of dumpasync: both are always so. */
	{ .name = "stats", .kind = CH_OPTION_FLAG, .offset = offsetof(struct options, stats) },
	{ .name = "coalesce",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, coalesce) },
	{ 0 },
};

const struct ch_cmd ch_cmd_async = {
	.name = "async",
	.aliases = aliases,
	.summary = "methods of .NET that wait: by method and await, and in chains",
	.synopsis = "CORE",
	.examples = "coreheap async core.1234\n"
		    "coreheap async --json core.1234 | jq -c '.machines[] | [.count, .type]'\n",
	.notes = "STATE is the await at which the method stands, in the order of the source\n"
		 "from 0;\n"
		 "-1: it runs, or was not started. AWAITS is the method, or the task, that\n"
		 "continues it.\n"
		 "A chain begins with what all of it waits for; below each line is what it\n"
		 "continues,\n"
		 "methods that are alike in one. COUNT is of objects: one task may continue\n"
		 "many.\n"
		 "What has completed is left out; what nothing holds is counted until it is\n"
		 "collected.\n",
	.see_also = (const char *const[]){ "threads", "threadpool", "timers", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.run = run,
};
