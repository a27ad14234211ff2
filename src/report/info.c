#include "report/info.h"

#include <inttypes.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

#define PATH_BYTES_MAX 4096

static json_t *json_core(const struct ch_core *core, const struct ch_info *info)
{
	const struct ch_core_stats *stats = ch_core_stats(core);

	return json_pack("{s:o, s:o, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "file_bytes",
			 chp_json_uint(stats->file_bytes), "expected_file_bytes",
			 chp_json_uint(stats->expected_file_bytes), "truncated",
			 (int)stats->truncated, "compression", stats->compression, "load_count",
			 chp_json_uint(stats->load_count), "segments_count",
			 chp_json_uint(info->segments_count), "mapped_bytes",
			 chp_json_uint(stats->mapped_bytes), "recorded_bytes",
			 chp_json_uint(stats->recorded_bytes), "present_bytes",
			 chp_json_uint(stats->present_bytes), "missing_bytes",
			 chp_json_uint(stats->mapped_bytes - stats->present_bytes));
}

static json_t *json_exe(const struct ch_module *exe)
{
	char id[CH_HEX_TEXT_MAX];

	if (!exe)
		return json_null();
	chp_hex_text(exe->build_id, exe->build_id_len, id);
	return json_pack("{s:o, s:s?, s:s}", "path", chp_json_text(exe->path), "build_id",
			 id[0] ? id : NULL, "match", ch_module_match_name(exe->match));
}

static json_t *json_notes(const struct ch_info *info)
{
	const struct ch_info_notes *notes = info->notes.items;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < info->notes.count; i++)
		chp_json_append_take(&array,
				     json_pack("{s:o, s:o, s:s?, s:o, s:o, s:b}", "owner",
					       chp_json_text(notes[i].owner), "type",
					       chp_json_uint(notes[i].type), "name", notes[i].name,
					       "count", chp_json_uint(notes[i].count),
					       "total_bytes", chp_json_uint(notes[i].total_bytes),
					       "known", (int)notes[i].known));
	return array;
}

static json_t *json_auxv(const struct ch_info *info)
{
	const struct ch_info_auxv *auxv = info->auxv.items;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < info->auxv.count; i++)
		chp_json_append_take(&array,
				     json_pack("{s:o, s:s, s:o}", "type",
					       chp_json_uint(auxv[i].type), "name", auxv[i].name,
					       "value", chp_json_addr(auxv[i].value)));
	return array;
}

const char *chp_info_status(const struct ch_runtime *runtime)
{
	if (!runtime->score || runtime->unused)
		return "mapped, not in use";
	return runtime->named_only ? ch_runtime_status(runtime) : "walked";
}

static json_t *json_runtimes(const struct ch_info *info)
{
	const struct ch_runtime *const *runtimes = info->runtimes.items;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < info->runtimes.count; i++)
		chp_json_append_take(
			&array, json_pack("{s:s, s:s, s:s, s:o, s:s}", "name", runtimes[i]->title,
					  "kind", ch_runtime_kind_name(runtimes[i]->kind), "status",
					  chp_info_status(runtimes[i]), "evidence",
					  chp_json_text(runtimes[i]->evidence), "basis",
					  runtimes[i]->mapped ? "recorded" : "derived"));
	return array;
}

static struct ch_error *print_json(const struct ch_report *report, const struct ch_info *info)
{
	const struct ch_core *core = ch_session_core(report->session);

	return chp_json_print_take(
		report,
		chp_json_document_take(
			report, "info",
			json_pack("{s:{s:s, s:s}, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
				  "producer", "name", ch_producer_name(ch_core_producer(core)),
				  "basis", ch_core_producer_basis(core), "process",
				  chp_json_process(core), "death",
				  chp_json_death(report, &info->death), "core",
				  json_core(core, info), "executable", json_exe(info->exe),
				  "threads_count", chp_json_uint(info->threads_count),
				  "modules_count", chp_json_uint(info->modules_count), "runtimes",
				  json_runtimes(info), "auxv", json_auxv(info), "notes",
				  json_notes(info))));
}

static void print_core(const struct ch_report *report, const struct ch_core *core,
		       const struct ch_info *info)
{
	const struct ch_core_stats *stats = ch_core_stats(core);
	const char *path = ch_core_path(core), *slash = strrchr(path, '/');
	_cleanup_free_ char *name = chp_text_escape(slash ? slash + 1 : path, PATH_BYTES_MAX);
	uint64_t missing = stats->mapped_bytes - stats->present_bytes;

	chp_report_field(report, "core", "%s", name ? name : "");
	chp_report_field(report, "architecture", "%s", ch_arch_name(ch_core_arch(core)));
	chp_report_field(report, "written by", "%s: %s", ch_producer_name(ch_core_producer(core)),
			 ch_core_producer_basis(core));
	chp_report_bytes_field(report, "file bytes", stats->file_bytes);
	if (strcmp(stats->compression, "none") != 0)
		chp_report_field(report, "unpacked from", "%s", stats->compression);
	chp_report_field(report, "truncated", "%s", stats->truncated ? "yes" : "no");
	if (stats->truncated)
		chp_report_bytes_field(report, "expected bytes", stats->expected_file_bytes);
	chp_report_count_field(report, "segments", info->segments_count);
	chp_report_bytes_field(report, "mapped bytes", stats->mapped_bytes);
	chp_report_bytes_field(report, "recorded bytes", stats->recorded_bytes);
	chp_report_bytes_field(report, "present bytes", stats->present_bytes);
	chp_report_bytes_field(report, "missing bytes", missing);
}

static void print_process(const struct ch_report *report, const struct ch_core *core,
			  const struct ch_info *info)
{
	char id[CH_HEX_TEXT_MAX];
	_cleanup_free_ char *path = NULL;

	chp_report_process(report, core);
	chp_report_death(report, &info->death);
	if (info->exe) {
		path = chp_text_escape(info->exe->path, PATH_BYTES_MAX);
		chp_report_field(report, "executable", "%s", path ? path : "");
		chp_hex_text(info->exe->build_id, info->exe->build_id_len, id);
		chp_report_field(report, "build-id", "%s (file: %s)",
				 id[0] ? id : "not in the core",
				 ch_module_match_name(info->exe->match));
	}
	chp_report_count_field(report, "threads", info->threads_count);
	chp_report_count_field(report, "modules", info->modules_count);
}

static struct ch_error *print_runtimes(const struct ch_report *report, const struct ch_info *info)
{
	const struct ch_runtime *const *runtimes = info->runtimes.items;
	static const struct ch_column columns[] = { { "NAME", CH_CELL_TEXT },
						    { "KIND", CH_CELL_TEXT },
						    { "STATUS", CH_CELL_TEXT },
						    { "EVIDENCE", CH_CELL_TEXT } };
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < info->runtimes.count; i++)
		err = chp_table_row(
			table,
			(struct ch_cell[]){ CH_CELL_STR(runtimes[i]->title),
					    CH_CELL_STR(ch_runtime_kind_name(runtimes[i]->kind)),
					    CH_CELL_STR(chp_info_status(runtimes[i])),
					    CH_CELL_STR(runtimes[i]->evidence) });
	if (!err && info->runtimes.count) {
		chp_report_heading(report, "Runtimes and allocators", false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

static struct ch_error *print_auxv(const struct ch_report *report, const struct ch_info *info)
{
	const struct ch_info_auxv *auxv = info->auxv.items;
	static const struct ch_column columns[] = { { "NAME", CH_CELL_TEXT },
						    { "VALUE", CH_CELL_ADDR } };
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < info->auxv.count; i++)
		err = chp_table_row(table, (struct ch_cell[]){ CH_CELL_STR(auxv[i].name),
							       CH_CELL_NUM(auxv[i].value) });
	if (!err && info->auxv.count) {
		chp_report_heading(report, "Auxiliary vector", false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

static struct ch_error *print_notes(const struct ch_report *report, const struct ch_info *info)
{
	static const struct ch_column columns[] = { { "OWNER", CH_CELL_TEXT },
						    { "TYPE", CH_CELL_ADDR },
						    { "NAME", CH_CELL_TEXT },
						    { "COUNT", CH_CELL_COUNT },
						    { "BYTES", CH_CELL_BYTES } };
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < info->notes.count; i++) {
		const struct ch_info_notes *notes =
			CH_VEC_AT(&info->notes, struct ch_info_notes, i);
		const char *name = notes->name    ? notes->name
				   : notes->known ? "known"
						  : "unknown, not used";

		err = chp_table_row(table, (struct ch_cell[]){ { .text = notes->owner },
							       CH_CELL_NUM(notes->type),
							       { .text = name },
							       CH_CELL_NUM(notes->count),
							       CH_CELL_NUM(notes->total_bytes) });
	}
	if (!err) {
		chp_report_heading(report, "Notes", false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

struct ch_error *ch_report_info(const struct ch_report *report, const struct ch_info *info)
{
	const struct ch_core *core = ch_session_core(report->session);
	struct ch_error *err;

	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(report, info);
	print_core(report, core, info);
	print_process(report, core, info);
	err = print_runtimes(report, info);
	if (!err)
		err = print_auxv(report, info);
	if (!err)
		err = print_notes(report, info);
	if (!err)
		chp_report_findings(report);
	return err;
}
