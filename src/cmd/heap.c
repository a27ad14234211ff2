#include "report/heap.h"
#include "cmd/cmd.h"

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_heaps *heaps;
	struct ch_error *err;

	err = ch_session_heaps(env->session, &heaps);
	if (!err)
		err = ch_heaps_measure(heaps);
	return err ? err : ch_report_heap(env->report, heaps);
}

static const char *const aliases[] = { "eeheap", NULL };

const struct ch_cmd ch_cmd_heap = {
	.name = "heap",
	.aliases = aliases,
	.summary = "every heap: arenas and their segments, used, free and overhead bytes",
	.synopsis = "CORE",
	.examples = "coreheap heap core.1234\n"
		    "coreheap heap --json core.1234 | jq '.heaps[] | {name, used_bytes}'\n",
	.run = run,
};
