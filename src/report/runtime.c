/*
 * What runtimes say of themselves: their own accounts of memory.
 */
#include "report/runtime.h"

#include <stdlib.h>

#include "util/cleanup.h"
#include "util/text.h"

static json_t *counted_json(const struct ch_tracking *tracking, uint64_t number)
{
	return tracking->counted ? chp_json_uint(number) : json_null();
}

static json_t *tracked_json(const struct ch_tracking *tracking, const struct ch_tracked *row)
{
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", row->name,
		"reserved_bytes", counted_json(tracking, row->reserved_bytes), "committed_bytes",
		counted_json(tracking, row->committed_bytes), "malloc_bytes",
		chp_json_uint(row->malloc_bytes), "malloc_count", chp_json_uint(row->malloc_count),
		"arena_bytes", counted_json(tracking, row->arena_bytes), "arena_count",
		counted_json(tracking, row->arena_count), "blocks_bytes",
		chp_json_uint(row->blocks_bytes), "blocks_count", chp_json_uint(row->blocks_count));
}

json_t *chp_json_tracking(const struct ch_runtime *runtimes, const struct ch_tracking *tracking)
{
	struct ch_tracked total;
	json_t *array;
	size_t i;

	if (!tracking)
		return json_null();
	total = tracking->total;
	total.name = "total";
	array = json_array();
	for (i = 0; i < tracking->rows_count; i++)
		chp_json_append_take(&array, tracked_json(tracking, &tracking->rows[i]));
	return json_pack("{s:s, s:s, s:b, s:s, s:s, s:o, s:o, s:o, s:o}", "runtime",
			 runtimes[tracking->walker].name, "level", tracking->level, "counted",
			 (int)tracking->counted, "basis", ch_basis_name(tracking->basis),
			 "evidence", tracking->evidence, "total", tracked_json(tracking, &total),
			 "other_blocks_bytes", chp_json_uint(tracking->others.bytes),
			 "other_blocks_count", chp_json_uint(tracking->others.count), "categories",
			 array);
}

static struct ch_error *add_tracked(struct ch_table *table, const struct ch_tracking *tracking,
				    const struct ch_tracked *row, const char *name)
{
	const bool hidden = !tracking->counted;
	const struct ch_cell cells[] = {
		CH_CELL_STR(name),
		{ .number = row->reserved_bytes, .absent = hidden },
		{ .number = row->committed_bytes, .absent = hidden },
		CH_CELL_NUM(row->malloc_bytes),
		CH_CELL_NUM(row->malloc_count),
		{ .number = row->arena_bytes, .absent = hidden },
		CH_CELL_NUM(row->blocks_bytes),
		CH_CELL_NUM(row->blocks_count),
	};

	return chp_table_row(table, cells);
}

struct ch_error *chp_print_tracking(const struct ch_report *report,
				    const struct ch_tracking *tracking)
{
	static const struct ch_column columns[] = {
		{ "CATEGORY", CH_CELL_TEXT },   { "RESERVED", CH_CELL_COUNT },
		{ "COMMITTED", CH_CELL_COUNT }, { "MALLOC", CH_CELL_COUNT },
		{ "COUNT", CH_CELL_COUNT },     { "ARENAS", CH_CELL_COUNT },
		{ "CHUNKS", CH_CELL_COUNT },    { "BLOCKS", CH_CELL_COUNT },
	};
	struct ch_table *table;
	struct ch_error *err = NULL;
	size_t i;

	if (!tracking)
		return NULL;
	table = chp_table_create(columns, CH_COUNT_OF(columns));
	if (!table)
		return &ch_enomem;
	for (i = 0; !err && i < tracking->rows_count; i++)
		err = add_tracked(table, tracking, &tracking->rows[i], tracking->rows[i].name);
	if (!err)
		err = add_tracked(table, tracking, &tracking->total, "total");
	if (!err)
		err = chp_table_row(table,
				    (struct ch_cell[]){ CH_CELL_STR("other blocks in use"),
							CH_CELL_NONE, CH_CELL_NONE, CH_CELL_NONE,
							CH_CELL_NONE, CH_CELL_NONE,
							CH_CELL_NUM(tracking->others.bytes),
							CH_CELL_NUM(tracking->others.count) });
	if (!err) {
		chp_report_heading(report, "native memory tracking", false);
		chp_report_field(report, "level", "%s", tracking->level);
		chp_report_field(report, "basis", "%s: %s", ch_basis_name(tracking->basis),
				 tracking->evidence);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

static int compare_blocks(const void *a, const void *b)
{
	const struct ch_tracked *const *x = a, *const *y = b;

	if ((*x)->blocks_bytes != (*y)->blocks_bytes)
		return (*x)->blocks_bytes < (*y)->blocks_bytes ? 1 : -1;
	return *x < *y ? -1 : *x > *y;
}

/* owner NULL: of nobody that is known. */
static struct ch_error *add_blocks(struct ch_table *table, const struct ch_tracking *tracking,
				   const char *owner, const char *name, struct ch_free_sum sum)
{
	uint64_t all = tracking->total.blocks_bytes + tracking->others.bytes;
	char text[160];

	snprintf(text, sizeof(text), "%s%s%s", owner ? owner : "", owner ? ": " : "", name);
	return chp_table_row(table, (struct ch_cell[]){ CH_CELL_STR(text), CH_CELL_NUM(sum.count),
							CH_CELL_NUM(sum.bytes),
							CH_CELL_NUM(chp_percent(sum.bytes, all)) });
}

/* Categories by what their blocks cost, the rest of them in one row. */
static struct ch_error *add_largest(struct ch_table *table, const struct ch_tracking *tracking,
				    const char *owner, size_t most)
{
	const struct ch_tracked **order = calloc(tracking->rows_count + 1, sizeof(*order));
	struct ch_free_sum rest = { tracking->total.blocks_count, tracking->total.blocks_bytes };
	struct ch_error *err = order ? NULL : &ch_enomem;
	struct ch_free_sum sum;
	size_t i;

	for (i = 0; !err && i < tracking->rows_count; i++)
		order[i] = &tracking->rows[i];
	if (!err && tracking->rows_count)
		qsort(order, tracking->rows_count, sizeof(*order), compare_blocks);
	for (i = 0; !err && i < tracking->rows_count && i < most && order[i]->blocks_count; i++) {
		sum = (struct ch_free_sum){ order[i]->blocks_count, order[i]->blocks_bytes };
		rest.count -= sum.count;
		rest.bytes -= sum.bytes;
		err = add_blocks(table, tracking, owner, order[i]->name, sum);
	}
	if (!err && rest.count)
		err = add_blocks(table, tracking, owner, "further categories", rest);
	free(order);
	return err;
}

struct ch_error *chp_print_tracked_blocks(const struct ch_report *report,
					  const struct ch_runtime *runtimes,
					  const struct ch_tracking *tracking, size_t most)
{
	static const struct ch_column columns[] = { { "USED BLOCKS OF MALLOC", CH_CELL_TEXT },
						    { "COUNT", CH_CELL_COUNT },
						    { "BYTES", CH_CELL_BYTES },
						    { "OF USED", CH_CELL_PERCENT } };
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	const struct ch_free_sum total = { tracking->total.blocks_count + tracking->others.count,
					   tracking->total.blocks_bytes + tracking->others.bytes };
	struct ch_error *err = table ? NULL : &ch_enomem;

	if (!err)
		err = add_largest(table, tracking, runtimes[tracking->walker].name, most);
	if (!err)
		err = add_blocks(table, tracking, NULL, "blocks of others", tracking->others);
	if (!err)
		err = add_blocks(table, tracking, NULL, "total", total);
	if (!err)
		chp_table_print(table, report);
	chp_table_destroy(table);
	return err;
}
