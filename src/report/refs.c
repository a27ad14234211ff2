#include "report/refs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/place.h"
#include "util/cleanup.h"
#include "util/text.h"

struct writer {
	const struct ch_report *report;
	const struct ch_refs_result *result;
	struct ch_table *table;
	json_t *array;
	uint64_t shown, matched;
};

/* The method that a word of code belongs to, instead of the memory it lies in. */
static void name_method(const struct writer *writer, const struct ch_ref *ref,
			struct ch_root_text *text, struct ch_code *method)
{
	method->name[0] = '\0';
	if (ref->kind != CH_REF_CODE ||
	    !ch_heaps_code_at(writer->result->heaps, ref->addr, method) || !method->start) {
		method->name[0] = '\0';
		return;
	}
	snprintf(text->where, sizeof(text->where), "%.400s+0x%" PRIx64 " (%s)", method->name,
		 ref->addr - method->start, method->kind);
}

static json_t *json_ref(const struct writer *writer, const struct ch_ref *ref,
			const struct ch_root_text *text, const char *type, const char *method)
{
	return json_pack("{s:o, s:s, s:o, s:o, s:n, s:n, s:o, s:o, s:s?, s:o, s:s, s:s?}", "addr",
			 ref->addr ? chp_json_addr(ref->addr) : json_null(), "kind",
			 ch_ref_kind_name(ref->kind), "owner_addr",
			 ref->has_owner ? chp_json_addr(ref->owner.addr) : json_null(),
			 "owner_type", chp_json_text(type), "field", "index", "offset",
			 ref->has_owner && ref->addr >= ref->owner.addr
				 ? chp_json_uint(ref->addr - ref->owner.addr)
				 : json_null(),
			 "points_into", chp_json_uint(ref->value - writer->result->start), "symbol",
			 text->symbol[0] ? text->symbol : NULL, "thread",
			 text->tid ? chp_json_uint(text->tid) : json_null(), "where", text->where,
			 "method", method[0] ? method : NULL);
}

static struct ch_error *take(void *arg, const struct ch_ref *ref)
{
	struct writer *writer = arg;
	struct ch_type type = { .name = NULL };
	struct ch_root_text text;
	struct ch_code method;
	struct ch_error *err;

	writer->matched++;
	if (writer->report->limit && writer->shown >= writer->report->limit)
		return NULL;
	writer->shown++;
	err = chp_place_describe(writer->result->graph, writer->result->sym, ref, &text);
	if (!err && ref->has_owner)
		err = chp_place_type(writer->result->heaps, ref, &type);
	if (err)
		return err;
	name_method(writer, ref, &text, &method);
	if (writer->report->format == CH_FORMAT_JSONL)
		return chp_json_print_take(writer->report,
					   json_ref(writer, ref, &text, type.name, method.name));
	if (writer->report->format == CH_FORMAT_JSON) {
		chp_json_append_take(&writer->array,
				     json_ref(writer, ref, &text, type.name, method.name));
		return NULL;
	}
	const struct ch_cell cells[] = {
		ref->addr ? CH_CELL_NUM(ref->addr) : CH_CELL_NONE,
		CH_CELL_STR(ch_ref_kind_name(ref->kind)),
		CH_CELL_NUM(ref->value - writer->result->start),
		CH_CELL_STR(text.where),
		CH_CELL_STR(type.name),
	};
	return chp_table_row(writer->table, cells);
}

static void print_head(const struct ch_report *report, const struct ch_refs_result *result)
{
	char size[CH_BYTES_TEXT_MAX];

	if (result->static_name[0]) {
		_cleanup_free_ char *name =
			chp_text_escape(result->static_name, sizeof(result->static_name));

		chp_report_field(report, "target", "0x%" PRIx64 ", the static field %s",
				 result->start, name ? name : "");
		return;
	}
	if (!result->has_block)
		chp_report_field(report, "target", "0x%" PRIx64 ", which lies in no block",
				 result->start);
	else
		chp_report_field(report, "target", "0x%" PRIx64 ", a block of %s usable bytes (%s)",
				 result->block.addr, chp_count_text(result->block.size_bytes, size),
				 ch_object_state_name((enum ch_object_state)result->block.state));
}

static struct ch_error *finish(struct writer *writer)
{
	const struct ch_report *report = writer->report;
	const struct ch_refs_result *result = writer->result;
	char shown[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];
	json_t *sums = json_pack("{s:o, s:o, s:b}", "showing_count", chp_json_uint(writer->shown),
				 "matched_count", chp_json_uint(writer->matched), "complete",
				 (int)ch_context_complete(ch_session_context(report->session)));

	if (report->format == CH_FORMAT_JSONL)
		return chp_json_print_take(report, sums);
	if (report->format == CH_FORMAT_JSON) {
		json_decref(sums);
		return chp_json_print_take(
			report,
			chp_json_document_take(
				report, "refs",
				json_pack("{s:o, s:o, s:b, s:o, s:o, s:o, s:o}", "addr",
					  chp_json_addr(result->start), "size_bytes",
					  chp_json_uint(result->end - result->start), "is_block",
					  (int)result->has_block, "showing_count",
					  chp_json_uint(writer->shown), "matched_count",
					  chp_json_uint(writer->matched), "refs", writer->array,
					  "static_field",
					  chp_json_text(result->static_name[0] ? result->static_name
									       : NULL))));
	}
	json_decref(sums);
	chp_table_print(writer->table, report);
	if (writer->shown < writer->matched && report->format == CH_FORMAT_TEXT)
		fprintf(report->out, "showing %s of %s\n", chp_count_text(writer->shown, shown),
			chp_count_text(writer->matched, all));
	if (!writer->matched && report->format == CH_FORMAT_TEXT)
		fputs("Nothing that the core holds points at it.\n", report->out);
	chp_report_findings(report);
	return NULL;
}

struct ch_error *ch_report_refs(const struct ch_report *report, const struct ch_refs_result *result)
{
	static const struct ch_column columns[] = {
		{ "ADDRESS", CH_CELL_ADDR },      { "KIND", CH_CELL_TEXT },
		{ "POINTS AT +", CH_CELL_COUNT }, { "WHERE", CH_CELL_TEXT },
		{ "IN TYPE", CH_CELL_TEXT },
	};
	struct writer writer = { .report = report, .result = result };
	struct ch_error *err;

	writer.table = chp_table_create(columns, CH_COUNT_OF(columns));
	if (!writer.table)
		return &ch_enomem;
	if (report->format == CH_FORMAT_JSON)
		writer.array = json_array();
	if (report->format == CH_FORMAT_TEXT)
		print_head(report, result);
	if (report->format == CH_FORMAT_TEXT)
		fputc('\n', report->out);
	err = ch_graph_refs(result->graph, result->start, result->end, result->code, take, &writer);
	if (err)
		json_decref(writer.array);
	else
		err = finish(&writer);
	chp_table_destroy(writer.table);
	return err;
}
