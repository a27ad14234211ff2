/*
 * From a command line to an exit code: the core is opened, the command run, its failure told,
 * findings counted. Commands know nothing of this.
 */
#include "cmd/driver.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cores.h"
#include "cmd/fleet.h"
#include "cmd/memory.h"
#include "cmd/sandbox.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

#define LIMIT_ON_TERMINAL 20
#define MESSAGE_BYTES_MAX 4096

/* Disk and bounds are no fault of the core's. */
int chp_open_exit_code(const struct ch_error *err, const char *path)
{
	switch (err->code) {
	case CH_ERROR_NOMEM:
	case CH_ERROR_LIMIT:
		return CH_EXIT_FAILED;
	case CH_ERROR_OS:
		return err->path && strcmp(err->path, path) != 0 ? CH_EXIT_FAILED
								 : CH_EXIT_NOT_A_CORE;
	case CH_ERROR_STOP:
		return CH_EXIT_INTERRUPTED;
	default:
		return CH_EXIT_NOT_A_CORE;
	}
}

/* Exit code for a question that was not answered. */
static int run_exit_code(const struct ch_error *err)
{
	switch (err->code) {
	case CH_ERROR_ARG:
		return CH_EXIT_USAGE;
	case CH_ERROR_FORMAT:
		return CH_EXIT_NOT_A_CORE;
	case CH_ERROR_STOP:
		return CH_EXIT_INTERRUPTED;
	default:
		return CH_EXIT_FAILED;
	}
}

static enum ch_format format_of(const struct ch_global_options *global)
{
	if (global->jsonl)
		return CH_FORMAT_JSONL;
	if (global->json)
		return CH_FORMAT_JSON;
	if (global->markdown)
		return CH_FORMAT_MARKDOWN;
	return global->plain ? CH_FORMAT_PLAIN : CH_FORMAT_TEXT;
}

/* https://no-color.org: NO_COLOR counts when it is set and not empty. */
static bool wants_bold(const struct ch_line *line)
{
	const struct ch_global_options *global = &line->global;
	const char *no_color = getenv("NO_COLOR");

	if (format_of(global) != CH_FORMAT_TEXT)
		return false;
	if (global->color && strcmp(global->color, "auto") != 0)
		return strcmp(global->color, "always") == 0;
	return line->terminal.is_terminal && !(no_color && no_color[0]) && !chp_terminal_is_dumb();
}

static struct ch_report make_report(const struct ch_line *line, struct ch_session *session)
{
	const struct ch_global_options *global = &line->global;
	struct ch_report report = {
		.out = stdout,
		.session = session,
		.format = format_of(global),
		.limit = global->limit,
		.unlimited = !global->limit,
		.reveal = global->reveal,
		.reproducible = global->reproducible,
		.width = line->terminal.width,
		.bold = wants_bold(line),
	};

	if (report.limit == CH_LIMIT_UNSET)
		report.limit = report.format == CH_FORMAT_TEXT && !line->cmd->whole &&
					       line->terminal.is_terminal
				       ? LIMIT_ON_TERMINAL
				       : 0;
	return report;
}

/*
 * Tables show their findings and documents hold them; where each line is a
 * row they go to standard error.
 */
static void tell_findings(const struct ch_report *report, const struct ch_cmd *cmd)
{
	const struct ch_finding *findings;
	size_t count, i;

	if (report->format != CH_FORMAT_PLAIN && !(report->format == CH_FORMAT_JSONL && cmd->jsonl))
		return;
	findings = ch_context_findings(ch_session_context(report->session), &count);
	for (i = 0; i < count; i++) {
		fputs("coreheap: ", stderr);
		chp_report_finding(stderr, &findings[i]);
	}
}

static struct ch_cmd_env make_env(const struct ch_line *line, struct ch_report *report)
{
	return (struct ch_cmd_env){
		.session = report->session,
		.report = report,
		.options = line->options,
		.threads = (uint32_t)ch_min(line->global.threads, UINT32_MAX),
		.argc = line->argc,
		.argv = line->argv,
		.line = line,
		.strict = line->global.strict,
	};
}

/* Say why there is no answer. Returns the exit code. */
static int fail_take(struct ch_error *err, int code)
{
	code = code ? code : run_exit_code(err);
	/* What was printed before it belongs before its message. */
	fflush(stdout);
	if (err->code == CH_ERROR_STOP)
		fputs("coreheap: interrupted: the answer is incomplete\n", stderr);
	else
		chp_driver_complain_take(err);
	return code;
}

/* A program that reads JSON is told why there is none of a core in JSON, too. */
static void print_unread(const struct ch_line *line, const char *path, const struct ch_error *err)
{
	struct ch_report report = make_report(line, NULL);

	if (chp_report_is_json(&report))
		ch_error_destroy(chp_json_print_failure(&report, line->cmd->name, path, err));
	fflush(stdout);
}

/* Where each core has its line, one that gave no answer has, too. */
static void print_failure(const struct ch_line *line, const char *path, const struct ch_error *err)
{
	if (line->cmd->cores == CH_CORES_EACH && line->global.jsonl)
		print_unread(line, path, err);
}

/* Run the command on an open core; before: what was short before that was opened. */
static int answer(const struct ch_line *line, const char *path, const struct ch_open_core *open,
		  const struct ch_shortage *before)
{
	struct ch_report report = make_report(line, open->session);
	struct ch_cmd_env env = make_env(line, &report);
	struct ch_error *err;

	env.open = open;
	if (line->cmd->cores == CH_CORES_EACH && line->global.jsonl && !report.reproducible)
		report.path = path;
	err = line->cmd->run(&env);
	chp_core_hush(open);
	if (!err)
		err = chp_shortage_since(before);
	if (err) {
		print_failure(line, path, err);
		return fail_take(err, env.code);
	}
	if (!chp_driver_finish(stdout))
		return CH_EXIT_FAILED;
	if (!line->global.quiet)
		tell_findings(&report, line->cmd);
	if (ch_context_cancelled(open->ctx))
		return CH_EXIT_INTERRUPTED;
	if (line->global.strict &&
	    (!ch_context_complete(open->ctx) || ch_context_damaged(open->ctx)))
		return CH_EXIT_INCOMPLETE;
	return env.code;
}

/* last: no core is opened after it. */
static int run_one(const struct ch_line *line, const char *path, bool last)
{
	const struct ch_shortage before = chp_shortage();
	struct ch_open_core open;
	struct ch_error *err = chp_core_open(line, path, &open);
	int code;

	if (err) {
		code = chp_open_exit_code(err, path);
		print_unread(line, path, err);
		chp_driver_complain_take(err);
		return code;
	}
	if (last)
		chp_sandbox_seal(line);
	code = answer(line, path, &open, &before);
	chp_core_close(&open);
	return code;
}

static void print_title(const char *path, bool first)
{
	_cleanup_free_ char *safe = chp_text_escape(path, MESSAGE_BYTES_MAX);

	printf("%s==> %s <==\n", first ? "" : "\n", safe ? safe : "");
}

static int ask_one(const struct ch_line *line, const struct ch_core_path *core, bool last)
{
	if (!core->err)
		return run_one(line, core->path, last);
	print_failure(line, core->path, core->err);
	chp_driver_complain(core->err);
	return CH_EXIT_NOT_A_CORE;
}

/* In a process of its own. */
static int ask(const struct ch_line *line, const struct ch_core_path *core)
{
	return ask_one(line, core, true);
}

static void lose(const struct ch_line *line, const struct ch_core_path *core,
		 const struct ch_error *why)
{
	print_failure(line, core->path, why);
}

/* One after the other, each below its name. Returns the highest exit code. */
static int ask_in_turn(const struct ch_line *line, const struct ch_vec *cores)
{
	const struct ch_core_path *core;
	int code, worst = CH_EXIT_ANSWERED;
	size_t i;

	for (i = 0; i < cores->count; i++) {
		core = CH_VEC_AT(cores, struct ch_core_path, i);
		if (cores->count > 1 && !line->global.jsonl)
			print_title(core->path, i == 0);
		code = ask_one(line, core, i + 1 == cores->count);
		worst = code > worst ? code : worst;
		if (code == CH_EXIT_INTERRUPTED)
			break;
	}
	if (!chp_driver_finish(stdout))
		worst = CH_EXIT_FAILED;
	return worst;
}

/* Ask the same of each core. */
static int run_each(const struct ch_line *line)
{
	struct ch_vec cores = CH_VEC(struct ch_core_path);
	int code = CH_EXIT_ANSWERED, found, i;
	struct ch_error *err = NULL;

	for (i = 0; !err && i < line->argc; i++) {
		err = chp_cores_add(line->argv[i], &cores);
		if (err && err->code == CH_ERROR_ARG) {
			/* no core there, but perhaps elsewhere */
			chp_driver_complain_take(err);
			code = CH_EXIT_NOT_A_CORE;
			err = NULL;
		}
	}
	if (!err && cores.count > 1 && line->global.json)
		err = chp_cores_one_document(line->cmd->name);
	if (!err)
		chp_sandbox_enter(line, &cores);
	if (err)
		found = fail_take(err, 0);
	else if (cores.count > 1 && line->global.jsonl)
		found = chp_fleet_run(line, &cores, ask, lose);
	else
		found = ask_in_turn(line, &cores);
	chp_cores_free(&cores);
	return found > code ? found : code;
}

static int run_compared(const struct ch_line *line)
{
	struct ch_report report = make_report(line, NULL);
	struct ch_cmd_env env = make_env(line, &report);
	const struct ch_shortage before = chp_shortage();
	struct ch_error *err = line->cmd->run(&env);

	if (!err)
		err = chp_shortage_since(&before);
	if (err && env.unread)
		print_unread(line, env.unread, err);
	if (err)
		return fail_take(err, env.code);
	return chp_driver_finish(stdout) ? env.code : CH_EXIT_FAILED;
}

static int run(const struct ch_line *line)
{
	if (line->cmd->cores != CH_CORES_EACH)
		chp_sandbox_enter(line, NULL);
	switch (line->cmd->cores) {
	case CH_CORES_EACH:
		return run_each(line);
	case CH_CORES_COMPARED:
		return run_compared(line);
	case CH_CORES_SOME:
		if (line->argc > 1)
			return run_compared(line);
		break;
	case CH_CORES_ONE:
		break;
	}
	return run_one(line, line->core_path, true);
}

int chp_driver_run(struct ch_line *line)
{
	int pager, code;

	if (line->global.memory)
		chp_memory_limit(line->global.memory);
	if (line->note && !line->global.quiet && format_of(&line->global) == CH_FORMAT_TEXT)
		fprintf(stderr, "coreheap: note: %s\n", line->note);
	chp_terminal_look(&line->terminal);
	pager = line->global.no_pager || line->cmd->whole ? 0 : chp_pager_start(&line->terminal);
	code = run(line);
	chp_pager_end(pager);
	return code;
}
