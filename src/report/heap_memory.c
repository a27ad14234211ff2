/*
 * Memory that runtimes have for themselves, beside their heaps.
 */
#include "report/heap.h"

#include "util/cleanup.h"

json_t *chp_json_runtime_memory(const struct ch_heaps_view *view)
{
	const struct ch_runtime_memory *rows = view->memory;
	json_t *array = json_array();
	size_t count = view->memory_count, i;

	for (i = 0; i < count; i++)
		chp_json_append_take(&array,
				     json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "runtime",
					       view->runtimes[rows[i].walker].name, "name",
					       rows[i].label, "usage", ch_usage_name(rows[i].usage),
					       "count", chp_json_uint(rows[i].count), "total_bytes",
					       chp_json_uint(rows[i].bytes), "mapped_bytes",
					       chp_json_uint(rows[i].mapped_bytes)));
	return array;
}

struct ch_error *chp_print_runtime_memory(const struct ch_report *report,
					  const struct ch_heaps_view *view)
{
	static const struct ch_column columns[] = {
		{ "MEMORY OF", CH_CELL_TEXT }, { "FOR", CH_CELL_TEXT },
		{ "USAGE", CH_CELL_TEXT },     { "RANGES", CH_CELL_COUNT },
		{ "RESERVED", CH_CELL_BYTES }, { "MAPPED", CH_CELL_BYTES },
	};
	const struct ch_runtime_memory *rows = view->memory;
	struct ch_error *err = NULL;
	struct ch_table *table;
	size_t count = view->memory_count, i;

	if (!count)
		return NULL;
	table = chp_table_create(columns, CH_COUNT_OF(columns));
	if (!table)
		return &ch_enomem;
	for (i = 0; !err && i < count; i++) {
		const struct ch_cell cells[] = {
			CH_CELL_STR(view->runtimes[rows[i].walker].name),
			CH_CELL_STR(rows[i].label),
			CH_CELL_STR(ch_usage_name(rows[i].usage)),
			CH_CELL_NUM(rows[i].count),
			CH_CELL_NUM(rows[i].bytes),
			CH_CELL_NUM(rows[i].mapped_bytes),
		};

		err = chp_table_row(table, cells);
	}
	if (!err) {
		chp_report_heading(report, "memory of the runtimes' own", false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}
