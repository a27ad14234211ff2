#include "report/async.h"

#include <stdio.h>
#include <string.h>

#include "render/listing.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* Deeper steps are not moved further to the right. */
#define INDENT_MAX 30

static struct ch_cell state_cell(bool has_state, int32_t state)
{
	return has_state ? CH_CELL_NUM((uint64_t)(int64_t)state) : CH_CELL_NONE;
}

static const struct ch_list_column group_columns[] = {
	{ "count", "COUNT", CH_CELL_COUNT },  { "total_bytes", "BYTES", CH_CELL_BYTES },
	{ "state", "STATE", CH_CELL_SIGNED }, { "type", "STATE MACHINE", CH_CELL_TEXT },
	{ "awaits", "AWAITS", CH_CELL_TEXT }, { "sample_addr", "SAMPLE", CH_CELL_ADDR },
};

static const struct ch_list_column step_columns[] = {
	{ "chain", "CHAIN", CH_CELL_COUNT },  { "depth", NULL, CH_CELL_COUNT },
	{ "count", "COUNT", CH_CELL_COUNT },  { "sample_addr", "SAMPLE", CH_CELL_ADDR },
	{ "state", "STATE", CH_CELL_SIGNED }, { NULL, "WAITED FOR BY", CH_CELL_TEXT },
	{ "type", NULL, CH_CELL_TEXT },
};

static struct ch_error *list_groups(struct ch_listing *listing, const struct ch_async *async)
{
	const struct ch_async_group *group;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < async->groups.count; i++) {
		group = CH_VEC_AT(&async->groups, struct ch_async_group, i);
		const struct ch_cell cells[] = {
			CH_CELL_NUM(group->count),
			CH_CELL_NUM(group->total_bytes),
			state_cell(group->has_state, group->state),
			CH_CELL_STR(group->type),
			CH_CELL_STR(group->awaits),
			CH_CELL_NUM(group->sample_addr),
		};
		err = chp_listing_row(listing, cells);
	}
	return err;
}

static struct ch_error *list_steps(struct ch_listing *listing, const struct ch_async *async)
{
	const struct ch_async_step *step;
	char text[2048];
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < async->steps.count; i++) {
		step = CH_VEC_AT(&async->steps, struct ch_async_step, i);
		snprintf(text, sizeof(text), "%*s%s", (int)(2 * ch_min(step->depth, INDENT_MAX)),
			 "", step->type);
		const struct ch_cell cells[] = {
			CH_CELL_NUM(step->chain),
			CH_CELL_NUM(step->depth),
			CH_CELL_NUM(step->count),
			CH_CELL_NUM(step->sample_addr),
			state_cell(step->has_state, step->state),
			CH_CELL_STR(text),
			CH_CELL_STR(step->type),
		};
		err = chp_listing_row(listing, cells);
	}
	return err;
}

static void print_text(const struct ch_report *report, const struct ch_async *async,
		       const struct ch_listing *groups, const struct ch_listing *steps)
{
	char bytes[CH_BYTES_TEXT_MAX];

	if (!async->known && report->format == CH_FORMAT_TEXT)
		fputs("no runtime here has state machines that are read: only .NET's are\n",
		      report->out);
	if (async->known || report->format == CH_FORMAT_PLAIN) {
		chp_report_count_field(report, "state machines", async->machines_count);
		chp_report_field(report, "their bytes", "%s",
				 chp_report_bytes_text(report, async->machines_bytes, bytes));
		chp_report_count_field(report, "completed", async->completed_count);
		chp_report_heading(report, "by method and the await at which they stand", false);
		chp_listing_print(groups);
		chp_report_heading(report, "chains: what waits for what, merged where alike",
				   false);
		chp_listing_print(steps);
	}
	chp_report_findings(report);
}

static struct ch_error *print_json(const struct ch_report *report, const struct ch_async *async,
				   struct ch_listing *groups, struct ch_listing *steps)
{
	return chp_json_print_take(
		report, chp_json_document_take(
				report, "async",
				json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
					  "known", (int)async->known, "machines_count",
					  chp_json_uint(async->machines_count), "machines_bytes",
					  chp_json_uint(async->machines_bytes), "completed_count",
					  chp_json_uint(async->completed_count), "showing_count",
					  chp_json_uint(chp_listing_shown(groups)), "matched_count",
					  chp_json_uint(chp_listing_matched(groups)), "machines",
					  chp_listing_json(groups), "chains_count",
					  chp_json_uint(async->chains_count), "showing_steps_count",
					  chp_json_uint(chp_listing_shown(steps)), "steps_count",
					  chp_json_uint(chp_listing_matched(steps)), "steps",
					  chp_listing_json(steps))));
}

struct ch_error *ch_report_async(const struct ch_report *report, const struct ch_async *async)
{
	struct ch_listing *groups, *steps;
	struct ch_error *err;

	groups = chp_listing_create(report, group_columns, CH_COUNT_OF(group_columns));
	steps = chp_listing_create(report, step_columns, CH_COUNT_OF(step_columns));
	err = groups && steps ? list_groups(groups, async) : &ch_enomem;
	if (!err)
		err = list_steps(steps, async);
	if (!err && chp_report_is_json(report))
		err = print_json(report, async, groups, steps);
	else if (!err)
		print_text(report, async, groups, steps);
	chp_listing_destroy(groups);
	chp_listing_destroy(steps);
	return err;
}
