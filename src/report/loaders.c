#include "report/loaders.h"

#include "util/cleanup.h"

static struct ch_error *name_of(const struct ch_loaders_result *result,
				const struct ch_loaders_row *row, const char **ret)
{
	struct ch_error *err;
	struct ch_type type;

	*ret = row->hidden ? "(hidden classes)" : "(boot loader)";
	if (row->hidden || !row->type)
		return NULL;
	err = ch_heaps_type(result->heaps, row->type, &type);
	if (!err)
		*ret = type.name;
	return err;
}

/* The boot loader is no object, and of a dead one nothing is retained. */
static bool is_retaining(const struct ch_loaders_row *row)
{
	return row->live && row->sample_addr;
}

static const char *state_of(const struct ch_loaders_row *row)
{
	return row->live ? "live" : "dead";
}

/* null where it is not known of all of them. */
static bool is_metaspace_known(const struct ch_loaders_row *row)
{
	return row->chunks_known_count == row->count;
}

static json_t *metaspace_json(const struct ch_loaders_row *row)
{
	if (!is_metaspace_known(row))
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "chunks_count",
			 chp_json_uint(row->chunks.count), "committed_bytes",
			 chp_json_uint(row->chunks.committed_bytes), "used_bytes",
			 chp_json_uint(row->chunks.used_bytes), "free_bytes",
			 chp_json_uint(row->chunks.free_bytes), "waste_bytes",
			 chp_json_uint(row->chunks.waste_bytes), "class_committed_bytes",
			 chp_json_uint(row->class_chunks.committed_bytes), "class_used_bytes",
			 chp_json_uint(row->class_chunks.used_bytes));
}

static struct ch_error *print_json(const struct ch_report *report,
				   const struct ch_loaders_result *result, uint64_t rows)
{
	json_t *array = json_array();
	const struct ch_loaders_row *row;
	struct ch_error *err = NULL;
	const char *name;
	uint64_t i;

	for (i = 0; i < rows; i++) {
		row = CH_VEC_AT(&result->rows, struct ch_loaders_row, i);
		err = name_of(result, row, &name);
		if (err) {
			json_decref(array);
			return err;
		}
		chp_json_append_take(
			&array, json_pack("{s:o, s:b, s:b, s:s, s:o, s:o, s:o, s:o, s:o}", "name",
					  chp_json_text(name), "hidden", (int)row->hidden, "always",
					  (int)row->always, "state", state_of(row), "count",
					  chp_json_uint(row->count), "classes_count",
					  chp_json_uint(row->classes_count), "retained_bytes",
					  is_retaining(row) ? chp_json_uint(row->retained_bytes)
							    : json_null(),
					  "metaspace", metaspace_json(row), "sample_addr",
					  row->sample_addr ? chp_json_addr(row->sample_addr)
							   : json_null()));
	}
	return chp_json_print_take(
		report, chp_json_document_take(
				report, "loaders",
				json_pack("{s:o, s:o, s:o, s:o, s:o}", "loaders_count",
					  chp_json_uint(result->count), "classes_count",
					  chp_json_uint(result->classes_count), "showing_count",
					  chp_json_uint(rows), "matched_count",
					  chp_json_uint(result->rows.count), "loaders", array)));
}

static struct ch_error *add_row(struct ch_table *table, const struct ch_loaders_result *result,
				const struct ch_loaders_row *row)
{
	const char *name;
	struct ch_error *err = name_of(result, row, &name);
	const struct ch_cell cells[] = {
		CH_CELL_STR(err ? NULL : name),
		CH_CELL_NUM(row->count),
		CH_CELL_NUM(row->classes_count),
		CH_CELL_STR(state_of(row)),
		is_retaining(row) ? CH_CELL_NUM(row->retained_bytes) : CH_CELL_NONE,
		is_metaspace_known(row) ? CH_CELL_NUM(row->chunks.committed_bytes) : CH_CELL_NONE,
		row->sample_addr ? CH_CELL_NUM(row->sample_addr) : CH_CELL_NONE,
	};

	return err ? err : chp_table_row(table, cells);
}

/* Loaders, their classes, and the metaspace that they and dead ones have. */
static void print_total(const struct ch_report *report, const struct ch_loaders_result *result)
{
	char count[CH_BYTES_TEXT_MAX], classes[CH_BYTES_TEXT_MAX];
	char all[CH_BYTES_TEXT_MAX], of_dead[CH_BYTES_TEXT_MAX];
	uint64_t bytes = 0, dead_bytes = 0;
	const struct ch_loaders_row *row;
	bool known = true;
	size_t i;

	for (i = 0; i < result->rows.count; i++) {
		row = CH_VEC_AT(&result->rows, struct ch_loaders_row, i);
		known = known && is_metaspace_known(row);
		bytes += row->chunks.committed_bytes;
		dead_bytes += row->live ? 0 : row->chunks.committed_bytes;
	}
	fprintf(report->out, "total: %s loaders, %s classes", chp_count_text(result->count, count),
		chp_count_text(result->classes_count, classes));
	if (known)
		fprintf(report->out, "; metaspace %s, of dead ones %s", chp_bytes_text(bytes, all),
			chp_bytes_text(dead_bytes, of_dead));
	fputc('\n', report->out);
}

static struct ch_error *print_table(const struct ch_report *report,
				    const struct ch_loaders_result *result, uint64_t rows)
{
	static const struct ch_column columns[] = {
		{ "LOADER", CH_CELL_TEXT },    { "COUNT", CH_CELL_COUNT },
		{ "CLASSES", CH_CELL_COUNT },  { "STATE", CH_CELL_TEXT },
		{ "RETAINED", CH_CELL_BYTES }, { "METASPACE", CH_CELL_COUNT },
		{ "SAMPLE", CH_CELL_ADDR },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = NULL;
	uint64_t i;

	if (!table)
		return &ch_enomem;
	for (i = 0; !err && i < rows; i++)
		err = add_row(table, result, CH_VEC_AT(&result->rows, struct ch_loaders_row, i));
	if (!err) {
		chp_table_print(table, report);
		if (report->format == CH_FORMAT_TEXT)
			print_total(report, result);
	}
	chp_table_destroy(table);
	return err;
}

struct ch_error *chp_report_loaders(const struct ch_report *report,
				    const struct ch_loaders_result *result)
{
	uint64_t rows = chp_report_rows(report, result->rows.count);
	struct ch_error *err;

	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(report, result, rows);
	if (!result->count && report->format == CH_FORMAT_TEXT) {
		fputs("no runtime here has class loaders that are read\n", report->out);
		err = NULL;
	} else {
		err = print_table(report, result, rows);
	}
	chp_report_findings(report);
	return err;
}
