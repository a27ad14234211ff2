#include "cmd/driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define LIMIT_ON_TERMINAL 20
#define MESSAGE_BYTES_MAX 4096
/* As the shell reports it: 128 + SIGINT. */
#define EXIT_INTERRUPTED 130

/* Argument of the context's callbacks. */
struct talk {
	struct ch_progress progress;
	bool verbose;
};

static void on_log(void *arg, enum ch_log_level level, const char *message)
{
	static const char *const names[] = { "debug", "info", "warning" };
	struct talk *talk = arg;
	_cleanup_free_ char *safe = NULL;

	if (!talk->verbose)
		return;
	safe = chp_text_escape(message, MESSAGE_BYTES_MAX);
	chp_progress_clear(&talk->progress);
	fprintf(stderr, "coreheap: %s: %s\n", names[level], safe ? safe : "");
}

static void on_progress(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	struct talk *talk = arg;

	chp_progress_report(&talk->progress, phase, done, total);
}

void chp_driver_complain_take(struct ch_error *err)
{
	/* Messages name files and may quote the core. */
	_cleanup_free_ char *safe = chp_text_escape(err->message, MESSAGE_BYTES_MAX);

	fprintf(stderr, "coreheap: %s\n", safe ? safe : "out of memory");
	ch_error_destroy(err);
}

bool chp_driver_finish(FILE *out)
{
	int errnum;

	errno = 0;
	if (fflush(out) == 0 && !ferror(out))
		return true;
	errnum = errno;
	fprintf(stderr, "coreheap: cannot write the output%s%s\n", errnum ? ": " : "",
		errnum ? strerror(errnum) : "");
	return false;
}

/* Exit code for a core that could not be opened. */
static int open_exit_code(const struct ch_error *err)
{
	switch (err->code) {
	case CH_ERROR_NOMEM:
		return CH_EXIT_FAILED;
	case CH_ERROR_STOP:
		return EXIT_INTERRUPTED;
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
		return EXIT_INTERRUPTED;
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
	return global->plain ? CH_FORMAT_PLAIN : CH_FORMAT_TEXT;
}

static struct ch_report make_report(const struct ch_global_options *global,
				    struct ch_session *session)
{
	struct ch_report report = {
		.out = stdout,
		.session = session,
		.format = format_of(global),
		.limit = global->limit,
		.reveal = global->reveal,
	};

	if (report.limit == CH_LIMIT_UNSET)
		report.limit = report.format == CH_FORMAT_TEXT && isatty(STDOUT_FILENO)
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

/* Run the command on an open core. */
static int answer(const struct ch_line *line, struct ch_session *session, struct talk *talk)
{
	struct ch_report report = make_report(&line->global, session);
	struct ch_cmd_env env = {
		.session = session,
		.report = &report,
		.options = line->options,
		.threads = (uint32_t)ch_min(line->global.threads, UINT32_MAX),
		.argc = line->argc,
		.argv = line->argv,
	};
	struct ch_context *ctx = ch_session_context(session);
	struct ch_error *err = line->cmd->run(&env);
	int code = CH_EXIT_ANSWERED;

	chp_progress_clear(&talk->progress);
	if (err) {
		code = run_exit_code(err);
		/* What was printed before it belongs before its message. */
		fflush(stdout);
		if (err->code == CH_ERROR_STOP)
			fputs("coreheap: interrupted: the answer is incomplete\n", stderr);
		else
			chp_driver_complain_take(err);
		return code;
	}
	if (!chp_driver_finish(stdout))
		return CH_EXIT_FAILED;
	tell_findings(&report, line->cmd);
	if (ch_context_cancelled(ctx))
		code = EXIT_INTERRUPTED;
	else if (line->global.strict && !ch_context_complete(ctx))
		code = CH_EXIT_INCOMPLETE;
	return code;
}

int chp_driver_run(const struct ch_line *line)
{
	const struct ch_global_options *global = &line->global;
	const struct ch_session_options options = {
		.core = { .temp_bytes_max = global->temp_bytes, .temp_dir = global->temp_dir },
		.sym = { .sysroot = global->sysroot,
			 .exe = global->exe,
			 .debug_dirs = global->debug_dirs.items,
			 .debug_dirs_count = global->debug_dirs.count,
			 .debuginfod = global->debuginfod },
	};
	struct talk talk = { .verbose = global->verbose };
	const struct ch_context_options callbacks = { .log = on_log,
						      .progress = on_progress,
						      .arg = &talk };
	struct ch_context *ctx = ch_context_create(&callbacks);
	struct ch_session *session = NULL;
	struct ch_signals *signals;
	struct ch_error *err;
	int code;

	if (!ctx) {
		chp_driver_complain_take(&ch_enomem);
		return CH_EXIT_FAILED;
	}
	chp_progress_init(&talk.progress);
	signals = chp_signals_watch(ctx);
	err = ch_session_open(ctx, line->core_path, &options, &session);
	if (err) {
		chp_progress_clear(&talk.progress);
		code = open_exit_code(err);
		chp_driver_complain_take(err);
	} else {
		code = answer(line, session, &talk);
	}
	chp_signals_end(signals);
	ch_session_close(session);
	ch_context_destroy(ctx);
	return code;
}
