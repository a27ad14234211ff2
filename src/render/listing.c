/*
 * Rows that are a table, an array or lines, by the table of their fields.
 */
#include "render/listing.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

struct ch_listing {
	const struct ch_report *report;
	const struct ch_list *list;
	/* Fields that are columns, in their order, and what the table has of them. */
	const struct ch_field_spec *fields[CH_COLUMNS_MAX];
	struct ch_column columns[CH_COLUMNS_MAX];
	size_t columns_count;
	struct ch_table *table;
	/* Of JSON, unless each row is a line. */
	json_t *array;
	uint64_t shown, matched;
};

static void add_column(struct ch_listing *listing, const struct ch_field_spec *field)
{
	size_t i = listing->columns_count++;

	for (; i && listing->fields[i - 1]->column > field->column; i--)
		listing->fields[i] = listing->fields[i - 1];
	listing->fields[i] = field;
}

static struct ch_table *create_table(struct ch_listing *listing)
{
	const struct ch_field_spec *field;
	size_t i;

	for (field = listing->list->fields; !chp_field_is_end(field); field++)
		if (field->title)
			add_column(listing, field);
	for (i = 0; i < listing->columns_count; i++)
		listing->columns[i] =
			(struct ch_column){ listing->fields[i]->title, listing->fields[i]->kind };
	return chp_table_create(listing->columns, listing->columns_count);
}

static bool is_stream(const struct ch_listing *listing)
{
	return listing->list->stream && listing->report->format == CH_FORMAT_JSONL;
}

struct ch_listing *chp_listing_create(const struct ch_report *report, const struct ch_list *list)
{
	struct ch_listing *listing = calloc(1, sizeof(*listing));

	if (!listing)
		return NULL;
	listing->report = report;
	listing->list = list;
	if (!chp_report_is_json(report))
		listing->table = create_table(listing);
	else if (!is_stream(listing))
		listing->array = json_array();
	if (!listing->array && !listing->table && !is_stream(listing)) {
		free(listing);
		return NULL;
	}
	return listing;
}

void chp_listing_destroy(struct ch_listing *listing)
{
	if (!listing)
		return;
	chp_table_destroy(listing->table);
	json_decref(listing->array);
	free(listing);
}

static struct ch_error *add_cells(struct ch_listing *listing, const void *row)
{
	struct ch_cell cells[CH_COLUMNS_MAX];
	size_t i;

	for (i = 0; i < listing->columns_count; i++)
		cells[i] = chp_field_cell(listing->fields[i], row);
	return chp_table_row(listing->table, cells);
}

struct ch_error *chp_listing_row(struct ch_listing *listing, const void *row)
{
	const struct ch_field_spec *fields = listing->list->fields;

	if (chp_listing_is_full(listing)) {
		chp_listing_count(listing);
		return NULL;
	}
	listing->matched++;
	listing->shown++;
	if (listing->table)
		return add_cells(listing, row);
	if (is_stream(listing))
		return chp_json_print_take(listing->report,
					   chp_fields_json(listing->report, fields, row));
	chp_json_append_take(&listing->array, chp_fields_json(listing->report, fields, row));
	return listing->array ? NULL : &ch_enomem;
}

bool chp_listing_is_full(const struct ch_listing *listing)
{
	return listing->report->limit && listing->shown >= listing->report->limit;
}

void chp_listing_count(struct ch_listing *listing)
{
	listing->matched++;
}

uint64_t chp_listing_shown(const struct ch_listing *listing)
{
	return listing->shown;
}

uint64_t chp_listing_matched(const struct ch_listing *listing)
{
	return listing->matched;
}

json_t *chp_listing_json(struct ch_listing *listing)
{
	json_t *array = listing->array;

	listing->array = NULL;
	return array;
}

void chp_listing_print(const struct ch_listing *listing)
{
	const struct ch_report *report = listing->report;
	char shown[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];

	chp_table_print(listing->table, report);
	if (listing->shown < listing->matched)
		chp_report_say(report, "showing %s of %s\n", chp_count_text(listing->shown, shown),
			       chp_count_text(listing->matched, all));
}
