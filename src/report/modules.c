/*
 * Images of the process, by kind, and managed code.
 */
#include "report/modules.h"

#include <stdlib.h>

#include "render/document.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Bytes of a build-id in tables. */
#define SHORT_ID_BYTES 8
#define IMAGE_WORDS    "exe|lib|interp|vdso|pe"

struct row {
	struct ch_module of;
	char id[CH_HEX_TEXT_MAX], short_id[2 * SHORT_ID_BYTES + 1];
};

/* A kind of images, or in the table all of them. */
struct group_row {
	const char *name;
	uint64_t count, mapped_bytes, bss_bytes;
};

struct result {
	struct ch_modules of;
	struct ch_listing *modules;
	/* of struct group_row, with a last one for all behind them */
	struct ch_rows groups;
};

#define ROW(member)    CH_AT(struct row, member)
#define GROUP(member)  CH_AT(struct group_row, member)
#define RESULT(member) CH_AT(struct result, member)

/* The kinds of the contract: what runs the code. */
static struct ch_cell kind_of(const void *row)
{
	return CH_CELL_STR(((const struct row *)row)->of.kind == CH_MODULE_PE ? "managed"
									      : "native");
}

static struct ch_cell image_of(const void *row)
{
	return CH_CELL_STR(ch_module_kind_name(((const struct row *)row)->of.kind));
}

static struct ch_cell match_of(const void *row)
{
	return CH_CELL_STR(ch_module_match_name(((const struct row *)row)->of.match));
}

static struct ch_cell bss_of(const void *row)
{
	const struct ch_module *module = &((const struct row *)row)->of;

	return CH_CELL_NUM(module->bss_end - module->bss_start);
}

static struct ch_cell file_of(const void *row)
{
	const struct ch_module *module = &((const struct row *)row)->of;
	bool used = module->match == CH_MATCH_MATCHED || module->match == CH_MATCH_LIKELY;

	return CH_CELL_STR(used ? module->file_path : NULL);
}

static const struct ch_field_spec row_fields[] = {
	{ "name", NULL, CH_CELL_TEXT, "Its file, without folders.", ROW(of.name),
	  .flags = CH_FIELD_OPTIONAL },
	{ "path", "PATH", CH_CELL_TEXT, "Its file.", ROW(of.path), .flags = CH_FIELD_OPTIONAL,
	  .column = 1 },
	{ "addr", "START", CH_CELL_ADDR, "Where its mappings begin.", ROW(of.start) },
	{ "end", "END", CH_CELL_ADDR, "Behind the last of them.", ROW(of.end) },
	{ "build_id", NULL, CH_CELL_SAFE, "The build-id that the core has of it.", ROW(id),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO, .pattern = "^[0-9a-f]+$" },
	{ "kind", NULL, CH_CELL_SAFE, "What runs the code.", .get = kind_of,
	  .words = "native|managed" },
	{ "image", NULL, CH_CELL_SAFE, "What it is.", .get = image_of, .words = IMAGE_WORDS },
	{ "mapped_bytes", "MAPPED", CH_CELL_BYTES, "Bytes of its mappings.", ROW(of.mapped_bytes) },
	{ NULL, "KIND", CH_CELL_SAFE, NULL, .get = image_of },
	{ NULL, "BUILD-ID", CH_CELL_SAFE, NULL, ROW(short_id),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "bss_bytes", NULL, CH_CELL_BYTES, "Bytes of its variables that begin as zeros.",
	  .get = bss_of },
	{ "runtime_bytes", NULL, CH_CELL_BYTES, "Not told yet.", .get = chp_field_none,
	  .flags = CH_FIELD_OPTIONAL },
	{ "matched_file", NULL, CH_CELL_TEXT, "The file at hand that is used for it.",
	  .get = file_of, .flags = CH_FIELD_OPTIONAL },
	{ "match", "FILE", CH_CELL_SAFE,
	  "Whether a file at hand is the same: matched and likely ones are used.", .get = match_of,
	  .words = "matched|mismatched|unverified|missing|in-core|likely" },
	{ "basis", NULL, CH_CELL_SAFE, "What says that it is there.", ROW(of.basis),
	  .words = "NT_FILE|ELF headers|link map|auxv" },
	CH_FIELDS_END,
};

static const struct ch_list modules_list = { .fields = row_fields,
					     CH_WEIGHT(struct row, of.mapped_bytes) };

static const struct ch_field_spec group_fields[] = {
	{ "name", "KIND", CH_CELL_SAFE, "What they are.", GROUP(name), .words = IMAGE_WORDS },
	{ "modules_count", "MODULES", CH_CELL_COUNT, "Images.", GROUP(count) },
	{ "mapped_bytes", "MAPPED", CH_CELL_BYTES, "Bytes of their mappings.",
	  GROUP(mapped_bytes) },
	{ "bss_bytes", "OF THIS BSS", CH_CELL_BYTES,
	  "Bytes of their variables that begin as zeros.", GROUP(bss_bytes) },
	CH_FIELDS_END,
};

static const struct ch_list groups_list = { .fields = group_fields };

static json_t *assemblies_of(const struct ch_report *report, const void *result)
{
	const struct ch_modules *modules = &((const struct result *)result)->of;

	return chp_json_sections(report, modules->runtimes,
				 &(struct ch_sections){ .list = modules->assemblies });
}

/* What the section of the runtimes is said to hold. */
static const struct ch_field_spec assembly_fields[] = {
	{ "name", NULL, CH_CELL_SAFE, "Its name; of dynamic ones that are alike digits are #.",
	  CH_NOWHERE },
	{ "version", NULL, CH_CELL_SAFE, "Its version.", CH_NOWHERE },
	{ "kind", NULL, CH_CELL_SAFE, "Where it is from.", .words = "file|in memory|dynamic" },
	{ "collectible", NULL, CH_CELL_BOOL, "Whether it can be unloaded.", CH_NOWHERE },
	{ "count", NULL, CH_CELL_COUNT, "How many are alike.", CH_NOWHERE },
	{ "types_count", NULL, CH_CELL_COUNT, "Their types.", CH_NOWHERE },
	{ "loader_bytes", NULL, CH_CELL_BYTES,
	  "Of their own loader heaps; null where they share those of all.",
	  .flags = CH_FIELD_NOT_ZERO },
	{ "addr", NULL, CH_CELL_ADDR, "What the runtime has for it.", CH_NOWHERE },
	{ "image_addr", NULL, CH_CELL_ADDR, "Where its file is mapped.",
	  .flags = CH_FIELD_NOT_ZERO },
	{ "path", NULL, CH_CELL_TEXT, "Its file.", .flags = CH_FIELD_OPTIONAL },
	{ "references", NULL, CH_CELL_SAFE, "Assemblies that it refers to.", CH_NOWHERE },
	CH_FIELDS_END,
};

static const struct ch_field_spec fields[] = {
	{ "modules_count", NULL, CH_CELL_COUNT, "Images of the process.",
	  RESULT(of.modules_count) },
	{ "total_mapped_bytes", NULL, CH_CELL_BYTES, "Bytes of their mappings.",
	  RESULT(of.mapped_bytes) },
	{ "modules", NULL, CH_CELL_LIST, "Images, by address.", RESULT(modules),
	  .list = &modules_list },
	{ "groups", NULL, CH_CELL_ROWS, "The same by kind.", RESULT(groups),
	  .fields = group_fields },
	{ "assemblies", NULL, CH_CELL_PART, "Managed code.", .part = assemblies_of,
	  .fields = assembly_fields },
	CH_FIELDS_END,
};

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct result *result = arg;
	struct ch_rows with_total = result->groups;
	struct ch_error *err = NULL;

	chp_listing_print(result->modules);
	with_total.count++;
	if (report->format == CH_FORMAT_TEXT) {
		chp_report_heading(report, "By kind", false);
		err = chp_rows_print(report, &groups_list, with_total, 0);
	}
	return err ? err
		   : chp_print_sections(report, result->of.runtimes,
					&(struct ch_sections){ .list = result->of.assemblies });
}

const struct ch_document ch_document_modules = {
	.name = "modules",
	.title = "Executable, libraries and other images",
	.fields = fields,
	.print = print,
};

static struct ch_error *put_modules(struct ch_listing *listing, const struct ch_modules *modules)
{
	struct ch_error *err = NULL;
	const struct ch_module *of;
	struct row row;
	size_t i;

	for (i = 0; !err && i < modules->modules_count; i++) {
		of = &modules->modules[i];
		row.of = *of;
		chp_hex_text(of->build_id, of->build_id_len, row.id);
		snprintf(row.short_id, sizeof(row.short_id), "%.*s", 2 * SHORT_ID_BYTES, row.id);
		err = chp_listing_row(listing, &row);
	}
	return err;
}

static void fill_groups(struct group_row *rows, const struct ch_modules *modules)
{
	struct group_row *total = &rows[modules->groups_count];
	const struct ch_modules_group *of;
	size_t i;

	*total = (struct group_row){ "total", modules->modules_count, modules->mapped_bytes, 0 };
	for (i = 0; i < modules->groups_count; i++) {
		of = &modules->groups[i];
		rows[i] = (struct group_row){ ch_module_kind_name(of->kind), of->count,
					      of->mapped_bytes, of->bss_bytes };
		total->bss_bytes += of->bss_bytes;
	}
}

struct ch_error *ch_report_modules(const struct ch_report *report, const struct ch_modules *modules)
{
	_cleanup_free_ struct group_row *groups =
		calloc(modules->groups_count + 1, sizeof(*groups));
	struct result result = { *modules, chp_listing_create(report, &modules_list),
				 CH_ROWS(groups, modules->groups_count) };
	struct ch_error *err = &ch_enomem;

	if (groups && result.modules) {
		fill_groups(groups, modules);
		err = put_modules(result.modules, modules);
	}
	if (!err)
		err = chp_document_print(report, &ch_document_modules, &result);
	chp_listing_destroy(result.modules);
	return err;
}
