/*
 * The command "locks": its options, and the question that it asks of the library, locks, who has
 * them and who waits.
 */
#include "report/locks.h"
#include "cmd/cmd.h"

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_locks_result result = { .held_count = 0 };
	struct ch_error *err = chp_lock_rows_make(env->session, &result);

	if (!err)
		err = chp_report_locks(env->report, &result);
	chp_lock_rows_deinit(&result);
	return err;
}

const struct ch_cmd ch_cmd_locks = {
	.name = "locks",
	.summary = "locks of runtimes that are taken: which thread has them, how many wait",
	.synopsis = "[OPTIONS] CORE",
	.examples = "  coreheap locks core.1234\n",
	.notes = "Of .NET: monitors, thin locks and instances of System.Threading.Lock. Of a\n"
		 "JVM:\n"
		 "monitors that are inflated or on the list of a thread (from 21 on), and\n"
		 "synchronizers of java.util.concurrent. WAITING counts threads that cannot go\n"
		 "on\n"
		 "before they have the lock; #N is a thread by the number its runtime gave it.\n",
	.see_also = (const char *const[]){ "threads", "threadpool", NULL },
	.run = run,
};
