#include "report/handles.h"

#include "render/listing.h"
#include "util/bytes.h"
#include "util/cleanup.h"

static const struct ch_list_column columns[] = {
	{ "table", NULL, CH_CELL_TEXT },          { "kind", "KIND", CH_CELL_TEXT },
	{ "count", "COUNT", CH_CELL_COUNT },      { "total_bytes", "BYTES", CH_CELL_BYTES },
	{ "type", "TYPE", CH_CELL_TEXT },         { "object_addr", "OBJECT", CH_CELL_ADDR },
	{ "sample_addr", "ENTRY", CH_CELL_ADDR },
};

static const char *table_name(enum ch_handle_table table)
{
	static const char *const names[] = { [CH_HANDLE] = "handle",
					     [CH_HANDLE_FINALIZABLE] = "finalizable",
					     [CH_HANDLE_FINALIZER_READY] = "ready" };

	return names[table];
}

static struct ch_error *list(struct ch_listing *listing, const struct ch_handles *handles)
{
	const struct ch_handles_row *row;
	struct ch_error *err = NULL;
	char kind[80];
	size_t i;

	for (i = 0; !err && i < handles->rows.count; i++) {
		row = CH_VEC_AT(&handles->rows, struct ch_handles_row, i);
		snprintf(kind, sizeof(kind), "%s%s",
			 row->table == CH_HANDLE_FINALIZABLE ? "has a finalizer, " : "", row->kind);
		const struct ch_cell cells[] = {
			CH_CELL_STR(table_name(row->table)),
			CH_CELL_STR(kind),
			CH_CELL_NUM(row->count),
			CH_CELL_NUM(row->total_bytes),
			CH_CELL_STR(row->type),
			CH_CELL_NUM(row->object_addr),
			CH_CELL_NUM(row->sample_addr),
		};
		err = chp_listing_row(listing, cells);
	}
	return err;
}

static struct ch_error *print_json(const struct ch_report *report, const struct ch_handles *handles,
				   struct ch_listing *listing)
{
	return chp_json_print_take(
		report,
		chp_json_document_take(
			report, "handles",
			json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "known", (int)handles->known,
				  "handles_count", chp_json_uint(handles->count), "handles_bytes",
				  chp_json_uint(handles->total_bytes), "showing_count",
				  chp_json_uint(chp_listing_shown(listing)), "matched_count",
				  chp_json_uint(chp_listing_matched(listing)), "handles",
				  chp_listing_json(listing))));
}

static void print_text(const struct ch_report *report, const struct ch_handles *handles,
		       const struct ch_listing *listing)
{
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];

	if (!handles->known && report->format == CH_FORMAT_TEXT)
		fputs("no runtime here has a table of handles that is read: only .NET's is\n",
		      report->out);
	if (handles->known || report->format == CH_FORMAT_PLAIN)
		chp_listing_print(listing);
	if (handles->known && report->format == CH_FORMAT_TEXT)
		fprintf(report->out, "total: %s entries, their objects %s\n",
			chp_count_text(handles->count, count),
			chp_bytes_text(handles->total_bytes, bytes));
	chp_report_findings(report);
}

struct ch_error *ch_report_handles(const struct ch_report *report, const struct ch_handles *handles)
{
	struct ch_listing *listing = chp_listing_create(report, columns, CH_COUNT_OF(columns));
	struct ch_error *err = listing ? list(listing, handles) : &ch_enomem;

	if (!err && chp_report_is_json(report))
		err = print_json(report, handles, listing);
	else if (!err)
		print_text(report, handles, listing);
	chp_listing_destroy(listing);
	return err;
}
