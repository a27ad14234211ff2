/*
 * main.c - global options, then the command.
 */
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "cmd/driver.h"

#define GLOBAL(member) offsetof(struct ch_global_options, member)

const struct ch_option chp_global_options[] = {
	{ "json", NULL, CH_OPTION_FLAG, GLOBAL(json), "one JSON document" },
	{ "jsonl", NULL, CH_OPTION_FLAG, GLOBAL(jsonl),
	  "long lists as one JSON record a line, others as a document on one line" },
	{ "plain", NULL, CH_OPTION_FLAG, GLOBAL(plain), "tab separated, exact numbers" },
	{ "markdown", NULL, CH_OPTION_FLAG, GLOBAL(markdown),
	  "Markdown for a ticket, from commands that have it" },
	{ "limit", "N", CH_OPTION_COUNT, GLOBAL(limit),
	  "most rows of a list, 0 for all (default: 20 on a terminal, else all)" },
	{ "reveal", NULL, CH_OPTION_FLAG, GLOBAL(reveal), "show memory contents" },
	{ "reproducible", NULL, CH_OPTION_FLAG, GLOBAL(reproducible),
	  "leave out what depends on where the file lies: its name, its times" },
	{ "strict", NULL, CH_OPTION_FLAG, GLOBAL(strict),
	  "exit with 4 when something is missing or a heap damaged" },
	{ "threads", "N", CH_OPTION_COUNT, GLOBAL(threads),
	  "most threads to work with; the output does not depend on it" },
	{ "memory", "N", CH_OPTION_BYTES, GLOBAL(memory),
	  "most memory for an analysis; what needs more ends with exit code 5" },
	{ "jobs", "N", CH_OPTION_COUNT, GLOBAL(jobs),
	  "with --jsonl: cores read at a time (default: 1; 0: as many as processors)" },
	{ "j", "N", CH_OPTION_COUNT, GLOBAL(jobs), NULL },
	{ "references", "soft|weak|final|phantom|strong,...", CH_OPTION_STRING, GLOBAL(references),
	  "references of Java that hold; strong: none of these (default: soft,final)" },
	{ "color", "auto|always|never", CH_OPTION_STRING, GLOBAL(color),
	  "bold text; auto is on a terminal, unless NO_COLOR is set" },
	{ "sysroot", "DIR", CH_OPTION_STRING, GLOBAL(sysroot),
	  "look for the process's files below DIR first" },
	{ "exe", "FILE", CH_OPTION_STRING, GLOBAL(exe), "the main executable" },
	{ "debug-dir", "DIR", CH_OPTION_STRINGS, GLOBAL(debug_dirs),
	  "look for separate debug files in DIR (repeatable)" },
	{ "debuginfod", NULL, CH_OPTION_FLAG, GLOBAL(debuginfod),
	  "allow asking debuginfod servers over the network" },
	{ "no-sandbox", NULL, CH_OPTION_FLAG, GLOBAL(no_sandbox),
	  "keep the rights to start programs, make sockets and open any file" },
	{ "temp-dir", "DIR", CH_OPTION_STRING, GLOBAL(temp_dir),
	  "where compressed and piped cores are kept ($TMPDIR, else /var/tmp)" },
	{ "temp-bytes", "N", CH_OPTION_BYTES, GLOBAL(temp_bytes),
	  "most bytes such a core may have there (default: 1T)" },
	{ "no-pager", NULL, CH_OPTION_FLAG, GLOBAL(no_pager),
	  "on a terminal, do not start $COREHEAP_PAGER, $PAGER or less" },
	{ "quiet", NULL, CH_OPTION_FLAG, GLOBAL(quiet),
	  "nothing but errors on standard error: no progress, notes or findings" },
	{ "q", NULL, CH_OPTION_FLAG, GLOBAL(quiet), NULL },
	{ "verbose", NULL, CH_OPTION_FLAG, GLOBAL(verbose), "log to standard error" },
	{ "v", NULL, CH_OPTION_FLAG, GLOBAL(verbose), NULL },
	{ "help", NULL, CH_OPTION_FLAG, GLOBAL(help), "this text" },
	{ "h", NULL, CH_OPTION_FLAG, GLOBAL(help), NULL },
	{ "?", NULL, CH_OPTION_FLAG, GLOBAL(help), NULL },
	{ "version", NULL, CH_OPTION_FLAG, GLOBAL(version), "name and version" },
	{ "completion", "bash|zsh|fish", CH_OPTION_STRING, GLOBAL(completion),
	  "a script for the shell that completes commands, options and values" },
	{ "man", NULL, CH_OPTION_FLAG, GLOBAL(man),
	  "the page of the program or the command, for man -l -" },
	{ NULL, NULL, CH_OPTION_FLAG, 0, NULL },
};

/* A file we open must not become the standard stream that somebody closed. */
static void fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* What needs no core. False when there is one to open. */
static bool talk_only(const struct ch_global_options *global, const struct ch_cmd *cmd,
		      struct ch_error **err_ret)
{
	*err_ret = NULL;
	if (global->version)
		fputs("coreheap " CH_VERSION "\n", stdout);
	else if (global->completion)
		*err_ret = chp_completion(stdout, global->completion);
	else if (global->man)
		chp_man(stdout, cmd);
	else if (global->help && cmd)
		chp_help_cmd(stdout, cmd);
	else if (global->help)
		chp_help_global(stdout);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct ch_line line = { .cmd = NULL };
	struct ch_error *err;
	bool talked;
	int code;

	fill_standard_streams();
	chp_signals_init();
	err = chp_line_parse(&line, argc - 1, argv + 1);
	talked = !err && talk_only(&line.global, line.cmd, &err);
	if (!err && !talked)
		err = chp_line_check(&line);
	if (err) {
		code = err->code == CH_ERROR_ARG ? CH_EXIT_USAGE : CH_EXIT_FAILED;
		chp_driver_complain_take(err);
	} else if (talked) {
		code = chp_driver_finish(stdout) ? CH_EXIT_ANSWERED : CH_EXIT_FAILED;
	} else {
		code = chp_driver_run(&line);
	}
	chp_line_deinit(&line);
	return code;
}
