/*
 * What points at an address, row by row.
 */
#include "report/refs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/document.h"
#include "report/place.h"
#include "util/cleanup.h"
#include "util/text.h"

struct writer {
	const struct ch_refs_result *result;
	uint64_t addr, size_bytes;
	struct ch_listing *refs;
};

#define ROW(member)    CH_AT(struct ch_refs_row, member)
#define RESULT(member) CH_AT(struct writer, member)

static const struct ch_field_spec row_fields[] = {
	{ "addr", "ADDRESS", CH_CELL_ADDR, "Where the word lies; null of a register.",
	  ROW(place.addr), .flags = CH_FIELD_NOT_ZERO },
	{ "kind", "KIND", CH_CELL_SAFE, "What it lies in.", ROW(place.kind),
	  .words = CH_REF_WORDS },
	{ "owner_addr", NULL, CH_CELL_ADDR, "The block that it lies in.", ROW(place.owner_addr),
	  CH_KNOWN(struct ch_refs_row, place.has_owner) },
	{ "owner_type", "IN TYPE", CH_CELL_TEXT, "Type of that block.", ROW(place.type),
	  .flags = CH_FIELD_OPTIONAL, .column = 2 },
	{ "field", NULL, CH_CELL_TEXT, "Not told yet.", .get = chp_field_none,
	  .flags = CH_FIELD_OPTIONAL },
	{ "index", NULL, CH_CELL_COUNT, "Not told yet.", .get = chp_field_none,
	  .flags = CH_FIELD_OPTIONAL },
	{ "offset", NULL, CH_CELL_COUNT, "Where in that block it lies.", ROW(place.offset),
	  CH_KNOWN(struct ch_refs_row, place.has_offset) },
	{ "points_into", "POINTS AT +", CH_CELL_COUNT,
	  "Where it points, counted from what was asked for.", ROW(points_into) },
	{ "symbol", NULL, CH_CELL_SAFE, "The variable, or function of the frame.",
	  ROW(place.text.symbol), .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "thread", NULL, CH_CELL_NUMBER, "The thread whose it is, by the kernel's number.",
	  ROW(place.text.tid), .flags = CH_FIELD_NOT_ZERO },
	{ "where", "WHERE", CH_CELL_SAFE, "The place in words.", ROW(place.text.where),
	  .flags = CH_FIELD_INSIDE, .column = 1 },
	{ "method", NULL, CH_CELL_SAFE, "The compiled method, of a word of code.", ROW(method.name),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	CH_FIELDS_END,
};

static const struct ch_list refs_list = { .fields = row_fields, .stream = true };

static struct ch_cell is_block(const void *result)
{
	return CH_CELL_NUM(((const struct writer *)result)->result->has_block);
}

static struct ch_cell static_name(const void *result)
{
	const char *name = ((const struct writer *)result)->result->static_name;

	return name[0] ? CH_CELL_STR(name) : CH_CELL_NONE;
}

static const struct ch_field_spec fields[] = {
	{ "addr", NULL, CH_CELL_ADDR, "What was asked for: its first byte.", RESULT(addr) },
	{ "size_bytes", NULL, CH_CELL_BYTES, "How many bytes of it.", RESULT(size_bytes) },
	{ "is_block", NULL, CH_CELL_BOOL, "Whether it is a block of a heap.", .get = is_block },
	CH_FIELDS_COUNTED(struct writer, refs),
	{ "refs", NULL, CH_CELL_LIST, "Words that point at it.", RESULT(refs), .list = &refs_list },
	{ "static_field", NULL, CH_CELL_TEXT, "The static field that lies there.",
	  .get = static_name, .flags = CH_FIELD_OPTIONAL },
	CH_FIELDS_END,
};

static const struct ch_field_spec closing_fields[] = {
	CH_FIELDS_COUNTED(struct writer, refs),
	CH_FIELD_COMPLETE,
	CH_FIELDS_END,
};

static struct ch_error *take(void *arg, const struct ch_ref *ref)
{
	const struct writer *writer = arg;
	struct ch_refs_row row;
	struct ch_error *err;

	if (chp_listing_is_full(writer->refs)) {
		chp_listing_skip(writer->refs, 1, 0);
		return NULL;
	}
	err = chp_refs_row(writer->result, ref, &row);
	return err ? err : chp_listing_row(writer->refs, &row);
}

static void print_head(const struct ch_report *report, const struct ch_refs_result *result)
{
	char size[CH_BYTES_TEXT_MAX];

	if (result->static_name[0]) {
		_cleanup_free_ char *name =
			chp_text_escape(result->static_name, sizeof(result->static_name));

		chp_report_field(report, "target", "0x%" PRIx64 ", the static field %s",
				 result->start, name ? name : "");
		return;
	}
	if (!result->has_block)
		chp_report_field(report, "target", "0x%" PRIx64 ", which lies in no block",
				 result->start);
	else
		chp_report_field(report, "target", "0x%" PRIx64 ", a block of %s usable bytes (%s)",
				 result->block.addr, chp_count_text(result->block.size_bytes, size),
				 ch_object_state_name((enum ch_object_state)result->block.state));
}

static struct ch_error *print(const struct ch_report *report, const void *result)
{
	const struct writer *writer = result;

	if (report->format == CH_FORMAT_TEXT)
		print_head(report, writer->result);
	chp_report_say(report, "\n");
	chp_listing_print(writer->refs);
	if (!chp_listing_matched(writer->refs))
		chp_report_say(report, "Nothing that the core holds points at it.\n");
	return NULL;
}

const struct ch_document ch_document_refs = {
	.name = "refs",
	.title = "What points at an address",
	.fields = fields,
	.closing = closing_fields,
	.print = print,
};

struct ch_error *ch_report_refs(const struct ch_report *report, const struct ch_refs_result *result)
{
	struct writer writer = { result, result->start, result->end - result->start,
				 chp_listing_create(report, &refs_list) };
	struct ch_error *err;

	err = writer.refs ? chp_refs_each(result, take, &writer) : &ch_enomem;
	if (!err)
		err = chp_document_print(report, &ch_document_refs, &writer);
	chp_listing_destroy(writer.refs);
	return err;
}
