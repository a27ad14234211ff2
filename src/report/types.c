/*
 * Count and bytes by type.
 */
#include "report/heap.h"

#include <inttypes.h>
#include <string.h>

#include "render/document.h"
#include "report/type_groups.h"
#include "util/cleanup.h"

struct result {
	struct ch_types_result of;
	struct ch_listing *types;
};

#define ROW(member)    CH_AT(struct ch_types_row, member)
#define RESULT(member) CH_AT(struct result, member)

static struct ch_cell kind_of(const void *row)
{
	return CH_CELL_STR(ch_type_kind_name(((const struct ch_types_row *)row)->type.stat.kind));
}

static struct ch_cell basis_of(const void *row)
{
	return CH_CELL_STR(ch_basis_name(((const struct ch_types_row *)row)->type.basis));
}

static const struct ch_field_spec row_fields[] = {
	{ "id", NULL, CH_CELL_ID, "A hash of runtime, module, kind and name.", ROW(id) },
	{ "name", "TYPE", CH_CELL_TEXT, "The type.", ROW(type.name) },
	{ "runtime", "RUNTIME", CH_CELL_SAFE, "Whose heap they are in.", ROW(type.runtime),
	  .column = 1 },
	{ "module", NULL, CH_CELL_TEXT, "Where the type comes from, if that is known.",
	  ROW(type.module), .flags = CH_FIELD_OPTIONAL },
	{ "kind", "KIND", CH_CELL_SAFE, "object: of the program's; the others are the heap's own.",
	  .get = kind_of, .ref = "type_kind" },
	{ "count", "COUNT", CH_CELL_COUNT, "Blocks.", ROW(type.stat.count) },
	{ "total_bytes", "TOTAL", CH_CELL_BYTES, "What they take in the heap.",
	  ROW(type.stat.total_bytes) },
	{ NULL, "SHARE", CH_CELL_SHARE, NULL, ROW(share) },
	{ "smallest_bytes", "SMALLEST", CH_CELL_COUNT, "What the smallest one takes.",
	  ROW(type.stat.smallest_bytes) },
	{ "largest_bytes", "LARGEST", CH_CELL_COUNT, "What the largest one takes.",
	  ROW(type.stat.largest_bytes) },
	{ "sample_addr", "SAMPLE", CH_CELL_ADDR, "One of them.", ROW(type.stat.sample_addr) },
	{ "basis", NULL, CH_CELL_SAFE, "What the type rests on.", .get = basis_of, .ref = "basis" },
	{ "named_by", NULL, CH_CELL_SAFE,
	  "Who says so: runtime, pool or a provider of names; null where the name is made of a "
	  "size or is the heap's own.",
	  ROW(type.by), .flags = CH_FIELD_OPTIONAL | CH_FIELD_LATER },
	{ "generation", "GENERATION", CH_CELL_TEXT,
	  "With --by-gen: generation or arena of these blocks.", ROW(group),
	  .flags = CH_FIELD_OPTIONAL, .column = 2 },
	CH_FIELDS_END,
};

static const struct ch_list types_list = { .fields = row_fields,
					   CH_WEIGHT(struct ch_types_row, type.stat.total_bytes) };

static const struct ch_field_spec fields[] = {
	{ "total_count", NULL, CH_CELL_COUNT, "Blocks of all rows.", RESULT(of.total_count) },
	{ "total_bytes", NULL, CH_CELL_BYTES,
	  "Bytes of all rows: without a filter the committed bytes of all heaps.",
	  RESULT(of.total_bytes) },
	{ "filtered", NULL, CH_CELL_BOOL, "Not all blocks were asked for.", RESULT(of.filtered) },
	{ "named", NULL, CH_CELL_OBJECT, "Who named used blocks of these.", RESULT(of.named),
	  .fields = chp_named_fields, .flags = CH_FIELD_LATER },
	CH_FIELDS_COUNTED(struct result, types),
	{ "types", NULL, CH_CELL_LIST, "Types, most bytes first, or as --sort says.", RESULT(types),
	  .list = &types_list },
	CH_FIELDS_END,
};

/* What share of all blocks the names below are of; runtimes name what is theirs. */
static struct ch_error *print_named(const struct ch_report *report,
				    const struct ch_types_result *of)
{
	_cleanup_free_ char *text = NULL;

	if (of->filtered || !of->named.native_named)
		return NULL;
	text = chp_named_text(&of->named);
	if (!text)
		return &ch_enomem;
	chp_report_say(report, "named: %s\n", text);
	return NULL;
}

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct result *result = arg;
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];
	struct ch_error *err;

	if (!chp_runtimes_any(result->of.runtimes, result->of.runtimes_count))
		return NULL;
	err = print_named(report, &result->of);
	if (err)
		return err;
	chp_listing_print(result->types);
	chp_report_say(report, "total%s: %s blocks, %s\n", result->of.filtered ? " of these" : "",
		       chp_count_text(result->of.total_count, count),
		       chp_bytes_text(result->of.total_bytes, bytes));
	return NULL;
}

const struct ch_document ch_document_types = {
	.name = "types",
	.title = "Count and bytes by type",
	.fields = fields,
	.print = print,
};

struct ch_error *ch_report_types(const struct ch_report *report, const struct ch_types_result *of)
{
	struct result result = { *of, chp_listing_create(report, &types_list) };
	struct ch_error *err = result.types ? NULL : &ch_enomem;
	uint64_t rows = chp_report_rows(report, of->rows.count), i;

	if (!chp_runtimes_any(of->runtimes, of->runtimes_count))
		chp_report_no_heap(report, of->runtimes, of->runtimes_count);
	if (!err && !of->by_generation)
		err = chp_listing_hide(result.types, "GENERATION");
	for (i = 0; !err && i < rows; i++)
		err = chp_listing_row(result.types, CH_VEC_AT(&of->rows, struct ch_types_row, i));
	if (!err) {
		chp_listing_total(result.types, of->rows.count, of->total_bytes);
		err = chp_document_print(report, &ch_document_types, &result);
	}
	chp_listing_destroy(result.types);
	return err;
}
