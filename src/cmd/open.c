/*
 * Opening a core with what the user sees of it: progress and log on standard error.
 */
#include <stdlib.h>

#include "cmd/driver.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

#define MESSAGE_BYTES_MAX 4096

static void on_log(void *arg, enum ch_log_level level, const char *message)
{
	static const char *const names[] = { "debug", "info", "warning" };
	struct ch_talk *talk = arg;
	_cleanup_free_ char *safe = NULL;

	if (!talk->verbose)
		return;
	safe = chp_text_escape(message, MESSAGE_BYTES_MAX);
	chp_progress_clear(&talk->progress);
	fprintf(stderr, "coreheap: %s: %s\n", names[level], safe ? safe : "");
}

static void on_progress(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	struct ch_talk *talk = arg;

	chp_progress_report(&talk->progress, phase, done, total);
}

void chp_core_hush(const struct ch_open_core *open)
{
	chp_progress_clear(&open->talk->progress);
}

void chp_core_close(struct ch_open_core *open)
{
	if (open->talk)
		chp_core_hush(open);
	chp_signals_end(open->signals);
	ch_session_close(open->session);
	ch_context_destroy(open->ctx);
	free(open->talk);
	*open = (struct ch_open_core){ .ctx = NULL };
}

struct ch_error *chp_core_open(const struct ch_line *line, const char *path,
			       struct ch_open_core *ret)
{
	const struct ch_global_options *global = &line->global;
	const struct ch_session_options options = {
		.strengths_given = global->references != NULL,
		.strengths = line->strengths,
		.core = { .temp_bytes_max = global->temp_bytes, .temp_dir = global->temp_dir },
		.sym = { .sysroot = global->sysroot,
			 .exe = global->exe,
			 .debug_dirs = global->debug_dirs.items,
			 .debug_dirs_count = global->debug_dirs.count,
			 .debuginfod = global->debuginfod,
			 .no_memory = chp_end_without_memory },
	};
	struct ch_context_options callbacks = { .log = on_log,
						.progress = on_progress,
						.reveal = global->reveal };
	struct ch_error *err = &ch_enomem;

	*ret = (struct ch_open_core){ .talk = calloc(1, sizeof(*ret->talk)) };
	callbacks.arg = ret->talk;
	if (ret->talk)
		ret->ctx = ch_context_create(&callbacks);
	if (ret->ctx) {
		ret->talk->verbose = global->verbose;
		chp_progress_init(&ret->talk->progress, global->quiet);
		ret->signals = chp_signals_watch(ret->ctx);
		err = ch_session_open(ret->ctx, path, &options, &ret->session);
	}
	if (err)
		chp_core_close(ret);
	return err;
}
