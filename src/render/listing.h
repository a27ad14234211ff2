/*
 * render/listing.h - rows of a result, by a table of fields.
 *
 * A command hands over one struct after the other. They become rows of a table, elements of
 * an array, or at once a line each. report->limit rows are kept, all are counted.
 */
#ifndef COREHEAP_RENDER_LISTING_H
#define COREHEAP_RENDER_LISTING_H

#include "render/fields.h"

struct ch_listing;

/** What a list is made of. */
struct ch_list {
	const struct ch_field_spec *fields;
	/** With --jsonl each row is a line of its own. */
	bool stream;
};

/** list is borrowed until the listing ends. NULL when out of memory. */
struct ch_listing *chp_listing_create(const struct ch_report *report, const struct ch_list *list);
void chp_listing_destroy(struct ch_listing *listing);
/** Add one row, which counts as matched even where report->limit leaves it out. Errors: NOMEM,
 * OS. */
CH_MUST_CHECK struct ch_error *chp_listing_row(struct ch_listing *listing, const void *row);
/** Whether the next row would only be counted: making it is not worth the while. */
bool chp_listing_is_full(const struct ch_listing *listing);
/** Count a row of a full listing. */
void chp_listing_count(struct ch_listing *listing);
uint64_t chp_listing_shown(const struct ch_listing *listing);
uint64_t chp_listing_matched(const struct ch_listing *listing);
/** The rows as an array, taken out of the listing. NULL when out of memory. */
json_t *chp_listing_json(struct ch_listing *listing);
/** The rows as a table, and how many were cut (TEXT, PLAIN, MARKDOWN). */
void chp_listing_print(const struct ch_listing *listing);

#endif /* COREHEAP_RENDER_LISTING_H */
