/*
 * The page of a dump: what the first screen says, and pictures with the numbers that they are made
 * of.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/html.h"
#include "render/svg.h"
#include "report/frames.h"
#include "report/picture_priv.h"
#include "report/summary_priv.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Rows of a table below a picture. */
#define ROWS_SHOWN 60
/* Stacks, of which each is a few lines. */
#define STACKS_SHOWN   25
#define NAME_BYTES_MAX 512
/* Letters of a name that a shape tells: with two thousand shapes a page stays below a megabyte. */
#define TOLD_MAX 160
/* Colors that branches of the tree have, one after the other; grey is for what is small. */
#define BRANCH_COLORS 7

enum place {
	PLACE_SUSPECTS,
	PLACE_STACK,
	PLACE_MEMORY,
	PLACE_MAP,
	PLACE_TREE,
	PLACE_TYPES,
	PLACE_SIZES,
	PLACE_SPACE,
	PLACE_THREADS,
	PLACE_DOUBTS,
};

static const struct ch_html_place places[] = {
	[PLACE_SUSPECTS] = { "suspects", "Suspects" },
	[PLACE_STACK] = { "stack", "Where it died" },
	[PLACE_MEMORY] = { "memory", "Where the memory is" },
	[PLACE_MAP] = { "map", "Touched memory" },
	[PLACE_TREE] = { "tree", "What holds it" },
	[PLACE_TYPES] = { "types", "Largest types" },
	[PLACE_SIZES] = { "sizes", "Blocks by size" },
	[PLACE_SPACE] = { "space", "Address space" },
	[PLACE_THREADS] = { "threads", "Threads by stack" },
	[PLACE_DOUBTS] = { "doubts", "What weakens the answer" },
	{ NULL, NULL },
};

/* ---- Shapes ---------------------------------------------------------------------- */

/* Shapes whose texts are owned here. */
struct drawing {
	/* of struct ch_shape */
	struct ch_vec shapes;
	/* of char * */
	struct ch_vec texts;
};

static void end_drawing(struct drawing *drawing)
{
	size_t i;

	for (i = 0; i < drawing->texts.count; i++)
		free(*CH_VEC_AT(&drawing->texts, char *, i));
	ch_vec_deinit(&drawing->texts);
	ch_vec_deinit(&drawing->shapes);
}

/* Keep a text, which is taken; NULL when out of memory, or where it is NULL. */
static const char *keep_take(struct drawing *drawing, char *text)
{
	char **kept = text ? ch_vec_push(&drawing->texts) : NULL;

	if (!kept) {
		free(text);
		return NULL;
	}
	*kept = text;
	return text;
}

/* As much of a safe name as is told; "" for NULL. */
static const char *kept_name(struct drawing *drawing, const char *name)
{
	return keep_take(drawing, chp_text_cut(name ? name : "", TOLD_MAX));
}

static const char *kept_safe(struct drawing *drawing, const char *text)
{
	_cleanup_free_ char *safe = text ? chp_text_escape(text, NAME_BYTES_MAX) : NULL;

	return text && !safe ? NULL : kept_name(drawing, safe);
}

/* One more shape; label and title are taken. */
static struct ch_error *add_shape(struct drawing *drawing, struct ch_shape shape, char *label,
				  char *title)
{
	struct ch_shape *pushed = ch_vec_push(&drawing->shapes);
	char size[CH_BYTES_TEXT_MAX];

	shape.label = keep_take(drawing, label);
	shape.size = keep_take(drawing, strdup(chp_binary_text(shape.bytes, size)));
	shape.title = keep_take(drawing, title);
	if (!pushed || !shape.label || !shape.size || !shape.title)
		return &ch_enomem;
	*pushed = shape;
	return NULL;
}

/* asprintf() that returns its text, or NULL. */
static char *made(const char *format, ...) CH_PRINTF(1, 2);

static char *made(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

static struct ch_svg svg_of(const struct drawing *drawing, const char *id, const char *title)
{
	return (struct ch_svg){ .id = id,
				.title = title,
				.shapes = drawing->shapes.items,
				.count = drawing->shapes.count };
}

/* ---- Tables ---------------------------------------------------------------------- */

/* The first rows of a list, and how many there are. */
static struct ch_error *put_rows(const struct ch_report *report, const struct ch_list *list,
				 struct ch_rows rows, size_t most)
{
	struct ch_error *err = chp_rows_print(report, list, rows, most);
	char line[128];

	if (err || rows.count <= most)
		return err;
	snprintf(line, sizeof(line), "showing %zu of %zu rows: report --json has all", most,
		 rows.count);
	chp_html_fact(report->out, NULL, NULL, line);
	return NULL;
}

static struct ch_error *put_folded(const struct ch_report *report, const struct ch_list *list,
				   struct ch_rows rows)
{
	struct ch_error *err;

	chp_html_fold(report->out, "The same as a table");
	err = put_rows(report, list, rows, ROWS_SHOWN);
	chp_html_fold_end(report->out);
	return err;
}

/* ---- Touched memory -------------------------------------------------------------- */

static struct ch_error *add_tile(struct drawing *drawing, const struct ch_tile *tile)
{
	const char *heap = kept_safe(drawing, tile->heap);
	const char *type = kept_safe(drawing, tile->type);
	char exact[CH_BYTES_TEXT_MAX], count[CH_BYTES_TEXT_MAX];
	char others[CH_BYTES_TEXT_MAX + 16];
	struct ch_shape shape = { .level = tile->level,
				  .color = (uint8_t)tile->group,
				  .bytes = tile->touched_bytes };
	const char *name;
	bool part;

	if (!heap || !type)
		return &ch_enomem;
	shape.pattern = tile->kind == CH_TILE_FREE                             ? CH_PATTERN_STRIPES
			: tile->kind == CH_TILE_OVERHEAD || tile->others_count ? CH_PATTERN_DOTS
									       : CH_PATTERN_PLAIN;
	snprintf(others, sizeof(others), "%s smaller", chp_count_text(tile->others_count, count));
	name = tile->others_count ? others : type[0] ? type : heap[0] ? heap : tile->usage;
	part = tile->others_count || type[0];
	chp_bytes_text(tile->touched_bytes, exact);
	chp_count_text(tile->blocks_count, count);
	return add_shape(drawing, shape, strdup(name),
			 made("%s%s%s%s%s: %s, %" PRIu64 ".%02" PRIu64 "%% of touched memory%s%s",
			      tile->usage, heap[0] ? ", " : "", heap, part ? ", " : "",
			      part ? name : "", exact, tile->share / 100, tile->share % 100,
			      tile->blocks_count ? ", blocks " : "",
			      tile->blocks_count ? count : ""));
}

/* What colors and patterns mean. */
static void put_key(FILE *out, const struct ch_picture *picture)
{
	const struct ch_tile *tiles = picture->tiles.items;
	size_t i;

	fputs("<ul class=\"key\">", out);
	for (i = 0; i < picture->tiles.count; i++)
		if (!tiles[i].level)
			fprintf(out,
				"<li><svg class=\"c%u\" viewBox=\"0 0 14 14\" "
				"aria-hidden=\"true\"><rect width=\"14\" height=\"14\"/></svg>%s"
				"</li>",
				(unsigned)tiles[i].group, tiles[i].usage);
	fputs("<li>striped: free</li><li>dotted: the allocator&#39;s own, or many that are "
	      "small</li></ul>\n",
	      out);
}

static struct ch_error *put_map(const struct ch_report *report,
				const struct ch_picture_result *result)
{
	struct drawing drawing = { CH_VEC(struct ch_shape), CH_VEC(char *) };
	const struct ch_tile *tiles = result->of->tiles.items;
	struct ch_error *err = NULL;
	struct ch_svg svg;
	size_t i;

	for (i = 0; !err && i < result->of->tiles.count; i++)
		err = add_tile(&drawing, &tiles[i]);
	svg = svg_of(&drawing, "map-picture",
		     "Touched memory by use, heap and type: the table below it has the numbers");
	if (!err) {
		chp_html_section(report->out, &places[PLACE_MAP],
				 "Areas are bytes on touched pages (with a byte other than zero): "
				 "what memory is for, in it heaps, in them types of blocks. Files "
				 "that are only read are left out: their pages are the system's.");
		put_key(report->out, result->of);
		err = chp_svg_treemap(report->out, &svg, result->touched_bytes);
	}
	if (!err)
		err = put_folded(report, &chp_picture_tiles_list, result->tiles);
	if (!err)
		chp_html_section_end(report->out);
	end_drawing(&drawing);
	return err;
}

/* ---- What holds it ---------------------------------------------------------------- */

static struct ch_error *add_branch(struct drawing *drawing, const struct ch_branch *branch,
				   uint8_t color)
{
	const char *name = kept_name(drawing, branch->name);
	const char *field = kept_name(drawing, branch->field);
	char exact[CH_BYTES_TEXT_MAX], count[CH_BYTES_TEXT_MAX], self[CH_BYTES_TEXT_MAX];
	char others[CH_BYTES_TEXT_MAX + 16];
	const struct ch_shape shape = { .level = branch->level,
					.color = color,
					.pattern =
						branch->name ? CH_PATTERN_PLAIN : CH_PATTERN_DOTS,
					.bytes = branch->retained_bytes };

	if (!name || !field)
		return &ch_enomem;
	snprintf(others, sizeof(others), "%s smaller", chp_count_text(branch->others_count, count));
	name = branch->name ? name : others;
	chp_bytes_text(branch->retained_bytes, exact);
	chp_count_text(branch->self_count, count);
	chp_binary_text(branch->self_bytes, self);
	return add_shape(drawing, shape, strdup(name),
			 made("%s%s%s%s: %s with what they hold, %" PRIu64 ".%02" PRIu64
			      "%%, blocks %s with %s of their own",
			      name, field[0] ? " (" : "", field, field[0] ? ")" : "", exact,
			      branch->share / 100, branch->share % 100, count, self));
}

static struct ch_error *add_branches(struct drawing *drawing, const struct ch_picture *picture)
{
	const struct ch_branch *branches = picture->branches.items;
	uint8_t color = BRANCH_COLORS - 1, shown = 0;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < picture->branches.count; i++) {
		if (!branches[i].level && branches[i].name && !branches[i].is_lost)
			color = (uint8_t)((color + 1) % BRANCH_COLORS);
		if (!branches[i].level)
			shown = branches[i].is_lost || !branches[i].name ? CH_MEMORY_UNATTRIBUTED
									 : color;
		err = add_branch(drawing, &branches[i], branches[i].name ? shown : CH_MEMORY_OTHER);
	}
	return err;
}

static struct ch_error *put_tree(const struct ch_report *report,
				 const struct ch_picture_result *result)
{
	struct drawing drawing = { CH_VEC(struct ch_shape), CH_VEC(char *) };
	struct ch_error *err = add_branches(&drawing, result->of);
	struct ch_svg svg =
		svg_of(&drawing, "tree-picture",
		       "What blocks hold alone, by types from the roots down: the table "
		       "below it has the numbers");

	if (!err) {
		chp_html_section(report->out, &places[PLACE_TREE],
				 "What would go away with a place of roots, and below it with "
				 "blocks of a type, each with what they hold alone (dominators). "
				 "Blocks of one type on the same way are one. A click or Enter "
				 "looks closer, Escape or a double click shows all.");
		chp_svg_icicle(report->out, &svg, result->held_bytes);
		err = put_folded(report, &chp_picture_branches_list, result->branches);
	}
	if (!err)
		chp_html_section_end(report->out);
	end_drawing(&drawing);
	return err;
}

/* ---- Sizes and the address space --------------------------------------------------- */

static struct ch_error *add_size(struct drawing *drawing, const struct ch_size_class *size)
{
	char from[CH_BYTES_TEXT_MAX], used[CH_BYTES_TEXT_MAX], used_count[CH_BYTES_TEXT_MAX];
	char largest[CH_BYTES_TEXT_MAX], free_bytes[CH_BYTES_TEXT_MAX];
	char free_count[CH_BYTES_TEXT_MAX], exact[CH_BYTES_TEXT_MAX];

	chp_binary_text(size->smallest_bytes, from);
	/* whole units: "64 KiB" of "64.00 KiB" */
	if (strstr(from, ".00"))
		memmove(strstr(from, ".00"), strstr(from, ".00") + 3,
			strlen(strstr(from, ".00") + 3) + 1);
	return add_shape(drawing,
			 (struct ch_shape){ .color = CH_MEMORY_MALLOC,
					    .bytes = size->used_bytes,
					    .part_bytes = size->free_bytes },
			 strdup(from),
			 made("blocks of %s to %s bytes: used %s in %s blocks, free %s in %s",
			      chp_count_text(size->smallest_bytes, exact),
			      chp_count_text(size->largest_bytes, largest),
			      chp_binary_text(size->used_bytes, used),
			      chp_count_text(size->used_count, used_count),
			      chp_binary_text(size->free_bytes, free_bytes),
			      chp_count_text(size->free_count, free_count)));
}

static struct ch_error *put_sizes(const struct ch_report *report,
				  const struct ch_picture_result *result)
{
	struct drawing drawing = { CH_VEC(struct ch_shape), CH_VEC(char *) };
	const struct ch_size_class *sizes = result->of->sizes.items;
	struct ch_error *err = NULL;
	struct ch_svg svg;
	size_t i;

	for (i = 0; !err && i < result->of->sizes.count; i++)
		err = add_size(&drawing, &sizes[i]);
	svg = svg_of(&drawing, "sizes-picture",
		     "Bytes of blocks by their size: the table below it has the numbers");
	if (!err) {
		chp_html_section(report->out, &places[PLACE_SIZES],
				 "Bytes of used blocks, and striped above them of free ones, by "
				 "what a block takes, each column up to twice as much.");
		chp_svg_columns(report->out, &svg);
		err = put_folded(report, &chp_picture_sizes_list, result->sizes);
	}
	if (!err)
		chp_html_section_end(report->out);
	end_drawing(&drawing);
	return err;
}

static struct ch_error *add_stretch(struct drawing *drawing, const struct ch_stretch *stretch)
{
	char mapped[CH_BYTES_TEXT_MAX], touched[CH_BYTES_TEXT_MAX];
	char regions[CH_BYTES_TEXT_MAX];

	chp_binary_text(stretch->mapped_bytes, mapped);
	return add_shape(drawing,
			 (struct ch_shape){ .color = (uint8_t)stretch->group,
					    .bytes = stretch->mapped_bytes,
					    .part_bytes = stretch->touched_bytes },
			 strdup(stretch->usage),
			 made("%s, 0x%" PRIx64 " to 0x%" PRIx64
			      ": %s mapped, of it %s touched, regions %s",
			      stretch->usage, stretch->start, stretch->end, mapped,
			      chp_binary_text(stretch->touched_bytes, touched),
			      chp_count_text(stretch->regions_count, regions)));
}

static struct ch_error *put_space(const struct ch_report *report,
				  const struct ch_picture_result *result)
{
	struct drawing drawing = { CH_VEC(struct ch_shape), CH_VEC(char *) };
	const struct ch_stretch *stretches = result->of->stretches.items;
	struct ch_error *err = NULL;
	struct ch_svg svg;
	size_t i;

	for (i = 0; !err && i < result->of->stretches.count; i++)
		err = add_stretch(&drawing, &stretches[i]);
	svg = svg_of(&drawing, "space-picture",
		     "Mapped memory by address: the table below it has the numbers");
	if (!err) {
		chp_html_section(report->out, &places[PLACE_SPACE],
				 "Mapped memory from low addresses to high ones, as wide as it is "
				 "large, filled as far as it is touched. Gaps, and what is "
				 "reserved without access, are left out.");
		chp_svg_strip(report->out, &svg, result->mapped_bytes - result->reserved_bytes);
		err = put_folded(report, &chp_picture_stretches_list, result->stretches);
	}
	if (!err)
		chp_html_section_end(report->out);
	end_drawing(&drawing);
	return err;
}

/* ---- What is told in tables -------------------------------------------------------- */

static bool has_stack(const struct ch_summary *summary)
{
	return chp_summary_crash(summary) && chp_summary_crash(summary)->frames_count;
}

static struct ch_error *put_stack(const struct ch_report *report, const struct ch_summary *summary)
{
	struct ch_error *err;

	if (!has_stack(summary))
		return NULL;
	chp_html_section(report->out, &places[PLACE_STACK], NULL);
	err = chp_print_frames(report, chp_summary_crash(summary));
	chp_html_section_end(report->out);
	return err;
}

static struct ch_error *put_memory(const struct ch_report *report, const struct ch_summary *summary)
{
	struct ch_error *err;

	chp_html_section(report->out, &places[PLACE_MEMORY], NULL);
	err = chp_summary_print_rows(report, summary);
	if (!err)
		err = chp_summary_print_untouched(report, summary);
	if (!err)
		err = chp_summary_print_tracked(report, summary);
	chp_html_section_end(report->out);
	return err;
}

static struct ch_error *put_types(const struct ch_report *report, const struct ch_summary *summary)
{
	struct ch_error *err;

	if (!summary->types_count)
		return NULL;
	chp_html_section(report->out, &places[PLACE_TYPES], NULL);
	err = chp_summary_print_types(report, summary);
	chp_html_section_end(report->out);
	return err;
}

static struct ch_error *put_threads(const struct ch_report *report,
				    const struct ch_picture_result *result)
{
	struct ch_error *err;

	chp_html_section(report->out, &places[PLACE_THREADS], NULL);
	err = put_rows(report, &chp_picture_threads_list, CH_VEC_ROWS(&result->threads),
		       STACKS_SHOWN);
	chp_html_section_end(report->out);
	return err;
}

static void put_doubts(const struct ch_report *report)
{
	size_t count;

	ch_context_findings(ch_session_context(report->session), &count);
	chp_html_section(report->out, &places[PLACE_DOUBTS],
			 count ? NULL : "Nothing that this program knows of.");
	chp_report_findings(report);
	chp_html_section_end(report->out);
}

static struct ch_error *put_foot(const struct ch_report *report)
{
	_cleanup_free_ char *file = NULL;
	struct ch_dump dump;
	struct ch_error *err = chp_dump_make(ch_session_core(report->session), &dump);

	file = err ? NULL : chp_text_escape(dump.file, NAME_BYTES_MAX);
	if (!err && !file)
		err = &ch_enomem;
	if (!err) {
		fprintf(report->out, "<footer>coreheap %s, dump %s", CH_VERSION, dump.id);
		if (!report->reproducible) {
			fputs(", file ", report->out);
			chp_html_text(report->out, file);
		}
		fprintf(report->out, "; %s</footer>\n",
			report->reveal ? "contents of memory may be on this page (--reveal)"
				       : "no memory contents, environment or arguments are on "
					 "this page");
	}
	chp_dump_deinit(&dump);
	return err;
}

/* Sections that this page has, as put_...() do. */
static void begin(const struct ch_report *report, const struct ch_picture_result *result)
{
	const struct ch_summary *summary = &result->of->summary;
	const bool there[] = {
		[PLACE_SUSPECTS] = summary->suspects.count,
		[PLACE_STACK] = has_stack(summary),
		[PLACE_MEMORY] = true,
		[PLACE_MAP] = true,
		[PLACE_TREE] = result->branches.count,
		[PLACE_TYPES] = summary->types_count,
		[PLACE_SIZES] = result->sizes.count,
		[PLACE_SPACE] = true,
		[PLACE_THREADS] = result->threads.count,
		[PLACE_DOUBTS] = true,
	};
	struct ch_html_place shown[CH_COUNT_OF(places)];
	const struct ch_process *process = ch_core_process(ch_session_core(report->session));
	_cleanup_free_ char *name = chp_text_escape(process->comm, NAME_BYTES_MAX);
	char title[NAME_BYTES_MAX + 64];
	size_t i, count = 0;

	for (i = 0; i < CH_COUNT_OF(there); i++)
		if (there[i])
			shown[count++] = places[i];
	shown[count].id = NULL;
	snprintf(title, sizeof(title), "coreheap: memory of %s (%" PRIu32 ")",
		 name && name[0] ? name : "a process", process->pid);
	chp_html_begin(report->out, title, shown);
}

struct ch_error *chp_picture_print_page(const struct ch_report *report,
					const struct ch_picture_result *result)
{
	const struct ch_summary *summary = &result->of->summary;
	struct ch_error *err;

	begin(report, result);
	err = chp_summary_print_upper(report, summary, SIZE_MAX, false);
	if (!err)
		err = put_stack(report, summary);
	if (!err)
		err = put_memory(report, summary);
	if (!err)
		err = put_map(report, result);
	if (!err && result->branches.count)
		err = put_tree(report, result);
	if (!err)
		err = put_types(report, summary);
	if (!err && result->sizes.count)
		err = put_sizes(report, result);
	if (!err)
		err = put_space(report, result);
	if (!err && result->threads.count)
		err = put_threads(report, result);
	if (err)
		return err;
	put_doubts(report);
	err = put_foot(report);
	if (!err)
		chp_html_end(report->out);
	return err;
}
