/*
 * Timers, and the pool of threads.
 */
#include "report/work.h"

#include "render/document.h"
#include "util/cleanup.h"

/* What is found, and its rows as they are shown. */
struct result {
	struct ch_work work;
	struct ch_listing *rows;
};

#define ROW(member)    CH_AT(struct ch_work_row, member)
#define RESULT(member) CH_AT(struct result, member)

static struct ch_error *print(const struct ch_report *report, const struct ch_list *list,
			      const struct ch_document *document, const struct ch_work *work)
{
	struct result result = { *work, chp_listing_create(report, list) };
	struct ch_error *err = result.rows ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < work->rows.count; i++)
		err = chp_listing_row(result.rows, CH_VEC_AT(&work->rows, struct ch_work_row, i));
	if (!err)
		err = chp_document_print(report, document, &result);
	chp_listing_destroy(result.rows);
	return err;
}

/* Only of a runtime that is known a script is told that there is nothing. */
static void print_list(const struct ch_report *report, const struct result *result,
		       const char *title)
{
	if (!result->work.count && report->format != CH_FORMAT_PLAIN)
		return;
	chp_report_heading(report, title, false);
	chp_listing_print(result->rows);
}

/* ---- Timers ------------------------------------------------------------------ */

static struct ch_cell time_cell(uint32_t ms)
{
	return ms == CH_WORK_NEVER ? CH_CELL_NONE : CH_CELL_NUM(ms);
}

static struct ch_cell due(const void *row)
{
	return time_cell(((const struct ch_work_row *)row)->due_ms);
}

static struct ch_cell period(const void *row)
{
	return time_cell(((const struct ch_work_row *)row)->period_ms);
}

static const struct ch_field_spec timer_fields[] = {
	{ "count", "COUNT", CH_CELL_COUNT, "Timers that are alike.", ROW(count) },
	{ "due_ms", "DUE MS", CH_CELL_COUNT, "Milliseconds until it fires, as it was set.",
	  .get = due },
	{ "period_ms", "PERIOD MS", CH_CELL_COUNT,
	  "Milliseconds from one call to the next; null of those that fire once.", .get = period,
	  .flags = CH_FIELD_OPTIONAL },
	{ "calls", "CALLS", CH_CELL_TEXT, "The method that will be called.", ROW(calls),
	  .flags = CH_FIELD_OPTIONAL },
	{ "state_type", "WITH", CH_CELL_TEXT, "Type of what the method is given.", ROW(type),
	  .flags = CH_FIELD_OPTIONAL },
	{ "sample_addr", "SAMPLE", CH_CELL_ADDR, "One of them.", ROW(sample_addr) },
	CH_FIELDS_END,
};

static const struct ch_list timers_list = { .fields = timer_fields };

static const struct ch_field_spec timers_fields[] = {
	{ "known", NULL, CH_CELL_BOOL, "Whether a runtime here has timers that are read.",
	  RESULT(work.known) },
	{ "timers_count", "timers", CH_CELL_COUNT, "Timers that will fire.", RESULT(work.count) },
	CH_FIELDS_COUNTED(struct result, rows),
	{ "timers", NULL, CH_CELL_LIST, "By what they call.", RESULT(rows), .list = &timers_list },
	CH_FIELDS_END,
};

static struct ch_error *print_timers(const struct ch_report *report, const void *result)
{
	const struct result *timers = result;
	struct ch_error *err = NULL;

	if (timers->work.known)
		err = chp_fields_print(report, timers_fields, result);
	if (!err)
		print_list(report, timers, "by what they call");
	return err;
}

const struct ch_document ch_document_timers = {
	.name = "timers",
	.title = "Timers that will fire",
	.fields = timers_fields,
	.unknown = "no runtime here has timers that are read: only .NET's are",
	.known = offsetof(struct result, work.known) + 1,
	.print = print_timers,
};

struct ch_error *ch_report_timers(const struct ch_report *report, const struct ch_work *work)
{
	return print(report, &timers_list, &ch_document_timers, work);
}

/* ---- The pool of threads ----------------------------------------------------- */

static const struct ch_field_spec item_fields[] = {
	{ "count", "COUNT", CH_CELL_COUNT, "Items that are alike.", ROW(count) },
	{ "queue", "QUEUE", CH_CELL_TEXT,
	  "global, high priority, low priority or local (of one thread).", ROW(queue) },
	{ "type", "TYPE", CH_CELL_TEXT, "Type of the item.", ROW(type),
	  .flags = CH_FIELD_OPTIONAL },
	{ "calls", "CALLS", CH_CELL_TEXT, "The method, of work that is a delegate.", ROW(calls),
	  .flags = CH_FIELD_OPTIONAL },
	{ "sample_addr", "SAMPLE", CH_CELL_ADDR, "One of them.", ROW(sample_addr) },
	CH_FIELDS_END,
};

static const struct ch_list items_list = { .fields = item_fields };

static const struct ch_field_spec worker_fields[] = {
	{ "workers_count", "threads", CH_CELL_COUNT, "Threads of the pool.",
	  RESULT(work.workers_count) },
	{ "working_count", "at work", CH_CELL_COUNT, "Those that work.",
	  RESULT(work.working_count) },
	{ "goal_count", "goal", CH_CELL_COUNT, "How many the pool aims at.",
	  RESULT(work.goal_count) },
	{ "min_count", "least", CH_CELL_COUNT, "The least that is set.", RESULT(work.min_count) },
	{ "max_count", "most", CH_CELL_COUNT, "The most that is set.", RESULT(work.max_count) },
	CH_FIELDS_END,
};

static const struct ch_field_spec pool_fields[] = {
	{ "known", NULL, CH_CELL_BOOL, "Whether a runtime here has a pool that is read.",
	  RESULT(work.known) },
	{ "workers", NULL, CH_CELL_OBJECT,
	  "The pool's threads; null where it was not used, or before .NET 6.",
	  CH_KNOWN(struct result, work.has_workers), .fields = worker_fields },
	{ "queued_count", "queued", CH_CELL_COUNT, "All work that no thread has taken.",
	  RESULT(work.count) },
	CH_FIELDS_COUNTED(struct result, rows),
	{ "queued", NULL, CH_CELL_LIST, "Work that no thread has taken.", RESULT(rows),
	  .list = &items_list },
	CH_FIELDS_END,
};

static struct ch_error *print_pool(const struct ch_report *report, const void *result)
{
	const struct result *pool = result;
	struct ch_error *err = NULL;

	if (pool->work.has_workers)
		err = chp_fields_print(report, worker_fields, result);
	else if (pool->work.known)
		chp_report_say(
			report,
			"threads          the pool was never used, or has no counts that are "
			"read (those of .NET 6 and later are)\n");
	if (!err && pool->work.known)
		err = chp_fields_print(report, pool_fields, result);
	if (!err)
		print_list(report, pool, "work that no thread has taken");
	return err;
}

const struct ch_document ch_document_threadpool = {
	.name = "threadpool",
	.title = "The pool of threads, and work that waits for them",
	.fields = pool_fields,
	.unknown = "no runtime here has a pool of threads that is read: only .NET's is",
	.known = offsetof(struct result, work.known) + 1,
	.print = print_pool,
};

struct ch_error *ch_report_pool(const struct ch_report *report, const struct ch_work *work)
{
	return print(report, &items_list, &ch_document_threadpool, work);
}
