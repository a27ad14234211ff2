#include "report/disassemble.h"

#include <stdlib.h>

#include "render/listing.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

static const struct ch_list_column columns[] = {
	{ "addr", "ADDRESS", CH_CELL_ADDR },     { "size_bytes", NULL, CH_CELL_COUNT },
	{ "text", "INSTRUCTION", CH_CELL_TEXT }, { NULL, "WHAT", CH_CELL_TEXT },
	{ "target_addr", NULL, CH_CELL_ADDR },   { "target_kind", NULL, CH_CELL_TEXT },
	{ "target", NULL, CH_CELL_TEXT },        { "contents", NULL, CH_CELL_TEXT },
};

/* "static Shop.s_orders" */
static const char *what(const struct ch_code_line *line, char *buf, size_t max)
{
	const struct ch_code_target *target = &line->target;

	if (!line->has_target)
		return NULL;
	snprintf(buf, max, "%s %s%s%s%s", target->kind, target->name, target->text ? ": \"" : "",
		 target->text ? target->text : "", target->text ? "\"" : "");
	return buf;
}

static struct ch_error *list(struct ch_listing *listing, const struct ch_function *function)
{
	const struct ch_code_target *target;
	const struct ch_code_line *line;
	struct ch_error *err = NULL;
	char words[8192];
	size_t i;

	for (i = 0; !err && i < function->lines.count; i++) {
		line = CH_VEC_AT(&function->lines, struct ch_code_line, i);
		target = &line->target;
		const struct ch_cell cells[] = {
			CH_CELL_NUM(line->insn.addr),
			CH_CELL_NUM(line->insn.bytes),
			CH_CELL_STR(line->insn.text[0] ? line->insn.text : NULL),
			CH_CELL_STR(what(line, words, sizeof(words))),
			line->has_target ? CH_CELL_NUM(target->addr) : CH_CELL_NONE,
			CH_CELL_STR(line->has_target ? target->kind : NULL),
			CH_CELL_STR(line->has_target ? target->name : NULL),
			CH_CELL_STR(line->has_target ? target->text : NULL),
		};
		err = chp_listing_row(listing, cells);
	}
	return err;
}

static json_t *json_function(const struct ch_function *function, struct ch_listing *listing)
{
	return json_pack(
		"{s:o, s:s?, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "name",
		chp_json_text(function->name[0] ? function->name : NULL), "kind", function->kind,
		"addr", chp_json_addr(function->start), "end",
		function->size_known ? chp_json_addr(function->end) : json_null(), "size_bytes",
		function->size_known ? chp_json_uint(function->end - function->start) : json_null(),
		"present", (int)function->present, "showing_count",
		chp_json_uint(chp_listing_shown(listing)), "matched_count",
		chp_json_uint(chp_listing_matched(listing)), "instructions",
		chp_listing_json(listing));
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
		if (report->format == CH_FORMAT_TEXT)
			fputc('\n', report->out);
		chp_listing_print(listing);
	}
}

static struct ch_error *report_function(const struct ch_report *report,
					const struct ch_function *function, json_t **array)
{
	struct ch_listing *listing = chp_listing_create(report, columns, CH_COUNT_OF(columns));
	struct ch_error *err = listing ? list(listing, function) : &ch_enomem;

	if (!err && chp_report_is_json(report))
		chp_json_append_take(array, json_function(function, listing));
	else if (!err)
		print_function(report, function, listing);
	chp_listing_destroy(listing);
	return err;
}

static void print_end(const struct ch_report *report, const struct ch_disassembly *disassembly)
{
	if (report->format == CH_FORMAT_TEXT &&
	    disassembly->matched_count > disassembly->functions.count)
		fprintf(report->out, "showing %zu of %llu functions of this name\n",
			disassembly->functions.count,
			(unsigned long long)disassembly->matched_count);
	if (report->format == CH_FORMAT_TEXT && !disassembly->whole)
		fputs("This program was built without capstone: only what looks like the "
		      "address of something is shown (heuristic).\n",
		      report->out);
	if (report->format == CH_FORMAT_TEXT && !disassembly->reveal)
		fputs("Texts of strings are not shown without --reveal.\n", report->out);
	chp_report_findings(report);
}

struct ch_error *ch_report_disassembly(const struct ch_report *report,
				       const struct ch_disassembly *disassembly)
{
	json_t *array = chp_report_is_json(report) ? json_array() : NULL;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < disassembly->functions.count; i++) {
		if (i && report->format == CH_FORMAT_TEXT)
			fputc('\n', report->out);
		err = report_function(
			report, CH_VEC_AT(&disassembly->functions, struct ch_function, i), &array);
	}
	if (err) {
		json_decref(array);
		return err;
	}
	if (!chp_report_is_json(report)) {
		print_end(report, disassembly);
		return NULL;
	}
	return chp_json_print_take(
		report,
		chp_json_document_take(
			report, "disassemble",
			json_pack("{s:s, s:o, s:o, s:o}", "basis",
				  disassembly->whole ? "derived" : "heuristic", "functions_count",
				  chp_json_uint(disassembly->functions.count),
				  "matched_functions_count",
				  chp_json_uint(disassembly->matched_count), "functions", array)));
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
