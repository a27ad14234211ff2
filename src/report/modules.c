#include "report/modules.h"

#include <inttypes.h>

#include "util/cleanup.h"
#include "util/text.h"

/* Bytes of a build-id in tables. */
#define SHORT_ID_BYTES 8

/* The kinds of the contract: what runs the code. */
static const char *contract_kind(enum ch_module_kind kind)
{
	return kind == CH_MODULE_PE ? "managed" : "native";
}

static json_t *json_module(const struct ch_module *module)
{
	char id[CH_HEX_TEXT_MAX];
	bool used = module->match == CH_MATCH_MATCHED || module->match == CH_MATCH_LIKELY;

	chp_hex_text(module->build_id, module->build_id_len, id);
	return json_pack("{s:o, s:o, s:o, s:o, s:s?, s:s, s:s, s:o, s:o, s:n, s:o, s:s, s:s}",
			 "name", chp_json_text(module->name), "path", chp_json_text(module->path),
			 "addr", chp_json_addr(module->start), "end", chp_json_addr(module->end),
			 "build_id", id[0] ? id : NULL, "kind", contract_kind(module->kind),
			 "image", ch_module_kind_name(module->kind), "mapped_bytes",
			 chp_json_uint(module->mapped_bytes), "bss_bytes",
			 chp_json_uint(module->bss_end - module->bss_start), "runtime_bytes",
			 "matched_file", chp_json_text(used ? module->file_path : NULL), "match",
			 ch_module_match_name(module->match), "basis", module->basis);
}

static struct ch_error *print_json(const struct ch_report *report, const struct ch_modules *modules,
				   uint64_t rows)
{
	json_t *array = json_array(), *groups = json_array();
	size_t i;

	for (i = 0; i < rows; i++)
		chp_json_append_take(&array, json_module(&modules->modules[i]));
	for (i = 0; i < modules->groups_count; i++) {
		const struct ch_modules_group *group = &modules->groups[i];

		chp_json_append_take(&groups,
				     json_pack("{s:s, s:o, s:o, s:o}", "name",
					       ch_module_kind_name(group->kind), "modules_count",
					       chp_json_uint(group->count), "mapped_bytes",
					       chp_json_uint(group->mapped_bytes), "bss_bytes",
					       chp_json_uint(group->bss_bytes)));
	}
	return chp_json_print_take(
		report,
		chp_json_document_take(report, "modules",
				       json_pack("{s:o, s:o, s:o, s:o, s:o}", "modules_count",
						 chp_json_uint(modules->modules_count),
						 "total_mapped_bytes",
						 chp_json_uint(modules->mapped_bytes), "modules",
						 array, "groups", groups, "assemblies",
						 chp_json_sections(report, modules->runtimes,
								   &modules->assemblies))));
}

static struct ch_error *add_rows(struct ch_table *table, const struct ch_modules *modules,
				 uint64_t rows, uint64_t *shown_bytes_ret)
{
	char id[CH_HEX_TEXT_MAX];
	struct ch_error *err = NULL;
	size_t i;

	*shown_bytes_ret = 0;
	for (i = 0; !err && i < rows; i++) {
		const struct ch_module *module = &modules->modules[i];

		chp_hex_text(module->build_id,
			     module->build_id_len < SHORT_ID_BYTES ? module->build_id_len
								   : SHORT_ID_BYTES,
			     id);
		*shown_bytes_ret += module->mapped_bytes;
		err = chp_table_row(
			table, (struct ch_cell[]){ CH_CELL_NUM(module->start),
						   CH_CELL_NUM(module->end),
						   CH_CELL_NUM(module->mapped_bytes),
						   { .text = ch_module_kind_name(module->kind) },
						   { .text = id[0] ? id : NULL },
						   { .text = ch_module_match_name(module->match) },
						   { .text = module->path } });
	}
	return err;
}

static struct ch_error *print_groups(const struct ch_report *report,
				     const struct ch_modules *modules)
{
	static const struct ch_column columns[] = { { "KIND", CH_CELL_TEXT },
						    { "MODULES", CH_CELL_COUNT },
						    { "MAPPED", CH_CELL_BYTES },
						    { "OF THIS BSS", CH_CELL_BYTES } };
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	uint64_t bss = 0;
	size_t i;

	for (i = 0; !err && i < modules->groups_count; i++) {
		const struct ch_modules_group *group = &modules->groups[i];

		bss += group->bss_bytes;
		err = chp_table_row(
			table, (struct ch_cell[]){ { .text = ch_module_kind_name(group->kind) },
						   CH_CELL_NUM(group->count),
						   CH_CELL_NUM(group->mapped_bytes),
						   CH_CELL_NUM(group->bss_bytes) });
	}
	if (!err)
		err = chp_table_row(table, (struct ch_cell[]){ CH_CELL_STR("total"),
							       CH_CELL_NUM(modules->modules_count),
							       CH_CELL_NUM(modules->mapped_bytes),
							       CH_CELL_NUM(bss) });
	if (!err) {
		chp_report_heading(report, "By kind", false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

struct ch_error *ch_report_modules(const struct ch_report *report, const struct ch_modules *modules)
{
	static const struct ch_column columns[] = {
		{ "START", CH_CELL_ADDR },    { "END", CH_CELL_ADDR },
		{ "MAPPED", CH_CELL_BYTES },  { "KIND", CH_CELL_TEXT },
		{ "BUILD-ID", CH_CELL_TEXT }, { "FILE", CH_CELL_TEXT },
		{ "PATH", CH_CELL_TEXT },
	};
	uint64_t rows = chp_report_rows(report, modules->modules_count), shown_bytes;
	struct ch_table *table;
	struct ch_error *err;

	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(report, modules, rows);
	table = chp_table_create(columns, CH_COUNT_OF(columns));
	if (!table)
		return &ch_enomem;
	err = add_rows(table, modules, rows, &shown_bytes);
	if (!err) {
		chp_table_print(table, report);
		chp_report_cut(report, rows, modules->modules_count, shown_bytes,
			       modules->mapped_bytes);
	}
	chp_table_destroy(table);
	if (!err && report->format == CH_FORMAT_TEXT)
		err = print_groups(report, modules);
	if (!err)
		err = chp_print_sections(report, modules->runtimes, &modules->assemblies);
	if (!err)
		chp_report_findings(report);
	return err;
}
