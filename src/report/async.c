/*
 * Methods that wait: by type and await, and in chains.
 */
#include "report/async.h"

#include <stdio.h>
#include <string.h>

#include "render/document.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* Deeper steps are not moved further to the right. */
#define INDENT_MAX 30

struct step_row {
	struct ch_async_step step;
	/* Moved to the right by depth. */
	char text[2048];
};

/* What is found, and its rows as they are shown. */
struct result {
	struct ch_async async;
	struct ch_listing *groups, *steps;
};

#define GROUP(member)  CH_AT(struct ch_async_group, member)
#define STEP(member)   CH_AT(struct step_row, member)
#define RESULT(member) CH_AT(struct result, member)

static const char state_about[] =
	"The await at which it stands, from 0; -1: it runs; null: not known.";

static const struct ch_field_spec group_fields[] = {
	{ "count", "COUNT", CH_CELL_COUNT, "Machines.", GROUP(count) },
	{ "total_bytes", "BYTES", CH_CELL_BYTES, "What they take in the heap.",
	  GROUP(total_bytes) },
	{ "state", "STATE", CH_CELL_SIGNED, state_about, GROUP(state),
	  CH_KNOWN(struct ch_async_group, has_state) },
	{ "type", "STATE MACHINE", CH_CELL_TEXT, "Type of the state machine.", GROUP(type) },
	{ "awaits", "AWAITS", CH_CELL_TEXT,
	  "The machine, or the type of the task, that continues it.", GROUP(awaits),
	  .flags = CH_FIELD_OPTIONAL },
	{ "sample_addr", "SAMPLE", CH_CELL_ADDR, "One of them.", GROUP(sample_addr) },
	CH_FIELDS_END,
};

static const struct ch_field_spec step_fields[] = {
	{ "chain", "CHAIN", CH_CELL_COUNT, "Number of the chain, from 1.", STEP(step.chain) },
	{ "depth", NULL, CH_CELL_COUNT, "Steps from what all of the chain waits for.",
	  STEP(step.depth) },
	{ "count", "COUNT", CH_CELL_COUNT, "Steps that are alike.", STEP(step.count) },
	{ "sample_addr", "SAMPLE", CH_CELL_ADDR, "One of them.", STEP(step.sample_addr) },
	{ "state", "STATE", CH_CELL_SIGNED, state_about, STEP(step.state),
	  CH_KNOWN(struct step_row, step.has_state) },
	{ NULL, "WAITED FOR BY", CH_CELL_TEXT, NULL, STEP(text), .flags = CH_FIELD_INSIDE },
	{ "type", NULL, CH_CELL_TEXT, "Type of the state machine or task.", STEP(step.type) },
	CH_FIELDS_END,
};

static const struct ch_list groups_list = { .fields = group_fields };
static const struct ch_list steps_list = { .fields = step_fields };

static const struct ch_field_spec fields[] = {
	{ "known", NULL, CH_CELL_BOOL, "Whether a runtime here has state machines that are read.",
	  RESULT(async.known) },
	{ "machines_count", "state machines", CH_CELL_COUNT, "State machines that wait.",
	  RESULT(async.machines_count) },
	{ "machines_bytes", "their bytes", CH_CELL_BYTES, "What they take in the heap.",
	  RESULT(async.machines_bytes) },
	{ "completed_count", "completed", CH_CELL_COUNT,
	  "Boxes of methods that have ended: in none of the rows.", RESULT(async.completed_count) },
	CH_FIELDS_COUNTED(struct result, groups),
	{ "machines", "by method and the await at which they stand", CH_CELL_LIST,
	  "By type and await, most bytes first.", RESULT(groups), .list = &groups_list },
	{ "chains_count", NULL, CH_CELL_COUNT, "Chains.", RESULT(async.chains_count) },
	{ "showing_steps_count", NULL, CH_CELL_SHOWN, "How many steps are here.", RESULT(steps) },
	{ "steps_count", NULL, CH_CELL_MATCHED, "How many steps there are.", RESULT(steps) },
	{ "steps", "chains: what waits for what, merged where alike", CH_CELL_LIST,
	  "A tree: each row is followed by what it continues.", RESULT(steps),
	  .list = &steps_list },
	CH_FIELDS_END,
};

const struct ch_document ch_document_async = {
	.name = "async",
	.title = "Methods that wait, by state machine and in chains",
	.fields = fields,
	.unknown = "no runtime here has state machines that are read: only .NET's are",
	.known = offsetof(struct result, async.known) + 1,
};

static struct ch_error *list_groups(struct ch_listing *listing, const struct ch_async *async)
{
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < async->groups.count; i++)
		err = chp_listing_row(listing, CH_VEC_AT(&async->groups, struct ch_async_group, i));
	return err;
}

static struct ch_error *list_steps(struct ch_listing *listing, const struct ch_async *async)
{
	struct ch_error *err = NULL;
	struct step_row row;
	size_t i;

	for (i = 0; !err && i < async->steps.count; i++) {
		row.step = *CH_VEC_AT(&async->steps, struct ch_async_step, i);
		snprintf(row.text, sizeof(row.text), "%*s%s",
			 (int)(2 * ch_min(row.step.depth, INDENT_MAX)), "", row.step.type);
		err = chp_listing_row(listing, &row);
	}
	return err;
}

struct ch_error *ch_report_async(const struct ch_report *report, const struct ch_async *async)
{
	struct result result = { *async, chp_listing_create(report, &groups_list),
				 chp_listing_create(report, &steps_list) };
	struct ch_error *err =
		result.groups && result.steps ? list_groups(result.groups, async) : &ch_enomem;

	if (!err)
		err = list_steps(result.steps, async);
	if (!err)
		err = chp_document_print(report, &ch_document_async, &result);
	chp_listing_destroy(result.groups);
	chp_listing_destroy(result.steps);
	return err;
}
