#include "report/locks.h"

#include <inttypes.h>

#include "util/cleanup.h"

static json_t *json_owner(const struct ch_locks_row *row)
{
	const struct ch_lock *lock = &row->lock;

	if (!lock->held)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "tid",
			 lock->owner_tid ? chp_json_uint(lock->owner_tid) : json_null(), "number",
			 lock->owner_number ? chp_json_uint(lock->owner_number) : json_null(),
			 "name", chp_json_text(row->owner_name));
}

static json_t *json_row(const struct ch_locks_row *row)
{
	const struct ch_lock *lock = &row->lock;

	return json_pack("{s:o, s:o, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "addr",
			 chp_json_addr(lock->object), "type", chp_json_text(row->type), "runtime",
			 row->runtime, "kind", lock->kind, "held", (int)lock->held, "owner",
			 json_owner(row), "recursion",
			 lock->recursion_known ? chp_json_uint(lock->recursion) : json_null(),
			 "waiters_count", chp_json_uint(lock->waiters), "block_addr",
			 lock->addr ? chp_json_addr(lock->addr) : json_null(), "index",
			 lock->index ? chp_json_uint(lock->index) : json_null());
}

static struct ch_error *print_json(const struct ch_report *report,
				   const struct ch_locks_result *result, uint64_t rows)
{
	json_t *array = json_array();
	uint64_t i;

	for (i = 0; i < rows; i++)
		chp_json_append_take(&array,
				     json_row(CH_VEC_AT(&result->rows, struct ch_locks_row, i)));
	return chp_json_print_take(
		report, chp_json_document_take(
				report, "locks",
				json_pack("{s:o, s:o, s:o, s:o, s:o}", "held_count",
					  chp_json_uint(result->held_count), "waiters_count",
					  chp_json_uint(result->waiters_count), "showing_count",
					  chp_json_uint(rows), "matched_count",
					  chp_json_uint(result->rows.count), "locks", array)));
}

static struct ch_error *add_row(struct ch_table *table, const struct ch_locks_row *row)
{
	const struct ch_lock *lock = &row->lock;
	char owner[24];

	if (lock->owner_tid)
		snprintf(owner, sizeof(owner), "%" PRIu32, lock->owner_tid);
	else if (lock->owner_number)
		snprintf(owner, sizeof(owner), "#%" PRIu64, lock->owner_number);
	else
		snprintf(owner, sizeof(owner), "%s", lock->held ? "?" : "-");
	return chp_table_row(
		table, (struct ch_cell[]){ CH_CELL_NUM(lock->object),
					   CH_CELL_STR(lock->kind),
					   CH_CELL_NUM(lock->waiters),
					   CH_CELL_STR(owner),
					   { .text = row->owner_name },
					   lock->recursion_known ? CH_CELL_NUM(lock->recursion)
								 : CH_CELL_NONE,
					   lock->addr ? CH_CELL_NUM(lock->addr) : CH_CELL_NONE,
					   { .text = row->type } });
}

static struct ch_error *print_table(const struct ch_report *report,
				    const struct ch_locks_result *result, uint64_t rows)
{
	static const struct ch_column columns[] = {
		{ "OBJECT", CH_CELL_ADDR },     { "KIND", CH_CELL_TEXT },
		{ "WAITING", CH_CELL_COUNT },   { "OWNER", CH_CELL_TEXT },
		{ "NAME", CH_CELL_TEXT },       { "RECURSION", CH_CELL_COUNT },
		{ "LOCK BLOCK", CH_CELL_ADDR }, { "TYPE", CH_CELL_TEXT },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	char count[CH_BYTES_TEXT_MAX], held[CH_BYTES_TEXT_MAX], waiters[CH_BYTES_TEXT_MAX];
	struct ch_error *err = NULL;
	uint64_t i;

	if (!table)
		return &ch_enomem;
	for (i = 0; !err && i < rows; i++)
		err = add_row(table, CH_VEC_AT(&result->rows, struct ch_locks_row, i));
	if (!err) {
		chp_table_print(table, report);
		if (report->format == CH_FORMAT_TEXT)
			fprintf(report->out,
				"total: %s locks, %s of them taken, %s threads wait for one\n",
				chp_count_text(result->rows.count, count),
				chp_count_text(result->held_count, held),
				chp_count_text(result->waiters_count, waiters));
	}
	chp_table_destroy(table);
	return err;
}

struct ch_error *chp_report_locks(const struct ch_report *report,
				  const struct ch_locks_result *result)
{
	uint64_t rows = chp_report_rows(report, result->rows.count);
	struct ch_error *err = NULL;

	if (report->format == CH_FORMAT_JSON || report->format == CH_FORMAT_JSONL)
		return print_json(report, result, rows);
	if (!result->rows.count && report->format == CH_FORMAT_TEXT)
		fputs(result->known
			      ? "no lock that a runtime here knows is taken\n"
			      : "there is no runtime here whose locks are read: .NET, HotSpot\n",
		      report->out);
	else
		err = print_table(report, result, rows);
	if (!err && report->format == CH_FORMAT_TEXT && rows < result->rows.count)
		fprintf(report->out, "showing %" PRIu64 " of %zu\n", rows, result->rows.count);
	chp_report_findings(report);
	return err;
}
