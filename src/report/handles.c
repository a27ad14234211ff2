/*
 * Handles, and objects with finalizers.
 */
#include "report/handles.h"

#include "render/document.h"
#include "util/bytes.h"
#include "util/cleanup.h"

struct row {
	const char *table, *type;
	char kind[80];
	uint64_t count, total_bytes, object_addr, sample_addr;
};

struct result {
	bool known;
	uint64_t count, total_bytes;
	struct ch_listing *handles;
};

#define ROW(member)    CH_AT(struct row, member)
#define RESULT(member) CH_AT(struct result, member)

static const struct ch_field_spec row_fields[] = {
	{ "table", NULL, CH_CELL_SAFE,
	  "Which table: with --finalizers those of objects with finalizers, and of those whose "
	  "finalizers are to run now.",
	  ROW(table), .words = "handle|finalizable|ready" },
	{ "kind", "KIND", CH_CELL_TEXT, "Kind of handle, or generation.", ROW(kind),
	  .flags = CH_FIELD_INSIDE },
	{ "count", "COUNT", CH_CELL_COUNT, "Entries.", ROW(count) },
	{ "total_bytes", "BYTES", CH_CELL_BYTES, "Of their objects, each counted once in a row.",
	  ROW(total_bytes) },
	{ "type", "TYPE", CH_CELL_TEXT,
	  "Type of the objects; null where the entry leads to no object that is known.", ROW(type),
	  .flags = CH_FIELD_OPTIONAL },
	{ "object_addr", "OBJECT", CH_CELL_ADDR, "Object of one entry.", ROW(object_addr) },
	{ "sample_addr", "ENTRY", CH_CELL_ADDR, "Where that entry lies.", ROW(sample_addr) },
	CH_FIELDS_END,
};

static const struct ch_list rows_list = { .fields = row_fields };

static const struct ch_field_spec fields[] = {
	{ "known", NULL, CH_CELL_BOOL, "Whether a runtime with such tables is here.",
	  RESULT(known) },
	{ "handles_count", NULL, CH_CELL_COUNT, "All entries.", RESULT(count) },
	{ "handles_bytes", NULL, CH_CELL_BYTES, "Of their objects, each counted once.",
	  RESULT(total_bytes) },
	CH_FIELDS_COUNTED(struct result, handles),
	{ "handles", NULL, CH_CELL_LIST, "Entries by kind and type, or with --list each.",
	  RESULT(handles), .list = &rows_list },
	CH_FIELDS_END,
};

static void say_total(const struct ch_report *report, const void *result)
{
	const struct result *handles = result;
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];

	chp_report_say(report, "total: %s entries, their objects %s\n",
		       chp_count_text(handles->count, count),
		       chp_bytes_text(handles->total_bytes, bytes));
}

const struct ch_document ch_document_handles = {
	.name = "handles",
	.title = "Handles and objects with finalizers, by kind and type",
	.fields = fields,
	.unknown = "no runtime here has a table of handles that is read: only .NET's is",
	.known = offsetof(struct result, known) + 1,
	.tail = say_total,
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
	const struct ch_handles_row *handle;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < handles->rows.count; i++) {
		handle = CH_VEC_AT(&handles->rows, struct ch_handles_row, i);
		struct row row = {
			.table = table_name(handle->table),
			.type = handle->type,
			.count = handle->count,
			.total_bytes = handle->total_bytes,
			.object_addr = handle->object_addr,
			.sample_addr = handle->sample_addr,
		};

		snprintf(row.kind, sizeof(row.kind), "%s%s",
			 handle->table == CH_HANDLE_FINALIZABLE ? "has a finalizer, " : "",
			 handle->kind);
		err = chp_listing_row(listing, &row);
	}
	return err;
}

struct ch_error *ch_report_handles(const struct ch_report *report, const struct ch_handles *handles)
{
	struct result result = { handles->known, handles->count, handles->total_bytes,
				 chp_listing_create(report, &rows_list) };
	struct ch_error *err = result.handles ? list(result.handles, handles) : &ch_enomem;

	if (!err)
		err = chp_document_print(report, &ch_document_handles, &result);
	chp_listing_destroy(result.handles);
	return err;
}
