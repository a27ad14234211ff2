/*
 * Memory that runtimes have for themselves, beside their heaps.
 */
#include "render/document.h"
#include "report/heap.h"

#include <stdlib.h>

#include "util/cleanup.h"

struct row {
	const char *runtime, *name, *usage;
	uint64_t count, total_bytes, mapped_bytes;
};

#define ROW(member) CH_AT(struct row, member)

const struct ch_field_spec chp_memory_fields[] = {
	{ "runtime", "MEMORY OF", CH_CELL_SAFE, "Whose it is.", ROW(runtime) },
	{ "name", "FOR", CH_CELL_SAFE, "What it is for.", ROW(name) },
	{ "usage", "USAGE", CH_CELL_SAFE, "What it counts as.", ROW(usage), .ref = "usage" },
	{ "count", "RANGES", CH_CELL_COUNT, "Ranges.", ROW(count) },
	{ "total_bytes", "RESERVED", CH_CELL_BYTES, "Their size.", ROW(total_bytes) },
	{ "mapped_bytes", "MAPPED", CH_CELL_BYTES, "What of it is mapped.", ROW(mapped_bytes) },
	CH_FIELDS_END,
};

static const struct ch_list list = { .fields = chp_memory_fields };

static void fill(struct row *row, const struct ch_heaps_view *view, size_t i)
{
	const struct ch_runtime_memory *of = &view->memory[i];

	*row = (struct row){ view->runtimes[of->walker].name,
			     of->label,
			     ch_usage_name(of->usage),
			     of->count,
			     of->bytes,
			     of->mapped_bytes };
}

json_t *chp_json_runtime_memory(const struct ch_heaps_view *view)
{
	json_t *array = json_array();
	struct row row;
	size_t i;

	for (i = 0; i < view->memory_count; i++) {
		fill(&row, view, i);
		chp_json_append_take(&array, chp_fields_json(NULL, chp_memory_fields, &row));
	}
	return array;
}

struct ch_error *chp_print_runtime_memory(const struct ch_report *report,
					  const struct ch_heaps_view *view)
{
	_cleanup_free_ struct row *rows = calloc(view->memory_count + 1, sizeof(*rows));
	size_t i;

	if (!rows)
		return &ch_enomem;
	if (!view->memory_count)
		return NULL;
	for (i = 0; i < view->memory_count; i++)
		fill(&rows[i], view, i);
	chp_report_heading(report, "memory of the runtimes' own", false);
	return chp_rows_print(report, &list, CH_ROWS(rows, view->memory_count), 0);
}
