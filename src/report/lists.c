#include "report/lists.h"

#include "util/cleanup.h"

static struct ch_error *methods_json(const struct ch_report *report, struct ch_listing *listing,
				     bool known, uint64_t code_bytes)
{
	return chp_json_print_take(
		report,
		chp_json_document_take(
			report, "methods",
			json_pack("{s:b, s:o, s:o, s:o, s:o}", "known", (int)known, "code_bytes",
				  chp_json_uint(code_bytes), "showing_count",
				  chp_json_uint(chp_listing_shown(listing)), "matched_count",
				  chp_json_uint(chp_listing_matched(listing)), "methods",
				  chp_listing_json(listing))));
}

struct ch_error *ch_report_methods(const struct ch_report *report, struct ch_listing *listing,
				   bool known, uint64_t code_bytes)
{
	char count[CH_BYTES_TEXT_MAX], bytes[CH_BYTES_TEXT_MAX];

	if (chp_report_is_json(report))
		return methods_json(report, listing, known, code_bytes);
	if (!known && report->format == CH_FORMAT_TEXT)
		fputs("no runtime here has compiled methods that are listed: .NET's and Java's "
		      "are\n",
		      report->out);
	if (known || report->format == CH_FORMAT_PLAIN)
		chp_listing_print(listing);
	if (known && report->format == CH_FORMAT_TEXT)
		fprintf(report->out, "total: %s methods, code %s\n",
			chp_count_text(chp_listing_matched(listing), count),
			chp_bytes_text(code_bytes, bytes));
	chp_report_findings(report);
	return NULL;
}

struct ch_error *ch_report_stackobjects(const struct ch_report *report, struct ch_listing *listing,
					uint64_t threads_count)
{
	if (chp_report_is_json(report))
		return chp_json_print_take(
			report, chp_json_document_take(
					report, "stackobjects",
					json_pack("{s:s, s:o, s:o, s:o, s:o}", "basis", "heuristic",
						  "threads_count", chp_json_uint(threads_count),
						  "showing_count",
						  chp_json_uint(chp_listing_shown(listing)),
						  "matched_count",
						  chp_json_uint(chp_listing_matched(listing)),
						  "objects", chp_listing_json(listing))));
	chp_listing_print(listing);
	chp_report_findings(report);
	return NULL;
}
