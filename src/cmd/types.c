#include "cmd/cmd.h"
#include "cmd/filter_options.h"
#include "report/heap.h"

/* The rows that pass a filter; those of ch_heaps_types() need no second walk. */
static struct ch_error *report_rows(struct ch_cmd_env *env, struct ch_heaps *heaps,
				    const struct ch_object_filter *filter)
{
	struct ch_types_result result = { .heaps = heaps, .filtered = !chp_filter_is_open(filter) };
	struct ch_vec rows = CH_VEC(struct ch_type_stat);
	struct ch_error *err;
	size_t i;

	if (result.filtered) {
		err = chp_heaps_types_where(heaps, filter, &rows);
		result.rows = rows.items;
		result.rows_count = rows.count;
	} else {
		err = ch_heaps_types(heaps, &result.rows, &result.rows_count);
	}
	for (i = 0; !err && i < result.rows_count; i++) {
		result.total_count += result.rows[i].count;
		result.total_bytes += result.rows[i].total_bytes;
	}
	if (!err)
		err = ch_report_types(env->report, &result);
	ch_vec_deinit(&rows);
	return err;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_parsed_filter parsed;
	struct ch_heaps *heaps;
	struct ch_error *err;

	err = ch_session_heaps(env->session, &heaps);
	if (err)
		return err;
	err = chp_filter_parse(env->session, heaps, env->options, 0, &parsed);
	if (!err)
		err = report_rows(env, heaps, &parsed.filter);
	chp_filter_deinit(&parsed);
	return err;
}

static const char *const aliases[] = { "dumpheap", NULL };

static const struct ch_option options[] = {
	CH_FILTER_OPTION("state", "LIST", CH_OPTION_STRING, state,
			 "used, free, overhead, all: comma separated (default all)"),
	CH_FILTER_OPTION("min", "BYTES", CH_OPTION_BYTES, min_bytes,
			 "only blocks of at least this many usable bytes"),
	CH_FILTER_OPTION("max", "BYTES", CH_OPTION_BYTES, max_bytes, "only blocks of at most"),
	CH_FILTER_OPTION("arena", "HEAP", CH_OPTION_STRING, heap,
			 "only one heap: its name, or its place in `heap` from 0"),
	CH_FILTER_OPTION("range", "A-B", CH_OPTION_STRING, range, "only blocks that meet [A, B)"),
	CH_FILTER_OPTION("type", "TEXT", CH_OPTION_STRING, type_part,
			 "only types whose name holds TEXT"),
	CH_FILTER_OPTION("stat", NULL, CH_OPTION_FLAG, stat, NULL),
	{ 0 },
};

const struct ch_cmd ch_cmd_types = {
	.name = "types",
	.aliases = aliases,
	.summary = "count and bytes by type, by size where no type is known",
	.synopsis = "[OPTIONS] CORE",
	.examples = "coreheap types core.1234\n"
		    "coreheap types --state used --min 1K core.1234\n",
	.options = options,
	.options_size = sizeof(struct ch_filter_options),
	.run = run,
};
