/*
 * The command "objects": its options, and the question that it asks of the library, objects one
 * by one.
 */
#include "cmd/cmd.h"
#include "cmd/filter_options.h"
#include "report/heap.h"
#include "types/names.h"

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct ch_filter_options *asked = env->options;
	struct ch_objects_result result = { .source = NULL };
	struct ch_parsed_filter parsed;
	struct ch_heaps *heaps;
	struct ch_error *err;

	err = chp_session_named_heaps(env->session, &heaps);
	if (err)
		return err;
	err = chp_filter_parse(env->session, heaps, env->options, 1U << CH_OBJECT_USED, &parsed);
	/* The document begins with its warnings, so they must be known. */
	if (!err && env->report->format == CH_FORMAT_JSON)
		err = ch_heaps_measure(heaps);
	if (!err)
		err = chp_objects_make(env->session, &parsed.filter, &result);
	if (!err)
		err = ch_report_objects(env->report, &result, asked->addrs_only);
	chp_objects_deinit(&result);
	chp_filter_deinit(&parsed);
	return err;
}

static const struct ch_option options[] = {
	CH_FILTER_OPTION("state", "used|free|overhead|all,...", CH_OPTION_STRING, state,
			 "only blocks of these states (default used)"),
	CH_FILTER_OPTION("size", "BYTES", CH_OPTION_BYTES, size_bytes,
			 "only blocks of exactly this many usable bytes"),
	CH_FILTER_OPTION("min-size", "BYTES", CH_OPTION_BYTES, min_bytes,
			 "only blocks of at least"),
	CH_FILTER_OPTION("max-size", "BYTES", CH_OPTION_BYTES, max_bytes, "only blocks of at most"),
	CH_FILTER_OPTION("range", "A-B", CH_OPTION_STRING, range, "only blocks that meet [A, B)"),
	CH_FILTER_OPTION("arena", "HEAP", CH_OPTION_STRING, heap,
			 "only one heap: its name, or its place in `heap` from 0"),
	CH_FILTER_OPTION("gen", CH_GENERATION_VALUES, CH_OPTION_STRING, generation,
			 CH_GENERATION_HELP),
	CH_FILTER_OPTION("type", "NAME", CH_OPTION_STRING, type,
			 "only one type, as `types` names it (\"24-byte blocks\"), or its "
			 "method table"),
	CH_FILTER_OPTION("type-part", "TEXT", CH_OPTION_STRING, type_part,
			 "only types whose name holds TEXT"),
	CH_FILTER_OPTION("live", NULL, CH_OPTION_FLAG, live, CH_LIVE_HELP),
	CH_FILTER_OPTION("dead", NULL, CH_OPTION_FLAG, dead, CH_DEAD_HELP),
	CH_FILTER_OPTION("short", NULL, CH_OPTION_FLAG, addrs_only,
			 "only their addresses, one a line (without warnings: --plain)"),
	CH_FILTER_OPTION("mt", "NAME", CH_OPTION_STRING, type_id, NULL),
	CH_FILTER_OPTION("type-holds", NULL, CH_OPTION_FLAG, type_holds, NULL),
	CH_FILTER_OPTION("min", "BYTES", CH_OPTION_BYTES, min_bytes, NULL),
	CH_FILTER_OPTION("max", "BYTES", CH_OPTION_BYTES, max_bytes, NULL),
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
	.options = options,
	.options_size = sizeof(struct ch_filter_options),
	.jsonl = true,
	.run = run,
};
