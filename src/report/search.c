/*
 * Where something stands in memory, row by row.
 */
#include "report/search.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/document.h"
#include "report/place.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

struct writer {
	const struct ch_matches *of;
	/* Only how many; show contents. */
	bool count, reveal;
	struct ch_listing *matches;
};

#define ROW(member)    CH_AT(struct ch_match_row, member)
#define RESULT(member) CH_AT(struct writer, member)

static const struct ch_field_spec row_fields[] = {
	{ "addr", "ADDRESS", CH_CELL_ADDR, "Where the match begins.", ROW(place.addr) },
	{ "size_bytes", "BYTES", CH_CELL_COUNT, "Bytes of the match.", ROW(size_bytes) },
	{ "kind", "KIND", CH_CELL_SAFE, "What it lies in.", ROW(place.kind),
	  .words = CH_REF_WORDS },
	{ "owner_addr", NULL, CH_CELL_ADDR, "The block that it lies in.", ROW(place.owner_addr),
	  CH_KNOWN(struct ch_match_row, place.has_owner) },
	{ "owner_type", "IN TYPE", CH_CELL_TEXT, "Type of that block.", ROW(place.type),
	  .flags = CH_FIELD_OPTIONAL, .column = 1 },
	{ "offset", NULL, CH_CELL_COUNT, "Where in that block it lies.", ROW(place.offset),
	  CH_KNOWN(struct ch_match_row, place.has_offset) },
	{ "symbol", NULL, CH_CELL_SAFE, "The variable, or function of the frame.",
	  ROW(place.text.symbol), .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "thread", NULL, CH_CELL_NUMBER, "The thread whose it is, by the kernel's number.",
	  ROW(place.text.tid), .flags = CH_FIELD_NOT_ZERO },
	{ "where", "WHERE", CH_CELL_SAFE, "The place in words.", ROW(place.text.where),
	  .flags = CH_FIELD_INSIDE },
	{ "contents", "CONTENTS", CH_CELL_SAFE, "What stands there, with --reveal.", ROW(contents),
	  .flags = CH_FIELD_OPTIONAL, .column = 2 },
	CH_FIELDS_END,
};

static const struct ch_list matches_list = { .fields = row_fields, .stream = true };

static const struct ch_field_spec fields[] = {
	CH_FIELDS_COUNTED(struct writer, matches),
	{ "matches", NULL, CH_CELL_LIST, "Matches, by address; none with --count.", RESULT(matches),
	  .list = &matches_list },
	CH_FIELDS_END,
};

static const struct ch_field_spec closing_fields[] = {
	CH_FIELDS_COUNTED(struct writer, matches),
	CH_FIELD_COMPLETE,
	CH_FIELDS_END,
};

static struct ch_error *take(void *arg, uint64_t addr, uint64_t bytes)
{
	const struct writer *writer = arg;
	struct ch_match_row row;
	struct ch_error *err;

	if (writer->count || chp_listing_is_full(writer->matches)) {
		chp_listing_skip(writer->matches, 1, 0);
		return NULL;
	}
	err = chp_matches_row(writer->of, addr, bytes, writer->reveal, &row);
	return err ? err : chp_listing_row(writer->matches, &row);
}

static struct ch_error *print(const struct ch_report *report, const void *result)
{
	const struct writer *writer = result;
	char shown[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];

	if (writer->count) {
		chp_report_count_field(report, "matches", chp_listing_matched(writer->matches));
		return NULL;
	}
	chp_listing_print_rows(writer->matches);
	chp_report_say(report, "\nshowing %s of %s matches\n",
		       chp_count_text(chp_listing_shown(writer->matches), shown),
		       chp_count_text(chp_listing_matched(writer->matches), all));
	return NULL;
}

const struct ch_document ch_document_search = {
	.name = "search",
	.title = "Where something stands in memory",
	.fields = fields,
	.closing = closing_fields,
	.print = print,
};

struct ch_error *ch_report_search(const struct ch_report *report, const struct ch_matches *matches,
				  bool count)
{
	struct writer writer = { matches, count, report->reveal,
				 chp_listing_create(report, &matches_list) };
	struct ch_error *err = writer.matches ? NULL : &ch_enomem;

	if (!err && !report->reveal)
		err = chp_listing_hide(writer.matches, "CONTENTS");
	if (!err)
		err = chp_matches_each(matches, take, &writer);
	if (!err)
		err = chp_document_print(report, &ch_document_search, &writer);
	chp_listing_destroy(writer.matches);
	return err;
}
