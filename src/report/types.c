#include "report/heap.h"

#include <inttypes.h>
#include <string.h>

#include "util/cleanup.h"

/*
 * An id that is the same in the next dump: FNV-1a, 64 bits, over names, never
 * over addresses or the walker's numbers.
 */
static uint64_t stable_id(const char *runtime, const struct ch_type *type, enum ch_type_kind kind)
{
	const char *const parts[] = { runtime, type->module ? type->module : "",
				      ch_type_kind_name(kind), type->name };
	uint64_t hash = 0xcbf29ce484222325ULL;
	const char *p;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(parts); i++) {
		for (p = parts[i]; *p; p++)
			hash = (hash ^ (uint8_t)*p) * 0x100000001b3ULL;
		hash *= 0x100000001b3ULL; /* the NUL that ends the part */
	}
	return hash;
}

static const char *runtime_of(const struct ch_types_result *result, const struct ch_type *type)
{
	size_t count;

	return ch_heaps_runtimes(result->heaps, &count)[type->walker].name;
}

static const char *group_of(const struct ch_types_result *result, size_t i)
{
	return result->groups ? result->groups[i] : NULL;
}

static json_t *json_row(const struct ch_types_result *result, const struct ch_type_stat *row,
			const struct ch_type *type, const char *group)
{
	const char *runtime = runtime_of(result, type);
	char id[24];

	snprintf(id, sizeof(id), "%016" PRIx64, stable_id(runtime, type, row->kind));
	return json_pack("{s:s, s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "id", id,
			 "name", chp_json_text(type->name), "runtime", runtime, "module",
			 chp_json_text(type->module), "kind", ch_type_kind_name(row->kind), "count",
			 chp_json_uint(row->count), "total_bytes", chp_json_uint(row->total_bytes),
			 "smallest_bytes", chp_json_uint(row->smallest_bytes), "largest_bytes",
			 chp_json_uint(row->largest_bytes), "sample_addr",
			 chp_json_addr(row->sample_addr), "basis", ch_basis_name(type->basis),
			 "generation", chp_json_text(group));
}

static struct ch_error *print_json(const struct ch_report *report,
				   const struct ch_types_result *result)
{
	uint64_t rows = chp_report_rows(report, result->rows_count), i;
	json_t *array = json_array();
	struct ch_error *err;
	struct ch_type type;

	for (i = 0; i < rows; i++) {
		err = ch_heaps_type(result->heaps, result->rows[i].type, &type);
		if (err) {
			json_decref(array);
			return err;
		}
		chp_json_append_take(
			&array, json_row(result, &result->rows[i], &type, group_of(result, i)));
	}
	return chp_json_print_take(
		report, chp_json_document_take(
				report, "types",
				json_pack("{s:o, s:o, s:b, s:o, s:o, s:o}", "total_count",
					  chp_json_uint(result->total_count), "total_bytes",
					  chp_json_uint(result->total_bytes), "filtered",
					  (int)result->filtered, "showing_count",
					  chp_json_uint(rows), "matched_count",
					  chp_json_uint(result->rows_count), "types", array)));
}

static struct ch_error *add_row(struct ch_table *table, const struct ch_types_result *result,
				const struct ch_type_stat *row, const char *group)
{
	struct ch_type type;
	struct ch_error *err = ch_heaps_type(result->heaps, row->type, &type);
	const struct ch_cell cells[] = {
		CH_CELL_STR(err ? NULL : type.name),
		CH_CELL_STR(ch_type_kind_name(row->kind)),
		CH_CELL_NUM(row->count),
		CH_CELL_NUM(row->total_bytes),
		CH_CELL_NUM(row->smallest_bytes),
		CH_CELL_NUM(row->largest_bytes),
		CH_CELL_NUM(row->sample_addr),
		CH_CELL_STR(err ? NULL : runtime_of(result, &type)),
		CH_CELL_STR(group),
	};

	return err ? err : chp_table_row(table, cells);
}

static void print_total(const struct ch_report *report, const struct ch_types_result *result)
{
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];

	if (report->format != CH_FORMAT_TEXT)
		return;
	fprintf(report->out, "total%s: %s blocks, %s\n", result->filtered ? " of these" : "",
		chp_count_text(result->total_count, count),
		chp_bytes_text(result->total_bytes, bytes));
}

struct ch_error *ch_report_types(const struct ch_report *report,
				 const struct ch_types_result *result)
{
	static const struct ch_column columns[] = {
		{ "TYPE", CH_CELL_TEXT },       { "KIND", CH_CELL_TEXT },
		{ "COUNT", CH_CELL_COUNT },     { "TOTAL", CH_CELL_BYTES },
		{ "SMALLEST", CH_CELL_COUNT },  { "LARGEST", CH_CELL_COUNT },
		{ "SAMPLE", CH_CELL_ADDR },     { "RUNTIME", CH_CELL_TEXT },
		{ "GENERATION", CH_CELL_TEXT },
	};
	size_t columns_count = CH_COUNT_OF(columns) - (result->groups ? 0 : 1);
	uint64_t rows = chp_report_rows(report, result->rows_count), shown = 0, i;
	bool any = chp_runtimes_any(result->runtimes, result->runtimes_count);
	struct ch_error *err = NULL;
	struct ch_table *table;

	if (!any)
		chp_report_no_heap(report, result->runtimes, result->runtimes_count);
	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(report, result);
	if (!any) {
		chp_report_findings(report);
		return NULL;
	}
	table = chp_table_create(columns, columns_count);
	if (!table)
		return &ch_enomem;
	for (i = 0; !err && i < rows; i++) {
		err = add_row(table, result, &result->rows[i], group_of(result, i));
		shown += result->rows[i].total_bytes;
	}
	if (!err) {
		chp_table_print(table, report);
		chp_report_cut(report, rows, result->rows_count, shown, result->total_bytes);
		print_total(report, result);
		chp_report_findings(report);
	}
	chp_table_destroy(table);
	return err;
}
