/*
 * The command "stackobjects": its options, and the question that it asks of the library, objects
 * that the stack of a thread leads to.
 */
#include "report/lists.h"

#include "cmd/cmd.h"

struct options {
	uint64_t thread;
};

static struct ch_error *take(void *listing, const struct ch_stackobject_row *row)
{
	return chp_listing_row(listing, row);
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_stackobjects_result result = { .objects = chp_listing_create(
							 env->report, &ch_stackobjects_list) };
	struct ch_error *err;

	if (!result.objects)
		return &ch_enomem;
	err = chp_stackobjects(env->session, options->thread, take, result.objects,
			       &result.threads_count);
	if (!err)
		err = chp_document_print(env->report, &ch_document_stackobjects, &result);
	chp_listing_destroy(result.objects);
	return err;
}

static const char *const aliases[] = { "dso", "dumpstackobjects", NULL };

static const struct ch_option options_table[] = {
	{ .name = "thread",
	  .value = "TID",
	  .kind = CH_OPTION_COUNT,
	  .offset = offsetof(struct options, thread),
	  .help = "only of this thread, by the kernel's number" },
	{ 0 },
};

const struct ch_cmd ch_cmd_stackobjects = {
	.name = "stackobjects",
	.aliases = aliases,
	.summary = "objects that registers and stacks of threads lead to",
	.synopsis = "[OPTIONS] CORE",
	.examples = "coreheap stackobjects core.1234\n"
		    "coreheap stackobjects --thread 1240 core.1234\n",
	.notes = "Each word of a register or of the part of a stack in use that is the address\n"
		 "of an object\n"
		 "of a runtime; each object once for a thread, where it is first. A word may\n"
		 "be a leftover\n"
		 "of a call that has returned (heuristic).\n",
	.see_also = (const char *const[]){ "threads", "roots", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.run = run,
};
