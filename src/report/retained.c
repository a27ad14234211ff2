/*
 * What would go away with blocks.
 */
#include "report/retained.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/document.h"
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

struct row {
	struct ch_retained_row of;
	uint64_t addr, share, dominator_addr;
	bool has_dominator;
	const char *type;
};

struct type_row {
	struct ch_retained_type of;
	uint64_t share;
	const char *type, *runtime;
};

struct writer {
	const struct ch_report *report;
	const struct ch_retained_result *result;
	uint64_t total_bytes;
	/* What the roots retain. */
	struct ch_retained_row all;
	struct ch_listing *rows, *types;
	/* The block that was asked for; NULL: none was. */
	const struct row *object;
};

#define ROW(member)    CH_AT(struct row, member)
#define TYPE(member)   CH_AT(struct type_row, member)
#define RESULT(member) CH_AT(struct writer, member)

static const struct ch_field_spec row_fields[] = {
	{ "addr", "ADDRESS", CH_CELL_ADDR, "The block.", ROW(addr) },
	{ "type", "TYPE", CH_CELL_SAFE, "Its type.", ROW(type) },
	{ "self_bytes", "SELF", CH_CELL_COUNT, "What it takes itself.", ROW(of.self_bytes) },
	{ "retained_bytes", "RETAINED", CH_CELL_BYTES,
	  "What would go away with it, itself included.", ROW(of.retained_bytes) },
	{ "retained_count", "BLOCKS", CH_CELL_COUNT, "In how many blocks.",
	  ROW(of.retained_count) },
	{ NULL, "SHARE", CH_CELL_PERCENT, NULL, ROW(share) },
	{ "dominator_addr", "DOMINATOR", CH_CELL_ADDR,
	  "The block that all ways to it lead through; null where there is none.",
	  ROW(dominator_addr), CH_KNOWN(struct row, has_dominator) },
	CH_FIELDS_END,
};

static const struct ch_list rows_list = { .fields = row_fields };

static const struct ch_field_spec type_fields[] = {
	{ "type", "TYPE", CH_CELL_TEXT, "The type.", TYPE(type) },
	{ "runtime", NULL, CH_CELL_SAFE, "Whose heap they are in.", TYPE(runtime) },
	{ "count", "COUNT", CH_CELL_COUNT, "Blocks.", TYPE(of.count) },
	{ "self_bytes", "SELF", CH_CELL_COUNT, "What they take themselves.", TYPE(of.self_bytes) },
	{ "retained_bytes", "RETAINED", CH_CELL_BYTES,
	  "What would go away with them, each byte once.", TYPE(of.retained_bytes) },
	{ NULL, "SHARE", CH_CELL_PERCENT, NULL, TYPE(share) },
	CH_FIELDS_END,
};

static const struct ch_list types_list = { .fields = type_fields };

static const struct ch_field_spec fields[] = {
	{ "reachable_bytes", "roots retain", CH_CELL_BYTES, "What roots hold.",
	  RESULT(all.retained_bytes) },
	{ "reachable_count", "in blocks", CH_CELL_COUNT, "In how many blocks.",
	  RESULT(all.retained_count) },
	{ "object", NULL, CH_CELL_OBJECT, "The block that was asked for.", RESULT(object),
	  .flags = CH_FIELD_POINTED | CH_FIELD_OPTIONAL, .fields = row_fields },
	CH_FIELDS_COUNTED(struct writer, rows),
	{ "rows", NULL, CH_CELL_LIST, "Blocks, or what the block dominates, most bytes first.",
	  RESULT(rows), .list = &rows_list },
	{ "by_type", NULL, CH_CELL_LIST, "The same by type; empty with an address.", RESULT(types),
	  .list = &types_list },
	CH_FIELDS_END,
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

/* *type_ret is owned by the caller. */
static struct ch_error *make_row(const struct writer *writer, const struct ch_retained_row *of,
				 struct row *ret, char **type_ret)
{
	const struct ch_graph *graph = writer->result->graph;

	*type_ret = type_name(writer, of->id);
	ret->of = *of;
	ret->addr = ch_graph_addr(graph, of->id);
	ret->type = *type_ret;
	ret->share = chp_percent(of->retained_bytes, writer->total_bytes);
	ret->has_dominator = of->dominator != CH_ID_NONE;
	ret->dominator_addr = ret->has_dominator ? ch_graph_addr(graph, of->dominator) : 0;
	return *type_ret ? NULL : &ch_enomem;
}

static struct ch_error *put_row(const struct writer *writer, struct ch_listing *listing,
				const struct ch_retained_row *of)
{
	_cleanup_free_ char *type = NULL;
	struct row row;
	struct ch_error *err = make_row(writer, of, &row, &type);

	return err ? err : chp_listing_row(listing, &row);
}

static struct ch_error *put_rows(const struct writer *writer, struct ch_listing *listing,
				 const struct ch_retained_row *rows, size_t n, uint64_t count)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < n; i++)
		err = put_row(writer, listing, &rows[i]);
	if (!err)
		chp_listing_total(listing, count, 0);
	return err;
}

static struct ch_error *put_types(const struct writer *writer)
{
	const struct ch_retained_type *types;
	struct type_row row;
	struct ch_error *err;
	struct ch_type type;
	size_t count, all, i;

	err = ch_retained_types(writer->result->retained, &types, &count);
	for (i = 0; !err && i < count && i < rows_max(writer->report); i++) {
		err = ch_heaps_type(writer->result->heaps, types[i].type, &type);
		if (err)
			break;
		row.of = types[i];
		row.share = chp_percent(types[i].retained_bytes, writer->total_bytes);
		row.type = type.name;
		row.runtime = ch_heaps_runtimes(writer->result->heaps, &all)[type.walker].name;
		err = chp_listing_row(writer->types, &row);
	}
	return err;
}

/* ---- Text -------------------------------------------------------------------- */

/* The block, and what dominates it, nearest first. */
static struct ch_error *print_above(const struct writer *writer)
{
	struct ch_retained_row rows[ABOVE_MAX + 1];
	struct ch_report all = *writer->report;
	uint32_t id = writer->result->id;
	struct ch_listing *listing;
	struct ch_error *err;
	uint64_t count = 0;
	size_t n = 0;

	for (; id != CH_ID_NONE && ch_retained_row(writer->result->retained, id, &rows[n]);
	     id = rows[n - 1].dominator) {
		count++;
		if (++n > ABOVE_MAX)
			break;
	}
	all.limit = 0;
	listing = chp_listing_create(&all, &rows_list);
	err = listing ? put_rows(writer, listing, rows, n, count) : &ch_enomem;
	if (!err) {
		chp_report_heading(writer->report, "the block, and what dominates it", false);
		chp_listing_print(listing);
	}
	chp_listing_destroy(listing);
	return err;
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

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct writer *writer = arg;
	bool whole = writer->result->id == CH_ID_NONE;
	struct ch_error *err = chp_fields_print(report, fields, writer);

	if (!err && !whole)
		err = print_above(writer);
	if (err)
		return err;
	if (writer->result->tree_depth) {
		chp_report_heading(report, "dominator tree", false);
		return print_tree(writer);
	}
	chp_report_heading(report, whole ? "blocks" : "what it dominates directly", false);
	chp_listing_print(writer->rows);
	if (whole) {
		chp_report_heading(report, "types, each byte once", false);
		chp_listing_print_rows(writer->types);
	}
	return NULL;
}

const struct ch_document ch_document_retained = {
	.name = "retained",
	.title = "What would go away with a block",
	.fields = fields,
	.print = print,
};

static struct ch_error *put(struct writer *writer, struct row *object, char **object_type)
{
	const struct ch_retained_result *result = writer->result;
	size_t max = rows_max(writer->report), n;
	struct ch_retained_row *rows, one;
	struct ch_error *err;
	uint64_t count;

	rows = calloc(max + 1, sizeof(*rows));
	if (!rows)
		return &ch_enomem;
	n = result->id == CH_ID_NONE
		    ? ch_retained_top(result->retained, rows, max, &count)
		    : ch_retained_children(result->retained, result->id, rows, max, &count);
	err = put_rows(writer, writer->rows, rows, n, count);
	free(rows);
	if (!err && result->id == CH_ID_NONE)
		return put_types(writer);
	if (!err && ch_retained_row(result->retained, result->id, &one)) {
		err = make_row(writer, &one, object, object_type);
		writer->object = object;
	}
	return err;
}

struct ch_error *ch_report_retained(const struct ch_report *report,
				    const struct ch_retained_result *result)
{
	struct writer writer = { .report = report, .result = result };
	_cleanup_free_ char *object_type = NULL;
	struct row object;
	struct ch_error *err;

	if (ch_retained_row(result->retained, CH_ID_NONE, &writer.all))
		writer.total_bytes = writer.all.retained_bytes;
	writer.rows = chp_listing_create(report, &rows_list);
	writer.types = chp_listing_create(report, &types_list);
	err = writer.rows && writer.types ? put(&writer, &object, &object_type) : &ch_enomem;
	if (!err)
		err = chp_document_print(report, &ch_document_retained, &writer);
	chp_listing_destroy(writer.rows);
	chp_listing_destroy(writer.types);
	return err;
}
