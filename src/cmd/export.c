/*
 * The command "export": what is held where in formats that other programs draw.
 */
#include "report/export.h"

#include "cmd/cmd.h"
#include "cmd/output.h"
#include "report/sites.h"
#include "util/error.h"

struct options {
	bool folded, pprof, hprof, sites;
	const char *path;
};

static struct ch_error *check(const struct ch_cmd_env *env)
{
	const struct options *options = env->options;

	if (env->report->format != CH_FORMAT_TEXT)
		return ch_error_create(CH_ERROR_ARG,
				       "export: --json, --jsonl and --plain are no formats of it");
	if (options->folded + options->pprof + options->hprof != 1)
		return ch_error_create(CH_ERROR_ARG,
				       "export: give one format, --folded, --pprof or --hprof");
	if (options->hprof && options->sites)
		return ch_error_create(CH_ERROR_ARG, "export: --sites needs --folded or --pprof");
	return NULL;
}

static struct ch_error *write_sites(const struct ch_cmd_env *env, const struct ch_report *report)
{
	const struct options *options = env->options;
	struct ch_sites sites;
	struct ch_error *err = chp_sites_make(env->session, &sites);

	if (!err && !sites.known)
		err = ch_error_create(CH_ERROR_UNSUPPORTED,
				      "export: no runtime here notes where it allocates");
	else if (!err && sites.sampling.none)
		err = ch_error_create(CH_ERROR_UNSUPPORTED, "export: no sites: %s",
				      sites.sampling.none);
	if (!err)
		err = options->folded ? chp_report_sites_folded(report, &sites)
				      : chp_report_sites_pprof(report, &sites);
	chp_sites_deinit(&sites);
	return err;
}

static struct ch_error *write_paths(const struct ch_cmd_env *env, const struct ch_report *report)
{
	const struct options *options = env->options;
	struct ch_export of;
	struct ch_error *err;

	err = chp_export_make(
		env->session,
		&(struct ch_export_options){ .threads = env->threads, .rows_max = report->limit },
		&of);
	if (!err)
		err = options->folded ? ch_report_folded(report, &of)
				      : ch_report_pprof(report, &of);
	chp_export_deinit(&of);
	return err;
}

static struct ch_error *write_heap(const struct ch_cmd_env *env, const struct ch_report *report)
{
	struct ch_hprof of;
	struct ch_error *err = chp_hprof_make(env->session, env->threads, &of);

	if (!err)
		err = ch_report_hprof(report, &of);
	chp_hprof_deinit(&of);
	return err;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_report report = *env->report;
	struct ch_output output;
	struct ch_error *err = check(env);

	if (!err)
		err = chp_output_open(options->path, ch_core_path(ch_session_core(env->session)),
				      options->folded, &output);
	if (err)
		return err;
	report.out = output.file;
	err = options->hprof   ? write_heap(env, &report)
	      : options->sites ? write_sites(env, &report)
			       : write_paths(env, &report);
	return chp_output_end_take(&output, err);
}

static const struct ch_option options_table[] = {
	{ .name = "folded",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, folded),
	  .help = "folded stacks with bytes, for flamegraph.pl and speedscope" },
	{ .name = "pprof",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, pprof),
	  .help = "a profile of pprof with counts and bytes" },
	{ .name = "hprof",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, hprof),
	  .help = "a heap dump of Java (HPROF), with zeros for contents unless --reveal is given" },
	{ .name = "sites",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, sites),
	  .help = "with --folded or --pprof: where Go allocated, not what holds it" },
	{ .name = "o",
	  .value = "FILE",
	  .kind = CH_OPTION_STRING,
	  .offset = offsetof(struct options, path),
	  .help = "write to FILE, not to standard output" },
	{ 0 },
};

const struct ch_cmd ch_cmd_export = {
	.name = "export",
	.summary = "what is held where, for other programs: flame graphs, pprof, HPROF",
	.synopsis = "[OPTIONS] CORE",
	.examples = "coreheap export --folded core.1234 -o held.folded   for speedscope\n"
		    "coreheap export --pprof core.1234 -o held.pb.gz     for go tool pprof\n"
		    "coreheap export --folded --limit 10 core.1234       the ten largest paths\n",
	.notes =
		"A path begins at a place that roots lie in, and goes down the dominator tree: "
		"each\n"
		"frame holds what is below it. Frames are types, and fields as TYPE.FIELD; a list "
		"or\n"
		"a tree of blocks of one type is one frame. Bytes are usable bytes, as in "
		"retained;\n"
		"what no root reaches is below \"no root reaches it\". With --limit the rest is "
		"one\n"
		"path. flamegraph.pl --countname bytes draws folded stacks; go tool pprof -top\n"
		"-diff_base BEFORE AFTER compares two profiles.\n"
		"\n"
		"With --sites the stacks are those of allocations that the runtime of Go noted, "
		"and\n"
		"the profile is what runtime/pprof would have written, to be compared with others\n"
		"of the program: coreheap export --pprof --sites core.1234 -o sites.pb.gz\n"
		"\n"
		"A heap dump has all classes of a JVM with their fields and statics, all objects\n"
		"that its collector has not cleared away, threads with their stacks, and roots.\n"
		"Numbers and texts are zeros in it, unless --reveal is given; arrays of 4 GiB and\n"
		"more are cut, for which the format has no room.\n",
	.see_also = (const char *const[]){ "retained", "diff", "leaks", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.whole = true,
	.run = run,
};
