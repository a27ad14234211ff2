/*
 * The command "refs": its options, and the question that it asks of the library, what refers to
 * an address.
 */
#include "report/refs.h"

#include "cmd/cmd.h"
#include "util/error.h"

struct options {
	bool exact, code;
};

/* An address, or the name of a static field. */
static struct ch_error *find_target(struct ch_cmd_env *env, uint64_t *ret)
{
	struct ch_error *err = chp_parse_addr(env->session, env->argv[0], ret), *second;

	if (!err || err->code != CH_ERROR_ARG)
		return err;
	second = chp_static_field(env->session, env->argv[0], ret);
	if (!second && !*ret)
		return err;
	ch_error_destroy(err);
	return second;
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct options *options = env->options;
	const struct ch_refs_options wanted = { .threads = env->threads,
						.exact = options->exact,
						.code = options->code };
	struct ch_refs_result result = { .source = NULL };
	struct ch_error *err;
	uint64_t addr;

	if (env->argc != 1)
		return ch_error_create(CH_ERROR_ARG, "refs needs an address after the core");
	err = find_target(env, &addr);
	if (!err)
		err = chp_refs_make(env->session, &wanted, addr, &result);
	if (!err)
		err = ch_report_refs(env->report, &result);
	chp_refs_deinit(&result);
	return err;
}

static const struct ch_option options_table[] = {
	{ .name = "exact",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, exact),
	  .help = "only what points at the first byte of the block" },
	{ .name = "code",
	  .kind = CH_OPTION_FLAG,
	  .offset = offsetof(struct options, code),
	  .help = "also 64-bit immediates and relative addresses in executable memory" },
	{ 0 },
};

const struct ch_cmd ch_cmd_refs = {
	.name = "refs",
	.summary = "everything that points at a block: blocks, registers, stacks, data",
	.synopsis = "[OPTIONS] CORE ADDR|STATIC",
	.examples = "coreheap refs core.1234 0x55fca1fae970\n"
		    "coreheap refs --code --jsonl core.1234 0x55fca1fae970\n"
		    "coreheap refs --code core.1234 Shop.Program.s_orders    methods that use it\n",
	.notes =
		"The block that holds ADDR is what is looked for, or ADDR itself where there\n"
		"is none. With --exact only pointers to its first byte count. Where it is an\n"
		"object of a runtime that knows its pointers (.NET, the JVM), of other such\n"
		"objects only what the runtime says is a reference counts, weak ones too;\n"
		"`search --pointer` finds numbers that read like the address as well.\n"
		"\n"
		"Of a static field of .NET, by its name or by where `show --statics` says\n"
		"that it lies, only its word is: with --code, methods that use the field are\n"
		"named. Those that came compiled with their assembly (ReadyToRun) ask the\n"
		"runtime for it, and are not found.\n"
		"\n"
		"Kinds \"free\" and \"dead stack\" are stale: nobody reads them any more. Code is\n"
		"searched byte by byte, not decoded: kind \"code\" may be a coincidence.\n",
	.see_also = (const char *const[]){ "roots", "show", "search", NULL },
	.options = options_table,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.jsonl = true,
	.run = run,
};
