/*
 * Functions of code, native or of a runtime, with names for what they use.
 */
#include "analysis/disassemble.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/code_targets.h"
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

struct job {
	struct ch_code_names names;
	struct ch_map *map;
	uint64_t lines;
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
	uint64_t lines = job->lines, want;
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

static struct ch_error *begin(struct ch_session *session,
			      const struct ch_disassemble_options *options,
			      struct ch_disassembly *result, struct job *ret)
{
	struct ch_error *err;

	*result = (struct ch_disassembly){ .functions = CH_VEC(struct ch_function),
					   .whole = chp_decoder_is_whole(),
					   .reveal = options->reveal };
	*ret = (struct job){ .names = { .core = ch_session_core(session),
					.reveal = options->reveal },
			     .lines = options->lines,
			     .ret = result };
	err = ch_session_sym(session, &ret->names.sym);
	if (!err)
		err = ch_session_map(session, &ret->map);
	return err ? err : ch_session_heaps(session, &ret->names.heaps);
}

struct ch_error *chp_disassemble_at(struct ch_session *session,
				    const struct ch_disassemble_options *options, uint64_t addr,
				    struct ch_disassembly *ret)
{
	struct job job;
	struct ch_error *err = begin(session, options, ret, &job);

	return err ? err : at_address(&job, addr);
}

struct ch_error *chp_disassemble_named(struct ch_session *session,
				       const struct ch_disassemble_options *options,
				       const char *name, struct ch_disassembly *ret)
{
	struct job job;
	struct ch_error *err = begin(session, options, ret, &job);

	return err ? err : by_name(&job, name);
}

void ch_disassembly_deinit(struct ch_disassembly *disassembly)
{
	struct ch_function *function;
	size_t i, k;

	for (i = 0; i < disassembly->functions.count; i++) {
		function = CH_VEC_AT(&disassembly->functions, struct ch_function, i);
		for (k = 0; k < function->lines.count; k++)
			free(CH_VEC_AT(&function->lines, struct ch_code_line, k)->target.text);
		ch_vec_deinit(&function->lines);
	}
	ch_vec_deinit(&disassembly->functions);
}
