/*
 * The command "show": its options, and the question that it asks of the library, what is inside
 * of a block or object.
 */
#include "report/show.h"

#include "cmd/cmd.h"
#include "util/error.h"

struct options {
	bool statics;
};

/* The layout of a type, or the error that stands if there is none. */
static struct ch_error *show_layout(struct ch_cmd_env *env, const struct ch_show_options *wanted,
				    struct ch_show_result *result, bool *found_ret,
				    struct ch_error *otherwise)
{
	struct ch_error *err;

	err = chp_show_layout(env->session, wanted, env->argv[0], found_ret, result);
	if (!err && !*found_ret) {
		ch_show_result_deinit(result);
		*result = (struct ch_show_result){ .has_object = false };
		return otherwise;
	}
	ch_error_destroy(otherwise);
	return err;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	const struct ch_show_options wanted = { .statics = options->statics,
						.reveal = env->report->reveal,
						.limit = env->report->unlimited
								 ? UINT64_MAX
								 : env->report->limit };
	struct ch_show_result result = { .has_object = false };
	struct ch_error *err = NULL;
	bool found = false;
	uint64_t addr;

	if (!env->argc)
		return ch_error_create(CH_ERROR_ARG, "show needs an address after the core");
	if (options->statics && env->argc == 1)
		err = chp_show_type(env->session, &wanted, env->argv[0], &found, &result);
	if (!err && !found) {
		ch_show_result_deinit(&result);
		result = (struct ch_show_result){ .has_object = false };
		err = chp_parse_addr(env->session, env->argv[0], &addr);
		/* what is no address may be the name of a type */
		if (err && err->code == CH_ERROR_ARG && env->argc == 1)
			err = show_layout(env, &wanted, &result, &found, err);
		if (!err && !found)
			err = chp_show_object(env->session, &wanted, addr,
					      env->argc > 1 ? env->argv[1] : NULL, &result);
	}
	if (!err)
		err = ch_report_show(env->report, &result);
	ch_show_result_deinit(&result);
	return err;
}

static const char *const aliases[] = { "dumpobj", "do", NULL };

static const struct ch_option options_table[] = {
	{ .name = "statics",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, statics),
	  .help = "static fields of an object's type, or of a type by its name" },
	{ 0 },
};

const struct ch_cmd ch_cmd_show = {
	.name = "show",
	.aliases = aliases,
	.summary = "one object: its fields by name and type, or where its words lead",
	.synopsis = "[OPTIONS] CORE ADDR [PATH]",
	.examples = "coreheap show core.1234 0x7f2b18009c50\n"
		    "coreheap show core.1234 0x7f2b18009c50 _entries[3].value\n"
		    "coreheap show --statics core.1234 MyCompany.Program\n"
		    "coreheap show core.1234 'std::vector<Order>'\n",
	.notes = "Type, size, heap, and the fields with their offsets and types, inherited\n"
		 "ones included; structures in place are opened one level. An array shows its\n"
		 "elements, a string its length. A block of a native program whose type debug\n"
		 "information knows shows its fields, bases and holes; pointers in it are\n"
		 "followed like references. Any other block shows where its words lead.\n"
		 "References are shown with the type they lead to.\n"
		 "\n"
		 "ADDR may lie anywhere in the object. It may be the name of a type of a\n"
		 "native program: its layout is shown, by debug information. With --statics it\n"
		 "may be the name of a type, or the address of its method table, and the\n"
		 "static fields are shown, those of each thread among them.\n"
		 "\n"
		 "PATH goes on from there: names of fields, parted by dots, and [N] for\n"
		 "elements; it goes through structures and elements, and follows references.\n"
		 "\n"
		 "Numbers and text are contents of the dead process: they are shown with\n"
		 "--reveal only.\n",
	.see_also = (const char *const[]){ "whatis", "types", "roots", "refs", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.args_max = 2,
	.run = run,
};
