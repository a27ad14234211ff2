/*
 * The command "refs": its options, and the question that it asks of the library, what refers to
 * an address.
 */
#include "report/refs.h"

#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "heap/walker.h"
#include "types/names.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

struct options {
	bool exact, code;
};

/* A static field by "Type.field": where its word lies; 0: there is none. */
struct static_finder {
	const char *field;
	uint64_t addr;
};

static struct ch_error *take_static(void *arg, const struct ch_field *field)
{
	struct static_finder *finder = arg;

	if (strcmp(field->name, finder->field) == 0 && field->addr && !field->tid)
		finder->addr = field->addr;
	return NULL;
}

static struct ch_error *find_static(struct ch_heaps *heaps, const char *text, uint64_t *ret)
{
	struct ch_inspected all[CH_INSPECTORS_MAX];
	size_t count = chp_heaps_inspectors(heaps, all, CH_INSPECTORS_MAX), i;
	const char *dot = strrchr(text, '.');
	struct ch_fields_query query = { .statics = true };
	struct static_finder finder = { .field = dot ? dot + 1 : NULL };
	struct ch_error *err = NULL;
	_cleanup_free_ char *type = NULL;

	*ret = 0;
	if (!dot || dot == text)
		return NULL;
	type = strndup(text, (size_t)(dot - text));
	if (!type)
		return &ch_enomem;
	for (i = 0; !err && !finder.addr && i < count; i++) {
		if (!all[i].inspector->find_type)
			continue;
		err = all[i].inspector->find_type(all[i].state, type, &query.key);
		if (!err && query.key)
			err = all[i].inspector->fields(all[i].state, &query, take_static, &finder);
	}
	*ret = finder.addr;
	return err;
}

/* An address, or the name of a static field. */
static struct ch_error *find_target(struct ch_cmd_env *env, struct ch_heaps *heaps, uint64_t *ret)
{
	struct ch_error *err = chp_parse_addr(env->session, env->argv[0], ret), *second;

	if (!err || err->code != CH_ERROR_ARG)
		return err;
	second = find_static(heaps, env->argv[0], ret);
	if (!second && !*ret)
		return err;
	ch_error_destroy(err);
	return second;
}

/* The block that holds the target is meant, but for a static field: only its word, though
 * it may lie in an array with many others. */
static void widen(const struct options *options, struct ch_refs_result *result)
{
	struct ch_meaning meaning;

	if (chp_heaps_meaning(result->heaps, result->start, &meaning) &&
	    meaning.kind == CH_MEANING_STATIC) {
		snprintf(result->static_name, sizeof(result->static_name), "%s", meaning.name);
		return;
	}
	result->has_block = ch_heaps_object_at(result->heaps, result->start, &result->block) &&
			    result->block.state != CH_OBJECT_OVERHEAD &&
			    result->start >= result->block.addr;
	if (result->has_block) {
		result->start = result->block.addr;
		result->end =
			result->start + ch_max(options->exact ? 1 : result->block.size_bytes, 1);
	}
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	const struct ch_graph_options graph_options = { .threads = env->threads };
	const struct options *options = env->options;
	struct ch_refs_result result = { .code = options->code };
	struct ch_error *err;

	if (env->argc != 1)
		return ch_error_create(CH_ERROR_ARG, "refs needs an address after the core");
	err = chp_session_named_heaps(env->session, &result.heaps);
	if (!err)
		err = find_target(env, result.heaps, &result.start);
	if (!err)
		err = ch_session_sym(env->session, &result.sym);
	if (!err)
		err = ch_graph_create(env->session, &graph_options, &result.graph);
	if (err)
		return err;
	result.end = result.start + 1;
	widen(options, &result);
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
	.synopsis = "[OPTIONS] CORE ADDR|STATIC",
	.examples = "coreheap refs core.1234 0x55fca1fae970\n"
		    "coreheap refs --code --jsonl core.1234 0x55fca1fae970\n"
		    "coreheap refs --code core.1234 Shop.Program.s_orders    methods that use it\n",
	.notes =
		"The block that holds ADDR is what is looked for, or ADDR itself where there is "
		"none.\n"
		"Of a static field of .NET, by its name or by where `show --statics` says that it "
		"lies,\n"
		"only its word is: with --code, methods that use the field are named. Those that "
		"came\n"
		"compiled with their assembly (ReadyToRun) ask the runtime for it, and are not "
		"found.\n"
		"Kinds \"free\" and \"dead stack\" are stale: nobody reads them any more.\n"
		"Code is searched byte by byte, not decoded: kind \"code\" may be a coincidence.\n",
	.options = options_table,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.jsonl = true,
	.run = run,
};
