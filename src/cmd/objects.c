/*
 * The command "objects": its options, and the question that it asks of the library, objects one
 * by one.
 */
#include "cmd/cmd.h"
#include "cmd/filter_options.h"
#include "report/heap.h"
#include "types/names.h"

struct options {
	struct ch_filter_options filter;
	bool addrs_only;
};

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_objects_result result = { .source = NULL };
	struct ch_parsed_filter parsed;
	struct ch_heaps *heaps;
	struct ch_error *err;

	err = chp_session_named_heaps(env->session, &heaps);
	if (err)
		return err;
	err = chp_filter_parse(env->session, heaps, &options->filter, 1U << CH_OBJECT_USED,
			       &parsed);
	/* The document begins with its warnings, so they must be known. */
	if (!err && env->report->format == CH_FORMAT_JSON)
		err = ch_heaps_measure(heaps);
	if (!err)
		err = chp_objects_make(env->session, &parsed.filter, &result);
	if (!err)
		err = ch_report_objects(env->report, &result, options->addrs_only);
	chp_objects_deinit(&result);
	chp_filter_deinit(&parsed);
	return err;
}

static const struct ch_option options_table[] = {
	CH_FILTER_OPTIONS("used"),
	{ "short", NULL, CH_OPTION_FLAG, offsetof(struct options, addrs_only),
	  "only their addresses, one a line (without warnings: --plain)" },
	{ 0 },
};

const struct ch_cmd ch_cmd_objects = {
	.name = "objects",
	.summary = "the blocks themselves, by size, state, range, heap or type",
	.synopsis = "[OPTIONS] CORE",
	.examples = "coreheap objects --size 136 core.1234\n"
		    "coreheap objects --state free --min-size 1M core.1234\n"
		    "coreheap objects --jsonl core.1234 | jq -c 'select(.size_bytes > 4096)'\n",
	.notes = "One row a block; with --jsonl one record a line, written as they are found.\n"
		 "Types are those that `types` prints.\n",
	.see_also = (const char *const[]){ "types", "show", "roots", "refs", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.jsonl = true,
	.run = run,
};
