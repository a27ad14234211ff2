/*
 * Rows that are a table, an array or lines, by the table of their fields.
 */
#include "render/listing.h"

#include <stdlib.h>
#include <string.h>

#include "render/lines.h"
#include "util/cleanup.h"

struct ch_listing {
	/* First, for fields that tell of it. */
	struct ch_list_state state;
	const struct ch_report *report;
	const struct ch_list *list;
	/* Fields that are columns, in their order, and what the table has of them. */
	const struct ch_field_spec *fields[CH_COLUMNS_MAX + 1];
	struct ch_column columns[CH_COLUMNS_MAX];
	size_t columns_count;
	struct ch_table *table;
	/* Of rows that are lines of their own. */
	char dump_id[CH_DUMP_ID_MAX];
	/* Of a list that is not kept, instead of all other forms. */
	struct ch_lines *lines;
};

static struct ch_error *create_table(struct ch_listing *listing)
{
	chp_table_destroy(listing->table);
	listing->table = chp_table_create(listing->columns, listing->columns_count);
	return listing->table ? NULL : &ch_enomem;
}

static struct ch_error *create_lines(struct ch_listing *listing)
{
	const struct ch_list *list = listing->list;

	listing->lines = chp_lines_create(listing->report, list->fields, list->document, list->key);
	return listing->lines ? NULL : &ch_enomem;
}

bool chp_list_is_stream(const struct ch_report *report, const struct ch_list *list)
{
	return list->stream && report->format == CH_FORMAT_JSONL;
}

static bool is_stream(const struct ch_listing *listing)
{
	return chp_list_is_stream(listing->report, listing->list);
}

/* Leave a column out. */
static void drop_column(struct ch_listing *listing, size_t column)
{
	size_t i;

	for (i = column + 1; i < listing->columns_count; i++) {
		listing->columns[i - 1] = listing->columns[i];
		listing->fields[i - 1] = listing->fields[i];
	}
	listing->columns_count--;
}

/* What is there only beside a bar. */
static void drop_bars(struct ch_listing *listing)
{
	size_t i;

	for (i = listing->columns_count; i-- > 0;)
		if (listing->columns[i].kind == CH_CELL_SHARE)
			drop_column(listing, i);
}

struct ch_listing *chp_listing_create(const struct ch_report *report, const struct ch_list *list)
{
	struct ch_listing *listing = calloc(1, sizeof(*listing));
	struct ch_error *err = NULL;
	size_t i;

	if (!listing)
		return NULL;
	listing->report = report;
	listing->list = list;
	listing->columns_count = chp_fields_columns(list->fields, listing->fields);
	for (i = 0; i < listing->columns_count; i++)
		listing->columns[i] =
			(struct ch_column){ listing->fields[i]->title, listing->fields[i]->kind };
	if (report->format != CH_FORMAT_TEXT)
		drop_bars(listing);
	if (is_stream(listing))
		chp_json_dump_id(report, listing->dump_id);
	if (list->document)
		err = create_lines(listing);
	else if (!chp_report_is_json(report))
		err = create_table(listing);
	else if (!is_stream(listing) && !(listing->state.array = json_array()))
		err = &ch_enomem;
	if (!err)
		return listing;
	chp_listing_destroy(listing);
	return NULL;
}

void chp_listing_destroy(struct ch_listing *listing)
{
	if (!listing)
		return;
	chp_table_destroy(listing->table);
	chp_lines_destroy(listing->lines);
	json_decref(listing->state.array);
	free(listing);
}

struct ch_error *chp_listing_hide(struct ch_listing *listing, const char *title)
{
	size_t i;

	for (i = listing->columns_count; i-- > 0;)
		if (strcmp(listing->columns[i].title, title) == 0)
			drop_column(listing, i);
	return listing->table ? create_table(listing) : NULL;
}

void chp_listing_rename(struct ch_listing *listing, const char *title, const char *to)
{
	size_t i;

	for (i = 0; i < listing->columns_count; i++)
		if (strcmp(listing->columns[i].title, title) == 0)
			listing->columns[i].title = to;
}

static struct ch_error *add_cells(struct ch_listing *listing, const void *row)
{
	struct ch_cell cells[CH_COLUMNS_MAX];
	size_t i;

	for (i = 0; i < listing->columns_count; i++)
		cells[i] = chp_field_cell(listing->fields[i], row);
	return chp_table_row(listing->table, cells);
}

static uint64_t weight_of(const struct ch_listing *listing, const void *row)
{
	uint64_t bytes = 0;

	if (listing->list->weight)
		memcpy(&bytes, (const char *)row + listing->list->weight - 1, sizeof(bytes));
	return bytes;
}

struct ch_error *chp_listing_row(struct ch_listing *listing, const void *row)
{
	const struct ch_field_spec *fields = listing->list->fields;
	uint64_t bytes = weight_of(listing, row);
	bool full = chp_listing_is_full(listing);

	chp_listing_skip(listing, 1, bytes);
	if (full)
		return NULL;
	listing->state.shown++;
	listing->state.shown_bytes += bytes;
	if (listing->lines)
		return chp_lines_row(listing->lines, row);
	if (listing->table)
		return add_cells(listing, row);
	if (is_stream(listing))
		return chp_json_print_take(
			listing->report,
			chp_json_record_take(listing->dump_id,
					     chp_fields_json(listing->report, fields, row)));
	chp_json_append_take(&listing->state.array, chp_fields_json(listing->report, fields, row));
	return listing->state.array ? NULL : &ch_enomem;
}

bool chp_listing_is_full(const struct ch_listing *listing)
{
	return listing->report->limit && listing->state.shown >= listing->report->limit;
}

void chp_listing_skip(struct ch_listing *listing, uint64_t count, uint64_t bytes)
{
	listing->state.matched += count;
	listing->state.matched_bytes += bytes;
}

void chp_listing_total(struct ch_listing *listing, uint64_t count, uint64_t bytes)
{
	listing->state.matched = count;
	listing->state.matched_bytes = bytes;
}

uint64_t chp_listing_shown(const struct ch_listing *listing)
{
	return listing->state.shown;
}

uint64_t chp_listing_matched(const struct ch_listing *listing)
{
	return listing->state.matched;
}

uint64_t chp_listing_weight(const struct ch_listing *listing)
{
	return listing->state.matched_bytes;
}

struct ch_error *chp_listing_flush(struct ch_listing *listing)
{
	return chp_lines_flush(listing->lines);
}

struct ch_error *chp_listing_end_take(struct ch_listing *listing, json_t *rest)
{
	return chp_lines_end_take(listing->lines, rest);
}

json_t *chp_listing_json(struct ch_listing *listing)
{
	json_t *array = listing->state.array;

	listing->state.array = NULL;
	return array;
}

void chp_listing_print_rows(const struct ch_listing *listing)
{
	chp_table_print(listing->table, listing->report);
}

void chp_listing_print_cut(const struct ch_listing *listing)
{
	const struct ch_report *report = listing->report;
	char shown[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];

	if (listing->list->weight)
		chp_report_cut(report, listing->state.shown, listing->state.matched,
			       listing->state.shown_bytes, listing->state.matched_bytes);
	else if (listing->state.shown < listing->state.matched)
		chp_report_say(report, "showing %s of %s\n",
			       chp_count_text(listing->state.shown, shown),
			       chp_count_text(listing->state.matched, all));
}

void chp_listing_print(const struct ch_listing *listing)
{
	chp_listing_print_rows(listing);
	chp_listing_print_cut(listing);
}

struct ch_error *chp_rows_print(const struct ch_report *report, const struct ch_list *list,
				struct ch_rows rows, uint64_t limit)
{
	struct ch_listing *listing = chp_listing_create(report, list);
	struct ch_error *err = listing ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < rows.count && (!limit || i < limit); i++)
		err = add_cells(listing, (const char *)rows.items + i * rows.item_size);
	if (!err)
		chp_listing_print_rows(listing);
	chp_listing_destroy(listing);
	return err;
}
