/*
 * Chains from roots, as a tree in which equal ends are shown once, and as JSON.
 */
#include "report/roots.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/chain.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

static const char *const verdicts[] = { "reachable", "unreachable", "incomplete" };

/* ---- Text -------------------------------------------------------------------- */

static void print_step(const struct ch_report *report, const struct ch_step *step, bool first,
		       bool target)
{
	FILE *out = report->out;
	bool plain = report->format == CH_FORMAT_PLAIN;
	char offset[sizeof(step->place)] = "";

	if (!first && step->place[0])
		snprintf(offset, sizeof(offset), "%s", step->place);
	else if (!first && step->offset == CH_OFFSET_NONE)
		snprintf(offset, sizeof(offset), "kept by");
	else if (!first)
		snprintf(offset, sizeof(offset), "+0x%" PRIx64, step->offset);
	if (plain)
		fprintf(out, "step\t%s\t0x%" PRIx64 "\t%s\t%" PRIu64 "\n", offset, step->addr,
			step->type, step->into);
	else
		fprintf(out, "    %-8s -> 0x%" PRIx64 "  %s", offset, step->addr, step->type);
	if (plain)
		return;
	if (step->detail[0])
		fprintf(out, "  (%s)", step->detail);
	if (step->into)
		fprintf(out, "  (points at +0x%" PRIx64 ")", step->into);
	fputs(target ? "  <- target\n" : "\n", out);
}

static void print_elided(const struct ch_report *report, uint64_t count)
{
	char text[CH_BYTES_TEXT_MAX];

	if (report->format == CH_FORMAT_PLAIN)
		fprintf(report->out, "elided\t%" PRIu64 "\n", count);
	else
		fprintf(report->out, "    ...      %s more ...\n", chp_count_text(count, text));
}

static void print_join(const struct ch_report *report, const struct ch_step *step, uint32_t chain)
{
	if (report->format == CH_FORMAT_PLAIN)
		fprintf(report->out, "joins\t%u\t0x%" PRIx64 "\n", chain, step->addr);
	else
		fprintf(report->out, "    %-8s -> 0x%" PRIx64 "  joins chain %u\n", step->place,
			step->addr, chain);
}

static struct ch_error *print_chain(void *arg, const struct ch_roots_chain *chain)
{
	const struct ch_report *report = arg;
	bool last;
	size_t i;

	if (report->format == CH_FORMAT_PLAIN)
		fprintf(report->out, "chain\t%u\t%s\t%s\t%u\n", chain->number,
			ch_root_kind_name(chain->root.kind), chain->text.where, chain->length);
	else
		fprintf(report->out, "\n%u  %s  [%s%s%s%s]\n", chain->number, chain->text.where,
			ch_root_kind_name(chain->root.kind), chain->text.field[0] ? ", " : "",
			chain->text.field, chain->root.interior ? ", points into the block" : "");
	for (i = 0; i < chain->steps_count; i++) {
		last = i + 1 == chain->steps_count;
		if (chain->elided_count && i == chain->elided_at)
			print_elided(report, chain->elided_count);
		if (last && chain->joins)
			print_join(report, &chain->steps[i], chain->joins);
		else
			print_step(report, &chain->steps[i], i == 0, last);
	}
	return NULL;
}

/* What is known of weak handles, one after the other. */
static struct ch_error *print_weak(const struct ch_report *report,
				   const struct ch_roots_result *result)
{
	uint64_t rows = chp_report_rows(report, result->weak_count), i;
	struct ch_error *err = NULL;
	struct ch_root_text text;
	struct ch_root weak;

	for (i = 0; !err && i < rows; i++) {
		err = chp_roots_weak(result, i, &weak, &text);
		if (err)
			break;
		if (report->format == CH_FORMAT_PLAIN)
			fprintf(report->out, "weak\t%s\t0x%" PRIx64 "\n", text.where, weak.value);
		else
			fprintf(report->out, "%s%s points at 0x%" PRIx64 " and does not hold it\n",
				i ? "" : "\n", text.where, weak.value);
	}
	return err;
}

static struct ch_error *print_target(const struct ch_report *report,
				     const struct ch_roots_result *result)
{
	const char *name = result->name ? result->name : "anonymous memory";
	_cleanup_free_ char *safe = chp_text_escape(name, 1024);
	char bytes[CH_BYTES_TEXT_MAX], count[CH_BYTES_TEXT_MAX];

	if (!safe)
		return &ch_enomem;
	chp_count_text(result->size_bytes, bytes);
	chp_count_text(result->targets_count, count);
	switch (result->kind) {
	case CH_ROOTS_OF_MAPPING:
		chp_report_field(report, "mapping", "0x%" PRIx64 "  %s, %s bytes", result->addr,
				 safe, bytes);
		chp_report_field(report, "target", "%s %s its address", count,
				 result->targets_count == 1 ? "block has" : "blocks have");
		break;
	case CH_ROOTS_OF_TYPE:
		chp_report_field(report, "target", "%s blocks of type %s", count, safe);
		break;
	case CH_ROOTS_OF_BLOCK:
		chp_report_field(report, "target", "0x%" PRIx64 "  %s, %s usable bytes",
				 result->addr, result->type, bytes);
	}
	return NULL;
}

static void print_verdict(const struct ch_report *report, const struct ch_roots_result *result)
{
	uint64_t between = result->reaching_count - result->targets_count;
	char roots[CH_BYTES_TEXT_MAX], blocks[CH_BYTES_TEXT_MAX];

	if (result->verdict == CH_ROOTS_REACHABLE)
		chp_report_field(report, "verdict", "reachable: %s root%s, %s block%s on the way",
				 chp_count_text(result->roots_count, roots),
				 result->roots_count == 1 ? "" : "s",
				 chp_count_text(between, blocks), between == 1 ? "" : "s");
	else
		chp_report_field(report, "verdict", "%s%s%s", verdicts[result->verdict],
				 result->reason[0] ? ": " : "", result->reason);
}

static struct ch_error *print_text(const struct ch_report *report,
				   const struct ch_roots_result *result)
{
	uint64_t shown = chp_report_rows(report, result->roots_count);
	struct ch_report lent = *report;
	struct ch_error *err = print_target(report, result);

	if (err)
		return err;
	print_verdict(report, result);
	err = chp_roots_chains(result, shown, print_chain, &lent);
	if (err)
		return err;
	if (shown < result->roots_count && report->format == CH_FORMAT_TEXT)
		fprintf(report->out, "\nshowing %llu of %llu roots\n", (unsigned long long)shown,
			(unsigned long long)result->roots_count);
	err = print_weak(report, result);
	if (!err)
		chp_report_findings(report);
	return err;
}

/* ---- JSON --------------------------------------------------------------------- */

static struct ch_error *add_json_chain(void *arg, const struct ch_roots_chain *chain)
{
	json_t **array = arg, *path = json_array();
	const struct ch_step *step;
	size_t i;

	for (i = 0; i < chain->steps_count; i++) {
		step = &chain->steps[i];
		if (chain->elided_count && i == chain->elided_at)
			chp_json_append_take(&path, json_pack("{s:o}", "elided_count",
							      chp_json_uint(chain->elided_count)));
		chp_json_append_take(&path,
				     chain->joins && i + 1 == chain->steps_count
					     ? json_pack("{s:o, s:s?, s:o}", "addr",
							 chp_json_addr(step->addr), "field",
							 step->place[0] ? step->place : NULL,
							 "joins_chain", chp_json_uint(chain->joins))
					     : chp_step_json(step, i == 0));
	}
	chp_json_append_take(
		array, json_pack("{s:o, s:o, s:o}", "steps", chp_json_uint(chain->length), "root",
				 chp_root_json(&chain->root, &chain->text), "path", path));
	return NULL;
}

static struct ch_error *add_json_weak(const struct ch_report *report,
				      const struct ch_roots_result *result, json_t **array)
{
	uint64_t rows = chp_report_rows(report, result->weak_count), i;
	struct ch_error *err = NULL;
	struct ch_root_text text;
	struct ch_root weak;

	for (i = 0; !err && i < rows; i++) {
		err = chp_roots_weak(result, i, &weak, &text);
		if (!err)
			chp_json_append_take(array,
					     json_pack("{s:s, s:o, s:o}", "where", text.where,
						       "addr", chp_json_addr(weak.addr),
						       "target_addr", chp_json_addr(weak.value)));
	}
	return err;
}

static json_t *json_target(const struct ch_roots_result *result)
{
	bool of_type = result->kind == CH_ROOTS_OF_TYPE;
	const char *type = of_type                               ? result->name
			   : result->kind == CH_ROOTS_OF_MAPPING ? "mapping"
								 : result->type;

	return json_pack("{s:o, s:o, s:o, s:o}", "addr",
			 of_type ? json_null() : chp_json_addr(result->addr), "type",
			 chp_json_text(type), "size_bytes",
			 of_type ? json_null() : chp_json_uint(result->size_bytes), "count",
			 chp_json_uint(result->targets_count));
}

static struct ch_error *print_json(const struct ch_report *report,
				   const struct ch_roots_result *result)
{
	uint64_t shown = chp_report_rows(report, result->roots_count);
	json_t *array = json_array(), *weak = json_array();
	struct ch_error *err;

	err = chp_roots_chains(result, shown, add_json_chain, &array);
	if (!err)
		err = add_json_weak(report, result, &weak);
	if (err) {
		json_decref(weak);
		json_decref(array);
		return err;
	}
	return chp_json_print_take(
		report, chp_json_document_take(
				report, "roots",
				json_pack("{s:o, s:s, s:s?, s:o, s:o, s:o, s:o, s:o}", "target",
					  json_target(result), "verdict", verdicts[result->verdict],
					  "reason", result->reason[0] ? result->reason : NULL,
					  "roots_count", chp_json_uint(result->roots_count),
					  "reaching_count", chp_json_uint(result->reaching_count),
					  "showing_count", chp_json_uint(shown), "chains", array,
					  "weak", weak)));
}

struct ch_error *ch_report_roots(const struct ch_report *report,
				 const struct ch_roots_result *result)
{
	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(report, result);
	return print_text(report, result);
}
