/*
 * render/svg.h - pictures: areas, levels, a strip, columns, bars.
 *
 * Shapes are drawn here, by whole numbers of tenths of a column, so that a picture needs no script
 * and is the same each time. Each shape has a title, which is what a pointer over it, the keyboard
 * and a screen reader tell; it holds the number that the shape is drawn by, as data-bytes.
 */
#ifndef COREHEAP_RENDER_SVG_H
#define COREHEAP_RENDER_SVG_H

#include <stdio.h>

#include <coreheap/error.h>

/** Colors that most people can tell apart (Okabe and Ito), and grey. */
#define CH_SVG_COLORS 9

enum ch_pattern {
	CH_PATTERN_PLAIN,
	/** Free memory. */
	CH_PATTERN_STRIPES,
	/** What an allocator has for itself, and what is too small. */
	CH_PATTERN_DOTS,
};

/** A shape; of trees those inside of it follow, one level deeper. Texts are safe and borrowed. */
struct ch_shape {
	uint32_t level;
	/** Of CH_SVG_COLORS; enum ch_pattern. */
	uint8_t color, pattern;
	/** What is written on it: its name, and where there is room its size; and what is told of
	 * it. */
	const char *label, *size, *title;
	uint64_t bytes;
	/** Of a strip: what of the bytes is touched. Of columns: what stands on them. */
	uint64_t part_bytes;
};

struct ch_svg {
	/** Of the element, and what the picture is called, for those who do not see it. */
	const char *id, *title;
	const struct ch_shape *shapes;
	size_t count;
};

/** Areas inside of areas; whole: the bytes of the first level. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_svg_treemap(FILE *out, const struct ch_svg *svg, uint64_t whole);
/** Levels below levels: what is inside of a shape is as wide as its share, below whole. */
void chp_svg_icicle(FILE *out, const struct ch_svg *svg, uint64_t whole);
/** One beside the other. */
void chp_svg_strip(FILE *out, const struct ch_svg *svg, uint64_t whole);
/** Columns of bytes, with part_bytes above them, striped. */
void chp_svg_columns(FILE *out, const struct ch_svg *svg);

/** A bar from the middle to the right, or to the left where it is negative. */
struct ch_change_bar {
	const char *label, *title, *text;
	int64_t bytes;
};

/** One bar a row. */
void chp_svg_changes(FILE *out, const char *id, const char *title, const struct ch_change_bar *bars,
		     size_t count);

/** A small bar beside a number: hundredths of a percent. */
void chp_svg_share(FILE *out, uint64_t share);

#endif /* COREHEAP_RENDER_SVG_H */
