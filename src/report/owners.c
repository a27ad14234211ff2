/*
 * Native memory by the managed objects that own it.
 */
#include "report/owners.h"

#include "render/document.h"
#include "util/cleanup.h"

struct result {
	struct ch_owned of;
	struct ch_listing *owners;
};

#define SUMS(member)   CH_AT(struct ch_owners_row, member)
#define ROW(member)    CH_AT(struct ch_owned_row, member)
#define RESULT(member) CH_AT(struct result, member)

static struct ch_cell state_of(const void *row)
{
	return CH_CELL_STR(((const struct ch_owned_row *)row)->sums.live ? "live" : "dead");
}

static const struct ch_field_spec row_fields[] = {
	{ "name", "OWNED NATIVELY BY", CH_CELL_TEXT, "Type of the owners.", ROW(name) },
	{ "runtime", NULL, CH_CELL_SAFE, "Their runtime.", ROW(runtime) },
	{ "state", "STATE", CH_CELL_SAFE,
	  "Whether something holds them; the memory of others goes when they are collected.",
	  .get = state_of, .words = "live|dead" },
	{ "sample_addr", "SAMPLE", CH_CELL_ADDR, "The owner of the most.", ROW(sums.sample_addr),
	  .column = 1 },
	{ "label", NULL, CH_CELL_SAFE,
	  "What the sample's runtime calls the memory; null: an address of it was found there.",
	  ROW(sums.label), .flags = CH_FIELD_OPTIONAL },
	{ "owners_count", "COUNT", CH_CELL_COUNT, "Owners.", ROW(sums.owners_count) },
	{ "blocks_count", "BLOCKS", CH_CELL_COUNT,
	  "Blocks of native heaps that they own, and what is held only through these.",
	  ROW(sums.blocks_count) },
	{ "blocks_bytes", "BYTES", CH_CELL_BYTES, "Usable bytes of those blocks.",
	  ROW(sums.blocks_bytes) },
	{ "mappings_count", "MAPPINGS", CH_CELL_COUNT, "Mappings of files that they own.",
	  ROW(sums.mappings_count) },
	{ "mapped_bytes", "MAPPED", CH_CELL_BYTES, "Bytes of those mappings.",
	  ROW(sums.mapped_bytes) },
	CH_FIELDS_END,
};

static const struct ch_list owners_list = { .fields = row_fields };

static const struct ch_field_spec sums_fields[] = {
	{ "owners_count", NULL, CH_CELL_COUNT, "Owners.", SUMS(owners_count) },
	{ "blocks_count", NULL, CH_CELL_COUNT, "Blocks of native heaps.", SUMS(blocks_count) },
	{ "blocks_bytes", NULL, CH_CELL_BYTES, "Usable bytes of those.", SUMS(blocks_bytes) },
	{ "mappings_count", NULL, CH_CELL_COUNT, "Mappings of files.", SUMS(mappings_count) },
	{ "mapped_bytes", NULL, CH_CELL_BYTES, "Bytes of those.", SUMS(mapped_bytes) },
	CH_FIELDS_END,
};

static const struct ch_field_spec fields[] = {
	{ "total", NULL, CH_CELL_OBJECT, "Sums over all rows.", RESULT(of.total),
	  .fields = sums_fields },
	{ "native_count", NULL, CH_CELL_COUNT, "Used blocks of native heaps, all of them.",
	  RESULT(of.native_count) },
	{ "native_bytes", NULL, CH_CELL_BYTES, "Usable bytes of those.", RESULT(of.native_bytes) },
	CH_FIELDS_COUNTED(struct result, owners),
	{ "owners", NULL, CH_CELL_LIST, "Owners by type, most bytes first.", RESULT(owners),
	  .list = &owners_list },
	CH_FIELDS_END,
};

static void print_total(const struct ch_report *report, const void *result)
{
	const struct ch_owned *owners = &((const struct result *)result)->of;
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

const struct ch_document ch_document_owners = {
	.name = "owners",
	.title = "Native memory by the managed objects that own it",
	.fields = fields,
	.tail = print_total,
};

struct ch_error *chp_report_owners(const struct ch_report *report, const struct ch_owned *of)
{
	struct result result = { *of, chp_listing_create(report, &owners_list) };
	struct ch_error *err = result.owners ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < of->rows.count; i++)
		err = chp_listing_row(result.owners, CH_VEC_AT(&of->rows, struct ch_owned_row, i));
	if (!err)
		err = chp_document_print(report, &ch_document_owners, &result);
	chp_listing_destroy(result.owners);
	return err;
}
