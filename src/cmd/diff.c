/*
 * The command "diff": its options, and the question that it asks of the library, what grew
 * between dumps.
 */
#include "report/diff.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "util/error.h"

/* What is noise when nobody says so. */
#define NOISE_BYTES   (64ULL << 10)
#define NOISE_PERCENT 1
/* Keeps the product with the bytes of a dump in 64 bits. */
#define PERCENT_MAX 1000000

struct options {
	bool exit_code, all, no_paths;
	const char *threshold, *hours;
};

static const struct ch_option option_rows[] = {
	{ "exit-code", NULL, CH_OPTION_FLAG, offsetof(struct options, exit_code),
	  "exit with 1 when something grew above the threshold" },
	{ "threshold", "BYTES|N%", CH_OPTION_STRING, offsetof(struct options, threshold),
	  "what counts as growth (default: 64K and 1% of what was used)" },
	{ "hours", "N", CH_OPTION_STRING, offsetof(struct options, hours),
	  "hours between the first and the last dump, for rates" },
	{ "all", NULL, CH_OPTION_FLAG, offsetof(struct options, all), "also what did not change" },
	{ "no-paths", NULL, CH_OPTION_FLAG, offsetof(struct options, no_paths),
	  "do not ask which roots hold what: much faster" },
	{ NULL, NULL, CH_OPTION_FLAG, 0, NULL },
};

static struct ch_error *bad_value(const char *option, const char *value)
{
	return ch_error_create(CH_ERROR_ARG, "%s: '%s' is no such value", option, value);
}

/* "64K", "1%", "0" */
static struct ch_error *parse_threshold(const char *text, struct ch_diff_options *ret)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	unsigned long long value;
	unsigned shift;
	char *end;

	ret->threshold_bytes = NOISE_BYTES;
	ret->threshold_percent = NOISE_PERCENT;
	if (!text)
		return NULL;
	value = strtoull(text, &end, 10);
	if (end == text || text[0] == '-' || value > 1ULL << 50)
		return bad_value("--threshold", text);
	ret->threshold_bytes = ret->threshold_percent = 0;
	if (strcmp(end, "%") == 0) {
		if (value > PERCENT_MAX)
			return bad_value("--threshold", text);
		ret->threshold_percent = value;
		return NULL;
	}
	suffix = *end ? strchr(suffixes, *end) : NULL;
	if (*end && (!suffix || end[1]))
		return bad_value("--threshold", text);
	shift = suffix ? 10 * (unsigned)(suffix - suffixes + 1) : 0;
	if (value > UINT64_MAX >> shift)
		return bad_value("--threshold", text);
	ret->threshold_bytes = value << shift;
	return NULL;
}

static struct ch_error *parse_hours(const char *text, double *ret)
{
	char *end;

	*ret = 0;
	if (!text)
		return NULL;
	*ret = strtod(text, &end);
	return end == text || *end || !(*ret > 0 && *ret < 1e6) ? bad_value("--hours", text) : NULL;
}

/* One dump after the other, so that memory is that of one. */
static struct ch_error *take_dump(struct ch_cmd_env *env, int index, struct ch_snapshot *ret)
{
	const struct options *options = env->options;
	struct ch_open_core open;
	struct ch_error *err;

	err = chp_core_open(env->line, env->argv[index], &open);
	if (err) {
		env->code = chp_open_exit_code(err);
		return err;
	}
	err = chp_snapshot_make(
		open.session,
		&(struct ch_snapshot_options){ .threads = env->threads,
					       .with_paths = !options->no_paths,
					       .with_file_time = !env->report->reproducible },
		ret);
	chp_core_close(&open);
	return err;
}

static struct ch_error *compare(struct ch_cmd_env *env, const struct ch_diff_options *diff_options,
				const struct ch_snapshot *dumps)
{
	const struct options *options = env->options;
	struct ch_error *err;
	struct ch_diff diff;
	bool incomplete = false;
	int i;

	err = chp_diff_make(dumps, (size_t)env->argc, diff_options, &diff);
	if (!err)
		err = ch_report_diff(env->report, &diff, options->all);
	for (i = 0; i < env->argc; i++)
		incomplete = incomplete || !dumps[i].complete || dumps[i].intact == CH_INTACT_NO;
	/* What is missing from a dump may look like growth. */
	if (!err && incomplete && env->strict)
		env->code = CH_EXIT_INCOMPLETE;
	else if (!err && options->exit_code && diff.grown)
		env->code = CH_EXIT_FINDINGS;
	chp_diff_deinit(&diff);
	return err;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_diff_options diff_options;
	struct ch_snapshot *dumps;
	struct ch_error *err;
	int i;

	if (env->argc > CH_DUMPS_MAX)
		return ch_error_create(CH_ERROR_ARG, "diff: at most %d dumps", CH_DUMPS_MAX);
	err = parse_threshold(options->threshold, &diff_options);
	if (!err)
		err = parse_hours(options->hours, &diff_options.hours);
	if (err)
		return err;
	dumps = calloc((size_t)env->argc, sizeof(*dumps));
	if (!dumps)
		return &ch_enomem;
	for (i = 0; !err && i < env->argc; i++)
		err = take_dump(env, i, &dumps[i]);
	if (!err)
		err = compare(env, &diff_options, dumps);
	for (i = 0; i < env->argc; i++)
		chp_snapshot_deinit(&dumps[i]);
	free(dumps);
	return err;
}

const struct ch_cmd ch_cmd_diff = {
	.name = "diff",
	.summary = "what grew between two dumps, or more",
	.synopsis = "[OPTIONS] CORE CORE...",
	.examples = "  coreheap diff monday.core friday.core\n"
		    "  coreheap diff --hours 96 monday.core friday.core    with rates\n"
		    "  coreheap diff --exit-code --threshold 10M a.core b.core\n"
		    "  coreheap diff --markdown a.core b.core c.core       for a ticket\n",
	.notes = "Types, what roots retain, modules, threads by stack, heaps, size classes,\n"
		 "regions and all mapped memory. Rows are + delta ( new - old ) count name, as\n"
		 "UMDH prints them: bytes, and how many more. They are told apart by names,\n"
		 "never by addresses. What did not change is left out without --all.\n",
	.see_also = (const char *const[]){ "summary", "types", "retained", NULL },
	.options = option_rows,
	.options_size = sizeof(struct options),
	.cores = CH_CORES_COMPARED,
	.markdown = true,
	.run = run,
};
