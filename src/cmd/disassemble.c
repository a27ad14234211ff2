/*
 * The command "disassemble": its options, and the question that it asks of the library, the code
 * of a function or method, or around an address.
 */
#include "report/disassemble.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/code_targets.h"
#include "heap/walker.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/context.h"
#include "util/error.h"

/* Of one function; instructions where its end is not known. */
#define CODE_BYTES_MAX (4U << 20)
#define LINES_DEFAULT  32
#define LINE_BYTES     16
/* Functions of one name that are shown. */
#define FUNCTIONS_MAX 16

struct options {
	uint64_t count;
};

struct job {
	struct ch_code_names names;
	struct ch_map *map;
	const struct options *options;
	struct ch_disassembly *ret;
	/* What is looked for by name, and whether only at the end of names. */
	const char *wanted;
	bool tail;
};

/* ---- Lines ------------------------------------------------------------------- */

/* The operand that has a name. */
static struct ch_error *name_operands(const struct job *job, struct ch_code_line *line)
{
	struct ch_error *err = NULL;
	uint32_t i;

	for (i = 0; !err && !line->has_target && i < line->insn.operands_count; i++)
		err = chp_code_target(&job->names, &line->insn.operands[i], &line->has_target,
				      &line->target);
	return err;
}

static struct ch_error *decode(const struct job *job, struct ch_function *function,
			       const uint8_t *bytes, size_t len, uint64_t lines_max)
{
	struct ch_decoder *decoder = chp_decoder_create(ch_core_arch(job->names.core));
	struct ch_error *err = NULL;
	struct ch_instruction insn;
	struct ch_code_line *line;
	size_t at = 0;

	if (!decoder)
		return chp_decoder_is_whole()
			       ? &ch_enomem
			       : ch_error_create(CH_ERROR_UNSUPPORTED,
						 "this program was built without capstone, and "
						 "does not know instructions of this machine");
	while (!err && at < len && function->lines.count < lines_max &&
	       chp_decoder_next(decoder, bytes + at, len - at, function->start + at, &insn)) {
		at = (size_t)(insn.addr - function->start) + ch_max(insn.bytes, 1);
		line = ch_vec_push(&function->lines);
		if (!line) {
			err = &ch_enomem;
			break;
		}
		line->insn = insn;
		err = name_operands(job, line);
		if (!err && function->lines.count % 1024 == 0)
			err = chp_context_check(ch_core_context(job->names.core));
	}
	chp_decoder_destroy(decoder);
	return err;
}

/* Bytes at addr that the core has, at most max. */
static size_t read_present(const struct ch_core *core, uint64_t addr, uint8_t *bytes, size_t max)
{
	size_t done, len;

	for (done = 0; done < max; done += len) {
		const uint8_t *piece = ch_core_span(core, addr + done, &len);

		if (!piece || !len)
			break;
		len = (size_t)ch_min(len, max - done);
		memcpy(bytes + done, piece, len);
	}
	return done;
}

static struct ch_error *fill_lines(const struct job *job, struct ch_function *function)
{
	uint64_t lines = job->options->count, want;
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t len;

	if (!function->size_known) {
		lines = lines ? lines : LINES_DEFAULT;
		function->end = function->start + ch_min(lines * LINE_BYTES, CODE_BYTES_MAX);
	}
	want = ch_min(function->end - function->start, CODE_BYTES_MAX);
	bytes = malloc(want + 1);
	if (!bytes)
		return &ch_enomem;
	len = read_present(job->names.core, function->start, bytes, want);
	function->present = len == want || (!function->size_known && len);
	return decode(job, function, bytes, len, lines ? lines : UINT64_MAX);
}

/* ---- Which function ---------------------------------------------------------- */

static struct ch_function *new_function(struct job *job)
{
	struct ch_function *function = ch_vec_push(&job->ret->functions);

	if (function)
		function->lines = CH_VEC(struct ch_code_line);
	return function;
}

/* A symbol's function; a symbol without a size ends at an unknown place. */
static bool take_symbol(const struct job *job, uint64_t addr, struct ch_function *function)
{
	const struct ch_module *module = ch_sym_module_at(job->names.sym, addr);
	struct ch_symbol symbol;

	if (!module || !ch_sym_at(job->names.sym, addr, &symbol))
		return false;
	function->kind = "native";
	function->start = symbol.addr;
	function->end = symbol.addr + symbol.size_bytes;
	function->size_known = symbol.size_bytes && addr < function->end;
	if (!function->size_known)
		function->start = addr;
	chp_code_place(&job->names, function->start, function->name, sizeof(function->name));
	return true;
}

/* Data is no code, and contents: what lies there is not shown as instructions. */
static bool is_executable(const struct job *job, uint64_t addr)
{
	const struct ch_region *region = ch_map_region_at(job->map, addr);

	return region && region->prot & CH_SEGMENT_EXEC && region->prot != CH_PROT_UNKNOWN;
}

static struct ch_error *at_address(struct job *job, uint64_t addr)
{
	struct ch_function *function = new_function(job);
	struct ch_code code;

	if (!function)
		return &ch_enomem;
	job->ret->matched_count = 1;
	if (ch_heaps_code_at(job->names.heaps, addr, &code) && code.start) {
		function->kind = code.kind;
		function->start = code.start;
		function->end = code.end;
		function->size_known = code.end > addr;
		snprintf(function->name, sizeof(function->name), "%s", code.name);
	} else if (!is_executable(job, addr)) {
		return ch_error_create(CH_ERROR_ARG,
				       "0x%llx lies in no code: `coreheap whatis` says what it is",
				       (unsigned long long)addr);
	} else if (!take_symbol(job, addr, function)) {
		function->start = addr;
	}
	return fill_lines(job, function);
}

/* Whether a method is called what was asked for: all of it, or from a dot on. */
static bool is_wanted(const struct job *job, const char *name)
{
	size_t len = strlen(name), wanted = strlen(job->wanted);

	if (!job->tail)
		return strcmp(name, job->wanted) == 0;
	return len > wanted && strcmp(name + len - wanted, job->wanted) == 0 &&
	       (name[len - wanted - 1] == '.' || name[len - wanted - 1] == '+');
}

static struct ch_error *take_method(void *arg, const struct ch_method *method)
{
	struct job *job = arg;
	struct ch_function *function;

	if (!is_wanted(job, method->name) || job->ret->matched_count++ >= FUNCTIONS_MAX)
		return NULL;
	function = new_function(job);
	if (!function)
		return &ch_enomem;
	function->kind = method->kind;
	function->start = method->start;
	function->end = method->end;
	function->size_known = method->end != 0;
	snprintf(function->name, sizeof(function->name), "%s", method->name);
	return NULL;
}

/* Functions of managed code by name; those in question are listed first. */
static struct ch_error *by_name(struct job *job, const char *text)
{
	struct ch_error *err = NULL;
	bool known = false;
	size_t i;

	job->wanted = text;
	for (i = 0; !err && i < 2 && !job->ret->functions.count; i++) {
		job->tail = i == 1;
		err = chp_heaps_methods(job->names.heaps, take_method, job, &known);
	}
	if (!err && !job->ret->functions.count)
		err = ch_error_create(CH_ERROR_ARG,
				      "'%s' is no address, no symbol and no method that is "
				      "compiled%s",
				      text,
				      known ? "; `coreheap methods` lists those"
					    : " (methods by name are those of .NET and Java)");
	for (i = 0; !err && i < job->ret->functions.count; i++)
		err = fill_lines(job, CH_VEC_AT(&job->ret->functions, struct ch_function, i));
	return err;
}

static struct ch_error *resolve(struct ch_cmd_env *env, struct job *job)
{
	struct ch_error *err;
	uint64_t addr;

	err = chp_parse_addr(env->session, env->argv[0], &addr);
	if (!err)
		return at_address(job, addr);
	if (err->code != CH_ERROR_ARG)
		return err;
	ch_error_destroy(err);
	return by_name(job, env->argv[0]);
}

static struct ch_error *run(struct ch_cmd_env *env)
{
	struct ch_disassembly disassembly = { .functions = CH_VEC(struct ch_function),
					      .whole = chp_decoder_is_whole(),
					      .reveal = env->report->reveal };
	struct job job = { .options = env->options, .ret = &disassembly };
	struct ch_error *err;

	if (env->argc != 1)
		return ch_error_create(CH_ERROR_ARG,
				       "disassemble needs an address or a method after the core");
	job.names.core = ch_session_core(env->session);
	job.names.reveal = env->report->reveal;
	err = ch_session_sym(env->session, &job.names.sym);
	if (!err)
		err = ch_session_map(env->session, &job.map);
	if (!err)
		err = ch_session_heaps(env->session, &job.names.heaps);
	if (!err)
		err = resolve(env, &job);
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
	.notes =
		"ADDR may lie anywhere in the function. METHOD is \"Space.Type.Method\", or the "
		"end of\n"
		"that from a dot on; a method that was compiled several times, or has overloads, "
		"is "
		"shown\n"
		"once for each (16 at most). Texts of strings are shown with --reveal only; "
		"numbers "
		"in\n"
		"instructions are the program's code. Built without capstone, only what looks like "
		"the\n"
		"address of something is shown.\n",
	.options = options_table,
	.options_size = sizeof(struct options),
	.args_max = 1,
	.run = run,
};
