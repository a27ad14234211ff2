/*
 * render/listing.h - rows that are a table and a JSON array at once.
 *
 * Each column has a key and a title; a command hands over rows of cells, and prints them in
 * the format that was asked for.
 */
#ifndef COREHEAP_RENDER_LISTING_H
#define COREHEAP_RENDER_LISTING_H

#include "render/render.h"

struct ch_list_column {
	/** In JSON; NULL: not there. */
	const char *key;
	/** In the table; NULL: not there. */
	const char *title;
	enum ch_cell_kind kind;
};

struct ch_listing;

/** columns is borrowed until the listing ends. NULL when out of memory. */
struct ch_listing *chp_listing_create(const struct ch_report *report,
				      const struct ch_list_column *columns, size_t count);
void chp_listing_destroy(struct ch_listing *listing);
/** Add one row, which counts as matched even where report->limit leaves it out. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_listing_row(struct ch_listing *listing,
					       const struct ch_cell *cells);
uint64_t chp_listing_shown(const struct ch_listing *listing);
uint64_t chp_listing_matched(const struct ch_listing *listing);
/** The rows as an array, taken out of the listing. NULL when out of memory. */
json_t *chp_listing_json(struct ch_listing *listing);
/** The rows as a table, and how many were cut (TEXT, PLAIN). */
void chp_listing_print(const struct ch_listing *listing);
/** Whether the format is JSON or JSONL. */
bool chp_report_is_json(const struct ch_report *report);

#endif /* COREHEAP_RENDER_LISTING_H */
