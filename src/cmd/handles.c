/*
 * The command "handles": its options, and the question that it asks of the library, a runtime's
 * handles.
 */
#include "report/handles.h"

#include "cmd/cmd.h"
#include "cmd/filter_options.h"

struct options {
	/* of the objects; of SOS, which calls kinds types, type is one */
	struct ch_filter_options objects;
	bool finalizers, ready, each, stat;
	const char *kind;
};

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	struct ch_filter_options objects = options->objects;
	struct ch_handles_options wanted = { .tables = 1U << CH_HANDLE,
					     .kind = options->kind,
					     .each = options->each };
	struct ch_parsed_filter parsed = { .types = CH_VEC(struct ch_type_stat) };
	struct ch_handles handles = { .known = false };
	struct ch_heaps *heaps;
	struct ch_error *err;

	if (options->ready)
		wanted.tables = 1U << CH_HANDLE_FINALIZER_READY;
	else if (options->finalizers)
		wanted.tables = 1U << CH_HANDLE_FINALIZABLE | 1U << CH_HANDLE_FINALIZER_READY;
	if (objects.type_holds && objects.type) {
		wanted.kind = objects.type;
		objects.type = NULL;
	}
	err = ch_session_heaps(env->session, &heaps);
	if (err)
		return err;
	if (objects.range || chp_filter_options_any(&objects)) {
		err = chp_filter_parse(env->session, heaps, &objects, 0, &parsed);
		wanted.objects = &parsed.filter;
	}
	if (!err)
		err = chp_handles_find(heaps, &wanted, &handles);
	if (!err)
		err = ch_report_handles(env->report, &handles);
	chp_handles_deinit(&handles);
	chp_filter_deinit(&parsed);
	return err;
}

static const char *const aliases[] = { "gchandles", NULL };

static const struct ch_option options_table[] = {
	{ .name = "kind",
	  .value = "TEXT",
	  .kind = CH_OPTION_STRING,
	  .offset = offsetof(struct options, kind),
	  .help = "only kinds that hold TEXT: strong, pinned, weak, dependent ..." },
	{ .name = "finalizers",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, finalizers),
	  .help = "objects with finalizers instead, by generation, and those that are ready" },
	{ .name = "ready",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, ready),
	  .help = "only objects whose finalizers are to run now" },
	{ .name = "list",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, each),
	  .help = "a row for each entry" },
	CH_FILTER_OPTIONS("all"),
	/* Other spellings of SOS. */
	{ .name = "stat", .kind = CH_OPTION_FLAG, .offset = offsetof(struct options, stat) },
	{ .name = "allReady", .kind = CH_OPTION_FLAG, .offset = offsetof(struct options, ready) },
	{ 0 },
};

const struct ch_cmd ch_cmd_handles = {
	.name = "handles",
	.aliases = aliases,
	.summary = "handles of .NET by kind and type, with bytes; objects with finalizers",
	.synopsis = "[OPTIONS] CORE",
	.examples = "coreheap handles core.1234\n"
		    "coreheap handles --kind pinned --list core.1234\n"
		    "coreheap handles --finalizers core.1234\n",
	.notes = "BYTES are those of the objects themselves, each counted once in a row:\n"
		 "`retained` says\n"
		 "what they hold. A weak handle holds nothing; a dependent one keeps another\n"
		 "object\n"
		 "alive as long as the one shown. Objects that are \"ready\" wait for the thread\n"
		 "that\n"
		 "runs finalizers: many of them mean that it is slow, or blocked.\n",
	.see_also = (const char *const[]){ "roots", "types", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.run = run,
};
