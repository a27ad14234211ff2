/*
 * Count and bytes by type.
 */
#include "report/heap.h"

#include <inttypes.h>
#include <string.h>

#include "render/document.h"
#include "util/cleanup.h"

struct row {
	struct ch_type_stat of;
	uint64_t id;
	const char *name, *runtime, *module, *group;
	enum ch_basis basis;
};

struct result {
	struct ch_types_result of;
	struct ch_listing *types;
};

#define ROW(member)    CH_AT(struct row, member)
#define RESULT(member) CH_AT(struct result, member)

static struct ch_cell kind_of(const void *row)
{
	return CH_CELL_STR(ch_type_kind_name(((const struct row *)row)->of.kind));
}

static struct ch_cell basis_of(const void *row)
{
	return CH_CELL_STR(ch_basis_name(((const struct row *)row)->basis));
}

static const struct ch_field_spec row_fields[] = {
	{ "id", NULL, CH_CELL_ID, "A hash of runtime, module, kind and name.", ROW(id) },
	{ "name", "TYPE", CH_CELL_TEXT, "The type.", ROW(name) },
	{ "runtime", "RUNTIME", CH_CELL_SAFE, "Whose heap they are in.", ROW(runtime),
	  .column = 1 },
	{ "module", NULL, CH_CELL_TEXT, "Where the type comes from, if that is known.", ROW(module),
	  .flags = CH_FIELD_OPTIONAL },
	{ "kind", "KIND", CH_CELL_SAFE, "object: of the program's; the others are the heap's own.",
	  .get = kind_of, .ref = "type_kind" },
	{ "count", "COUNT", CH_CELL_COUNT, "Blocks.", ROW(of.count) },
	{ "total_bytes", "TOTAL", CH_CELL_BYTES, "What they take in the heap.",
	  ROW(of.total_bytes) },
	{ "smallest_bytes", "SMALLEST", CH_CELL_COUNT, "What the smallest one takes.",
	  ROW(of.smallest_bytes) },
	{ "largest_bytes", "LARGEST", CH_CELL_COUNT, "What the largest one takes.",
	  ROW(of.largest_bytes) },
	{ "sample_addr", "SAMPLE", CH_CELL_ADDR, "One of them.", ROW(of.sample_addr) },
	{ "basis", NULL, CH_CELL_SAFE, "What the type rests on.", .get = basis_of, .ref = "basis" },
	{ "generation", "GENERATION", CH_CELL_TEXT,
	  "With --by-gen: generation or arena of these blocks.", ROW(group),
	  .flags = CH_FIELD_OPTIONAL, .column = 2 },
	CH_FIELDS_END,
};

static const struct ch_list types_list = { .fields = row_fields,
					   CH_WEIGHT(struct row, of.total_bytes) };

static const struct ch_field_spec fields[] = {
	{ "total_count", NULL, CH_CELL_COUNT, "Blocks of all rows.", RESULT(of.total_count) },
	{ "total_bytes", NULL, CH_CELL_BYTES,
	  "Bytes of all rows: without a filter the committed bytes of all heaps.",
	  RESULT(of.total_bytes) },
	{ "filtered", NULL, CH_CELL_BOOL, "Not all blocks were asked for.", RESULT(of.filtered) },
	CH_FIELDS_COUNTED(struct result, types),
	{ "types", NULL, CH_CELL_LIST, "Types, most bytes first.", RESULT(types),
	  .list = &types_list },
	CH_FIELDS_END,
};

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct result *result = arg;
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];

	if (!chp_runtimes_any(result->of.runtimes, result->of.runtimes_count))
		return NULL;
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

static struct ch_error *put(struct ch_listing *listing, const struct ch_types_result *result,
			    size_t i)
{
	const struct ch_type_stat *of = &result->rows[i];
	struct ch_type type;
	struct ch_error *err = ch_heaps_type(result->heaps, of->type, &type);
	struct row row;

	if (err)
		return err;
	row.of = *of;
	row.name = type.name;
	row.runtime = runtime_of(result, &type);
	row.id = stable_id(row.runtime, &type, of->kind);
	row.module = type.module;
	row.group = group_of(result, i);
	row.basis = type.basis;
	return chp_listing_row(listing, &row);
}

struct ch_error *ch_report_types(const struct ch_report *report, const struct ch_types_result *of)
{
	struct result result = { *of, chp_listing_create(report, &types_list) };
	struct ch_error *err = result.types ? NULL : &ch_enomem;
	uint64_t rows = chp_report_rows(report, of->rows_count), i;

	if (!chp_runtimes_any(of->runtimes, of->runtimes_count))
		chp_report_no_heap(report, of->runtimes, of->runtimes_count);
	if (!err && !of->groups)
		err = chp_listing_hide(result.types, "GENERATION");
	for (i = 0; !err && i < rows; i++)
		err = put(result.types, of, i);
	if (!err) {
		chp_listing_total(result.types, of->rows_count, of->total_bytes);
		err = chp_document_print(report, &ch_document_types, &result);
	}
	chp_listing_destroy(result.types);
	return err;
}
