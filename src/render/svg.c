/*
 * Shapes of pictures: where they lie, and what is written on them.
 *
 * Lengths are tenths of a column of the picture, which is WIDTH columns wide whatever the page is.
 * Letters are of a fixed width, so that what fits is known here.
 */
#include "render/svg.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "render/html.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define UNIT 10
/* Of a picture. */
#define WIDTH (1200 * UNIT)
/* Of a letter of the labels (11 columns high), a line of them, and what is free around it. */
#define LETTER (67 * UNIT / 10)
#define LINE   (15 * UNIT)
#define MARGIN (4 * UNIT)
/* A name with less letters than this says nothing. */
#define LABEL_MIN 8

struct rect {
	uint64_t x, y, w, h;
};

/* part of whole of a length. */
static uint64_t scaled(uint64_t length, uint64_t part, uint64_t whole)
{
	return whole ? (uint64_t)((unsigned __int128)length * ch_min(part, whole) / whole) : 0;
}

static void put_number(FILE *out, const char *name, uint64_t tenths)
{
	fprintf(out, " %s=\"%" PRIu64, name, tenths / UNIT);
	if (tenths % UNIT)
		fprintf(out, ".%" PRIu64, tenths % UNIT);
	fputc('"', out);
}

static void put_rect(FILE *out, const char *kind, const struct rect *rect)
{
	fputs("<rect", out);
	if (kind)
		fprintf(out, " class=\"%s\"", kind);
	put_number(out, "x", rect->x);
	put_number(out, "y", rect->y);
	put_number(out, "width", rect->w);
	put_number(out, "height", rect->h);
	fputs("/>", out);
}

static void begin(FILE *out, const struct ch_svg *svg, const char *kind, uint64_t height)
{
	fprintf(out,
		"<div class=\"scroll\"><svg class=\"picture %s\" id=\"%s\" role=\"group\" "
		"tabindex=\"0\" viewBox=\"0 0 %d %" PRIu64 "\" aria-label=\"",
		kind, svg->id, WIDTH / UNIT, (height + UNIT - 1) / UNIT);
	chp_html_text(out, svg->title);
	/* stripes and dots are told apart without a color, too */
	fprintf(out,
		"\">\n<defs><pattern id=\"%s-1\" width=\"6\" height=\"6\" "
		"patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect "
		"class=\"ink\" width=\"2\" height=\"6\"/></pattern><pattern id=\"%s-2\" "
		"width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><rect class=\"ink\" "
		"width=\"2\" height=\"2\"/></pattern></defs>\n",
		svg->id, svg->id);
}

static void end(FILE *out)
{
	fputs("</svg></div>\n<p class=\"told\" aria-hidden=\"true\"></p>\n", out);
}

/* Whether others are drawn on a shape. */
static bool is_box(const struct ch_svg *svg, const struct ch_shape *shape)
{
	return shape + 1 < svg->shapes + svg->count && shape[1].level > shape->level;
}

/* A shape up to what is written on it. */
static void begin_shape(FILE *out, const struct ch_svg *svg, const struct ch_shape *shape, bool box,
			const struct rect *rect)
{
	static const char *const kinds[] = { "", " free", " own" };

	fprintf(out, "<g role=\"img\" class=\"c%u%s%s\" data-bytes=\"%" PRIu64 "\"><title>",
		shape->color % CH_SVG_COLORS, kinds[shape->pattern % 3], box ? " box" : "",
		shape->bytes);
	chp_html_text(out, shape->title);
	fputs("</title>", out);
	put_rect(out, NULL, rect);
	if (shape->pattern) {
		fprintf(out, "<rect fill=\"url(#%s-%u)\"", svg->id, shape->pattern % 3);
		put_number(out, "x", rect->x);
		put_number(out, "y", rect->y);
		put_number(out, "width", rect->w);
		put_number(out, "height", rect->h);
		fputs("/>", out);
	}
}

static size_t room_of(uint64_t width)
{
	return width > 2 * MARGIN ? (size_t)((width - 2 * MARGIN) / LETTER) : 0;
}

static void put_text(FILE *out, const char *text, uint64_t x, uint64_t y)
{
	fputs("<text", out);
	put_number(out, "x", x + MARGIN);
	put_number(out, "y", y);
	fputc('>', out);
	chp_html_text(out, text);
	fputs("</text>", out);
}

/* As much of a label as fits in a width. */
static void put_label(FILE *out, const char *label, uint64_t x, uint64_t y, uint64_t width)
{
	_cleanup_free_ char *cut =
		room_of(width) >= LABEL_MIN ? chp_text_cut(label, room_of(width)) : NULL;

	if (cut)
		put_text(out, cut, x, y);
}

/* A name with its size behind it, below it, or without, as there is room. */
static void put_named(FILE *out, const struct ch_shape *shape, const struct rect *rect, uint64_t y)
{
	size_t name = strlen(shape->label), size = strlen(shape->size), room = room_of(rect->w);
	_cleanup_free_ char *both = NULL;

	if (name + 1 + size <= room) {
		if (asprintf(&both, "%s %s", shape->label, shape->size) < 0)
			both = NULL;
		else
			put_text(out, both, rect->x, y);
		return;
	}
	put_label(out, shape->label, rect->x, y, rect->w);
	if (size <= room && rect->h > 2 * LINE)
		put_text(out, shape->size, rect->x, y + LINE - MARGIN / 2);
}

/* ---- Areas ----------------------------------------------------------------------- */

/* Shapes beside each other in an area that is left, longest side first. */
struct laying {
	const struct ch_shape *shapes;
	struct rect *rects;
	/* Indexes of shapes. */
	const size_t *items;
	size_t count;
	struct rect left;
	uint64_t left_bytes;
};

/* How far from a square the longer of its sides makes a shape of these bytes, in a row of sum. */
static double ratio_of(const struct laying *laying, uint64_t bytes, uint64_t sum)
{
	double area = (double)laying->left.w * (double)laying->left.h;
	double side = (double)ch_min(laying->left.w, laying->left.h);
	double all = (double)laying->left_bytes;
	double thick = area * (double)sum / all / side;
	double length = side * (double)bytes / (double)sum;

	return thick > length ? thick / length : length / thick;
}

/* Items that are in the next row: as long as it makes none of them longer than it was
 * (Bruls, Huizing, van Wijk: "Squarified Treemaps", 2000). */
static size_t row_end(const struct laying *laying, size_t at, uint64_t *sum_ret)
{
	uint64_t first = laying->shapes[laying->items[at]].bytes, sum = first, bytes;
	double worst = ratio_of(laying, first, sum), next, last;

	for (at++; at < laying->count; at++) {
		bytes = laying->shapes[laying->items[at]].bytes;
		if (!bytes)
			break;
		next = ratio_of(laying, first, sum + bytes);
		last = ratio_of(laying, bytes, sum + bytes);
		next = next > last ? next : last;
		if (next > worst)
			break;
		worst = next;
		sum += bytes;
	}
	*sum_ret = sum;
	return at;
}

static void lay_row(struct laying *laying, size_t at, size_t row, uint64_t sum)
{
	struct rect *left = &laying->left;
	bool upright = left->w >= left->h;
	uint64_t side = upright ? left->h : left->w, done = 0, from, to, bytes;
	uint64_t thick = scaled(upright ? left->w : left->h, sum, laying->left_bytes);

	for (; at < row; at++) {
		bytes = laying->shapes[laying->items[at]].bytes;
		from = scaled(side, done, sum);
		to = scaled(side, done + bytes, sum);
		done += bytes;
		laying->rects[laying->items[at]] =
			upright ? (struct rect){ left->x, left->y + from, thick, to - from }
				: (struct rect){ left->x + from, left->y, to - from, thick };
	}
	if (upright) {
		left->x += thick;
		left->w -= thick;
	} else {
		left->y += thick;
		left->h -= thick;
	}
	laying->left_bytes -= ch_min(sum, laying->left_bytes);
}

static void lay(struct laying *laying)
{
	size_t at = 0, row;
	uint64_t sum;

	while (at < laying->count && laying->shapes[laying->items[at]].bytes && laying->left.w &&
	       laying->left.h) {
		row = row_end(laying, at, &sum);
		lay_row(laying, at, row, sum);
		at = row;
	}
}

#define MAP_HEIGHT (560 * UNIT)
/* Between areas, and what a name above of those inside takes. */
#define GAP  (2 * UNIT)
#define HEAD LINE

static bool has_head(const struct rect *rect)
{
	return rect->h > 3 * HEAD && room_of(rect->w) >= LABEL_MIN;
}

/* Where what is inside of an area lies: below its name, if there is room for that. */
static struct rect inside_of(const struct rect *rect)
{
	struct rect in = *rect;
	uint64_t head = has_head(rect) ? HEAD : ch_min(in.h / 4, 2ULL * GAP);

	if (in.w <= 4 * GAP || in.h <= head + 2 * GAP)
		return (struct rect){ in.x, in.y, 0, 0 };
	return (struct rect){ in.x + GAP, in.y + head, in.w - 2 * GAP, in.h - head - GAP };
}

/* Indexes of what is directly inside of a shape; SIZE_MAX: of the whole. */
static size_t inside(const struct ch_svg *svg, size_t of, size_t *items)
{
	size_t i = of == SIZE_MAX ? 0 : of + 1, count = 0;
	uint32_t level = of == SIZE_MAX ? 0 : svg->shapes[of].level + 1;

	for (; i < svg->count && svg->shapes[i].level >= level; i++)
		if (svg->shapes[i].level == level)
			items[count++] = i;
	return count;
}

static void lay_inside(const struct ch_svg *svg, size_t of, uint64_t bytes, struct rect rect,
		       size_t *items, struct rect *rects)
{
	struct laying laying = { .shapes = svg->shapes,
				 .rects = rects,
				 .items = items,
				 .count = inside(svg, of, items),
				 .left = rect,
				 .left_bytes = bytes };

	lay(&laying);
}

static void put_area(FILE *out, const struct ch_svg *svg, size_t index, struct rect rect)
{
	const struct ch_shape *shape = &svg->shapes[index];
	bool box = is_box(svg, shape), named = box ? has_head(&rect) : rect.h > LINE;

	/* a line of the page's color between neighbours */
	rect.w -= ch_min(rect.w, (uint64_t)UNIT);
	rect.h -= ch_min(rect.h, (uint64_t)UNIT);
	if (!rect.w || !rect.h)
		return;
	begin_shape(out, svg, shape, box, &rect);
	if (box)
		rect.h = HEAD;
	if (named)
		put_named(out, shape, &rect, rect.y + LINE - MARGIN);
	fputs("</g>\n", out);
}

struct ch_error *chp_svg_treemap(FILE *out, const struct ch_svg *svg, uint64_t whole)
{
	_cleanup_free_ struct rect *rects = calloc(svg->count + 1, sizeof(*rects));
	_cleanup_free_ size_t *items = calloc(svg->count + 1, sizeof(*items));
	size_t i;

	if (!rects || !items)
		return &ch_enomem;
	lay_inside(svg, SIZE_MAX, whole, (struct rect){ 0, 0, WIDTH, MAP_HEIGHT }, items, rects);
	begin(out, svg, "map", MAP_HEIGHT);
	for (i = 0; i < svg->count; i++) {
		if (i + 1 < svg->count && svg->shapes[i + 1].level > svg->shapes[i].level)
			lay_inside(svg, i, svg->shapes[i].bytes, inside_of(&rects[i]), items,
				   rects);
		put_area(out, svg, i, rects[i]);
	}
	end(out);
	return NULL;
}

/* ---- Levels ---------------------------------------------------------------------- */

#define LEVELS_MAX 64
#define ROW        (18 * UNIT)

void chp_svg_icicle(FILE *out, const struct ch_svg *svg, uint64_t whole)
{
	/* Bytes before the next shape of each level. */
	uint64_t before[LEVELS_MAX + 1] = { 0 };
	uint64_t deepest = 0, level;
	size_t i;

	for (i = 0; i < svg->count; i++)
		deepest = ch_max(deepest, (uint64_t)svg->shapes[i].level);
	begin(out, svg, "icicle", (ch_min(deepest, (uint64_t)LEVELS_MAX - 1) + 1) * ROW);
	for (i = 0; i < svg->count; i++) {
		const struct ch_shape *shape = &svg->shapes[i];
		struct rect rect;

		level = ch_min((uint64_t)shape->level, (uint64_t)LEVELS_MAX - 1);
		rect.x = scaled(WIDTH, before[level], whole);
		rect.w = scaled(WIDTH, before[level] + shape->bytes, whole) - rect.x;
		rect.y = level * ROW;
		rect.h = ROW;
		before[level + 1] = before[level];
		before[level] += shape->bytes;
		if (!rect.w)
			continue;
		begin_shape(out, svg, shape, shape->level % 2, &rect);
		put_named(out, shape, &rect, rect.y + LINE - MARGIN / 2);
		fputs("</g>\n", out);
	}
	end(out);
}

/* ---- A strip, and columns ---------------------------------------------------------- */

#define STRIP_HEIGHT (54 * UNIT)

void chp_svg_strip(FILE *out, const struct ch_svg *svg, uint64_t whole)
{
	uint64_t before = 0, touched;
	size_t i;

	begin(out, svg, "strip", STRIP_HEIGHT);
	for (i = 0; i < svg->count; i++) {
		const struct ch_shape *shape = &svg->shapes[i];
		struct rect rect = { .x = scaled(WIDTH, before, whole), .h = STRIP_HEIGHT };

		before += shape->bytes;
		rect.w = scaled(WIDTH, before, whole) - rect.x;
		if (!rect.w)
			continue;
		begin_shape(out, svg, shape, false, &rect);
		touched = scaled(STRIP_HEIGHT - LINE, shape->part_bytes, shape->bytes);
		put_rect(out, "part",
			 &(struct rect){ rect.x, STRIP_HEIGHT - touched, rect.w, touched });
		put_named(out, shape, &(struct rect){ .x = rect.x, .w = rect.w }, LINE - MARGIN);
		fputs("</g>\n", out);
	}
	end(out);
}

#define COLUMNS_HEIGHT (200 * UNIT)
/* A column is no wider than this. */
#define COLUMN_MAX (90 * UNIT)

static void put_column(FILE *out, const struct ch_svg *svg, size_t index, uint64_t width,
		       uint64_t most)
{
	const struct ch_shape *shape = &svg->shapes[index];
	struct ch_shape free_shape = *shape;
	struct rect rect = { .x = width * index, .w = width - GAP };
	const uint64_t floor = COLUMNS_HEIGHT - 2 * LINE;
	uint64_t part = scaled(floor - LINE, shape->part_bytes, most);

	rect.h = scaled(floor - LINE, shape->bytes, most);
	rect.y = floor - rect.h;
	begin_shape(out, svg, shape, false, &rect);
	put_text(out, shape->label, rect.x, floor + LINE);
	if (shape->bytes && room_of(rect.w) >= strlen(shape->size))
		put_text(out, shape->size, rect.x, rect.y - part - MARGIN);
	fputs("</g>\n", out);
	if (!part)
		return;
	rect.y -= part;
	rect.h = part;
	free_shape.pattern = CH_PATTERN_STRIPES;
	free_shape.bytes = shape->part_bytes;
	begin_shape(out, svg, &free_shape, false, &rect);
	fputs("</g>\n", out);
}

void chp_svg_columns(FILE *out, const struct ch_svg *svg)
{
	uint64_t width = svg->count ? ch_min((uint64_t)WIDTH / svg->count, (uint64_t)COLUMN_MAX)
				    : COLUMN_MAX;
	uint64_t most = 0;
	size_t i;

	for (i = 0; i < svg->count; i++)
		most = ch_max(most, svg->shapes[i].bytes + svg->shapes[i].part_bytes);
	begin(out, svg, "columns", COLUMNS_HEIGHT);
	for (i = 0; i < svg->count; i++)
		put_column(out, svg, i, width, most);
	end(out);
}

/* ---- Bars -------------------------------------------------------------------------- */

#define BAR_ROW (20 * UNIT)
/* Names to the left; the line that changes begin at. */
#define NAMES_WIDTH (600 * UNIT)
#define MIDDLE      (780 * UNIT)
#define BAR_MAX     (170 * UNIT)

static uint64_t magnitude(int64_t number)
{
	return number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
}

static void put_change(FILE *out, const struct ch_change_bar *bar, uint64_t y, uint64_t most)
{
	struct rect rect = { .y = y + 4 * UNIT, .h = BAR_ROW - 8 * UNIT };

	rect.w = ch_max(scaled(BAR_MAX, magnitude(bar->bytes), most), (uint64_t)UNIT);
	rect.x = bar->bytes < 0 ? MIDDLE - rect.w : MIDDLE;
	fprintf(out, "<g role=\"img\" class=\"%s\" data-bytes=\"%" PRId64 "\"><title>",
		bar->bytes < 0 ? "less" : "more", bar->bytes);
	chp_html_text(out, bar->title);
	fputs("</title>", out);
	put_rect(out, NULL, &rect);
	put_label(out, bar->label, 0, y + LINE - UNIT, NAMES_WIDTH);
	put_label(out, bar->text, bar->bytes < 0 ? MIDDLE : rect.x + rect.w, y + LINE - UNIT,
		  WIDTH - MIDDLE - BAR_MAX + (BAR_MAX - rect.w));
	fputs("</g>\n", out);
}

void chp_svg_changes(FILE *out, const char *id, const char *title, const struct ch_change_bar *bars,
		     size_t count)
{
	const struct ch_svg svg = { .id = id, .title = title };
	uint64_t most = 0;
	size_t i;

	for (i = 0; i < count; i++)
		most = ch_max(most, magnitude(bars[i].bytes));
	begin(out, &svg, "changes", BAR_ROW * count);
	for (i = 0; i < count; i++)
		put_change(out, &bars[i], BAR_ROW * i, most);
	fprintf(out, "<line x1=\"%d\" x2=\"%d\" y1=\"0\" y2=\"%zu\"/>\n", MIDDLE / UNIT,
		MIDDLE / UNIT, BAR_ROW * count / UNIT);
	end(out);
}

void chp_svg_share(FILE *out, uint64_t share)
{
	fputs("<svg class=\"share\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" "
	      "aria-hidden=\"true\"><rect",
	      out);
	put_number(out, "width", scaled(100 * UNIT, share, 10000));
	fputs(" height=\"8\"/></svg>", out);
}
