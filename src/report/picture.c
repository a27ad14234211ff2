/*
 * The answer of `report`: as a page, as plain tables, as a document.
 */
#include "report/picture_priv.h"

#include <inttypes.h>
#include <stdlib.h>

#include "report/crash.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Names of a group of threads. */
#define NAMES_MAX      3
#define NAME_BYTES_MAX 160

static char *names_text(const struct ch_thread_group *group)
{
	char *text = NULL, number[CH_BYTES_TEXT_MAX];
	size_t i, size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (i = 0; i < group->names_count && i < NAMES_MAX; i++) {
		_cleanup_free_ char *name =
			chp_text_escape(group->names[i].pattern, NAME_BYTES_MAX);

		fprintf(out, "%s%s (%s)", i ? ", " : "", name ? name : "",
			chp_count_text(group->names[i].count, number));
	}
	if (i < group->names_count)
		fprintf(out, " and %zu other names", group->names_count - i);
	return chp_text_end(out, &text);
}

static struct ch_error *add_threads(struct ch_picture_result *result)
{
	const struct ch_threads *of = &result->of->threads.threads;
	struct ch_picture_threads *row;
	size_t i;

	for (i = 0; i < of->groups_count; i++) {
		const struct ch_thread_group *group = &of->groups[i];

		row = ch_vec_push(&result->threads);
		if (!row)
			return &ch_enomem;
		*row = (struct ch_picture_threads){
			.fingerprint = group->fingerprint,
			.count = group->count,
			.share = chp_percent(group->count, of->rows_count),
			.stack_bytes = group->stack_bytes,
			.used_bytes = group->used_bytes,
			.names = names_text(group),
			.stack = chp_crash_text(&of->rows[group->first], CH_CRASH_FRAMES),
		};
		if (!row->names || !row->stack)
			return &ch_enomem;
	}
	return NULL;
}

static struct ch_error *print_list(const struct ch_report *report, const char *title,
				   const struct ch_list *list, struct ch_rows rows)
{
	chp_report_heading(report, title, false);
	return chp_rows_print(report, list, rows, report->limit);
}

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct ch_picture_result *result = arg;
	struct ch_error *err;

	if (report->format == CH_FORMAT_HTML)
		return chp_picture_print_page(report, result);
	err = chp_fields_print(report, chp_picture_fields, result);
	if (!err)
		err = print_list(report, "treemap", &chp_picture_tiles_list, result->tiles);
	if (!err)
		err = print_list(report, "dominators", &chp_picture_branches_list,
				 result->branches);
	if (!err)
		err = print_list(report, "address space", &chp_picture_stretches_list,
				 result->stretches);
	if (!err)
		err = print_list(report, "size classes", &chp_picture_sizes_list, result->sizes);
	return err ? err
		   : print_list(report, "threads", &chp_picture_threads_list,
				CH_VEC_ROWS(&result->threads));
}

const struct ch_document ch_document_report = {
	.name = "report",
	.title = "The numbers behind the pictures of a dump",
	.fields = chp_picture_fields,
	.print = print,
};

struct ch_error *ch_report_picture(const struct ch_report *report, const struct ch_picture *picture)
{
	struct ch_picture_result result = { .of = picture,
					    .touched_bytes = picture->touched_bytes,
					    .mapped_bytes = picture->mapped_bytes,
					    .reserved_bytes = picture->reserved_bytes,
					    .held_bytes = picture->held_bytes,
					    .has_branches = picture->has_branches,
					    .tiles = CH_VEC_ROWS(&picture->tiles),
					    .branches = CH_VEC_ROWS(&picture->branches),
					    .stretches = CH_VEC_ROWS(&picture->stretches),
					    .sizes = CH_VEC_ROWS(&picture->sizes),
					    .threads = CH_VEC(struct ch_picture_threads) };
	struct ch_error *err = add_threads(&result);
	struct ch_picture_threads *rows = result.threads.items;
	size_t i;

	if (!err)
		err = chp_document_print(report, &ch_document_report, &result);
	for (i = 0; i < result.threads.count; i++) {
		free(rows[i].names);
		free(rows[i].stack);
	}
	ch_vec_deinit(&result.threads);
	return err;
}
