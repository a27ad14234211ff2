/*
 * The command "exceptions": its options, and the question that it asks of the library, what
 * threads have thrown.
 */
#include "report/exceptions.h"

#include "cmd/cmd.h"

struct options {
	bool nested, lines;
};

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_vec rows = CH_VEC(struct ch_exception_row);
	bool reveal = env->report->reveal;
	struct ch_error *err = NULL;
	uint64_t addr;

	if (env->argc)
		err = chp_parse_addr(env->session, env->argv[0], &addr);
	if (!err)
		err = env->argc ? chp_exceptions_at(env->session, addr, reveal, &rows)
				: chp_exceptions_of_threads(env->session, reveal, &rows);
	if (!err)
		err = ch_report_exceptions(env->report, &rows);
	ch_exception_rows_deinit(&rows);
	return err;
}

static const char *const aliases[] = { "pe", "printexception", NULL };

static const struct ch_option options_table[] = {
	/* Of SOS: both are always so. */
	{ .name = "nested", .kind = CH_OPTION_FLAG, .offset = offsetof(struct options, nested) },
	{ .name = "lines", .kind = CH_OPTION_FLAG, .offset = offsetof(struct options, lines) },
	{ 0 },
};

const struct ch_cmd ch_cmd_exceptions = {
	.name = "exceptions",
	.aliases = aliases,
	.summary = "exceptions of threads, or one: type, HResult, inner ones, stack",
	.synopsis = "[OPTIONS] CORE [ADDR]",
	.examples = "coreheap exceptions core.1234\n"
		    "coreheap exceptions --reveal core.1234 0x7f6ced005120\n",
	.notes = "Without ADDR, of each thread that a runtime knows one of. Runtimes keep what\n"
		 "a thread threw\n"
		 "last, also after it was handled. All objects that are exceptions: `types\n"
		 "--traces`.\n"
		 "Messages are contents of the dead process: they are shown with --reveal\n"
		 "only.\n",
	.see_also = (const char *const[]){ "threads", "types", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.run = run,
};
