/*
 * Tables: rows are kept, columns measured and aligned, for the screen, plain text and Markdown
 * from the same cells.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/html.h"
#include "render/svg.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"
#include "util/vec.h"

/* Longest text of a cell, in bytes before escaping. */
#define CELL_BYTES_MAX 4096

/* A cell as it was given: of a column of text, escaped and owned; else a number. */
struct stored {
	union {
		char *text;
		uint64_t number;
	};
	bool absent;
};

struct ch_table {
	const struct ch_column *columns;
	size_t columns_count;
	/* of struct stored, row by row */
	struct ch_vec cells;
};

/* A cell as text: BYTES have a second part, "(3.19 GiB)", aligned by itself. */
struct rendered {
	const char *main;
	char main_buf[CH_BYTES_TEXT_MAX];
	char side[CH_BYTES_TEXT_MAX + 2];
};

struct widths {
	size_t main, side;
};

static bool is_text(enum ch_cell_kind kind)
{
	return kind == CH_CELL_TEXT || kind == CH_CELL_NAME || kind == CH_CELL_SAFE;
}

static bool is_share(enum ch_cell_kind kind)
{
	return kind == CH_CELL_PERCENT || kind == CH_CELL_SHARE;
}

struct ch_table *chp_table_create(const struct ch_column *columns, size_t columns_count)
{
	struct ch_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	table->columns_count = columns_count;
	table->cells = CH_VEC(struct stored);
	return table;
}

void chp_table_destroy(struct ch_table *table)
{
	size_t i;

	if (!table)
		return;
	for (i = 0; i < table->cells.count; i++)
		if (is_text(table->columns[i % table->columns_count].kind))
			free(CH_VEC_AT(&table->cells, struct stored, i)->text);
	ch_vec_deinit(&table->cells);
	free(table);
}

struct ch_error *chp_table_row(struct ch_table *table, const struct ch_cell *cells)
{
	size_t i, wanted = table->cells.count + table->columns_count;
	char *texts[CH_COLUMNS_MAX] = { NULL };
	struct stored *stored;

	if (!ch_vec_reserve(&table->cells, wanted))
		return &ch_enomem;
	for (i = 0; i < table->columns_count; i++) {
		if (!is_text(table->columns[i].kind) || !cells[i].text || cells[i].absent)
			continue;
		texts[i] = table->columns[i].kind == CH_CELL_SAFE
				   ? strdup(cells[i].text)
				   : chp_text_escape(cells[i].text, CELL_BYTES_MAX);
		if (!texts[i])
			goto nomem;
	}
	for (i = 0; i < table->columns_count; i++) {
		stored = ch_vec_push(&table->cells);
		if (!stored)
			goto nomem; /* cannot be: reserved above */
		if (is_text(table->columns[i].kind))
			stored->text = texts[i];
		else
			stored->number = cells[i].number;
		stored->absent =
			cells[i].absent || (is_text(table->columns[i].kind) && !cells[i].text);
	}
	return NULL;
nomem:
	for (i = 0; i < table->columns_count; i++)
		free(texts[i]);
	return &ch_enomem;
}

/* Columns on a terminal: code points, which is right for what modules, types
 * and symbols are named. */
static size_t display_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void render_number(struct rendered *ret, enum ch_cell_kind kind, uint64_t number, bool plain)
{
	char binary[CH_BYTES_TEXT_MAX];
	size_t size = sizeof(ret->main_buf);

	switch (kind) {
	case CH_CELL_ADDR:
		snprintf(ret->main_buf, size, "0x%" PRIx64, number);
		return;
	case CH_CELL_PERCENT:
	case CH_CELL_SHARE:
		snprintf(ret->main_buf, size, "%" PRIu64 ".%02" PRIu64 "%s", number / 100,
			 number % 100, plain ? "" : "%");
		return;
	case CH_CELL_SIGNED:
		snprintf(ret->main_buf, size, "%" PRId64, (int64_t)number);
		return;
	case CH_CELL_NUMBER:
		snprintf(ret->main_buf, size, "%" PRIu64, number);
		return;
	case CH_CELL_BOOL:
		snprintf(ret->main_buf, size, "%s", number ? "yes" : "no");
		return;
	case CH_CELL_ID:
		snprintf(ret->main_buf, size, "%016" PRIx64, number);
		return;
	default:
		break;
	}
	if (plain) {
		snprintf(ret->main_buf, size, "%" PRIu64, number);
		return;
	}
	chp_count_text(number, ret->main_buf);
	if (kind == CH_CELL_BYTES && number >= 1024)
		snprintf(ret->side, sizeof(ret->side), "(%s)", chp_binary_text(number, binary));
}

static void render(struct rendered *ret, enum ch_cell_kind kind, const struct stored *cell,
		   bool plain)
{
	ret->side[0] = '\0';
	ret->main = ret->main_buf;
	if (cell->absent)
		ret->main = plain ? "" : "-";
	else if (is_text(kind))
		ret->main = cell->text;
	else
		render_number(ret, kind, cell->number, plain);
}

static void print_plain(const struct ch_table *table, FILE *out)
{
	struct rendered cell;
	size_t i, column;

	for (i = 0; i < table->columns_count; i++)
		fprintf(out, "%s%s", i ? "\t" : "", table->columns[i].title);
	fputc('\n', out);
	for (i = 0; i < table->cells.count; i++) {
		column = i % table->columns_count;
		render(&cell, table->columns[column].kind,
		       CH_VEC_AT(&table->cells, struct stored, i), true);
		fprintf(out, "%s%s", column ? "\t" : "", cell.main);
		if (column + 1 == table->columns_count)
			fputc('\n', out);
	}
}

/* Width of a column: the parts of its cells, or its title if that is wider. */
static struct widths measure(const struct ch_table *table, size_t column)
{
	size_t i, width, title = display_width(table->columns[column].title);
	struct widths widths = { 0, 0 };
	struct rendered cell;

	for (i = column; i < table->cells.count; i += table->columns_count) {
		render(&cell, table->columns[column].kind,
		       CH_VEC_AT(&table->cells, struct stored, i), false);
		width = display_width(cell.main);
		widths.main = width > widths.main ? width : widths.main;
		width = cell.side[0] ? strlen(cell.side) + 1 : 0;
		widths.side = width > widths.side ? width : widths.side;
	}
	if (widths.main + widths.side < title)
		widths.main = title - widths.side;
	return widths;
}

static void pad(FILE *out, size_t width, size_t used)
{
	for (; used < width; used++)
		fputc(' ', out);
}

/* One cell in its column; nothing is padded at the end of a line. */
static void print_cell(FILE *out, const struct rendered *cell, struct widths widths, bool left,
		       bool last)
{
	size_t used = display_width(cell->main), side = strlen(cell->side);

	if (!left)
		pad(out, widths.main, used);
	fputs(cell->main, out);
	if (left && !last)
		pad(out, widths.main, used);
	if (side || !last)
		pad(out, widths.side, side);
	fputs(cell->side, out);
	if (!last)
		fputs("  ", out);
}

/* The least that a bar is worth drawing in. */
#define BAR_MIN 8

/* The first column of shares has a bar beside it, where the screen has room for it. */
struct layout {
	struct widths widths[CH_COLUMNS_MAX];
	/* Columns that are shown, by their places. */
	size_t shown[CH_COLUMNS_MAX], shown_count;
	/* Columns of the bar, or 0, and whose it is. */
	size_t bar, bar_column;
};

static void lay_out(const struct ch_table *table, size_t screen, struct layout *ret)
{
	size_t used = 0, i;

	*ret = (struct layout){ .bar_column = table->columns_count };
	for (i = table->columns_count; i-- > 0;) {
		ret->widths[i] = measure(table, i);
		used += ret->widths[i].main + ret->widths[i].side + 2;
		if (is_share(table->columns[i].kind))
			ret->bar_column = i;
	}
	if (ret->bar_column < table->columns_count && used + BAR_MIN <= screen)
		ret->bar = ch_min(screen - used, (size_t)CH_BAR_MAX);
	for (i = 0; i < table->columns_count; i++)
		if (ret->bar || table->columns[i].kind != CH_CELL_SHARE)
			ret->shown[ret->shown_count++] = i;
}

/* The bar behind a cell; nothing is padded at the end of a line. */
static void print_bar(FILE *out, uint64_t share, size_t room, bool last)
{
	size_t len = chp_bar_len(share, room);

	if (last && !len)
		return;
	if (last)
		fputs("  ", out);
	chp_bar(out, share, room);
	if (!last)
		pad(out, room + 2, len);
}

static void print_titles(const struct ch_table *table, FILE *out, const struct layout *layout)
{
	struct rendered cell = { .side = "" };
	struct widths whole;
	size_t i, column;
	bool last;

	for (i = 0; i < layout->shown_count; i++) {
		column = layout->shown[i];
		last = i + 1 == layout->shown_count;
		cell.main = table->columns[column].title;
		whole = (struct widths){ layout->widths[column].main + layout->widths[column].side,
					 0 };
		print_cell(out, &cell, whole, is_text(table->columns[column].kind), last);
		if (layout->bar && column == layout->bar_column && !last)
			pad(out, layout->bar + 2, 0);
	}
	fputc('\n', out);
}

static void print_text(const struct ch_table *table, FILE *out, size_t screen)
{
	const struct stored *stored;
	struct rendered cell;
	struct layout layout;
	size_t row, i, column;
	bool last;

	lay_out(table, screen, &layout);
	print_titles(table, out, &layout);
	for (row = 0; row < table->cells.count; row += table->columns_count) {
		for (i = 0; i < layout.shown_count; i++) {
			column = layout.shown[i];
			last = i + 1 == layout.shown_count;
			stored = CH_VEC_AT(&table->cells, struct stored, row + column);
			render(&cell, table->columns[column].kind, stored, false);
			print_cell(out, &cell, layout.widths[column],
				   is_text(table->columns[column].kind), last);
			if (layout.bar && column == layout.bar_column)
				print_bar(out, stored->absent ? 0 : stored->number, layout.bar,
					  last);
		}
		fputc('\n', out);
	}
}

/* "BYTES" as "Bytes" */
static void print_markdown_title(FILE *out, const char *title)
{
	for (fprintf(out, "| %c", title[0]); title[0] && *++title;)
		fputc(*title >= 'A' && *title <= 'Z' ? *title - 'A' + 'a' : *title, out);
	fputc(' ', out);
}

static void print_markdown(const struct ch_table *table, FILE *out)
{
	size_t i, column, last = table->columns_count - 1;
	struct rendered cell;

	for (i = 0; i <= last; i++)
		print_markdown_title(out, table->columns[i].title);
	fputs("|\n", out);
	for (i = 0; i <= last; i++)
		fputs(is_text(table->columns[i].kind) ? "|---" : "|---:", out);
	fputs("|\n", out);
	for (i = 0; i < table->cells.count; i++) {
		_cleanup_free_ char *text = NULL;
		const struct stored *stored = CH_VEC_AT(&table->cells, struct stored, i);

		column = i % table->columns_count;
		render(&cell, table->columns[column].kind, stored, false);
		if (!stored->absent && is_text(table->columns[column].kind))
			text = table->columns[column].kind == CH_CELL_NAME
				       ? chp_markdown_code(stored->text)
				       : chp_markdown_text(stored->text);
		fprintf(out, "| %s%s%s %s", text ? text : cell.main, cell.side[0] ? " " : "",
			cell.side, column == last ? "|\n" : "");
	}
}

static void print_html_cell(FILE *out, enum ch_cell_kind kind, const struct stored *stored)
{
	struct rendered cell;

	render(&cell, kind, stored, false);
	fprintf(out, "<td%s>",
		kind == CH_CELL_NAME ? " class=\"name\""
		: is_text(kind)      ? ""
				     : " class=\"n\"");
	chp_html_text(out, cell.main);
	fprintf(out, "%s%s", cell.side[0] ? " " : "", cell.side);
	if (kind == CH_CELL_PERCENT && !stored->absent)
		chp_svg_share(out, stored->number);
	fputs("</td>", out);
}

/* Shares have a bar beside them. A table that is too wide moves by the keys, too. */
static void print_html(const struct ch_table *table, FILE *out)
{
	size_t i, column, last = table->columns_count - 1;

	fputs("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"", out);
	chp_html_text(out, table->columns[0].title);
	fputs("\"><table>\n<thead><tr>", out);
	for (i = 0; i <= last; i++) {
		fprintf(out, "<th scope=\"col\"%s>",
			is_text(table->columns[i].kind) ? "" : " class=\"n\"");
		chp_html_text(out, table->columns[i].title);
		fputs("</th>", out);
	}
	fputs("</tr></thead>\n<tbody>\n", out);
	for (i = 0; i < table->cells.count; i++) {
		column = i % table->columns_count;
		fputs(column ? "" : "<tr>", out);
		print_html_cell(out, table->columns[column].kind,
				CH_VEC_AT(&table->cells, struct stored, i));
		fputs(column == last ? "</tr>\n" : "", out);
	}
	fputs("</tbody></table></div>\n", out);
}

void chp_table_print(const struct ch_table *table, const struct ch_report *report)
{
	if (report->format == CH_FORMAT_HTML) {
		print_html(table, report->out);
		return;
	}
	if (report->format == CH_FORMAT_MARKDOWN) {
		print_markdown(table, report->out);
		return;
	}
	if (report->format == CH_FORMAT_PLAIN) {
		print_plain(table, report->out);
		return;
	}
	print_text(table, report->out, chp_report_width(report));
}
