/*
 * The command "report": its options, and the question that it asks of the library, what pictures of
 * a dump are made of, or of the difference between dumps.
 */
#include "cmd/cmd.h"
#include "cmd/dumps.h"
#include "cmd/output.h"
#include "report/diff.h"
#include "report/picture.h"

struct options {
	const char *output;
};

static const struct ch_option option_rows[] = {
	{ "o", "FILE", CH_OPTION_STRING, offsetof(struct options, output),
	  "write to FILE, not to standard output" },
	{ NULL, NULL, CH_OPTION_FLAG, 0, NULL },
};

static struct ch_error *report_one(struct ch_cmd_env *env, const struct ch_report *report)
{
	struct ch_picture picture;
	struct ch_error *err = chp_picture_make(env->session, env->threads, &picture);

	if (!err)
		err = ch_report_picture(report, &picture);
	chp_picture_deinit(&picture);
	return err;
}

static struct ch_error *report_change(void *arg, const struct ch_diff *diff)
{
	return ch_report_diff(arg, diff, false);
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	const struct ch_diff_options noise = { .threshold_bytes = CH_NOISE_BYTES,
					       .threshold_percent = CH_NOISE_PERCENT };
	struct ch_report report = *env->report;
	struct ch_output output;
	struct ch_error *err;
	int i;

	for (i = 0; i < env->argc; i++) {
		err = chp_output_spares(options->output, env->argv[i]);
		if (err)
			return err;
	}
	err = chp_output_open(options->output, env->argv[0], report.format != CH_FORMAT_TEXT,
			      &output);
	if (err)
		return err;
	if (report.format == CH_FORMAT_TEXT)
		report.format = CH_FORMAT_HTML;
	report.out = output.file;
	err = env->session ? report_one(env, &report)
			   : chp_dumps_compare(env, &noise, true, report_change, &report);
	return chp_output_end_take(&output, err);
}

const struct ch_cmd ch_cmd_report = {
	.name = "report",
	.summary = "a page with pictures of a dump, or of what grew: one HTML file",
	.synopsis = "[OPTIONS] -o FILE CORE...",
	.examples = "  coreheap report -o out.html core.1234\n"
		    "  coreheap report -o out.html monday.core friday.core    what grew\n"
		    "  coreheap report --json core.1234                       the numbers\n",
	.notes = "A page in one file: how the process died, the verdict and the suspects of\n"
		 "summary, and pictures: touched memory by use, heap and type, what holds it,\n"
		 "blocks by size, the address space, threads by stack. Each picture has its\n"
		 "numbers as a table. Of two cores or more it shows what differs, as bars.\n"
		 "\n"
		 "The page needs no network and no other file, and nothing of memory's contents\n"
		 "is on it unless --reveal is given. Its pictures are drawn without a script, so\n"
		 "it can be printed; the script adds what is told below a picture, arrow keys,\n"
		 "and looking closer at a branch.\n"
		 "\n"
		 "The file has its name when it is whole: what was there before stays until\n"
		 "then, and where there is no answer.\n",
	.see_also =
		(const char *const[]){ "summary", "retained", "types", "address", "diff", NULL },
	.options = option_rows,
	.options_size = sizeof(struct options),
	.cores = CH_CORES_SOME,
	.whole = true,
	.run = run,
};
