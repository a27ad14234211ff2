/*
 * The command "disassemble": its options, and the question that it asks of the library, the code
 * of a function or method, or around an address.
 */
#include "report/disassemble.h"

#include "cmd/cmd.h"
#include "util/error.h"

struct options {
	uint64_t count;
};

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	const struct ch_disassemble_options wanted = { .lines = options->count,
						       .reveal = env->report->reveal };
	struct ch_disassembly disassembly = { .functions = CH_VEC(struct ch_function) };
	struct ch_error *err;
	uint64_t addr;

	if (env->argc != 1)
		return ch_error_create(CH_ERROR_ARG,
				       "disassemble needs an address or a method after the core");
	err = chp_parse_addr(env->session, env->argv[0], &addr);
	if (!err) {
		err = chp_disassemble_at(env->session, &wanted, addr, &disassembly);
	} else if (err->code == CH_ERROR_ARG) {
		ch_error_destroy(err);
		err = chp_disassemble_named(env->session, &wanted, env->argv[0], &disassembly);
	}
	if (!err)
		err = ch_report_disassembly(env->report, &disassembly);
	ch_disassembly_deinit(&disassembly);
	return err;
}

static const char *const aliases[] = { "u", "uf", "clru", NULL };

static const struct ch_option options_table[] = {
	{ .name = "count",
	  .value = "N",
	  .kind = CH_OPTION_COUNT,
	  .offset = offsetof(struct options, count),
	  .help = "at most N instructions of each function (default: all; 32 where it has no "
		  "end)" },
	{ 0 },
};

const struct ch_cmd ch_cmd_disassemble = {
	.name = "disassemble",
	.aliases = aliases,
	.summary = "a method or function, with its calls, statics and strings named",
	.synopsis = "[OPTIONS] CORE ADDR|METHOD",
	.examples = "coreheap u core.1234 Shop.Program.Main\n"
		    "coreheap u core.1234 0x7f78b9681b24\n"
		    "coreheap u core.1234 malloc\n"
		    "coreheap u --json core.1234 Shop.Cart.Add | jq -r "
		    "'.functions[].instructions[].target'\n",
	.notes = "ADDR may lie anywhere in the function. METHOD is \"Space.Type.Method\", or the\n"
		 "end of\n"
		 "that from a dot on; a method that was compiled several times, or has\n"
		 "overloads, is shown\n"
		 "once for each (16 at most). Texts of strings are shown with --reveal only;\n"
		 "numbers in\n"
		 "instructions are the program's code. Built without capstone, only what looks\n"
		 "like the\n"
		 "address of something is shown.\n",
	.see_also = (const char *const[]){ "methods", "refs", "threads", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.run = run,
};
