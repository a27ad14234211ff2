#include "report/refs.h"

#include "cmd/cmd.h"
#include "util/bytes.h"
#include "util/error.h"

struct options {
	bool exact, code;
};

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct ch_graph_options graph_options = { .threads = env->threads };
	const struct options *options = env->options;
	struct ch_refs_result result = { .code = options->code };
	struct ch_error *err;

	if (env->argc != 1)
		return ch_error_create(CH_ERROR_ARG, "refs needs an address after the core");
	err = chp_parse_addr(env->session, env->argv[0], &result.start);
	if (!err)
		err = ch_session_heaps(env->session, &result.heaps);
	if (!err)
		err = ch_session_sym(env->session, &result.sym);
	if (!err)
		err = ch_graph_create(env->session, &graph_options, &result.graph);
	if (err)
		return err;
	result.end = result.start + 1;
	result.has_block = ch_heaps_object_at(result.heaps, result.start, &result.block) &&
			   result.block.state != CH_OBJECT_OVERHEAD &&
			   result.start >= result.block.addr;
	if (result.has_block) {
		result.start = result.block.addr;
		result.end = result.start + ch_max(options->exact ? 1 : result.block.size_bytes, 1);
	}
	err = ch_report_refs(env->report, &result);
	ch_graph_destroy(result.graph);
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
	.synopsis = "[OPTIONS] CORE ADDR",
	.examples = "coreheap refs core.1234 0x55fca1fae970\n"
		    "coreheap refs --code --jsonl core.1234 0x55fca1fae970\n",
	.notes =
		"The block that holds ADDR is what is looked for, or ADDR itself where there is "
		"none.\n"
		"Kinds \"free\" and \"dead stack\" are stale: nobody reads them any more.\n"
		"Code is searched byte by byte, not decoded: kind \"code\" may be a coincidence.\n",
	.options = options_table,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.jsonl = true,
	.run = run,
};
