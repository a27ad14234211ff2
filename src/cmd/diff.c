/*
 * The command "diff": its options, and the question that it asks of the library, what grew
 * between dumps.
 */
#include "report/diff.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/dumps.h"
#include "util/error.h"

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
	{ "all", NULL, CH_OPTION_FLAG, offsetof(struct options, all),
	  "all rows, also of what did not change" },
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

	ret->threshold_bytes = CH_NOISE_BYTES;
	ret->threshold_percent = CH_NOISE_PERCENT;
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

static struct ch_error *report_diff(void *arg, const struct ch_diff *diff)
{
	struct ch_cmd_env *env = arg;
	const struct options *options = env->options;
	struct ch_error *err = ch_report_diff(env->report, diff, options->all);

	if (!err && options->exit_code && diff->grown)
		env->code = CH_EXIT_FINDINGS;
	return err;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_diff_options diff_options;
	struct ch_error *err;

	err = parse_threshold(options->threshold, &diff_options);
	if (!err)
		err = parse_hours(options->hours, &diff_options.hours);
	return err ? err
		   : chp_dumps_compare(env, &diff_options, !options->no_paths, report_diff, env);
}

const struct ch_cmd ch_cmd_diff = {
	.name = "diff",
	.summary = "what grew between two dumps, or more",
	.synopsis = "[OPTIONS] CORE CORE...",
	.examples = "  coreheap diff monday.core friday.core\n"
		    "  coreheap diff --hours 96 monday.core friday.core    with rates\n"
		    "  coreheap diff --exit-code --threshold 10M a.core b.core\n"
		    "  coreheap diff --markdown a.core b.core c.core       for a ticket\n",
	.notes = "GREW MOST tells each growth once: what holds more than before, and of it\n"
		 "the types that it holds more of; what grew of a type in other places; and\n"
		 "memory that is no object of a heap. With --all rows of all kinds follow as\n"
		 "UMDH prints them: + delta ( new - old ) count name, in bytes.\n"
		 "They are told apart by names, never by addresses.\n",
	.see_also = (const char *const[]){ "summary", "types", "retained", NULL },
	.options = option_rows,
	.options_size = sizeof(struct options),
	.cores = CH_CORES_COMPARED,
	.markdown = true,
	.run = run,
};
