/*
 * The command "whatis": its options, and the question that it asks of the library, what an
 * address is.
 */
#include "report/whatis.h"

#include <stdlib.h>

#include "cmd/cmd.h"
#include "util/error.h"

#define ADDRESSES_MAX 64

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_whatis_result *results;
	struct ch_error *err = NULL;
	uint64_t addr;
	int i;

	if (!env->argc)
		return ch_error_create(CH_ERROR_ARG, "whatis needs an address after the core");
	results = calloc((size_t)env->argc, sizeof(*results));
	if (!results)
		return &ch_enomem;
	for (i = 0; !err && i < env->argc; i++) {
		err = chp_parse_addr(env->session, env->argv[i], &addr);
		if (!err)
			err = chp_whatis_find(env->session, addr, &results[i]);
	}
	if (!err)
		err = ch_report_whatis(env->report, results, (size_t)env->argc);
	free(results);
	return err;
}

static const char *const aliases[] = { "ip2md", NULL };

const struct ch_cmd ch_cmd_whatis = {
	.name = "whatis",
	.aliases = aliases,
	.summary = "what an address is: block, symbol, stack, region",
	.synopsis = "CORE ADDR...",
	.examples = "coreheap whatis core.1234 0x55fca1fae970\n"
		    "coreheap whatis core.1234 libc+0x1d2cc0\n",
	.notes = "A block with its type and heap, a symbol, a method of a runtime, a thread's\n"
		 "stack or register, thread-local storage, or the region around it. ADDR is\n"
		 "digits, a symbol, or a module and an offset.\n",
	.see_also = (const char *const[]){ "address", "show", "methods", NULL },
	.args_max = ADDRESSES_MAX,
	.run = run,
};
