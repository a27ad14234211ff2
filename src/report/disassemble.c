/*
 * Code, with what it uses named.
 */
#include "report/disassemble.h"

#include <stdlib.h>

#include "render/document.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

struct line {
	uint64_t addr, target_addr;
	uint32_t bytes;
	bool has_target;
	/* The instruction; what it names. NULL: there is none. */
	const char *text, *kind, *name, *contents;
	char what[8192];
};

struct function {
	const struct ch_function *function;
	struct ch_listing *lines;
};

struct result {
	const struct ch_disassembly *disassembly;
	struct ch_rows functions;
};

#define LINE(member)     CH_AT(struct line, member)
#define FUNCTION(member) CH_AT(struct ch_function, member)

static const struct ch_field_spec line_fields[] = {
	{ "addr", "ADDRESS", CH_CELL_ADDR, "The instruction.", LINE(addr) },
	{ "size_bytes", NULL, CH_CELL_COUNT, "Its length.", LINE(bytes) },
	{ "text", "INSTRUCTION", CH_CELL_TEXT, "Null where the program has no decoder.", LINE(text),
	  .flags = CH_FIELD_OPTIONAL },
	{ NULL, "WHAT", CH_CELL_TEXT, NULL, LINE(what),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "target_addr", NULL, CH_CELL_ADDR, "What the instruction names.", LINE(target_addr),
	  CH_KNOWN(struct line, has_target) },
	{ "target_kind", NULL, CH_CELL_TEXT, "What that is.", LINE(kind),
	  .flags = CH_FIELD_OPTIONAL, .words = "static|method|type|object|string|symbol|module" },
	{ "target", NULL, CH_CELL_TEXT,
	  "Its name: a field, a method, a type, of an object its type, of a string its length, a "
	  "symbol, an offset in a module.",
	  LINE(name), .flags = CH_FIELD_OPTIONAL },
	{ "contents", NULL, CH_CELL_TEXT, "Text of a string, with --reveal.", LINE(contents),
	  .flags = CH_FIELD_OPTIONAL },
	CH_FIELDS_END,
};

static const struct ch_list lines_list = { .fields = line_fields };

static struct ch_cell end_of(const void *row)
{
	const struct ch_function *function = row;

	return (struct ch_cell){ .number = function->end, .absent = !function->size_known };
}

static struct ch_cell size_of(const void *row)
{
	const struct ch_function *function = row;

	return (struct ch_cell){ .number = function->end - function->start,
				 .absent = !function->size_known };
}

static const struct ch_field_spec code_fields[] = {
	{ "name", NULL, CH_CELL_TEXT, "The function.", FUNCTION(name),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "kind", NULL, CH_CELL_TEXT, "What made the code: JIT, ReadyToRun, native ...",
	  FUNCTION(kind), .flags = CH_FIELD_OPTIONAL },
	{ "addr", NULL, CH_CELL_ADDR, "Where it begins.", FUNCTION(start) },
	{ "end", NULL, CH_CELL_ADDR, "Behind its last byte; null where that is not known.",
	  .get = end_of, .flags = CH_FIELD_OPTIONAL },
	{ "size_bytes", NULL, CH_CELL_BYTES, "Null where its end is not known.", .get = size_of,
	  .flags = CH_FIELD_OPTIONAL },
	{ "present", NULL, CH_CELL_BOOL, "Whether all of it is in the core.", FUNCTION(present) },
	CH_FIELDS_END,
};

static const struct ch_field_spec function_fields[] = {
	{ .kind = CH_CELL_OBJECT,
	  CH_AT(struct function, function),
	  .fields = code_fields,
	  .flags = CH_FIELD_FLAT | CH_FIELD_POINTED },
	CH_FIELDS_COUNTED(struct function, lines),
	{ "instructions", NULL, CH_CELL_LIST, "Its code.", CH_AT(struct function, lines),
	  .list = &lines_list },
	CH_FIELDS_END,
};

static struct ch_cell basis_of(const void *row)
{
	const struct result *result = row;

	return CH_CELL_STR(result->disassembly->whole ? "derived" : "heuristic");
}

static struct ch_cell matched_of(const void *row)
{
	return CH_CELL_NUM(((const struct result *)row)->disassembly->matched_count);
}

static const struct ch_field_spec fields[] = {
	{ "basis", NULL, CH_CELL_SAFE, "heuristic where the program has no decoder.",
	  .get = basis_of, .ref = "basis" },
	{ "functions_count", NULL, CH_CELL_COUNT, "How many functions are here.",
	  CH_AT(struct result, functions.count) },
	{ "matched_functions_count", NULL, CH_CELL_COUNT, "How many functions have the name.",
	  .get = matched_of },
	{ "functions", NULL, CH_CELL_ROWS, "Functions of the name, or the one at the address.",
	  CH_AT(struct result, functions), .fields = function_fields },
	CH_FIELDS_END,
};

/* "static Shop.s_orders" */
static void describe(const struct ch_code_line *line, char *buf, size_t max)
{
	const struct ch_code_target *target = &line->target;

	buf[0] = '\0';
	if (!line->has_target)
		return;
	snprintf(buf, max, "%s %s%s%s%s", target->kind, target->name, target->text ? ": \"" : "",
		 target->text ? target->text : "", target->text ? "\"" : "");
}

static struct ch_error *list(struct ch_listing *listing, const struct ch_function *function)
{
	const struct ch_code_target *target;
	const struct ch_code_line *line;
	struct ch_error *err = NULL;
	struct line row;
	size_t i;

	for (i = 0; !err && i < function->lines.count; i++) {
		line = CH_VEC_AT(&function->lines, struct ch_code_line, i);
		target = &line->target;
		row.addr = line->insn.addr;
		row.bytes = line->insn.bytes;
		row.text = line->insn.text[0] ? line->insn.text : NULL;
		row.has_target = line->has_target;
		row.target_addr = target->addr;
		row.kind = line->has_target ? target->kind : NULL;
		row.name = line->has_target ? target->name : NULL;
		row.contents = line->has_target ? target->text : NULL;
		describe(line, row.what, sizeof(row.what));
		err = chp_listing_row(listing, &row);
	}
	return err;
}

static void print_function(const struct ch_report *report, const struct ch_function *function,
			   const struct ch_listing *listing)
{
	_cleanup_free_ char *name = chp_text_escape(function->name, sizeof(function->name));
	char bytes[CH_BYTES_TEXT_MAX];

	chp_report_field(report, "function", "%s",
			 name && name[0] ? name : "none that is known: code from here on");
	if (function->kind)
		chp_report_field(report, "kind", "%s", function->kind);
	if (function->size_known)
		chp_report_field(report, "code", "0x%llx-0x%llx, %s bytes",
				 (unsigned long long)function->start,
				 (unsigned long long)function->end,
				 chp_count_text(function->end - function->start, bytes));
	else
		chp_report_field(report, "code", "from 0x%llx on; where it ends is not known",
				 (unsigned long long)function->start);
	if (!function->present)
		chp_report_field(report, "absent", "%s",
				 function->lines.count
					 ? "a part of its code is not in the core"
					 : "its code is not in the core, and no file at hand "
					   "matches (see --sysroot)");
	if (function->lines.count || report->format == CH_FORMAT_PLAIN) {
		chp_report_say(report, "\n");
		chp_listing_print(listing);
	}
}

static void print_end(const struct ch_report *report, const struct ch_disassembly *disassembly)
{
	if (disassembly->matched_count > disassembly->functions.count)
		chp_report_say(report, "showing %zu of %llu functions of this name\n",
			       disassembly->functions.count,
			       (unsigned long long)disassembly->matched_count);
	if (!disassembly->whole)
		chp_report_say(report,
			       "This program was built without capstone: only what looks like the "
			       "address of something is shown (heuristic).\n");
	if (!disassembly->reveal)
		chp_report_say(report, "Texts of strings are not shown without --reveal.\n");
}

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct result *result = arg;
	const struct function *functions = result->functions.items;
	size_t i;

	for (i = 0; i < result->functions.count; i++) {
		if (i)
			chp_report_say(report, "\n");
		print_function(report, functions[i].function, functions[i].lines);
	}
	print_end(report, result->disassembly);
	return NULL;
}

const struct ch_document ch_document_disassemble = {
	.name = "disassemble",
	.title = "A function, with what its code uses named",
	.fields = fields,
	.print = print,
};

struct ch_error *ch_report_disassembly(const struct ch_report *report,
				       const struct ch_disassembly *disassembly)
{
	size_t count = disassembly->functions.count, i;
	struct function *functions = calloc(count + 1, sizeof(*functions));
	struct result result = { disassembly, CH_ROWS(functions, count) };
	struct ch_error *err = functions ? NULL : &ch_enomem;

	for (i = 0; !err && i < count; i++) {
		functions[i].function = CH_VEC_AT(&disassembly->functions, struct ch_function, i);
		functions[i].lines = chp_listing_create(report, &lines_list);
		err = functions[i].lines ? list(functions[i].lines, functions[i].function)
					 : &ch_enomem;
	}
	if (!err)
		err = chp_document_print(report, &ch_document_disassemble, &result);
	for (i = 0; functions && i < count; i++)
		chp_listing_destroy(functions[i].lines);
	free(functions);
	return err;
}
