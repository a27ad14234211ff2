/*
 * The tables of a summary and the lines that sum them up: the accounting with what was never
 * touched, the largest types, what the runtime tracks itself, whether all of it is complete. The
 * screen, plain text and Markdown are put together from these.
 */
#include "render/html.h"
#include "report/heap.h"
#include "report/summary_priv.h"
#include "report/type_groups.h"
#include "util/cleanup.h"

size_t chp_summary_untouched(const struct ch_account *account,
			     struct ch_untouched_part ret[CH_UNTOUCHED_PARTS])
{
	const struct ch_untouched_part parts[CH_UNTOUCHED_PARTS] = {
		{ "committed, never touched", "untouched", account->untouched_bytes },
		{ "not dumped: untouched, or excluded", "undumped", account->undumped_bytes },
		{ "reserved, without access", "reserved", account->reserved_bytes },
		{ "not in the core, as files are", "not_in_core", account->absent_bytes },
	};
	size_t i, count = 0;

	for (i = 0; i < CH_UNTOUCHED_PARTS; i++)
		if (parts[i].bytes)
			ret[count++] = parts[i];
	return count;
}

static struct ch_error *add_untouched(struct ch_table *table, const struct ch_account *account,
				      bool plain)
{
	struct ch_untouched_part parts[CH_UNTOUCHED_PARTS];
	size_t i, count = chp_summary_untouched(account, parts);
	struct ch_error *err = NULL;
	char title[64];

	for (i = 0; !err && i < count; i++) {
		snprintf(title, sizeof(title), "%s%s", plain ? "of_total_" : "of it ",
			 plain ? parts[i].name : parts[i].title);
		err = chp_table_row(table, (struct ch_cell[]){ CH_CELL_STR(title),
							       { .absent = true },
							       { .absent = true },
							       CH_CELL_NUM(parts[i].bytes),
							       CH_CELL_STR(NULL),
							       { .absent = true } });
	}
	return err;
}

struct ch_error *chp_summary_print_rows(const struct ch_report *report,
					const struct ch_summary *summary)
{
	static const struct ch_column columns[] = { { "WHERE THE MEMORY IS", CH_CELL_TEXT },
						    { "TOUCHED", CH_CELL_BYTES },
						    { "OF TOUCHED", CH_CELL_PERCENT },
						    { "MAPPED", CH_CELL_COUNT },
						    { "BASIS", CH_CELL_TEXT },
						    { "IN CORE", CH_CELL_COUNT } };
	bool plain = report->format == CH_FORMAT_PLAIN;
	/* the screen is no wider */
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns) - !plain);
	const struct ch_account *account = &summary->sums.account;
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < CH_ACCOUNT_ROWS; i++) {
		const struct ch_account_row *row = &account->rows[i];
		enum ch_account_id id = (enum ch_account_id)i;

		/* unattributed is said also when it is nothing */
		if (!row->bytes && i != CH_ACCOUNT_UNATTRIBUTED)
			continue;
		err = chp_table_row(
			table,
			(struct ch_cell[]){
				{ .text = plain ? chp_account_name(id) : chp_account_title(id) },
				CH_CELL_NUM(row->touched_bytes),
				CH_CELL_NUM(
					chp_percent(row->touched_bytes, account->touched_bytes)),
				CH_CELL_NUM(row->bytes),
				{ .text = ch_basis_name(row->basis) },
				{ .number = row->in_core_bytes, .absent = !row->has_core } });
	}
	if (!err)
		err = chp_table_row(
			table, (struct ch_cell[]){
				       CH_CELL_STR("total"), CH_CELL_NUM(account->touched_bytes),
				       CH_CELL_NUM(chp_percent(account->touched_bytes,
							       account->touched_bytes)),
				       CH_CELL_NUM(account->busy_bytes), CH_CELL_STR(NULL),
				       CH_CELL_NUM(account->in_core_bytes) });
	if (!err)
		err = add_untouched(table, account, plain);
	if (!err)
		chp_table_print(table, report);
	chp_table_destroy(table);
	return err;
}

struct ch_error *chp_summary_print_types(const struct ch_report *report,
					 const struct ch_summary *summary)
{
	static const struct ch_column columns[] = { { "LARGEST TYPES OF USED BLOCKS",
						      CH_CELL_NAME },
						    { "COUNT", CH_CELL_COUNT },
						    { "TOUCHED", CH_CELL_BYTES },
						    { "OF USED", CH_CELL_PERCENT },
						    { "SAMPLE", CH_CELL_ADDR } };
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < summary->types_count; i++) {
		const struct ch_summary_type *type = &summary->types[i];

		err = chp_table_row(
			table,
			(struct ch_cell[]){ { .text = type->row.name },
					    CH_CELL_NUM(type->row.stat.count),
					    CH_CELL_NUM(type->in_use_bytes),
					    CH_CELL_NUM(chp_percent(type->in_use_bytes,
								    summary->sums.used_bytes)),
					    CH_CELL_NUM(type->row.stat.sample_addr) });
	}
	if (!err && summary->types_count) {
		fputs(report->format == CH_FORMAT_TEXT ? "\n" : "", report->out);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err ? err : chp_summary_print_named(report, summary);
}

struct ch_error *chp_summary_print_named(const struct ch_report *report,
					 const struct ch_summary *summary)
{
	_cleanup_free_ char *text = NULL, *line = NULL;

	if (!summary->named.native_named)
		return NULL;
	text = chp_named_text(&summary->named);
	if (!text || asprintf(&line, "named: %s", text) < 0)
		return &ch_enomem;
	if (report->format == CH_FORMAT_PLAIN)
		chp_report_field(report, "named", "%s", text);
	else if (report->format == CH_FORMAT_MARKDOWN)
		fprintf(report->out, "\n%s\n", line);
	else if (report->format == CH_FORMAT_HTML)
		chp_html_fact(report->out, NULL, NULL, line);
	else
		chp_wrap(report->out, chp_report_width(report), 0, 2, line);
	return NULL;
}

struct ch_error *chp_summary_print_tracked(const struct ch_report *report,
					   const struct ch_summary *summary)
{
	if (!summary->tracking)
		return NULL;
	fputs(report->format == CH_FORMAT_TEXT ? "\n" : "", report->out);
	return chp_print_tracked_blocks(report, summary->view.runtimes, summary->tracking,
					SIZE_MAX);
}

void chp_summary_complete(const struct ch_report *report, const struct ch_summary *summary,
			  char ret[CH_SUMMARY_COMPLETE_MAX])
{
	char what[CH_COVERAGE_TEXT_MAX];

	/* the file of a heap that is not walked may be whole */
	if (ch_context_complete(ch_session_context(report->session)))
		snprintf(ret, CH_SUMMARY_COMPLETE_MAX, "complete");
	else if (chp_coverage_lacks(&summary->sums.coverage,
				    CH_NEED_HEAPS | CH_NEED_STACKS | CH_NEED_MEMORY, what))
		snprintf(ret, CH_SUMMARY_COMPLETE_MAX, "not complete: %.400s", what);
	else
		snprintf(ret, CH_SUMMARY_COMPLETE_MAX, "not complete: see the warnings");
}
