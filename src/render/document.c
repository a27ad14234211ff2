/*
 * Documents in each format.
 */
#include "render/document.h"

#include "util/cleanup.h"

static bool is_known(const struct ch_document *document, const void *result)
{
	return !document->known || *((const bool *)result + document->known - 1);
}

json_t *chp_part_complete(const struct ch_report *report, const void *result)
{
	(void)result;
	return json_boolean(ch_context_complete(ch_session_context(report->session)));
}

static struct ch_error *print_closing(const struct ch_report *report,
				      const struct ch_document *document, const void *result)
{
	json_t *fields = chp_fields_json(report, document->closing, result);
	char id[CH_DUMP_ID_MAX];

	chp_json_dump_id(report, id);
	if (fields && json_object_set_new(fields, "closing", json_true()) != 0) {
		json_decref(fields);
		fields = NULL;
	}
	return chp_json_print_take(report, chp_json_record_take(id, fields));
}

/* The list that was written as it came; NULL: the document has none. */
static struct ch_listing *written_list(const struct ch_document *document, const void *result)
{
	const struct ch_field_spec *first = document->fields;

	if (first->kind != CH_CELL_LIST || !first->list->document)
		return NULL;
	return *(struct ch_listing *const *)((const char *)result + first->offset);
}

static struct ch_error *print_written(const struct ch_report *report,
				      const struct ch_document *document, const void *result,
				      struct ch_listing *listing)
{
	struct ch_error *err;

	if (report->format == CH_FORMAT_JSON)
		return chp_listing_end_take(listing,
					    chp_fields_json(report, document->fields + 1, result));
	err = chp_listing_flush(listing);
	return err ? err : print_closing(report, document, result);
}

/* Whether the rows of a list are lines, and were asked for. */
static bool is_stream(const struct ch_report *report, const struct ch_document *document,
		      const void *result)
{
	const struct ch_field_spec *field;

	for (field = document->fields; !chp_field_is_end(field); field++)
		if (field->kind == CH_CELL_LIST && chp_list_is_stream(report, field->list))
			return chp_field_is_known(field, result);
	return false;
}

static struct ch_error *print_json(const struct ch_report *report,
				   const struct ch_document *document, const void *result)
{
	struct ch_listing *written = written_list(document, result);

	if (written)
		return print_written(report, document, result, written);
	if (is_stream(report, document, result))
		return print_closing(report, document, result);
	return chp_json_print_take(
		report, chp_json_document_take(report, document->name,
					       chp_fields_json(report, document->fields, result)));
}

/* Nothing but a heading is worth no lines for people; a script sees that there is no row. */
static void print_list(const struct ch_report *report, const struct ch_field_spec *field,
		       const void *result)
{
	const struct ch_listing *listing =
		*(struct ch_listing *const *)((const char *)result + field->offset);

	if (field->flags & CH_FIELD_NOT_ZERO && !chp_listing_matched(listing) &&
	    report->format != CH_FORMAT_PLAIN)
		return;
	if (field->title)
		chp_report_heading(report, field->title, false);
	chp_listing_print(listing);
}

static struct ch_error *print_rest(const struct ch_report *report,
				   const struct ch_document *document, const void *result)
{
	const struct ch_field_spec *field;
	struct ch_error *err;

	if (document->print)
		return document->print(report, result);
	err = chp_fields_print(report, document->fields, result);
	for (field = document->fields; !err && !chp_field_is_end(field); field++)
		if (field->kind == CH_CELL_LIST)
			print_list(report, field, result);
	return err;
}

struct ch_error *chp_document_print(const struct ch_report *report,
				    const struct ch_document *document, const void *result)
{
	bool known = is_known(document, result);
	struct ch_error *err = NULL;

	if (chp_report_is_json(report))
		return print_json(report, document, result);
	if (!known)
		chp_report_say(report, "%s\n", document->unknown);
	if (known || report->format == CH_FORMAT_PLAIN)
		err = print_rest(report, document, result);
	if (!err && known && document->tail && report->format == CH_FORMAT_TEXT)
		document->tail(report, result);
	/* a page has a place of its own for them */
	if (!err && report->format != CH_FORMAT_HTML)
		chp_report_findings(report);
	return err;
}
