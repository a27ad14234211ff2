/*
 * Class loaders, alike ones in one row.
 */
#include "report/loaders.h"

#include "render/document.h"
#include "util/cleanup.h"

struct row {
	struct ch_loaders_row of;
	bool retains, metaspace_known;
};

struct result {
	struct ch_loaders_result of;
	bool any;
	struct ch_listing *loaders;
};

#define ROW(member)    CH_AT(struct row, member)
#define RESULT(member) CH_AT(struct result, member)

static struct ch_cell state_of(const void *row)
{
	return CH_CELL_STR(((const struct row *)row)->of.live ? "live" : "dead");
}

static const struct ch_field_spec metaspace_fields[] = {
	{ "chunks_count", NULL, CH_CELL_COUNT, "Chunks.", ROW(of.chunks.count) },
	{ "committed_bytes", NULL, CH_CELL_BYTES, "Committed bytes of both parts.",
	  ROW(of.chunks.committed_bytes) },
	{ "used_bytes", NULL, CH_CELL_BYTES, "What is used of them.", ROW(of.chunks.used_bytes) },
	{ "free_bytes", NULL, CH_CELL_BYTES, "What is left in chunks in use.",
	  ROW(of.chunks.free_bytes) },
	{ "waste_bytes", NULL, CH_CELL_BYTES, "What is lost at the ends of chunks.",
	  ROW(of.chunks.waste_bytes) },
	{ "class_committed_bytes", NULL, CH_CELL_BYTES, "Committed bytes of the class space.",
	  ROW(of.class_chunks.committed_bytes) },
	{ "class_used_bytes", NULL, CH_CELL_BYTES, "What is used of those.",
	  ROW(of.class_chunks.used_bytes) },
	CH_FIELDS_END,
};

static const struct ch_field_spec row_fields[] = {
	{ "name", "LOADER", CH_CELL_TEXT, "Type of the loaders.", ROW(of.name) },
	{ "hidden", NULL, CH_CELL_BOOL, "Of hidden classes, which have their own each.",
	  ROW(of.hidden) },
	{ "always", NULL, CH_CELL_BOOL, "The runtime keeps it for good.", ROW(of.always) },
	{ "state", "STATE", CH_CELL_SAFE, "Whether something holds them.", .get = state_of,
	  .words = "live|dead", .column = 1 },
	{ "count", "COUNT", CH_CELL_COUNT, "Loaders.", ROW(of.count) },
	{ "classes_count", "CLASSES", CH_CELL_COUNT, "Their classes.", ROW(of.classes_count) },
	{ "retained_bytes", "RETAINED", CH_CELL_BYTES,
	  "What would go away with them; null of dead ones and of the boot loader.",
	  ROW(of.retained_bytes), CH_KNOWN(struct row, retains), .column = 1 },
	{ "metaspace", NULL, CH_CELL_OBJECT,
	  "What they have for classes; null where it is not known of all of them.",
	  CH_KNOWN(struct row, metaspace_known), .fields = metaspace_fields },
	{ NULL, "METASPACE", CH_CELL_COUNT, NULL, ROW(of.chunks.committed_bytes),
	  CH_KNOWN(struct row, metaspace_known), .column = 1 },
	{ "sample_addr", "SAMPLE", CH_CELL_ADDR, "One of them; null of what is no object.",
	  ROW(of.sample_addr), .flags = CH_FIELD_NOT_ZERO, .column = 1 },
	CH_FIELDS_END,
};

static const struct ch_list loaders_list = { .fields = row_fields };

static const struct ch_field_spec fields[] = {
	{ "loaders_count", NULL, CH_CELL_COUNT, "All loaders.", RESULT(of.count) },
	{ "classes_count", NULL, CH_CELL_COUNT, "All their classes.", RESULT(of.classes_count) },
	CH_FIELDS_COUNTED(struct result, loaders),
	{ "loaders", NULL, CH_CELL_LIST, "Most loaders first.", RESULT(loaders),
	  .list = &loaders_list },
	CH_FIELDS_END,
};

/* null where it is not known of all of them. */
static bool is_metaspace_known(const struct ch_loaders_row *row)
{
	return row->chunks_known_count == row->count;
}

/* Loaders, their classes, and the metaspace that they and dead ones have. */
static void print_total(const struct ch_report *report, const void *arg)
{
	const struct ch_loaders_result *result = &((const struct result *)arg)->of;
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

const struct ch_document ch_document_loaders = {
	.name = "loaders",
	.title = "Class loaders, alike ones in one row",
	.fields = fields,
	.unknown = "no runtime here has class loaders that are read",
	.known = offsetof(struct result, any) + 1,
	.tail = print_total,
};

static struct ch_error *put(struct ch_listing *listing, const struct ch_loaders_row *of)
{
	const struct row row = { .of = *of,
				 .retains = of->live && of->sample_addr,
				 .metaspace_known = is_metaspace_known(of) };

	return chp_listing_row(listing, &row);
}

struct ch_error *chp_report_loaders(const struct ch_report *report,
				    const struct ch_loaders_result *of)
{
	struct result result = { *of, of->count != 0, chp_listing_create(report, &loaders_list) };
	struct ch_error *err = result.loaders ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < of->rows.count; i++)
		err = put(result.loaders, CH_VEC_AT(&of->rows, struct ch_loaders_row, i));
	if (!err)
		err = chp_document_print(report, &ch_document_loaders, &result);
	chp_listing_destroy(result.loaders);
	return err;
}
