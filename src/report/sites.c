/*
 * Where objects were allocated: a row for each stack.
 */
#include "report/sites.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "report/frames.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

/* Callers that a row of a table names. */
#define CALLERS_MAX 3U

struct row {
	const struct ch_sites_row *of;
	uint64_t fingerprint, noted_allocs_count, noted_used_count;
	struct ch_site_values all;
	const char *function, *site;
	/* "shop.go:37"; "": not known. */
	char source[256];
};

struct result {
	const struct ch_sites *of;
	const char *runtime, *none;
	uint64_t rate_bytes;
	struct ch_site_values all;
	bool any, rate_known, has_rate;
	struct ch_listing *sites;
};

#define ROW(member)    CH_AT(struct row, member)
#define RESULT(member) CH_AT(struct result, member)

static json_t *frames_of(const struct ch_report *report, const void *row)
{
	const struct ch_sites_row *of = ((const struct row *)row)->of;
	const struct ch_thread_row stack = { .frames = of->frames,
					     .frames_count = of->frames_count };

	return chp_json_frames(ch_session_core(report->session), &stack);
}

static const struct ch_field_spec row_fields[] = {
	{ "fingerprint", NULL, CH_CELL_ID, "A hash of functions and lines.", ROW(fingerprint) },
	{ "function", NULL, CH_CELL_TEXT, "The function that allocates.", ROW(function),
	  .flags = CH_FIELD_OPTIONAL },
	{ "source", NULL, CH_CELL_SAFE, "Source file and line in it.", ROW(source),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "used_count", "IN USE", CH_CELL_COUNT, "Objects in use, estimated.",
	  ROW(all.used_count) },
	{ "used_bytes", "BYTES", CH_CELL_BYTES, "What they take, estimated.", ROW(all.used_bytes) },
	{ "allocated_count", "ALLOCATED", CH_CELL_COUNT,
	  "Objects allocated since the program began, estimated.", ROW(all.allocs_count) },
	{ "allocated_bytes", "BYTES", CH_CELL_BYTES, "What those took, estimated.",
	  ROW(all.allocs_bytes) },
	{ "noted_used_count", NULL, CH_CELL_COUNT, "Samples among those in use.",
	  ROW(noted_used_count) },
	{ "noted_allocated_count", NULL, CH_CELL_COUNT, "All samples.", ROW(noted_allocs_count) },
	{ "frames", NULL, CH_CELL_PART,
	  "The stack, without functions of the runtime that it begins with.", .part = frames_of,
	  .fields = chp_frame_fields },
	{ NULL, "SITE", CH_CELL_SAFE, NULL, ROW(site) },
	CH_FIELDS_END,
};

static const struct ch_list sites_list = { .fields = row_fields };

static const struct ch_field_spec fields[] = {
	{ "runtime", NULL, CH_CELL_SAFE, "Which runtime takes samples; null: none does.",
	  RESULT(runtime), .flags = CH_FIELD_OPTIONAL },
	{ "rate_bytes", NULL, CH_CELL_BYTES,
	  "It notes one allocation in so many bytes; 0: none, 1: all.", RESULT(rate_bytes),
	  CH_KNOWN(struct result, has_rate) },
	{ "rate_known", NULL, CH_CELL_BOOL,
	  "That is what the program had; false: what programs begin with.", RESULT(rate_known) },
	{ "reason", NULL, CH_CELL_SAFE, "Why there are no samples.", RESULT(none),
	  .flags = CH_FIELD_OPTIONAL },
	{ "used_count", NULL, CH_CELL_COUNT, "Objects in use, estimated.", RESULT(all.used_count) },
	{ "used_bytes", NULL, CH_CELL_BYTES, "What they take, estimated.", RESULT(all.used_bytes) },
	{ "allocated_count", NULL, CH_CELL_COUNT,
	  "Objects allocated since the program began, estimated.", RESULT(all.allocs_count) },
	{ "allocated_bytes", NULL, CH_CELL_BYTES, "What those took, estimated.",
	  RESULT(all.allocs_bytes) },
	CH_FIELDS_COUNTED(struct result, sites),
	{ "sites", NULL, CH_CELL_LIST, "A row for each stack, most bytes in use first.",
	  RESULT(sites), .list = &sites_list },
	CH_FIELDS_END,
};

/* What the numbers are, or why there are none. */
static void print_total(const struct ch_report *report, const void *arg)
{
	const struct result *result = arg;
	char rate[CH_BYTES_TEXT_MAX], used[CH_BYTES_TEXT_MAX], all[CH_BYTES_TEXT_MAX];

	if (result->none) {
		fprintf(report->out, "no sites: %s\n", result->none);
		return;
	}
	fprintf(report->out, "total: bytes in use %s, allocated %s\n",
		chp_bytes_text(result->all.used_bytes, used),
		chp_bytes_text(result->all.allocs_bytes, all));
	if (result->rate_bytes > 1)
		fprintf(report->out,
			"estimated, as runtime/pprof does, from samples of one allocation in %s "
			"bytes%s;\n",
			chp_bytes_text(result->rate_bytes, rate),
			result->rate_known ? "" : " (the rate that programs begin with)");
	fputs("what was allocated or freed since the last collection is not in them\n",
	      report->out);
}

const struct ch_document ch_document_sites = {
	.name = "sites",
	.title = "Where objects were allocated, as the runtime samples it",
	.fields = fields,
	.unknown = "no runtime here notes where it allocates",
	.known = offsetof(struct result, any) + 1,
	.tail = print_total,
};

/* "main.makeOrder (shop.go:71)" */
static void put_frame(FILE *out, const struct ch_frame *frame)
{
	fputs(frame->symbol.name, out);
	if (frame->source && frame->line)
		fprintf(out, " (%s:%" PRIu32 ")", frame->source, frame->line);
	else if (frame->source)
		fprintf(out, " (%s)", frame->source);
}

/* "main.makeOrder (shop.go:71) <- main.fill (shop.go:99) <- main.main (shop.go:130)" */
static void put_site(FILE *out, const struct ch_sites_row *of)
{
	size_t i;

	for (i = 0; i < of->frames_count && i <= CALLERS_MAX; i++) {
		if (i)
			fputs(" <- ", out);
		put_frame(out, &of->frames[i]);
	}
	if (i < of->frames_count)
		fputs(" <- ..", out);
}

static struct ch_error *put(struct ch_listing *listing, const struct ch_sites_row *of)
{
	_cleanup_free_ char *site = NULL;
	struct row row = { .of = of,
			   .fingerprint = of->fingerprint,
			   .noted_allocs_count = of->noted_allocs_count,
			   .noted_used_count = of->noted_used_count,
			   .all = of->all };
	size_t size = 0;
	FILE *out = open_memstream(&site, &size);

	if (!out)
		return &ch_enomem;
	put_site(out, of);
	if (!chp_text_end(out, &site))
		return &ch_enomem;
	row.site = site;
	if (of->frames_count)
		row.function = of->frames[0].symbol.name;
	if (of->frames_count && of->frames[0].source)
		snprintf(row.source, sizeof(row.source), "%s:%" PRIu32, of->frames[0].source,
			 of->frames[0].line);
	return chp_listing_row(listing, &row);
}

struct ch_error *chp_report_sites(const struct ch_report *report, const struct ch_sites *sites)
{
	struct result result = { .of = sites,
				 .runtime = sites->known ? sites->sampling.runtime : NULL,
				 .none = sites->sampling.none,
				 .rate_bytes = sites->sampling.rate_bytes,
				 .rate_known = sites->sampling.rate_known,
				 .has_rate = sites->known,
				 .all = sites->all,
				 .any = sites->known,
				 .sites = chp_listing_create(report, &sites_list) };
	struct ch_error *err = result.sites ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < sites->rows.count; i++)
		err = put(result.sites, CH_VEC_AT(&sites->rows, struct ch_sites_row, i));
	if (!err)
		err = chp_document_print(report, &ch_document_sites, &result);
	chp_listing_destroy(result.sites);
	return err;
}

/* A semicolon in a name would begin another frame. */
static void put_folded(FILE *out, const char *name)
{
	for (; *name; name++)
		fputc(*name == ';' ? ',' : *name, out);
}

struct ch_error *chp_report_sites_folded(const struct ch_report *report,
					 const struct ch_sites *sites)
{
	const uint64_t shown = chp_report_rows(report, sites->rows.count);
	const struct ch_sites_row *row;
	uint64_t rest_bytes = 0;
	size_t i, k;

	for (i = 0; i < sites->rows.count; i++) {
		row = CH_VEC_AT(&sites->rows, struct ch_sites_row, i);
		if (i >= shown || !row->frames_count) {
			rest_bytes += row->all.used_bytes;
			continue;
		}
		for (k = row->frames_count; k > 0; k--) {
			put_folded(report->out, row->frames[k - 1].symbol.name);
			fputc(k > 1 ? ';' : ' ', report->out);
		}
		fprintf(report->out, "%" PRIu64 "\n", row->all.used_bytes);
	}
	if (rest_bytes)
		fprintf(report->out, "other sites %" PRIu64 "\n", rest_bytes);
	return NULL;
}
