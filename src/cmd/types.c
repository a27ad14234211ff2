/*
 * The command "types": its options, and the question that it asks of the library, objects by
 * type.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/filter_options.h"
#include "cmd/loaders.h"
#include "cmd/owners.h"
#include "report/heap.h"
#include "report/strings.h"
#include "report/traces.h"
#include "types/names.h"
#include "util/cleanup.h"
#include "util/error.h"

static void sum_up(struct ch_types_result *result)
{
	size_t i;

	for (i = 0; i < result->rows_count; i++) {
		result->total_count += result->rows[i].count;
		result->total_bytes += result->rows[i].total_bytes;
	}
}

static struct ch_types_result begin(const struct ch_cmd_env *env, struct ch_heaps *heaps,
				    const struct ch_object_filter *filter)
{
	struct ch_types_result result = { .heaps = heaps, .filtered = !chp_filter_is_open(filter) };

	result.runtimes = ch_heaps_runtimes(heaps, &result.runtimes_count);
	chp_heaps_tell_none(heaps, ch_session_context(env->session));
	return result;
}

/* The rows that pass a filter; those of ch_heaps_types() need no second walk. */
static struct ch_error *report_rows(struct ch_cmd_env *env, struct ch_heaps *heaps,
				    const struct ch_object_filter *filter)
{
	struct ch_types_result result = begin(env, heaps, filter);
	struct ch_vec rows = CH_VEC(struct ch_type_stat);
	struct ch_error *err;

	if (result.filtered) {
		err = chp_heaps_types_where(heaps, filter, &rows);
		result.rows = rows.items;
		result.rows_count = rows.count;
	} else {
		err = ch_heaps_types(heaps, &result.rows, &result.rows_count);
	}
	sum_up(&result);
	if (!err)
		err = ch_report_types(env->report, &result);
	ch_vec_deinit(&rows);
	return err;
}

/* ---- By generation ----------------------------------------------------------- */

/* A row of one generation. */
struct grouped {
	struct ch_type_stat stat;
	/* Borrowed. */
	const char *group;
	size_t order;
};

static int compare_grouped(const void *a, const void *b)
{
	const struct grouped *x = a, *y = b;

	if (x->stat.total_bytes != y->stat.total_bytes)
		return x->stat.total_bytes > y->stat.total_bytes ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Rows of the heaps that have a name in common with the one at index. */
static struct ch_error *add_group(struct ch_heaps *heaps, const struct ch_object_filter *filter,
				  size_t index, bool *done, struct ch_vec *ret)
{
	struct ch_vec rows = CH_VEC(struct ch_type_stat);
	struct ch_object_filter part = *filter;
	_cleanup_free_ bool *wanted = NULL;
	const struct ch_heap *list;
	struct grouped *slot;
	struct ch_error *err;
	size_t count, i;

	list = ch_heaps_list(heaps, &count);
	wanted = calloc(count, sizeof(bool));
	if (!wanted)
		return &ch_enomem;
	for (i = index; i < count; i++) {
		if (strcmp(chp_generation_name(&list[i]), chp_generation_name(&list[index])) != 0)
			continue;
		done[i] = true;
		wanted[i] = !filter->heaps || filter->heaps[i];
	}
	part.heaps = wanted;
	err = chp_heaps_types_where(heaps, &part, &rows);
	for (i = 0; !err && i < rows.count; i++) {
		slot = ch_vec_push(ret);
		if (!slot) {
			err = &ch_enomem;
			break;
		}
		*slot = (struct grouped){ .stat = *CH_VEC_AT(&rows, struct ch_type_stat, i),
					  .group = chp_generation_name(&list[index]),
					  .order = ret->count };
	}
	ch_vec_deinit(&rows);
	return err;
}

/* Print what was found, rows and their groups in arrays alike. */
static struct ch_error *report_grouped(struct ch_cmd_env *env, struct ch_types_result *result,
				       const struct ch_vec *groups)
{
	_cleanup_free_ struct ch_type_stat *rows = calloc(groups->count + 1, sizeof(*rows));
	_cleanup_free_ const char **names = calloc(groups->count + 1, sizeof(*names));
	const struct grouped *grouped = groups->items;
	size_t i;

	if (!rows || !names)
		return &ch_enomem;
	for (i = 0; i < groups->count; i++) {
		rows[i] = grouped[i].stat;
		names[i] = grouped[i].group;
	}
	result->rows = rows;
	result->rows_count = groups->count;
	result->groups = names;
	sum_up(result);
	return ch_report_types(env->report, result);
}

static struct ch_error *report_by_generation(struct ch_cmd_env *env, struct ch_heaps *heaps,
					     const struct ch_object_filter *filter)
{
	struct ch_types_result result = begin(env, heaps, filter);
	struct ch_vec groups = CH_VEC(struct grouped);
	_cleanup_free_ bool *done = NULL;
	struct ch_error *err = NULL;
	size_t count, i;

	ch_heaps_list(heaps, &count);
	done = calloc(count + 1, sizeof(bool));
	if (!done)
		return &ch_enomem;
	for (i = 0; !err && i < count; i++)
		if (!done[i])
			err = add_group(heaps, filter, i, done, &groups);
	if (!err) {
		ch_vec_sort(&groups, compare_grouped);
		err = report_grouped(env, &result, &groups);
	}
	ch_vec_deinit(&groups);
	return err;
}

/* ---- The command ------------------------------------------------------------- */

static struct ch_error *report_strings(struct ch_cmd_env *env, struct ch_heaps *heaps,
				       const struct ch_object_filter *filter)
{
	struct ch_strings_stat strings = { .count = 0 };
	struct ch_error *err = chp_strings_count(heaps, filter, &strings);

	if (!err)
		err = ch_report_strings(env->report, ch_session_core(env->session), &strings);
	chp_strings_deinit(&strings);
	return err;
}

static struct ch_error *report_traces(struct ch_cmd_env *env, struct ch_heaps *heaps,
				      const struct ch_object_filter *filter)
{
	struct ch_traces_stat traces = { .count = 0 };
	struct ch_error *err = chp_traces_count(heaps, filter, &traces);

	if (!err)
		err = ch_report_traces(env->report, heaps, &traces);
	chp_traces_deinit(&traces);
	return err;
}

static struct ch_error *run_by(struct ch_cmd_env *env, const struct ch_filter_options *options)
{
	const struct ch_filter_options alone = { .by = options->by };

	const bool owner = strcmp(options->by, "owner") == 0;

	if (!owner && strcmp(options->by, "loader") != 0)
		return ch_error_create(CH_ERROR_ARG, "--by takes: loader, owner, size");
	if (memcmp(&alone, options, sizeof(alone)) != 0)
		return ch_error_create(CH_ERROR_ARG,
				       "--by cannot be combined with other options of types");
	return owner ? chp_owners_run(env) : chp_loaders_run(env);
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct ch_filter_options *options = env->options;
	const bool by_size = options->by && strcmp(options->by, "size") == 0;
	struct ch_parsed_filter parsed;
	struct ch_heaps *heaps;
	struct ch_error *err;

	if (options->by && !by_size)
		return run_by(env, options);
	if (options->strings + options->by_generation + options->traces > 1)
		return ch_error_create(CH_ERROR_ARG,
				       "--strings, --traces and --by-gen cannot be combined");
	err = by_size ? ch_session_heaps(env->session, &heaps)
		      : chp_session_named_heaps(env->session, &heaps);
	if (err)
		return err;
	err = chp_filter_parse(env->session, heaps, options, 0, &parsed);
	if (!err && options->strings)
		err = report_strings(env, heaps, &parsed.filter);
	else if (!err && options->traces)
		err = report_traces(env, heaps, &parsed.filter);
	else if (!err && options->by_generation)
		err = report_by_generation(env, heaps, &parsed.filter);
	else if (!err)
		err = report_rows(env, heaps, &parsed.filter);
	chp_filter_deinit(&parsed);
	return err;
}

static const char *const aliases[] = { "dumpheap", NULL };

static const struct ch_option options_table[] = {
	CH_FILTER_OPTION("state", "LIST", CH_OPTION_STRING, state,
			 "used, free, overhead, all: comma separated (default all)"),
	CH_FILTER_OPTION("min", "BYTES", CH_OPTION_BYTES, min_bytes,
			 "only blocks of at least this many usable bytes"),
	CH_FILTER_OPTION("max", "BYTES", CH_OPTION_BYTES, max_bytes, "only blocks of at most"),
	CH_FILTER_OPTION("arena", "HEAP", CH_OPTION_STRING, heap,
			 "only one heap: its name, or its place in `heap` from 0"),
	CH_FILTER_OPTION("gen", "LIST", CH_OPTION_STRING, generation, CH_GENERATION_HELP),
	CH_FILTER_OPTION("range", "A-B", CH_OPTION_STRING, range, "only blocks that meet [A, B)"),
	CH_FILTER_OPTION("type", "TEXT", CH_OPTION_STRING, type_part,
			 "only types whose name holds TEXT"),
	CH_FILTER_OPTION("mt", "TYPE", CH_OPTION_STRING, type,
			 "only one type: its whole name, or the address of its method table"),
	CH_FILTER_OPTION("by-gen", NULL, CH_OPTION_FLAG, by_generation,
			 "a row for each type and generation (or arena)"),
	CH_FILTER_OPTION(
		"by", "WHAT", CH_OPTION_STRING, by,
		"loader: class loaders instead of types, with classes, live or dead, what they "
		"retain; owner: native memory by managed objects that have its address; size: "
		"blocks of malloc by their size only, also where their class is known"),
	CH_FILTER_OPTION("strings", NULL, CH_OPTION_FLAG, strings,
			 "equal strings of managed heaps, and what they waste (texts only with "
			 "--reveal)"),
	CH_FILTER_OPTION("traces", NULL, CH_OPTION_FLAG, traces,
			 "stack traces that objects carry (exceptions, leak records), by type and "
			 "frames"),
	CH_FILTER_OPTION("live", NULL, CH_OPTION_FLAG, live, CH_LIVE_HELP),
	CH_FILTER_OPTION("dead", NULL, CH_OPTION_FLAG, dead, CH_DEAD_HELP),
	CH_FILTER_OPTION("stat", NULL, CH_OPTION_FLAG, stat, NULL),
	{ 0 },
};

const struct ch_cmd ch_cmd_types = {
	.name = "types",
	.aliases = aliases,
	.summary = "count and bytes by type, by size where no type is known",
	.synopsis = "[OPTIONS] CORE",
	.examples = "coreheap types core.1234\n"
		    "coreheap types --state used --min 1K core.1234\n"
		    "coreheap types --strings core.1234\n"
		    "coreheap types --traces --type OutOfMemoryError core.1234\n"
		    "coreheap types --by loader core.1234\n"
		    "coreheap types --by owner core.1234\n"
		    "coreheap types --by size core.1234\n",
	.options = options_table,
	.options_size = sizeof(struct ch_filter_options),
	.run = run,
};
