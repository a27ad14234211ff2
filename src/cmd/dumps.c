/*
 * Dumps that are compared: one after the other is opened and asked, so that memory is that of one.
 */
#include "cmd/dumps.h"

#include <stdlib.h>

#include "cmd/driver.h"
#include "util/error.h"

static struct ch_error *take_dump(struct ch_cmd_env *env, int index, bool with_paths,
				  struct ch_snapshot *ret)
{
	struct ch_open_core open;
	struct ch_error *err;

	err = chp_core_open(env->line, env->argv[index], &open);
	if (err) {
		env->code = chp_open_exit_code(err, env->argv[index]);
		env->unread = env->argv[index];
		return err;
	}
	err = chp_snapshot_make(
		open.session,
		&(struct ch_snapshot_options){ .threads = env->threads,
					       .with_paths = with_paths,
					       .with_file_time = !env->report->reproducible },
		ret);
	chp_core_close(&open);
	return err;
}

struct ch_error *chp_dumps_compare(struct ch_cmd_env *env, const struct ch_diff_options *options,
				   bool with_paths,
				   struct ch_error *(*fn)(void *arg, const struct ch_diff *diff),
				   void *arg)
{
	struct ch_diff diff = { .dumps_count = 0 };
	struct ch_snapshot *dumps;
	struct ch_error *err = NULL;
	bool incomplete = false;
	int i;

	if (env->argc > CH_DUMPS_MAX)
		return ch_error_create(CH_ERROR_ARG, "%s: at most %d dumps", env->line->cmd->name,
				       CH_DUMPS_MAX);
	dumps = calloc((size_t)env->argc, sizeof(*dumps));
	if (!dumps)
		return &ch_enomem;
	for (i = 0; !err && i < env->argc; i++)
		err = take_dump(env, i, with_paths, &dumps[i]);
	if (!err) {
		err = chp_diff_make(dumps, (size_t)env->argc, options, &diff);
		if (!err)
			err = fn(arg, &diff);
		chp_diff_deinit(&diff);
	}
	for (i = 0; i < env->argc; i++) {
		incomplete = incomplete || !dumps[i].complete || dumps[i].intact == CH_INTACT_NO;
		chp_snapshot_deinit(&dumps[i]);
	}
	free(dumps);
	/* What is missing from a dump may look like growth. */
	if (!err && incomplete && env->strict)
		env->code = CH_EXIT_INCOMPLETE;
	return err;
}
