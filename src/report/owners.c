/*
 * Native memory by the managed objects that own it.
 */
#include "report/owners.h"

#include "util/cleanup.h"

static struct ch_error *name_of(const struct ch_owners_result *result,
				const struct ch_owners_row *row, const char **name_ret,
				const char **runtime_ret)
{
	struct ch_error *err;
	struct ch_type type;
	size_t count;

	err = ch_heaps_type(result->heaps, row->type, &type);
	if (err)
		return err;
	*name_ret = type.name;
	*runtime_ret = ch_heaps_runtimes(result->heaps, &count)[type.walker].name;
	return NULL;
}

static json_t *sums_json(const struct ch_owners_row *row)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "owners_count",
			 chp_json_uint(row->owners_count), "blocks_count",
			 chp_json_uint(row->blocks_count), "blocks_bytes",
			 chp_json_uint(row->blocks_bytes), "mappings_count",
			 chp_json_uint(row->mappings_count), "mapped_bytes",
			 chp_json_uint(row->mapped_bytes));
}

static struct ch_error *row_json(const struct ch_owners_result *result,
				 const struct ch_owners_row *row, json_t **ret)
{
	const char *name, *runtime;
	struct ch_error *err = name_of(result, row, &name, &runtime);
	json_t *sums;

	if (err)
		return err;
	sums = sums_json(row);
	*ret = json_pack("{s:o, s:s, s:s, s:o}", "name", chp_json_text(name), "runtime", runtime,
			 "state", row->live ? "live" : "dead", "sample_addr",
			 chp_json_addr(row->sample_addr));
	if (!*ret || !sums || json_object_update(*ret, sums) != 0) {
		json_decref(*ret);
		*ret = NULL;
	}
	json_decref(sums);
	return NULL;
}

static struct ch_error *print_json(const struct ch_report *report,
				   const struct ch_owners_result *result, uint64_t rows)
{
	const struct ch_owners *owners = &result->owners;
	json_t *array = json_array(), *row;
	struct ch_error *err;
	uint64_t i;

	for (i = 0; i < rows; i++) {
		err = row_json(result, CH_VEC_AT(&owners->rows, struct ch_owners_row, i), &row);
		if (err) {
			json_decref(array);
			return err;
		}
		chp_json_append_take(&array, row);
	}
	return chp_json_print_take(
		report, chp_json_document_take(
				report, "owners",
				json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "total",
					  sums_json(&owners->total), "native_count",
					  chp_json_uint(owners->native_count), "native_bytes",
					  chp_json_uint(owners->native_bytes), "showing_count",
					  chp_json_uint(rows), "matched_count",
					  chp_json_uint(owners->rows.count), "owners", array)));
}

static struct ch_error *add_row(struct ch_table *table, const struct ch_owners_result *result,
				const struct ch_owners_row *row)
{
	const char *name = NULL, *runtime;
	struct ch_error *err = name_of(result, row, &name, &runtime);
	const struct ch_cell cells[] = {
		CH_CELL_STR(name),
		CH_CELL_STR(row->live ? "live" : "dead"),
		CH_CELL_NUM(row->owners_count),
		CH_CELL_NUM(row->blocks_count),
		CH_CELL_NUM(row->blocks_bytes),
		CH_CELL_NUM(row->mappings_count),
		CH_CELL_NUM(row->mapped_bytes),
		CH_CELL_NUM(row->sample_addr),
	};

	return err ? err : chp_table_row(table, cells);
}

static void print_total(const struct ch_report *report, const struct ch_owners *owners)
{
	char blocks[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];
	char mappings[CH_BYTES_TEXT_MAX], mapped[CH_BYTES_TEXT_MAX];

	fprintf(report->out, "owned natively: %s bytes in %s blocks, of %s in native heaps",
		chp_count_text(owners->total.blocks_bytes, bytes),
		chp_count_text(owners->total.blocks_count, blocks),
		chp_count_text(owners->native_bytes, all));
	if (owners->total.mappings_count)
		fprintf(report->out, "; %s bytes in %s mapping%s of files",
			chp_count_text(owners->total.mapped_bytes, mapped),
			chp_count_text(owners->total.mappings_count, mappings),
			owners->total.mappings_count == 1 ? "" : "s");
	fputc('\n', report->out);
}

static struct ch_error *print_table(const struct ch_report *report,
				    const struct ch_owners_result *result, uint64_t rows)
{
	static const struct ch_column columns[] = {
		{ "OWNED NATIVELY BY", CH_CELL_TEXT },
		{ "STATE", CH_CELL_TEXT },
		{ "COUNT", CH_CELL_COUNT },
		{ "BLOCKS", CH_CELL_COUNT },
		{ "BYTES", CH_CELL_BYTES },
		{ "MAPPINGS", CH_CELL_COUNT },
		{ "MAPPED", CH_CELL_BYTES },
		{ "SAMPLE", CH_CELL_ADDR },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	const struct ch_owners *owners = &result->owners;
	struct ch_error *err = NULL;
	uint64_t i;

	if (!table)
		return &ch_enomem;
	for (i = 0; !err && i < rows; i++)
		err = add_row(table, result, CH_VEC_AT(&owners->rows, struct ch_owners_row, i));
	if (!err) {
		chp_table_print(table, report);
		if (report->format == CH_FORMAT_TEXT)
			print_total(report, owners);
	}
	chp_table_destroy(table);
	return err;
}

struct ch_error *chp_report_owners(const struct ch_report *report,
				   const struct ch_owners_result *result)
{
	uint64_t rows = chp_report_rows(report, result->owners.rows.count);
	struct ch_error *err;

	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(report, result, rows);
	err = print_table(report, result, rows);
	chp_report_findings(report);
	return err;
}
