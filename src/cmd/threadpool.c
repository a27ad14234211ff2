/*
 * The command "threadpool": its options, and the question that it asks of the library, the queues
 * of the pool of threads.
 */
#include "report/work.h"

#include "cmd/cmd.h"
#include "util/context.h"

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_work work = { .known = false };
	struct ch_heaps *heaps;
	struct ch_error *err;

	err = ch_session_heaps(env->session, &heaps);
	if (err)
		return err;
	err = chp_pool_find(heaps, ch_session_core(env->session), &work);
	if (!err && work.cut)
		chp_context_finding(ch_session_context(env->session), CH_SEVERITY_INCOMPLETE,
				    "pool-cut",
				    "there is more work in the pool's queues than is looked at");
	if (!err)
		err = ch_report_pool(env->report, &work);
	chp_work_deinit(&work);
	return err;
}

static const char *const aliases[] = { "tp", "threadpoolqueue", "tpq", NULL };

const struct ch_cmd ch_cmd_threadpool = {
	.name = "threadpool",
	.aliases = aliases,
	.summary = "the pool of threads of .NET: how many, and the work that waits for them",
	.synopsis = "CORE",
	.examples = "coreheap threadpool core.1234\n"
		    "coreheap threadpool --json core.1234 | jq .queued_count\n",
	.notes = "QUEUE: global is that of all threads, local that of one of them, where\n"
		 "others may help\n"
		 "themselves, too. CALLS is the method, of work that is a delegate.\n"
		 "Queued work with all threads at work, and no more allowed, is starvation:\n"
		 "`threads\n"
		 "--group` says what they do.\n",
	.see_also = (const char *const[]){ "threads", "async", "locks", NULL },
	.run = run,
};
