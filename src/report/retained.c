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

struct result {
	const struct ch_retained_result *of;
	/* What the roots retain. */
	struct ch_retained_row all;
	/* What those retain that were asked for, where not all were. */
	struct ch_retained_row chosen;
	bool filtered;
	uint64_t chosen_count;
	struct ch_listing *rows, *tops, *types;
	uint64_t tops_count;
	/* The block that was asked for; NULL: none was. */
	const struct ch_retained_block *object;
	/* Show the tree instead of lists. */
	bool as_tree;
	/* of struct ch_retained_block */
	struct ch_rows tree;
};

#define ROW(member)    CH_AT(struct ch_retained_block, member)
#define TYPE(member)   CH_AT(struct ch_retained_by_type, member)
#define RESULT(member) CH_AT(struct result, member)

/* What all lists of blocks have. */
#define BLOCK_FIELDS                                                                               \
	{ "addr", "ADDRESS", CH_CELL_ADDR, "The block.", ROW(addr) },                              \
	{                                                                                          \
		"type", "TYPE", CH_CELL_SAFE, "Its type.", ROW(type)                               \
	}
#define RETAINED_FIELDS                                                                            \
	{ "self_bytes", "SELF", CH_CELL_COUNT, "What it takes itself.", ROW(of.self_bytes) },      \
		{ "retained_bytes", "RETAINED", CH_CELL_BYTES,                                     \
		  "What would go away with it, itself included.", ROW(of.retained_bytes) },        \
		{ "retained_count", "BLOCKS", CH_CELL_COUNT, "In how many blocks.",                \
		  ROW(of.retained_count) },                                                        \
	{                                                                                          \
		NULL, "SHARE", CH_CELL_PERCENT, NULL, ROW(share)                                   \
	}

static const struct ch_field_spec row_fields[] = {
	BLOCK_FIELDS,
	RETAINED_FIELDS,
	{ "dominator_addr", "DOMINATOR", CH_CELL_ADDR,
	  "The block that all ways to it lead through; null where there is none.",
	  ROW(dominator_addr), CH_KNOWN(struct ch_retained_block, has_dominator) },
	CH_FIELDS_END,
};

static const struct ch_list rows_list = { .fields = row_fields };

static const struct ch_field_spec top_fields[] = {
	BLOCK_FIELDS,
	{ NULL, "CHAIN", CH_CELL_SAFE, NULL, ROW(chain),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "chain_count", NULL, CH_CELL_COUNT,
	  "Blocks that follow each other from it on, each the only one of its type that the one "
	  "before dominates, as in a list; null where they are fewer than 8.",
	  ROW(chain_count), .flags = CH_FIELD_NOT_ZERO },
	{ "chain_field", NULL, CH_CELL_SAFE,
	  "How the first of them calls the second: \".next\"; null if it is not known.",
	  ROW(chain_field), .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	RETAINED_FIELDS,
	CH_FIELDS_END,
};

static const struct ch_list tops_list = { .fields = top_fields };

static const struct ch_field_spec tree_fields[] = {
	{ "depth", NULL, CH_CELL_COUNT, "How far below the roots, or the block that was asked for.",
	  ROW(depth) },
	{ NULL, NULL, CH_CELL_OBJECT, NULL, .flags = CH_FIELD_FLAT, .fields = row_fields },
	CH_FIELDS_END,
};

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
	{ "chosen_count", "asked for", CH_CELL_COUNT,
	  "With options that choose blocks, else null: how many of what roots hold were asked for.",
	  RESULT(chosen_count), CH_KNOWN_LATER(struct result, filtered) },
	{ "chosen_retained_bytes", "these retain", CH_CELL_BYTES,
	  "What would go away with them (with an address: with those below it), each byte once.",
	  RESULT(chosen.retained_bytes), CH_KNOWN_LATER(struct result, filtered) },
	{ "chosen_retained_count", NULL, CH_CELL_COUNT, "In how many blocks.",
	  RESULT(chosen.retained_count), CH_KNOWN_LATER(struct result, filtered) },
	{ "object", NULL, CH_CELL_OBJECT, "The block that was asked for.", RESULT(object),
	  .flags = CH_FIELD_POINTED | CH_FIELD_OPTIONAL, .fields = row_fields },
	CH_FIELDS_COUNTED(struct result, rows),
	{ "rows", NULL, CH_CELL_LIST, "Blocks, or what the block dominates, most bytes first.",
	  RESULT(rows), .list = &rows_list },
	{ "tops", NULL, CH_CELL_LIST,
	  "What no other block dominates, or the block dominates directly, most bytes first; a "
	  "list is one row.",
	  RESULT(tops), .list = &tops_list, .flags = CH_FIELD_LATER },
	{ "tops_count", NULL, CH_CELL_COUNT, "How many there are.", RESULT(tops_count),
	  .flags = CH_FIELD_LATER },
	{ "by_type", NULL, CH_CELL_LIST, "The same by type; empty with an address.", RESULT(types),
	  .list = &types_list },
	{ "tree", NULL, CH_CELL_ROWS,
	  "With --tree the dominator tree: each block behind the one that dominates it.",
	  RESULT(tree), CH_KNOWN(struct result, as_tree), .fields = tree_fields },
	CH_FIELDS_END,
};

static struct ch_error *put_blocks(struct ch_listing *listing, const struct ch_vec *blocks,
				   uint64_t count)
{
	const struct ch_retained_block *list = blocks->items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < blocks->count; i++)
		err = chp_listing_row(listing, &list[i]);
	if (!err)
		chp_listing_total(listing, count, 0);
	return err;
}

static struct ch_error *put_types(struct ch_listing *listing, const struct ch_vec *types)
{
	const struct ch_retained_by_type *list = types->items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < types->count; i++)
		err = chp_listing_row(listing, &list[i]);
	return err;
}

/* ---- Text -------------------------------------------------------------------- */

/* The block, and what dominates it, nearest first. */
static struct ch_error *print_above(const struct ch_report *report,
				    const struct ch_retained_result *of)
{
	struct ch_report all = *report;
	struct ch_listing *listing;
	struct ch_error *err;

	all.limit = 0;
	listing = chp_listing_create(&all, &rows_list);
	err = listing ? put_blocks(listing, &of->above, of->above_count) : &ch_enomem;
	if (!err) {
		chp_report_heading(report, "the block, and what dominates it", false);
		chp_listing_print(listing);
	}
	chp_listing_destroy(listing);
	return err;
}

static void print_level(const struct ch_report *report, const struct ch_retained_block *block)
{
	char bytes[CH_BYTES_TEXT_MAX], count[CH_BYTES_TEXT_MAX];
	const struct ch_retained_row *of = &block->of;

	if (report->format == CH_FORMAT_PLAIN)
		fprintf(report->out,
			"%u\t0x%" PRIx64 "\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 ".%02u\n",
			block->depth, block->addr, block->type, of->retained_bytes,
			of->retained_count, block->share / 100, (unsigned int)(block->share % 100));
	else
		fprintf(report->out, "%6" PRIu64 ".%02u%%  %*s0x%" PRIx64 "  %s: %s in %s blocks\n",
			block->share / 100, (unsigned int)(block->share % 100),
			(int)(2 * block->depth), "", block->addr, block->type,
			chp_bytes_text(of->retained_bytes, bytes),
			chp_count_text(of->retained_count, count));
}

static void print_tree(const struct ch_report *report, const struct ch_vec *tree)
{
	const struct ch_retained_block *list = tree->items;
	size_t i;

	chp_report_heading(report, "dominator tree", false);
	for (i = 0; i < tree->count; i++)
		print_level(report, &list[i]);
}

static const char *heading_of(const struct ch_retained_result *of)
{
	if (of->filtered)
		return of->has_block ? "of these what it dominates, and no other one of these"
				     : "blocks of these that no other one of these dominates";
	return of->has_block ? "what it dominates directly" : "blocks that no other one dominates";
}

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct result *result = arg;
	bool whole = !result->of->has_block;
	struct ch_error *err = chp_fields_print(report, fields, result);

	if (!err && !whole)
		err = print_above(report, result->of);
	if (err)
		return err;
	if (result->as_tree) {
		print_tree(report, &result->of->tree);
		return NULL;
	}
	chp_report_heading(report, heading_of(result->of), false);
	chp_listing_print(result->tops);
	if (whole) {
		chp_report_heading(report, "types, each byte once", false);
		chp_listing_print_rows(result->types);
	}
	return NULL;
}

const struct ch_document ch_document_retained = {
	.name = "retained",
	.title = "What would go away with a block",
	.fields = fields,
	.print = print,
};

struct ch_error *ch_report_retained(const struct ch_report *report,
				    const struct ch_retained_result *of, bool as_tree)
{
	const struct ch_retained_block *blocks = of->tree.items;
	struct result result = { .of = of,
				 .all = of->all,
				 .chosen = of->chosen,
				 .filtered = of->filtered,
				 .chosen_count = of->chosen_count,
				 .rows = chp_listing_create(report, &rows_list),
				 .tops = chp_listing_create(report, &tops_list),
				 .tops_count = of->tops_count,
				 .types = chp_listing_create(report, &types_list),
				 .object = of->has_block ? &of->block : NULL,
				 .as_tree = as_tree,
				 .tree = CH_ROWS(blocks, of->tree.count) };
	struct ch_error *err = result.rows && result.tops && result.types ? NULL : &ch_enomem;

	if (!err)
		err = of->has_block ? put_blocks(result.rows, &of->tops, of->tops_count)
				    : put_blocks(result.rows, &of->rows, of->rows_count);
	if (!err)
		err = put_blocks(result.tops, &of->tops, of->tops_count);
	if (!err)
		err = put_types(result.types, &of->types);
	if (!err)
		err = chp_document_print(report, &ch_document_retained, &result);
	chp_listing_destroy(result.rows);
	chp_listing_destroy(result.tops);
	chp_listing_destroy(result.types);
	return err;
}
