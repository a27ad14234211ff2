#include "report/work.h"

#include "render/listing.h"
#include "util/bytes.h"
#include "util/cleanup.h"

static struct ch_cell time_cell(uint32_t ms)
{
	return ms == CH_WORK_NEVER ? CH_CELL_NONE : CH_CELL_NUM(ms);
}

/* ---- Timers ------------------------------------------------------------------ */

static const struct ch_list_column timer_columns[] = {
	{ "count", "COUNT", CH_CELL_COUNT },         { "due_ms", "DUE MS", CH_CELL_COUNT },
	{ "period_ms", "PERIOD MS", CH_CELL_COUNT }, { "calls", "CALLS", CH_CELL_TEXT },
	{ "state_type", "WITH", CH_CELL_TEXT },      { "sample_addr", "SAMPLE", CH_CELL_ADDR },
};

static struct ch_error *list_timers(struct ch_listing *listing, const struct ch_work *work)
{
	const struct ch_work_row *row;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < work->rows.count; i++) {
		row = CH_VEC_AT(&work->rows, struct ch_work_row, i);
		const struct ch_cell cells[] = {
			CH_CELL_NUM(row->count),   time_cell(row->due_ms),
			time_cell(row->period_ms), CH_CELL_STR(row->calls),
			CH_CELL_STR(row->type),    CH_CELL_NUM(row->sample_addr),
		};
		err = chp_listing_row(listing, cells);
	}
	return err;
}

struct ch_error *ch_report_timers(const struct ch_report *report, const struct ch_work *work)
{
	struct ch_listing *listing =
		chp_listing_create(report, timer_columns, CH_COUNT_OF(timer_columns));
	struct ch_error *err = listing ? list_timers(listing, work) : &ch_enomem;

	if (!err && chp_report_is_json(report)) {
		err = chp_json_print_take(
			report, chp_json_document_take(
					report, "timers",
					json_pack("{s:b, s:o, s:o, s:o, s:o}", "known",
						  (int)work->known, "timers_count",
						  chp_json_uint(work->count), "showing_count",
						  chp_json_uint(chp_listing_shown(listing)),
						  "matched_count",
						  chp_json_uint(chp_listing_matched(listing)),
						  "timers", chp_listing_json(listing))));
	} else if (!err) {
		if (work->known)
			chp_report_count_field(report, "timers", work->count);
		else if (report->format == CH_FORMAT_TEXT)
			fputs("no runtime here has timers that are read: only .NET's are\n",
			      report->out);
		if (work->count || report->format == CH_FORMAT_PLAIN) {
			chp_report_heading(report, "by what they call", false);
			chp_listing_print(listing);
		}
		chp_report_findings(report);
	}
	chp_listing_destroy(listing);
	return err;
}

/* ---- The pool of threads ----------------------------------------------------- */

static const struct ch_list_column item_columns[] = {
	{ "count", "COUNT", CH_CELL_COUNT },       { "queue", "QUEUE", CH_CELL_TEXT },
	{ "type", "TYPE", CH_CELL_TEXT },          { "calls", "CALLS", CH_CELL_TEXT },
	{ "sample_addr", "SAMPLE", CH_CELL_ADDR },
};

static struct ch_error *list_items(struct ch_listing *listing, const struct ch_work *work)
{
	const struct ch_work_row *row;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < work->rows.count; i++) {
		row = CH_VEC_AT(&work->rows, struct ch_work_row, i);
		const struct ch_cell cells[] = {
			CH_CELL_NUM(row->count),       CH_CELL_STR(row->queue),
			CH_CELL_STR(row->type),        CH_CELL_STR(row->calls),
			CH_CELL_NUM(row->sample_addr),
		};
		err = chp_listing_row(listing, cells);
	}
	return err;
}

static json_t *json_workers(const struct ch_work *work)
{
	if (!work->has_workers)
		return json_null();
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o}", "workers_count", chp_json_uint(work->workers_count),
		"working_count", chp_json_uint(work->working_count), "goal_count",
		chp_json_uint(work->goal_count), "min_count", chp_json_uint(work->min_count),
		"max_count", chp_json_uint(work->max_count));
}

static void print_pool(const struct ch_report *report, const struct ch_work *work,
		       const struct ch_listing *listing)
{
	if (!work->known && report->format == CH_FORMAT_TEXT)
		fputs("no runtime here has a pool of threads that is read: only .NET's is\n",
		      report->out);
	if (work->known && !work->has_workers && report->format == CH_FORMAT_TEXT)
		fputs("threads          the pool was never used, or has no counts that are "
		      "read (those of .NET 6 and later are)\n",
		      report->out);
	if (work->has_workers) {
		chp_report_count_field(report, "threads", work->workers_count);
		chp_report_count_field(report, "at work", work->working_count);
		chp_report_count_field(report, "goal", work->goal_count);
		chp_report_count_field(report, "least", work->min_count);
		chp_report_count_field(report, "most", work->max_count);
	}
	if (work->known)
		chp_report_count_field(report, "queued", work->count);
	if (work->count || report->format == CH_FORMAT_PLAIN) {
		chp_report_heading(report, "work that no thread has taken", false);
		chp_listing_print(listing);
	}
	chp_report_findings(report);
}

struct ch_error *ch_report_pool(const struct ch_report *report, const struct ch_work *work)
{
	struct ch_listing *listing =
		chp_listing_create(report, item_columns, CH_COUNT_OF(item_columns));
	struct ch_error *err = listing ? list_items(listing, work) : &ch_enomem;

	if (!err && chp_report_is_json(report))
		err = chp_json_print_take(
			report, chp_json_document_take(
					report, "threadpool",
					json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "known",
						  (int)work->known, "workers", json_workers(work),
						  "queued_count", chp_json_uint(work->count),
						  "showing_count",
						  chp_json_uint(chp_listing_shown(listing)),
						  "matched_count",
						  chp_json_uint(chp_listing_matched(listing)),
						  "queued", chp_listing_json(listing))));
	else if (!err)
		print_pool(report, work, listing);
	chp_listing_destroy(listing);
	return err;
}
