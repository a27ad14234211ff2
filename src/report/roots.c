/*
 * Chains from roots, as a tree in which equal ends are shown once, and as JSON.
 */
#include "report/roots.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/chain.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Steps shown at each end of a long chain. */
#define ENDS 8

static const char *const verdicts[] = { "reachable", "unreachable", "incomplete" };

struct writer {
	const struct ch_report *report;
	const struct ch_roots_result *result;
	/* By id: number of the chain that showed it, from 1. */
	uint32_t *shown_by;
};

/* ---- Text -------------------------------------------------------------------- */

static void print_step(const struct writer *writer, const struct ch_step *step, bool first,
		       bool target)
{
	FILE *out = writer->report->out;
	bool plain = writer->report->format == CH_FORMAT_PLAIN;
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

static void print_elided(const struct writer *writer, uint64_t count)
{
	char text[CH_BYTES_TEXT_MAX];

	if (writer->report->format == CH_FORMAT_PLAIN)
		fprintf(writer->report->out, "elided\t%" PRIu64 "\n", count);
	else
		fprintf(writer->report->out, "    ...      %s more ...\n",
			chp_count_text(count, text));
}

static void print_join(const struct writer *writer, const struct ch_step *step, uint32_t chain)
{
	if (writer->report->format == CH_FORMAT_PLAIN)
		fprintf(writer->report->out, "joins\t%u\t0x%" PRIx64 "\n", chain, step->addr);
	else
		fprintf(writer->report->out, "    %-8s -> 0x%" PRIx64 "  joins chain %u\n",
			step->place, step->addr, chain);
}

/* ---- Chains ------------------------------------------------------------------ */

static struct ch_error *put_step(struct writer *writer, const struct ch_chain *chain,
				 uint32_t holder, uint32_t id, json_t **path)
{
	bool target = ch_chains_next(writer->result->chains, id) == CH_ID_NONE;
	struct ch_error *err;
	struct ch_step step;

	err = chp_step_make(writer->result->graph, writer->result->heaps, chain, holder, id, &step);
	if (err)
		return err;
	if (path)
		chp_json_append_take(path, chp_step_json(&step, holder == CH_ID_NONE));
	else
		print_step(writer, &step, holder == CH_ID_NONE, target);
	free(step.type);
	return NULL;
}

/* A chain ends at a node that an earlier one came by. */
static struct ch_error *put_join(struct writer *writer, const struct ch_chain *chain,
				 uint32_t holder, uint32_t id, json_t **path)
{
	uint32_t joined = writer->shown_by[id];
	struct ch_error *err;
	struct ch_step step;

	err = chp_step_make(writer->result->graph, writer->result->heaps, chain, holder, id, &step);
	if (err)
		return err;
	if (path)
		chp_json_append_take(path,
				     json_pack("{s:o, s:s?, s:o}", "addr", chp_json_addr(step.addr),
					       "field", step.place[0] ? step.place : NULL,
					       "joins_chain", chp_json_uint(joined)));
	else
		print_join(writer, &step, joined);
	free(step.type);
	return NULL;
}

/* From the root's node to a target, or to where an earlier chain came by. */
static struct ch_error *put_path(struct writer *writer, const struct ch_chain *chain,
				 uint32_t number, json_t **path)
{
	uint32_t id = chain->root.target, holder = CH_ID_NONE, at;
	uint64_t length = 0, elided = 0;
	struct ch_error *err = NULL;

	for (at = id; at != CH_ID_NONE && !writer->shown_by[at];
	     at = ch_chains_next(writer->result->chains, at)) {
		writer->shown_by[at] = number;
		length++;
	}
	for (elided = 0; !err && length; length--) {
		if (holder != CH_ID_NONE && elided < ENDS - 1 && length > ENDS + 1) {
			elided++;
		} else if (elided == ENDS - 1 && length > ENDS + 1) {
			/* The middle: count it, and go on before the last steps. */
			if (path)
				chp_json_append_take(path, json_pack("{s:o}", "elided_count",
								     chp_json_uint(length - ENDS)));
			else
				print_elided(writer, length - ENDS);
			for (; length > ENDS; length--) {
				holder = id;
				id = ch_chains_next(writer->result->chains, id);
			}
			elided++;
		}
		err = put_step(writer, chain, holder, id, path);
		holder = id;
		id = ch_chains_next(writer->result->chains, id);
	}
	if (err || at == CH_ID_NONE || writer->shown_by[at] == number)
		return err;
	return put_join(writer, chain, holder, at, path);
}

static struct ch_error *put_chain(struct writer *writer, const struct ch_chain *chain,
				  uint32_t number, json_t **array)
{
	const struct ch_report *report = writer->report;
	struct ch_root_text text;
	struct ch_error *err;
	json_t *path;

	err = ch_root_describe(writer->result->graph, &chain->root, &text);
	if (err)
		return err;
	if (array) {
		path = json_array();
		err = put_path(writer, chain, number, &path);
		chp_json_append_take(
			array, json_pack("{s:o, s:o, s:o}", "steps", chp_json_uint(chain->steps),
					 "root", chp_root_json(&chain->root, &text), "path", path));
		return err;
	}
	if (report->format == CH_FORMAT_PLAIN)
		fprintf(report->out, "chain\t%u\t%s\t%s\t%u\n", number,
			ch_root_kind_name(chain->root.kind), text.where, chain->steps);
	else
		fprintf(report->out, "\n%u  %s  [%s%s]\n", number, text.where,
			ch_root_kind_name(chain->root.kind),
			chain->root.interior ? ", points into the block" : "");
	return put_path(writer, chain, number, NULL);
}

static struct ch_error *put_chains(struct writer *writer, json_t **array, uint64_t *shown_ret)
{
	const struct ch_chain *chains;
	struct ch_error *err = NULL;
	uint64_t rows, i;
	size_t count;

	chains = ch_chains_list(writer->result->chains, &count);
	rows = chp_report_rows(writer->report, count);
	writer->shown_by = calloc(ch_graph_objects_count(writer->result->graph) + 1ULL,
				  sizeof(*writer->shown_by));
	if (!writer->shown_by)
		return &ch_enomem;
	for (i = 0; !err && i < rows && i < UINT32_MAX; i++)
		err = put_chain(writer, &chains[i], (uint32_t)i + 1, array);
	free(writer->shown_by);
	*shown_ret = rows;
	return err;
}

/* ---- Weak handles ------------------------------------------------------------ */

static struct ch_error *put_weak(const struct writer *writer, json_t **array)
{
	const struct ch_root *weak;
	struct ch_root_text text;
	struct ch_error *err = NULL;
	uint64_t rows, i;
	size_t count;

	weak = ch_chains_weak(writer->result->chains, &count);
	rows = chp_report_rows(writer->report, count);
	for (i = 0; !err && i < rows; i++) {
		err = ch_root_describe(writer->result->graph, &weak[i], &text);
		if (err)
			break;
		if (array)
			chp_json_append_take(
				array, json_pack("{s:s, s:o, s:o}", "where", text.where, "addr",
						 chp_json_addr(weak[i].addr), "target_addr",
						 chp_json_addr(weak[i].value)));
		else if (writer->report->format == CH_FORMAT_PLAIN)
			fprintf(writer->report->out, "weak\t%s\t0x%" PRIx64 "\n", text.where,
				weak[i].value);
		else
			fprintf(writer->report->out,
				"%s%s points at 0x%" PRIx64 " and does not hold it\n",
				i ? "" : "\n", text.where, weak[i].value);
	}
	return err;
}

/* What is mapped there, escaped; NULL: out of memory. */
static char *mapping_name(const struct ch_region *mapping)
{
	return chp_text_escape(mapping->backing ? mapping->backing : "anonymous memory", 1024);
}

/* ---- The whole --------------------------------------------------------------- */

/* A mapping, and what has its address. */
static struct ch_error *print_mapping(const struct writer *writer)
{
	const struct ch_region *mapping = writer->result->mapping;
	_cleanup_free_ char *path = mapping_name(mapping);
	char bytes[CH_BYTES_TEXT_MAX], holders[CH_BYTES_TEXT_MAX];

	if (!path)
		return &ch_enomem;
	chp_report_field(writer->report, "mapping", "0x%" PRIx64 "  %s, %s bytes", mapping->start,
			 path, chp_count_text(mapping->end - mapping->start, bytes));
	chp_report_field(writer->report, "target", "%s %s its address",
			 chp_count_text(writer->result->targets_count, holders),
			 writer->result->targets_count == 1 ? "block has" : "blocks have");
	return NULL;
}

static struct ch_error *print_head(struct writer *writer)
{
	const struct ch_roots_result *result = writer->result;
	const struct ch_report *report = writer->report;
	char roots[CH_BYTES_TEXT_MAX], blocks[CH_BYTES_TEXT_MAX], size[CH_BYTES_TEXT_MAX];
	_cleanup_free_ char *type = NULL;
	struct ch_error *err;
	size_t count;

	ch_chains_list(result->chains, &count);
	if (result->mapping) {
		err = print_mapping(writer);
		if (err)
			return err;
	} else if (result->type_name) {
		_cleanup_free_ char *name = chp_text_escape(result->type_name, 1024);

		if (!name)
			return &ch_enomem;
		chp_report_field(report, "target", "%s blocks of type %s",
				 chp_count_text(result->targets_count, blocks), name);
	} else {
		err = chp_node_type_name(result->graph, result->heaps, result->targets[0], &type);
		if (err)
			return err;
		chp_report_field(
			report, "target", "0x%" PRIx64 "  %s, %s usable bytes",
			ch_graph_addr(result->graph, result->targets[0]), type,
			chp_count_text(ch_graph_size_bytes(result->graph, result->targets[0]),
				       size));
	}
	if (result->verdict == CH_ROOTS_REACHABLE)
		chp_report_field(report, "verdict", "reachable: %s root%s, %s block%s on the way",
				 chp_count_text(count, roots), count == 1 ? "" : "s",
				 chp_count_text(ch_chains_reaching_count(result->chains) -
							result->targets_count,
						blocks),
				 ch_chains_reaching_count(result->chains) - result->targets_count ==
						 1
					 ? ""
					 : "s");
	else
		chp_report_field(report, "verdict", "%s%s%s", verdicts[result->verdict],
				 result->reason[0] ? ": " : "", result->reason);
	return NULL;
}

static struct ch_error *print_text(struct writer *writer)
{
	struct ch_error *err;
	uint64_t shown;
	size_t count;

	ch_chains_list(writer->result->chains, &count);
	err = print_head(writer);
	if (!err)
		err = put_chains(writer, NULL, &shown);
	if (err)
		return err;
	if (shown < count && writer->report->format == CH_FORMAT_TEXT)
		fprintf(writer->report->out, "\nshowing %llu of %llu roots\n",
			(unsigned long long)shown, (unsigned long long)count);
	err = put_weak(writer, NULL);
	if (err)
		return err;
	chp_report_findings(writer->report);
	return NULL;
}

static json_t *json_target(struct writer *writer, struct ch_error **err)
{
	const struct ch_roots_result *result = writer->result;
	_cleanup_free_ char *type = NULL;

	if (result->mapping)
		return json_pack("{s:o, s:s, s:o, s:o}", "addr",
				 chp_json_addr(result->mapping->start), "type", "mapping",
				 "size_bytes",
				 chp_json_uint(result->mapping->end - result->mapping->start),
				 "count", chp_json_uint(result->targets_count));
	if (result->type_name)
		return json_pack("{s:n, s:o, s:n, s:o}", "addr", "type",
				 chp_json_text(result->type_name), "size_bytes", "count",
				 chp_json_uint(result->targets_count));
	*err = chp_node_type_name(result->graph, result->heaps, result->targets[0], &type);
	if (*err)
		return NULL;
	return json_pack("{s:o, s:o, s:o, s:i}", "addr",
			 chp_json_addr(ch_graph_addr(result->graph, result->targets[0])), "type",
			 chp_json_text(type), "size_bytes",
			 chp_json_uint(ch_graph_size_bytes(result->graph, result->targets[0])),
			 "count", 1);
}

static struct ch_error *print_json(struct writer *writer)
{
	const struct ch_roots_result *result = writer->result;
	json_t *array = json_array(), *weak = json_array(), *target;
	struct ch_error *err = NULL;
	uint64_t shown = 0;
	size_t count;

	target = json_target(writer, &err);
	if (!err)
		err = put_chains(writer, &array, &shown);
	if (!err)
		err = put_weak(writer, &weak);
	if (err) {
		json_decref(weak);
		json_decref(target);
		json_decref(array);
		return err;
	}
	ch_chains_list(result->chains, &count);
	return chp_json_print_take(
		writer->report,
		chp_json_document_take(
			writer->report, "roots",
			json_pack("{s:o, s:s, s:s?, s:o, s:o, s:o, s:o, s:o}", "target", target,
				  "verdict", verdicts[result->verdict], "reason",
				  result->reason[0] ? result->reason : NULL, "roots_count",
				  chp_json_uint(count), "reaching_count",
				  chp_json_uint(ch_chains_reaching_count(result->chains)),
				  "showing_count", chp_json_uint(shown), "chains", array, "weak",
				  weak)));
}

struct ch_error *ch_report_roots(const struct ch_report *report,
				 const struct ch_roots_result *result)
{
	struct writer writer = { .report = report, .result = result };

	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(&writer);
	return print_text(&writer);
}
