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
	/** Too long for memory: rows are written as they come (render/lines.h), as `key` of the
	 * document `document`, whose first field they are. NULL: they are kept. */
	const char *document, *key;
	/** CH_WEIGHT(): bytes of a row, that a cut list tells of; 0: it does not. */
	size_t weight;
};

#define CH_WEIGHT(type, member) .weight = offsetof(type, member) + 1

/** list is borrowed until the listing ends. NULL when out of memory. */
struct ch_listing *chp_listing_create(const struct ch_report *report, const struct ch_list *list);
void chp_listing_destroy(struct ch_listing *listing);
/** Add one row, which counts as matched even where report->limit leaves it out. Errors: NOMEM,
 * OS. */
CH_MUST_CHECK struct ch_error *chp_listing_row(struct ch_listing *listing, const void *row);
/** Leave out the column of this title, before the first row. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_listing_hide(struct ch_listing *listing, const char *title);
/** Give the column of this title another one, which is borrowed until the listing ends. */
void chp_listing_rename(struct ch_listing *listing, const char *title, const char *to);
/** Whether the next row would only be counted: making it is not worth the while. */
bool chp_listing_is_full(const struct ch_listing *listing);
/** Count rows of a full listing, and their weight. */
void chp_listing_skip(struct ch_listing *listing, uint64_t count, uint64_t bytes);
/** Say how many rows there are in all, and their weight, instead of handing over each. */
void chp_listing_total(struct ch_listing *listing, uint64_t count, uint64_t bytes);
uint64_t chp_listing_shown(const struct ch_listing *listing);
uint64_t chp_listing_matched(const struct ch_listing *listing);
/** Bytes of all rows that matched. */
uint64_t chp_listing_weight(const struct ch_listing *listing);
/** Whether rows of such a list are lines of their own in this report. */
bool chp_list_is_stream(const struct ch_report *report, const struct ch_list *list);
/** Of a list that is written as it comes: write what is left. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_listing_flush(struct ch_listing *listing);
/** The same, and end the document with its other fields, which are released. Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *chp_listing_end_take(struct ch_listing *listing, json_t *rest);
/** The rows as an array, taken out of the listing. NULL when out of memory. */
json_t *chp_listing_json(struct ch_listing *listing);
/** The rows as a table (TEXT, PLAIN, MARKDOWN); the second says, too, how many were cut. */
void chp_listing_print_rows(const struct ch_listing *listing);
void chp_listing_print(const struct ch_listing *listing);
/** How many were cut, alone. */
void chp_listing_print_cut(const struct ch_listing *listing);

/** A table of an array's rows, at most limit of them (0: all), and no word of others. Errors:
 * NOMEM. */
CH_MUST_CHECK struct ch_error *chp_rows_print(const struct ch_report *report,
					      const struct ch_list *list, struct ch_rows rows,
					      uint64_t limit);

#endif /* COREHEAP_RENDER_LISTING_H */
