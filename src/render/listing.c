/*
 * Rows that are a table and a JSON array at once.
 */
#include "render/listing.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

struct ch_listing {
	const struct ch_report *report;
	const struct ch_list_column *columns;
	size_t columns_count;
	/* Those with a title, for the table. */
	struct ch_column titled[CH_COLUMNS_MAX];
	size_t titled_count;
	struct ch_table *table;
	json_t *array;
	uint64_t shown, matched;
};

bool chp_report_is_json(const struct ch_report *report)
{
	return report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL;
}

struct ch_listing *chp_listing_create(const struct ch_report *report,
				      const struct ch_list_column *columns, size_t count)
{
	struct ch_listing *listing = calloc(1, sizeof(*listing));
	size_t i;

	if (!listing)
		return NULL;
	listing->report = report;
	listing->columns = columns;
	listing->columns_count = count;
	for (i = 0; i < count; i++)
		if (columns[i].title)
			listing->titled[listing->titled_count++] =
				(struct ch_column){ columns[i].title, columns[i].kind };
	if (chp_report_is_json(report))
		listing->array = json_array();
	else
		listing->table = chp_table_create(listing->titled, listing->titled_count);
	if (!listing->array && !listing->table) {
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

static json_t *json_cell(enum ch_cell_kind kind, const struct ch_cell *cell)
{
	if (cell->absent)
		return json_null();
	switch (kind) {
	case CH_CELL_TEXT:
	case CH_CELL_NAME:
		return chp_json_text(cell->text);
	case CH_CELL_ADDR:
		return chp_json_addr(cell->number);
	case CH_CELL_PERCENT:
		return chp_json_percent(cell->number);
	case CH_CELL_SIGNED:
		return json_integer((json_int_t)cell->number);
	case CH_CELL_COUNT:
	case CH_CELL_BYTES:
		break;
	}
	return chp_json_uint(cell->number);
}

static struct ch_error *add_json(struct ch_listing *listing, const struct ch_cell *cells)
{
	json_t *row = json_object();
	size_t i;

	for (i = 0; row && i < listing->columns_count; i++) {
		if (!listing->columns[i].key)
			continue;
		if (json_object_set_new(row, listing->columns[i].key,
					json_cell(listing->columns[i].kind, &cells[i]))) {
			json_decref(row);
			row = NULL;
		}
	}
	return !row || json_array_append_new(listing->array, row) ? &ch_enomem : NULL;
}

struct ch_error *chp_listing_row(struct ch_listing *listing, const struct ch_cell *cells)
{
	struct ch_cell titled[CH_COLUMNS_MAX];
	size_t i, n = 0;

	listing->matched++;
	if (listing->report->limit && listing->shown >= listing->report->limit)
		return NULL;
	listing->shown++;
	if (listing->array)
		return add_json(listing, cells);
	for (i = 0; i < listing->columns_count; i++)
		if (listing->columns[i].title)
			titled[n++] = cells[i];
	return chp_table_row(listing->table, titled);
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
	if (listing->shown < listing->matched && report->format == CH_FORMAT_TEXT)
		fprintf(report->out, "showing %s of %s\n", chp_count_text(listing->shown, shown),
			chp_count_text(listing->matched, all));
}
