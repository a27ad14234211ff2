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

/* Contents that --reveal shows of a match. */
#define REVEAL_BYTES 64

struct row {
	uint64_t addr, size_bytes, owner_addr, offset;
	bool has_owner, has_offset;
	const char *kind, *type, *contents;
	struct ch_root_text text;
};

struct writer {
	const struct ch_search_result *result;
	/* Show contents. */
	bool reveal;
	struct ch_listing *matches;
};

#define ROW(member)    CH_AT(struct row, member)
#define RESULT(member) CH_AT(struct writer, member)

static const struct ch_field_spec row_fields[] = {
	{ "addr", "ADDRESS", CH_CELL_ADDR, "Where the match begins.", ROW(addr) },
	{ "size_bytes", "BYTES", CH_CELL_COUNT, "Bytes of the match.", ROW(size_bytes) },
	{ "kind", "KIND", CH_CELL_SAFE, "What it lies in.", ROW(kind), .words = CH_REF_WORDS },
	{ "owner_addr", NULL, CH_CELL_ADDR, "The block that it lies in.", ROW(owner_addr),
	  CH_KNOWN(struct row, has_owner) },
	{ "owner_type", "IN TYPE", CH_CELL_TEXT, "Type of that block.", ROW(type),
	  .flags = CH_FIELD_OPTIONAL, .column = 1 },
	{ "offset", NULL, CH_CELL_COUNT, "Where in that block it lies.", ROW(offset),
	  CH_KNOWN(struct row, has_offset) },
	{ "symbol", NULL, CH_CELL_SAFE, "The variable, or function of the frame.", ROW(text.symbol),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "thread", NULL, CH_CELL_NUMBER, "The thread whose it is, by the kernel's number.",
	  ROW(text.tid), .flags = CH_FIELD_NOT_ZERO },
	{ "where", "WHERE", CH_CELL_SAFE, "The place in words.", ROW(text.where),
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

/* The first bytes of a match, escaped; owned. */
static char *contents(const struct writer *writer, uint64_t addr, uint64_t bytes)
{
	char raw[REVEAL_BYTES + 1];
	size_t n = ch_min(bytes, REVEAL_BYTES), i;

	if (!ch_core_try_read(writer->result->search.core, addr, raw, n))
		return strdup("");
	/* Text ends at a zero; here it does not. */
	for (i = 0; i < n; i++)
		if (!raw[i])
			raw[i] = '.';
	raw[n] = '\0';
	return chp_text_escape(raw, 4 * sizeof(raw));
}

static bool passes(const struct writer *writer, const struct ch_ref *ref)
{
	const struct ch_object_filter *filter = writer->result->objects;
	struct ch_object out;

	if (!filter)
		return true;
	return ref->has_owner && ref->addr >= ref->owner.addr &&
	       chp_filter_batch(writer->result->heaps, filter, &ref->owner, 1, &out) == 1;
}

static struct ch_error *put(struct writer *writer, const struct ch_ref *ref, uint64_t bytes)
{
	_cleanup_free_ char *found = writer->reveal ? contents(writer, ref->addr, bytes) : NULL;
	struct ch_type type = { .name = NULL };
	struct row row = { .addr = ref->addr, .size_bytes = bytes, .contents = found };
	struct ch_error *err;

	err = chp_place_describe(writer->result->graph, writer->result->sym, ref, &row.text);
	if (!err && ref->has_owner)
		err = chp_place_type(writer->result->heaps, ref, &type);
	if (err)
		return err;
	row.kind = ch_ref_kind_name(ref->kind);
	row.type = type.name;
	row.has_owner = ref->has_owner;
	row.owner_addr = ref->owner.addr;
	row.has_offset = ref->has_owner && ref->addr >= ref->owner.addr;
	row.offset = ref->addr - ref->owner.addr;
	return chp_listing_row(writer->matches, &row);
}

static struct ch_error *take(void *arg, uint64_t addr, uint64_t bytes)
{
	struct writer *writer = arg;
	bool counted = writer->result->count || chp_listing_is_full(writer->matches);
	struct ch_ref ref;

	if (writer->result->objects || !counted) {
		ch_graph_place(writer->result->graph, addr, &ref);
		if (!passes(writer, &ref))
			return NULL;
	}
	if (!counted)
		return put(writer, &ref, bytes);
	chp_listing_skip(writer->matches, 1, 0);
	return NULL;
}

static struct ch_error *print(const struct ch_report *report, const void *result)
{
	const struct writer *writer = result;
	char shown[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];

	if (writer->result->count) {
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

struct ch_error *ch_report_search(const struct ch_report *report,
				  const struct ch_search_result *result)
{
	struct writer writer = { result, report->reveal,
				 chp_listing_create(report, &matches_list) };
	struct ch_error *err = writer.matches ? NULL : &ch_enomem;

	if (!err && !report->reveal)
		err = chp_listing_hide(writer.matches, "CONTENTS");
	if (!err)
		err = chp_search(&result->search, take, &writer);
	if (!err)
		err = chp_document_print(report, &ch_document_search, &writer);
	chp_listing_destroy(writer.matches);
	return err;
}
