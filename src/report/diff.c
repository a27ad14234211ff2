/*
 * The comparison of dumps, as text and Markdown: which memory grew by how much, and whether the
 * dumps may be compared at all.
 */
#include "report/diff_priv.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/html.h"
#include "render/svg.h"
#include "util/bytes.h"
#include "util/cleanup.h"

/* Growths of a ticket, and room for names of their types. */
#define RANKED    10
#define NAME_ROOM 120

static const char *const titles[CH_AXES] = {
	[CH_AXIS_TYPES] = "TYPES",     [CH_AXIS_ROOT_PATHS] = "ROOT PATHS (what roots retain)",
	[CH_AXIS_MODULES] = "MODULES", [CH_AXIS_THREAD_GROUPS] = "THREADS BY STACK",
	[CH_AXIS_HEAPS] = "HEAPS",     [CH_AXIS_SIZE_CLASSES] = "SIZE CLASSES",
	[CH_AXIS_REGIONS] = "REGIONS", [CH_AXIS_TOTALS] = "ALL MAPPED MEMORY",
};

/* Of lists that are short by default. */
static uint64_t most_rows(const struct ch_report *report)
{
	return report->unlimited ? UINT64_MAX : report->limit ? report->limit : RANKED;
}

static bool is_shown(const struct ch_diff_row *row, bool all)
{
	return all || row->change != CH_CHANGE_SAME;
}

/* ---- Text ---------------------------------------------------------------------- */

/* As UMDH: + delta ( new - old ) count name */
static void print_row(const struct ch_report *report, const struct ch_diff_row *row)
{
	char delta[CH_SIGNED_TEXT_MAX], now[CH_BYTES_TEXT_MAX], before[CH_BYTES_TEXT_MAX];
	char count[CH_SIGNED_TEXT_MAX];

	chp_count_text(row->delta_bytes < 0 ? (uint64_t)-row->delta_bytes
					    : (uint64_t)row->delta_bytes,
		       delta);
	fprintf(report->out, "%c %15s ( %15s - %15s ) %11s  %s%s%s\n",
		row->delta_bytes < 0 ? '-' : '+', delta, chp_count_text(row->target_bytes, now),
		chp_count_text(row->baseline_bytes, before),
		chp_signed_count(row->delta_count, count), row->name,
		row->change == CH_CHANGE_NEW    ? "  [new]"
		: row->change == CH_CHANGE_GONE ? "  [gone]"
						: "",
		row->monotonic ? "  [grew each time]" : "");
}

static void print_axis(const struct ch_report *report, const struct ch_diff *diff,
		       enum ch_axis axis, bool all)
{
	const struct ch_diff_row *rows = diff->rows.items;
	uint64_t matched = 0, shown = 0, most;
	size_t first, end, i;

	end = chp_diff_axis(diff, axis, &first);
	for (i = first; i < end; i++)
		matched += is_shown(&rows[i], all);
	if (!matched)
		return;
	most = chp_report_rows(report, matched);
	fprintf(report->out, "\n%s\n", titles[axis]);
	for (i = first; i < end && shown < most; i++) {
		if (!is_shown(&rows[i], all))
			continue;
		print_row(report, &rows[i]);
		shown++;
	}
	if (shown < matched)
		fprintf(report->out, "showing %" PRIu64 " of %" PRIu64 "\n", shown, matched);
}

static void print_dumps(const struct ch_report *report, const struct ch_diff *diff)
{
	char used[CH_BYTES_TEXT_MAX], line[512];
	const struct ch_snapshot *dump;
	size_t i;

	for (i = 0; i < diff->dumps_count; i++) {
		dump = &diff->dumps[i];
		snprintf(line, sizeof(line), "%.300s (%s, %s%s%s; used blocks %s bytes)",
			 chp_diff_dump(report, dump), dump->dump.producer, dump->dump.arch,
			 dump->complete ? "" : ", incomplete",
			 dump->intact == CH_INTACT_NO ? ", heap damaged" : "",
			 chp_count_text(dump->used_bytes, used));
		chp_report_wrapped(report,
				   !i                          ? "baseline"
				   : i + 1 < diff->dumps_count ? "then"
							       : "target",
				   line);
	}
}

/* Text wraps it, Markdown lists it, else a line each. */
static struct ch_error *print_warning(const struct ch_report *report,
				      const struct ch_finding *finding, const char *line, FILE *out)
{
	const char *severity = finding->severity == CH_SEVERITY_NOTE ? "note" : "warning";
	_cleanup_free_ char *text = NULL;

	switch (report->format) {
	case CH_FORMAT_TEXT:
	case CH_FORMAT_HTML:
		chp_report_wrapped(report, severity, line);
		break;
	case CH_FORMAT_MARKDOWN:
		text = chp_markdown_text(line);
		if (!text)
			return &ch_enomem;
		fprintf(out, "- %s: %s\n", severity, text);
		break;
	default:
		fprintf(out, "coreheap: %s: %s\n", severity, line);
	}
	return NULL;
}

/* Each with the name of its dump. */
static struct ch_error *print_warnings(const struct ch_report *report, const struct ch_diff *diff,
				       FILE *out)
{
	const struct ch_dump_finding *findings;
	struct ch_error *err = NULL;
	size_t i, k;

	for (i = 0; i < diff->dumps_count; i++) {
		findings = diff->dumps[i].findings.items;
		for (k = 0; !err && k < diff->dumps[i].findings.count; k++) {
			_cleanup_free_ char *line = NULL;

			if (asprintf(&line, "dump %zu (%s): %s", i + 1,
				     chp_diff_dump(report, &diff->dumps[i]),
				     findings[k].message) < 0) {
				line = NULL;
				return &ch_enomem;
			}
			err = print_warning(report, &findings[k].finding, line, out);
		}
	}
	return err;
}

static struct ch_error *print_head(const struct ch_report *report, const struct ch_diff *diff)
{
	const char *const *notes = diff->notes.items;
	char line[768];
	size_t i;

	print_dumps(report, diff);
	if (diff->hours > 0)
		chp_report_field(report, "time between", "%.2f hours (%s)", diff->hours,
				 diff->hours_basis);
	for (i = 0; i < diff->notes.count; i++)
		chp_report_wrapped(report, i ? "" : "note", notes[i]);
	chp_diff_verdict(diff, line, sizeof(line));
	if (report->format == CH_FORMAT_HTML)
		chp_html_fact(report->out, "verdict", "verdict", line);
	else
		chp_report_wrapped(report, "verdict", line);
	return print_warnings(report, diff, report->out);
}

static void print_plain(const struct ch_report *report, const struct ch_diff *diff, bool all)
{
	const struct ch_diff_row *rows = diff->rows.items;
	size_t i;

	fputs("AXIS\tID\tDELTA_BYTES\tNEW_BYTES\tOLD_BYTES\tDELTA_COUNT\tNEW_COUNT\tOLD_COUNT\t"
	      "STATE\tNAME\n",
	      report->out);
	for (i = 0; i < diff->rows.count; i++)
		if (is_shown(&rows[i], all))
			fprintf(report->out,
				"%s\t%016" PRIx64 "\t%" PRId64 "\t%" PRIu64 "\t%" PRIu64
				"\t%" PRId64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\t%s\n",
				chp_axis_name(rows[i].axis), rows[i].id, rows[i].delta_bytes,
				rows[i].target_bytes, rows[i].baseline_bytes, rows[i].delta_count,
				rows[i].target_count, rows[i].baseline_count,
				chp_change_name(rows[i].change), rows[i].name);
}

/* ---- Markdown ------------------------------------------------------------------ */

static struct ch_error *print_table(const struct ch_report *report, const struct ch_diff *diff,
				    enum ch_axis axis, bool all)
{
	static const struct ch_column columns[] = { { "DELTA", CH_CELL_TEXT },
						    { "NEW", CH_CELL_BYTES },
						    { "OLD", CH_CELL_BYTES },
						    { "COUNT", CH_CELL_TEXT },
						    { "NAME", CH_CELL_NAME } };
	const struct ch_diff_row *rows = diff->rows.items;
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	char delta[CH_SIGNED_TEXT_MAX], count[CH_SIGNED_TEXT_MAX];
	uint64_t shown = 0, most = most_rows(report);
	size_t first, end, i;

	end = chp_diff_axis(diff, axis, &first);
	for (i = first; !err && i < end && shown < most; i++) {
		if (!is_shown(&rows[i], all))
			continue;
		err = chp_table_row(
			table, (struct ch_cell[]){
				       { .text = chp_signed_count(rows[i].delta_bytes, delta) },
				       CH_CELL_NUM(rows[i].target_bytes),
				       CH_CELL_NUM(rows[i].baseline_bytes),
				       { .text = chp_signed_count(rows[i].delta_count, count) },
				       { .text = rows[i].name } });
		shown++;
	}
	if (!err && shown) {
		if (report->format == CH_FORMAT_MARKDOWN)
			fprintf(report->out, "\n## %s\n\n", titles[axis]);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

static struct ch_error *print_markdown_growths(const struct ch_report *report,
					       const struct ch_diff *diff)
{
	char delta[CH_SIGNED_TEXT_MAX];
	size_t i;

	if (diff->growths.count)
		fputs("\n## What grew most\n\n", report->out);
	for (i = 0; i < diff->growths.count && i < most_rows(report); i++) {
		const struct ch_growth *growth = CH_VEC_AT(&diff->growths, struct ch_growth, i);
		_cleanup_free_ char *name = chp_markdown_code(chp_diff_name(growth->row));
		_cleanup_free_ char *more = chp_growth_text(diff, growth, NAME_ROOM);
		_cleanup_free_ char *safe = more ? chp_markdown_text(more) : NULL;

		if (!name || !safe)
			return &ch_enomem;
		fprintf(report->out, "%zu. %s in %s%s%s\n", i + 1,
			chp_signed_bytes(growth->delta_bytes, delta), name, safe[0] ? ": " : "",
			safe);
	}
	return NULL;
}

static struct ch_error *print_markdown(const struct ch_report *report, const struct ch_diff *diff,
				       bool all)
{
	const char *const *notes = diff->notes.items;
	char line[768], delta[CH_SIGNED_TEXT_MAX];
	struct ch_error *err = NULL;
	FILE *out = report->out;
	enum ch_axis axis;
	size_t i;

	chp_diff_verdict(diff, line, sizeof(line));
	fprintf(out, "# Memory of %zu dumps compared\n\n**Verdict:** %s\n\n", diff->dumps_count,
		line);
	for (i = 0; i < diff->dumps_count; i++) {
		_cleanup_free_ char *name =
			chp_markdown_code(chp_diff_dump(report, &diff->dumps[i]));

		if (!name)
			return &ch_enomem;
		fprintf(out, "- %s %s, used blocks %s bytes\n", i ? "then" : "baseline", name,
			chp_count_text(diff->dumps[i].used_bytes, delta));
	}
	if (diff->hours > 0)
		fprintf(out, "- %.2f hours between them (%s)\n", diff->hours, diff->hours_basis);
	for (i = 0; i < diff->notes.count; i++)
		fprintf(out, "- note: %s\n", notes[i]);
	err = print_warnings(report, diff, out);
	if (!err)
		err = print_markdown_growths(report, diff);
	for (axis = 0; !err && axis < CH_AXES; axis++)
		err = print_table(report, diff, axis, all);
	fprintf(out, "\n---\ncoreheap %s; no memory contents are in this text\n", CH_VERSION);
	return err;
}

/* ---- A page --------------------------------------------------------------------- */

/* Bars of a picture. */
#define BARS_SHOWN 25

static const struct ch_html_place places[] = {
	{ "most", "What grew most" },
	[1 + CH_AXIS_TYPES] = { "types", "Types" },
	[1 + CH_AXIS_ROOT_PATHS] = { "paths", "What roots retain" },
	[1 + CH_AXIS_MODULES] = { "modules", "Modules" },
	[1 + CH_AXIS_THREAD_GROUPS] = { "threads", "Threads by stack" },
	[1 + CH_AXIS_HEAPS] = { "heaps", "Heaps" },
	[1 + CH_AXIS_SIZE_CLASSES] = { "sizes", "Blocks by size" },
	[1 + CH_AXIS_REGIONS] = { "regions", "Regions" },
	[1 + CH_AXIS_TOTALS] = { "totals", "All mapped memory" },
	{ NULL, NULL },
};

struct bars {
	struct ch_change_bar list[BARS_SHOWN];
	/* What each tells; owned. */
	char *titles[BARS_SHOWN], *texts[BARS_SHOWN];
	size_t count;
};

static struct ch_error *add_bar(struct bars *bars, const struct ch_diff_row *row)
{
	char delta[CH_SIGNED_TEXT_MAX], count[CH_SIGNED_TEXT_MAX], now[CH_BYTES_TEXT_MAX],
		before[CH_BYTES_TEXT_MAX];
	size_t i = bars->count++;

	chp_signed_count(row->delta_bytes, delta);
	chp_signed_count(row->delta_count, count);
	if (asprintf(&bars->titles[i], "%s: %s bytes, from %s to %s, count %s%s", row->name, delta,
		     chp_bytes_text(row->baseline_bytes, before),
		     chp_bytes_text(row->target_bytes, now), count,
		     row->monotonic ? ", in every step" : "") < 0) {
		bars->titles[i] = NULL;
		return &ch_enomem;
	}
	chp_binary_text(row->delta_bytes < 0 ? 0 - (uint64_t)row->delta_bytes
					     : (uint64_t)row->delta_bytes,
			now);
	if (asprintf(&bars->texts[i], "%s%s, count %s", row->delta_bytes < 0 ? "-" : "+", now,
		     count) < 0) {
		bars->texts[i] = NULL;
		return &ch_enomem;
	}
	bars->list[i] = (struct ch_change_bar){ .label = row->name,
						.title = bars->titles[i],
						.text = bars->texts[i],
						.bytes = row->delta_bytes };
	return NULL;
}

static void put_bars(FILE *out, struct bars *bars, const char *id, const char *title)
{
	size_t i;

	if (id)
		chp_svg_changes(out, id, title, bars->list, bars->count);
	for (i = 0; i < bars->count; i++) {
		free(bars->titles[i]);
		free(bars->texts[i]);
	}
}

/* A growth, and in words what it is made of. */
static struct ch_error *add_growth(const struct ch_diff *diff, const struct ch_growth *growth,
				   struct bars *bars)
{
	_cleanup_free_ char *more = chp_growth_text(diff, growth, NAME_ROOM);
	const char *name = chp_diff_name(growth->row);
	char delta[CH_SIGNED_TEXT_MAX];
	size_t i = bars->count++;

	chp_signed_bytes(growth->delta_bytes, delta);
	bars->texts[i] = strdup(delta);
	if (!more || !bars->texts[i] ||
	    asprintf(&bars->titles[i], "%s in %s%s%s", delta, name, more[0] ? ": " : "", more) <
		    0) {
		bars->titles[i] = NULL;
		return &ch_enomem;
	}
	bars->list[i] = (struct ch_change_bar){ .label = name,
						.title = bars->titles[i],
						.text = bars->texts[i],
						.bytes = growth->delta_bytes };
	return NULL;
}

static void put_growths(const struct ch_report *report, const struct bars *bars)
{
	size_t i;

	chp_svg_changes(report->out, "most-picture", "What grew most", bars->list, bars->count);
	for (i = 0; i < bars->count; i++)
		chp_html_fact(report->out, NULL, NULL, bars->titles[i]);
}

/* Each growth once, as the screen has them. */
static struct ch_error *put_most(const struct ch_report *report, const struct ch_diff *diff)
{
	struct bars bars = { .count = 0 };
	struct ch_error *err = NULL;
	size_t i;

	if (!diff->growths.count)
		return NULL;
	for (i = 0; !err && i < diff->growths.count && i < RANKED; i++)
		err = add_growth(diff, CH_VEC_AT(&diff->growths, struct ch_growth, i), &bars);
	chp_html_section(
		report->out, &places[0],
		"Each growth once: what holds more than before, and of it the types that "
		"it holds more of; what grew of a type in other places; and memory that is "
		"no object of a heap.");
	if (!err)
		put_growths(report, &bars);
	put_bars(report->out, &bars, NULL, NULL);
	chp_html_section_end(report->out);
	return err;
}

static struct ch_error *put_axis(const struct ch_report *report, const struct ch_diff *diff,
				 enum ch_axis axis, bool all)
{
	const struct ch_diff_row *rows = diff->rows.items;
	const struct ch_html_place *place = &places[1 + axis];
	struct bars bars = { .count = 0 };
	struct ch_error *err = NULL;
	size_t first, end, i;
	char id[32];

	end = chp_diff_axis(diff, axis, &first);
	for (i = first; !err && i < end && bars.count < BARS_SHOWN; i++)
		if (is_shown(&rows[i], all))
			err = add_bar(&bars, &rows[i]);
	if (err || !bars.count) {
		put_bars(report->out, &bars, NULL, NULL);
		return err;
	}
	snprintf(id, sizeof(id), "%s-picture", place->id);
	chp_html_section(report->out, place, NULL);
	put_bars(report->out, &bars, id, place->title);
	chp_html_fold(report->out, "The same as a table");
	err = print_table(report, diff, axis, all);
	chp_html_fold_end(report->out);
	chp_html_section_end(report->out);
	return err;
}

static struct ch_error *print_page(const struct ch_report *report, const struct ch_diff *diff,
				   bool all)
{
	struct ch_error *err;
	enum ch_axis axis;
	char title[64];

	snprintf(title, sizeof(title), "coreheap: %zu dumps compared", diff->dumps_count);
	chp_html_begin(report->out, title, places);
	snprintf(title, sizeof(title), "Memory of %zu dumps compared", diff->dumps_count);
	chp_html_title(report->out, title);
	err = print_head(report, diff);
	if (!err)
		err = put_most(report, diff);
	for (axis = 0; !err && axis < CH_AXES; axis++)
		err = put_axis(report, diff, axis, all);
	if (err)
		return err;
	fprintf(report->out, "<footer>coreheap %s; no memory contents are on this page</footer>\n",
		CH_VERSION);
	chp_html_end(report->out);
	return NULL;
}

struct ch_error *ch_report_diff(const struct ch_report *report, const struct ch_diff *diff,
				bool all)
{
	struct ch_error *err;
	enum ch_axis axis;

	switch (report->format) {
	case CH_FORMAT_JSON:
	case CH_FORMAT_JSONL:
		return chp_diff_print_json(report, diff, all);
	case CH_FORMAT_MARKDOWN:
		return print_markdown(report, diff, all);
	case CH_FORMAT_PLAIN:
		print_plain(report, diff, all);
		return print_warnings(report, diff, stderr);
	case CH_FORMAT_HTML:
		return print_page(report, diff, all);
	case CH_FORMAT_TEXT:
		break;
	}
	if (!all && !report->unlimited)
		return chp_diff_print_screen(report, diff);
	err = print_head(report, diff);
	if (!err)
		err = chp_diff_print_growths(report, diff, SIZE_MAX);
	for (axis = 0; !err && axis < CH_AXES; axis++)
		print_axis(report, diff, axis, all);
	return err;
}
