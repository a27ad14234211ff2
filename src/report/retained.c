#include "report/retained.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/cleanup.h"

/* Rows where --limit gives no bound: a list of all blocks helps nobody. */
#define ROWS_DEFAULT 1000

/* The tree: children of a block that are shown, and the least share of the whole,
 * in hundredths of a percent, that one needs. */
#define TREE_CHILDREN 8
#define TREE_SHARE    50
#define TREE_DEPTH    64

/* Dominators above a block that are shown. */
#define ABOVE_MAX 16

struct writer {
	const struct ch_report *report;
	const struct ch_retained_result *result;
	uint64_t total_bytes;
};

/* Of what type a block is; owned, NULL when out of memory. */
static char *type_name(const struct writer *writer, uint32_t id)
{
	struct ch_object object;
	struct ch_error *err;
	struct ch_type type;

	if (id == CH_ID_NONE)
		return strdup("roots");
	if (!ch_graph_object(writer->result->graph, id, &object))
		return strdup("?");
	err = ch_heaps_type(writer->result->heaps, object.type, &type);
	if (err) {
		ch_error_destroy(err);
		return NULL;
	}
	return strdup(type.name);
}

static size_t rows_max(const struct ch_report *report)
{
	return report->limit ? (size_t)ch_min(report->limit, 1U << 20) : ROWS_DEFAULT;
}

/* ---- Text -------------------------------------------------------------------- */

static struct ch_error *add_row(const struct writer *writer, struct ch_table *table,
				const struct ch_retained_row *row)
{
	const struct ch_graph *graph = writer->result->graph;
	_cleanup_free_ char *type = type_name(writer, row->id);
	const struct ch_cell cells[] = {
		CH_CELL_NUM(ch_graph_addr(graph, row->id)),
		CH_CELL_STR(type),
		CH_CELL_NUM(row->self_bytes),
		CH_CELL_NUM(row->retained_bytes),
		CH_CELL_NUM(row->retained_count),
		CH_CELL_NUM(chp_percent(row->retained_bytes, writer->total_bytes)),
		row->dominator == CH_ID_NONE ? CH_CELL_NONE
					     : CH_CELL_NUM(ch_graph_addr(graph, row->dominator)),
	};

	return type ? chp_table_row(table, cells) : &ch_enomem;
}

static struct ch_error *print_rows(const struct writer *writer, const char *title,
				   const struct ch_retained_row *rows, size_t n, uint64_t count)
{
	static const struct ch_column columns[] = {
		{ "ADDRESS", CH_CELL_ADDR },   { "TYPE", CH_CELL_TEXT },
		{ "SELF", CH_CELL_COUNT },     { "RETAINED", CH_CELL_BYTES },
		{ "BLOCKS", CH_CELL_COUNT },   { "SHARE", CH_CELL_PERCENT },
		{ "DOMINATOR", CH_CELL_ADDR },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	char shown[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];
	size_t i;

	for (i = 0; !err && i < n; i++)
		err = add_row(writer, table, &rows[i]);
	if (!err) {
		chp_report_heading(writer->report, title, false);
		chp_table_print(table, writer->report);
		if (n < count && writer->report->format == CH_FORMAT_TEXT)
			fprintf(writer->report->out, "showing %s of %s\n", chp_count_text(n, shown),
				chp_count_text(count, all));
	}
	chp_table_destroy(table);
	return err;
}

static struct ch_error *print_types(const struct writer *writer)
{
	static const struct ch_column columns[] = {
		{ "TYPE", CH_CELL_TEXT },     { "COUNT", CH_CELL_COUNT },
		{ "SELF", CH_CELL_COUNT },    { "RETAINED", CH_CELL_BYTES },
		{ "SHARE", CH_CELL_PERCENT },
	};
	const struct ch_retained_type *types;
	struct ch_error *err;
	struct ch_table *table;
	struct ch_type type;
	size_t count, i;

	err = ch_retained_types(writer->result->retained, &types, &count);
	if (err)
		return err;
	table = chp_table_create(columns, CH_COUNT_OF(columns));
	if (!table)
		return &ch_enomem;
	for (i = 0; !err && i < count && i < rows_max(writer->report); i++) {
		err = ch_heaps_type(writer->result->heaps, types[i].type, &type);
		if (err)
			break;
		const struct ch_cell cells[] = {
			CH_CELL_STR(type.name),
			CH_CELL_NUM(types[i].count),
			CH_CELL_NUM(types[i].self_bytes),
			CH_CELL_NUM(types[i].retained_bytes),
			CH_CELL_NUM(chp_percent(types[i].retained_bytes, writer->total_bytes)),
		};
		err = chp_table_row(table, cells);
	}
	if (!err) {
		chp_report_heading(writer->report, "types, each byte once", false);
		chp_table_print(table, writer->report);
	}
	chp_table_destroy(table);
	return err;
}

static void print_head(const struct writer *writer)
{
	struct ch_retained_row all;

	if (!ch_retained_row(writer->result->retained, CH_ID_NONE, &all))
		return;
	chp_report_bytes_field(writer->report, "roots retain", all.retained_bytes);
	chp_report_count_field(writer->report, "in blocks", all.retained_count);
}

/* The block, and what dominates it, nearest first. */
static struct ch_error *print_above(const struct writer *writer)
{
	struct ch_retained_row rows[ABOVE_MAX + 1];
	uint32_t id = writer->result->id;
	uint64_t count = 0;
	size_t n = 0;

	for (; id != CH_ID_NONE && ch_retained_row(writer->result->retained, id, &rows[n]);
	     id = rows[n - 1].dominator) {
		count++;
		if (++n > ABOVE_MAX)
			break;
	}
	return print_rows(writer, "the block, and what dominates it", rows, n, count);
}

static struct ch_error *print_level(const struct writer *writer, uint32_t depth,
				    const struct ch_retained_row *row)
{
	_cleanup_free_ char *type = type_name(writer, row->id);
	uint64_t share = chp_percent(row->retained_bytes, writer->total_bytes);
	char bytes[CH_BYTES_TEXT_MAX], count[CH_BYTES_TEXT_MAX];
	FILE *out = writer->report->out;

	if (!type)
		return &ch_enomem;
	if (writer->report->format == CH_FORMAT_PLAIN) {
		fprintf(out, "%u\t0x%" PRIx64 "\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 ".%02u\n",
			depth, ch_graph_addr(writer->result->graph, row->id), type,
			row->retained_bytes, row->retained_count, share / 100,
			(unsigned int)(share % 100));
		return NULL;
	}
	fprintf(out, "%6" PRIu64 ".%02u%%  %*s0x%" PRIx64 "  %s: %s in %s blocks\n", share / 100,
		(unsigned int)(share % 100), (int)(2 * depth), "",
		ch_graph_addr(writer->result->graph, row->id), type,
		chp_bytes_text(row->retained_bytes, bytes),
		chp_count_text(row->retained_count, count));
	return NULL;
}

/* The tree from one block (or the roots) down, children that retain most first. */
static struct ch_error *print_tree(const struct writer *writer)
{
	const struct ch_retained_result *result = writer->result;
	struct {
		struct ch_retained_row rows[TREE_CHILDREN];
		size_t count, at;
	} * levels;
	uint32_t most = (uint32_t)ch_min(result->tree_depth, TREE_DEPTH), depth = 0;
	struct ch_retained_row *row;
	struct ch_error *err = NULL;
	uint64_t all;

	levels = calloc(TREE_DEPTH + 1, sizeof(*levels));
	if (!levels)
		return &ch_enomem;
	levels[0].count = ch_retained_children(result->retained, result->id, levels[0].rows,
					       TREE_CHILDREN, &all);
	while (!err) {
		if (levels[depth].at == levels[depth].count ||
		    chp_percent(levels[depth].rows[levels[depth].at].retained_bytes,
				writer->total_bytes) < TREE_SHARE) {
			if (!depth--)
				break;
			continue;
		}
		row = &levels[depth].rows[levels[depth].at++];
		err = print_level(writer, depth, row);
		if (depth + 1 >= most)
			continue;
		depth++;
		levels[depth].at = 0;
		levels[depth].count = ch_retained_children(result->retained, row->id,
							   levels[depth].rows, TREE_CHILDREN, &all);
	}
	free(levels);
	return err;
}

/* ---- JSON -------------------------------------------------------------------- */

static json_t *json_row(const struct writer *writer, const struct ch_retained_row *row)
{
	const struct ch_graph *graph = writer->result->graph;
	_cleanup_free_ char *type = type_name(writer, row->id);

	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "addr",
			 chp_json_addr(ch_graph_addr(graph, row->id)), "type", type ? type : "?",
			 "self_bytes", chp_json_uint(row->self_bytes), "retained_bytes",
			 chp_json_uint(row->retained_bytes), "retained_count",
			 chp_json_uint(row->retained_count), "dominator_addr",
			 row->dominator == CH_ID_NONE
				 ? json_null()
				 : chp_json_addr(ch_graph_addr(graph, row->dominator)));
}

static struct ch_error *json_types(const struct writer *writer, json_t **ret)
{
	const struct ch_retained_type *types;
	struct ch_error *err;
	struct ch_type type;
	size_t count, all, i;

	err = ch_retained_types(writer->result->retained, &types, &count);
	for (i = 0; !err && i < count && i < rows_max(writer->report); i++) {
		err = ch_heaps_type(writer->result->heaps, types[i].type, &type);
		if (err)
			break;
		chp_json_append_take(
			ret,
			json_pack("{s:o, s:s, s:o, s:o, s:o}", "type", chp_json_text(type.name),
				  "runtime",
				  ch_heaps_runtimes(writer->result->heaps, &all)[type.walker].name,
				  "count", chp_json_uint(types[i].count), "self_bytes",
				  chp_json_uint(types[i].self_bytes), "retained_bytes",
				  chp_json_uint(types[i].retained_bytes)));
	}
	return err;
}

static struct ch_error *print_json(const struct writer *writer, const struct ch_retained_row *rows,
				   size_t n, uint64_t count)
{
	json_t *array = json_array(), *types = json_array(), *object = json_null();
	struct ch_retained_row all, one;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; i < n; i++)
		chp_json_append_take(&array, json_row(writer, &rows[i]));
	if (writer->result->id == CH_ID_NONE)
		err = json_types(writer, &types);
	else if (ch_retained_row(writer->result->retained, writer->result->id, &one))
		object = json_row(writer, &one);
	if (err || !ch_retained_row(writer->result->retained, CH_ID_NONE, &all)) {
		json_decref(array);
		json_decref(types);
		return err;
	}
	return chp_json_print_take(
		writer->report,
		chp_json_document_take(
			writer->report, "retained",
			json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "reachable_bytes",
				  chp_json_uint(all.retained_bytes), "reachable_count",
				  chp_json_uint(all.retained_count), "object", object,
				  "showing_count", chp_json_uint(n), "matched_count",
				  chp_json_uint(count), "rows", array, "by_type", types)));
}

struct ch_error *ch_report_retained(const struct ch_report *report,
				    const struct ch_retained_result *result)
{
	struct writer writer = { .report = report, .result = result };
	size_t max = rows_max(report), n;
	struct ch_retained_row *rows, all;
	struct ch_error *err = NULL;
	uint64_t count;

	if (ch_retained_row(result->retained, CH_ID_NONE, &all))
		writer.total_bytes = all.retained_bytes;
	rows = calloc(max + 1, sizeof(*rows));
	if (!rows)
		return &ch_enomem;
	n = result->id == CH_ID_NONE
		    ? ch_retained_top(result->retained, rows, max, &count)
		    : ch_retained_children(result->retained, result->id, rows, max, &count);
	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL) {
		err = print_json(&writer, rows, n, count);
		free(rows);
		return err;
	}
	print_head(&writer);
	if (result->id != CH_ID_NONE)
		err = print_above(&writer);
	if (!err && result->tree_depth) {
		chp_report_heading(report, "dominator tree", false);
		err = print_tree(&writer);
	} else if (!err) {
		err = print_rows(&writer,
				 result->id == CH_ID_NONE ? "blocks" : "what it dominates directly",
				 rows, n, count);
		if (!err && result->id == CH_ID_NONE)
			err = print_types(&writer);
	}
	free(rows);
	chp_report_findings(report);
	return err;
}
