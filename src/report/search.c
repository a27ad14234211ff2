#include "report/search.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/place.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Contents that --reveal shows of a match. */
#define REVEAL_BYTES 64

struct writer {
	const struct ch_report *report;
	const struct ch_search_result *result;
	struct ch_table *table;
	json_t *array;
	uint64_t shown, matched;
};

/* The first bytes of a match, escaped; owned. */
static char *contents(const struct writer *writer, uint64_t addr, uint64_t bytes)
{
	char raw[REVEAL_BYTES + 1];
	size_t n = ch_min(bytes, REVEAL_BYTES), i;

	if (!ch_core_try_read(writer->result->search.core, addr, raw, n))
		return strdup("");
	/* Text ends at a zero; here it does not. */
	for (i = 0; i < n; i++)
		if (!raw[i])
			raw[i] = '.';
	raw[n] = '\0';
	return chp_text_escape(raw, 4 * sizeof(raw));
}

static json_t *json_match(const struct writer *writer, const struct ch_ref *ref, uint64_t bytes,
			  const struct ch_root_text *text, const char *type)
{
	_cleanup_free_ char *found =
		writer->report->reveal ? contents(writer, ref->addr, bytes) : NULL;

	return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:s?, s:o, s:s, s:s?}", "addr",
			 chp_json_addr(ref->addr), "size_bytes", chp_json_uint(bytes), "kind",
			 ch_ref_kind_name(ref->kind), "owner_addr",
			 ref->has_owner ? chp_json_addr(ref->owner.addr) : json_null(),
			 "owner_type", chp_json_text(type), "offset",
			 ref->has_owner && ref->addr >= ref->owner.addr
				 ? chp_json_uint(ref->addr - ref->owner.addr)
				 : json_null(),
			 "symbol", text->symbol[0] ? text->symbol : NULL, "thread",
			 text->tid ? chp_json_uint(text->tid) : json_null(), "where", text->where,
			 "contents", found);
}

static struct ch_error *add_row(struct writer *writer, const struct ch_ref *ref, uint64_t bytes,
				const struct ch_root_text *text, const char *type)
{
	_cleanup_free_ char *found =
		writer->report->reveal ? contents(writer, ref->addr, bytes) : NULL;
	const struct ch_cell cells[] = {
		CH_CELL_NUM(ref->addr),
		CH_CELL_NUM(bytes),
		CH_CELL_STR(ch_ref_kind_name(ref->kind)),
		CH_CELL_STR(text->where),
		CH_CELL_STR(type),
		CH_CELL_STR(found),
	};

	return chp_table_row(writer->table, cells);
}

static bool passes(const struct writer *writer, const struct ch_ref *ref)
{
	const struct ch_object_filter *filter = writer->result->objects;
	struct ch_object out;

	if (!filter)
		return true;
	return ref->has_owner && ref->addr >= ref->owner.addr &&
	       chp_filter_batch(writer->result->heaps, filter, &ref->owner, 1, &out) == 1;
}

static struct ch_error *take(void *arg, uint64_t addr, uint64_t bytes)
{
	struct writer *writer = arg;
	struct ch_type type = { .name = NULL };
	struct ch_root_text text;
	struct ch_error *err;
	struct ch_ref ref;
	bool cut = writer->report->limit && writer->shown >= writer->report->limit;

	if (writer->result->objects || (!writer->result->count && !cut)) {
		ch_graph_place(writer->result->graph, addr, &ref);
		if (!passes(writer, &ref))
			return NULL;
	}
	writer->matched++;
	if (writer->result->count || cut)
		return NULL;
	writer->shown++;
	err = chp_place_describe(writer->result->graph, writer->result->sym, &ref, &text);
	if (!err && ref.has_owner)
		err = chp_place_type(writer->result->heaps, &ref, &type);
	if (err)
		return err;
	if (writer->report->format == CH_FORMAT_JSONL)
		return chp_json_print_take(writer->report,
					   json_match(writer, &ref, bytes, &text, type.name));
	if (writer->report->format == CH_FORMAT_JSON) {
		chp_json_append_take(&writer->array,
				     json_match(writer, &ref, bytes, &text, type.name));
		return NULL;
	}
	return add_row(writer, &ref, bytes, &text, type.name);
}

static struct ch_error *finish(struct writer *writer)
{
	const struct ch_report *report = writer->report;
	char shown[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];

	if (report->format == CH_FORMAT_JSONL)
		return chp_json_print_take(
			report,
			json_pack("{s:o, s:o, s:b}", "showing_count", chp_json_uint(writer->shown),
				  "matched_count", chp_json_uint(writer->matched), "complete",
				  (int)ch_context_complete(ch_session_context(report->session))));
	if (report->format == CH_FORMAT_JSON)
		return chp_json_print_take(
			report, chp_json_document_take(report, "search",
						       json_pack("{s:o, s:o, s:o}", "showing_count",
								 chp_json_uint(writer->shown),
								 "matched_count",
								 chp_json_uint(writer->matched),
								 "matches", writer->array)));
	if (writer->result->count) {
		chp_report_count_field(report, "matches", writer->matched);
	} else {
		chp_table_print(writer->table, report);
		if (report->format == CH_FORMAT_TEXT)
			fprintf(report->out, "\nshowing %s of %s matches\n",
				chp_count_text(writer->shown, shown),
				chp_count_text(writer->matched, all));
	}
	chp_report_findings(report);
	return NULL;
}

struct ch_error *ch_report_search(const struct ch_report *report,
				  const struct ch_search_result *result)
{
	static const struct ch_column columns[] = {
		{ "ADDRESS", CH_CELL_ADDR }, { "BYTES", CH_CELL_COUNT },
		{ "KIND", CH_CELL_TEXT },    { "WHERE", CH_CELL_TEXT },
		{ "IN TYPE", CH_CELL_TEXT }, { "CONTENTS", CH_CELL_TEXT },
	};
	struct writer writer = { .report = report, .result = result };
	struct ch_error *err;

	/* Contents are the last column. */
	writer.table = chp_table_create(columns, CH_COUNT_OF(columns) - !report->reveal);
	if (!writer.table)
		return &ch_enomem;
	if (report->format == CH_FORMAT_JSON)
		writer.array = json_array();
	err = chp_search(&result->search, take, &writer);
	if (err)
		json_decref(writer.array);
	else
		err = finish(&writer);
	chp_table_destroy(writer.table);
	return err;
}
