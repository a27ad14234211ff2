/*
 * The command "info": its options, and the question that it asks of the library, what the core
 * is, before anything is analysed.
 */
#include "report/info.h"

#include "cmd/cmd.h"

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_info info;
	struct ch_error *err = chp_info_make(env->session, &info);

	if (!err)
		err = ch_report_info(env->report, &info);
	chp_info_deinit(&info);
	return err;
}

const struct ch_cmd ch_cmd_info = {
	.name = "info",
	.summary = "what this core is: producer, process, signal, completeness, runtimes",
	.synopsis = "[OPTIONS] CORE",
	.examples = "  coreheap info core.1234\n"
		    "  coreheap info --json core.1234.zst | jq .death\n",
	.notes = "Who wrote the core and whether it is complete, the process, its signal, the\n"
		 "notes, and the runtimes and allocators in it.\n",
	.see_also = (const char *const[]){ "summary", "modules", "threads", NULL },
	.run = run,
};
