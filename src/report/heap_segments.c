/*
 * The memory that heaps are made of: the parts of heap --segments.
 */
#include "report/heap.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/vec.h"

struct row {
	uint64_t start, end, committed_bytes, used_bytes, free_bytes, overhead_bytes;
	const char *kind, *basis;
};

#define ROW(member) CH_AT(struct row, member)

const struct ch_field_spec chp_segment_fields[] = {
	{ "addr", NULL, CH_CELL_ADDR, "Where it begins.", ROW(start) },
	{ "end", NULL, CH_CELL_ADDR, "Behind its last byte.", ROW(end) },
	{ "kind", NULL, CH_CELL_SAFE, "What it is to its allocator or runtime.", ROW(kind) },
	{ "committed_bytes", NULL, CH_CELL_BYTES, "What of it is committed.",
	  ROW(committed_bytes) },
	{ "used_bytes", NULL, CH_CELL_BYTES, "Used blocks.", ROW(used_bytes) },
	{ "free_bytes", NULL, CH_CELL_BYTES, "Free blocks.", ROW(free_bytes) },
	{ "overhead_bytes", NULL, CH_CELL_BYTES, "The rest.", ROW(overhead_bytes) },
	{ "basis", NULL, CH_CELL_SAFE, "What that rests on.", ROW(basis), .ref = "basis" },
	CH_FIELDS_END,
};

static struct row make_row(const struct ch_span *span, const struct ch_span_sums *sums)
{
	return (struct row){
		.start = span->start,
		.end = span->end,
		.committed_bytes = span->committed_end - span->start,
		.used_bytes = sums->used_bytes,
		.free_bytes = sums->free_bytes,
		.overhead_bytes = sums->overhead_bytes,
		.kind = span->kind,
		.basis = ch_basis_name(span->basis),
	};
}

struct ch_error *chp_heap_segments(const struct ch_heaps_view *view, void **items_ret,
				   struct ch_rows *ret)
{
	struct row *rows = calloc(view->spans_count + 1, sizeof(*rows));
	struct row *next = rows;
	size_t i;

	*items_ret = rows;
	if (!rows)
		return &ch_enomem;
	/* how many each heap has, then where its first one lies, in one pass each */
	for (i = 0; i < view->spans_count; i++)
		ret[view->spans[i].heap].count++;
	for (i = 0; i < view->heaps_count; i++) {
		ret[i].items = next;
		ret[i].item_size = sizeof(*rows);
		next += ret[i].count;
		ret[i].count = 0;
	}
	for (i = 0; i < view->spans_count; i++) {
		struct ch_rows *of = &ret[view->spans[i].heap];

		rows[(size_t)((const struct row *)of->items - rows) + of->count++] =
			make_row(&view->spans[i], &view->sums[i]);
	}
	return NULL;
}

/* A span and its sums, or what nested ones leave of it. */
struct segment {
	struct ch_span span;
	struct ch_span_sums sums;
	uint64_t committed_bytes;
};

/* Pieces of one span, apart by what is nested in it, are one segment. */
static void add_piece(struct segment *segment, const struct ch_span *span,
		      const struct ch_span_sums *sums)
{
	segment->span.end = span->end;
	segment->committed_bytes += span->committed_end - span->start;
	segment->sums.used_bytes += sums->used_bytes;
	segment->sums.free_bytes += sums->free_bytes;
	segment->sums.overhead_bytes += sums->overhead_bytes;
}

static bool is_piece(const struct segment *segment, const struct ch_span *span)
{
	return segment->span.heap == span->heap && segment->span.kind == span->kind;
}

/* All spans; or those that nobody else's block holds. */
static struct ch_error *collect(const struct ch_heaps_view *view, bool all, struct ch_vec *ret)
{
	const struct ch_span *spans = view->spans;
	struct segment *segment = NULL;
	bool after_nested = false;
	uint64_t reach = 0;
	size_t i;

	for (i = 0; i < view->spans_count; i++) {
		after_nested &= spans[i].start == reach;
		if (!all && spans[i].block_addr) {
			after_nested |= segment && spans[i].start == reach;
		} else if (!all && after_nested && is_piece(segment, &spans[i])) {
			add_piece(segment, &spans[i], &view->sums[i]);
			after_nested = false;
		} else {
			segment = ch_vec_push(ret);
			if (!segment)
				return &ch_enomem;
			*segment = (struct segment){
				.span = spans[i],
				.sums = view->sums[i],
				.committed_bytes = spans[i].committed_end - spans[i].start,
			};
			after_nested = false;
		}
		reach = spans[i].end;
	}
	return NULL;
}

/* Blocks with a mapping of their own are one segment each: those of one size are
 * one row, unless asked otherwise. */
static bool is_summed(bool all, const struct segment *segment)
{
	return !all && segment->span.usage == CH_USAGE_MMAP_CHUNK;
}

static struct ch_error *add_segment_row(struct ch_table *table, const struct ch_heap *heap,
					const struct segment *segment)
{
	const struct ch_cell cells[] = {
		CH_CELL_NUM(segment->span.start),      CH_CELL_NUM(segment->span.end),
		CH_CELL_STR(segment->span.kind),       CH_CELL_STR(heap->name),
		CH_CELL_NUM(segment->committed_bytes), CH_CELL_NUM(segment->sums.used_bytes),
		CH_CELL_NUM(segment->sums.free_bytes), CH_CELL_NUM(segment->sums.overhead_bytes),
	};

	return chp_table_row(table, cells);
}

/* Blocks of one size with mappings of their own. */
struct mapped {
	uint64_t bytes, count, used_bytes, first;
	uint32_t heap;
};

static int compare_sizes(const void *a, const void *b)
{
	const struct mapped *x = a, *y = b;

	if (x->heap != y->heap)
		return x->heap < y->heap ? -1 : 1;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Rows of one size become one. */
static void merge_sizes(struct ch_vec *rows)
{
	struct mapped *items = rows->items;
	size_t i, kept = 0;

	ch_vec_sort(rows, compare_sizes);
	for (i = 0; i < rows->count; i++) {
		if (kept && items[kept - 1].heap == items[i].heap &&
		    items[kept - 1].bytes == items[i].bytes) {
			items[kept - 1].count++;
			items[kept - 1].used_bytes += items[i].used_bytes;
			continue;
		}
		items[kept++] = items[i];
	}
	rows->count = kept;
}

static struct ch_error *collect_mapped(const struct ch_vec *segments, struct ch_vec *ret)
{
	const struct segment *items = segments->items;
	struct mapped *row;
	size_t i;

	for (i = 0; i < segments->count; i++) {
		if (!is_summed(false, &items[i]))
			continue;
		row = ch_vec_push(ret);
		if (!row)
			return &ch_enomem;
		*row = (struct mapped){ .bytes = items[i].committed_bytes,
					.count = 1,
					.used_bytes = items[i].sums.used_bytes,
					.first = items[i].span.start,
					.heap = items[i].span.heap };
	}
	merge_sizes(ret);
	return NULL;
}

static struct ch_error *add_mapped_rows(const struct ch_report *report, const struct ch_vec *rows,
					const struct ch_heap *list)
{
	static const struct ch_column columns[] = {
		{ "SIZE", CH_CELL_COUNT },      { "SEGMENTS", CH_CELL_COUNT },
		{ "COMMITTED", CH_CELL_COUNT }, { "USED", CH_CELL_COUNT },
		{ "LOWEST", CH_CELL_ADDR },     { "HEAP", CH_CELL_TEXT },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	uint64_t shown = 0, all = 0, most = chp_report_rows(report, rows->count);
	const struct mapped *items = rows->items;
	size_t i;

	for (i = 0; !err && i < rows->count; i++) {
		all += items[i].bytes * items[i].count;
		if (i >= most)
			continue;
		shown = all;
		err = chp_table_row(
			table, (struct ch_cell[]){ CH_CELL_NUM(items[i].bytes),
						   CH_CELL_NUM(items[i].count),
						   CH_CELL_NUM(items[i].bytes * items[i].count),
						   CH_CELL_NUM(items[i].used_bytes),
						   CH_CELL_NUM(items[i].first),
						   CH_CELL_STR(list[items[i].heap].name) });
	}
	if (!err) {
		chp_report_heading(report, "segments of one block, by size (--segments lists them)",
				   false);
		chp_table_print(table, report);
		chp_report_cut(report, most, rows->count, shown, all);
	}
	chp_table_destroy(table);
	return err;
}

static struct ch_error *print_mapped(const struct ch_report *report,
				     const struct ch_heap_result *result,
				     const struct ch_vec *segments)
{
	struct ch_vec rows = CH_VEC(struct mapped);
	struct ch_error *err;

	err = collect_mapped(segments, &rows);
	if (!err && rows.count)
		err = add_mapped_rows(report, &rows, result->view.heaps);
	ch_vec_deinit(&rows);
	return err;
}

/* The segments that get a row each. */
static struct ch_error *print_listed(const struct ch_report *report,
				     const struct ch_heap_result *result,
				     const struct ch_vec *segments, bool all)
{
	static const struct ch_column columns[] = {
		{ "START", CH_CELL_ADDR },      { "END", CH_CELL_ADDR },
		{ "KIND", CH_CELL_TEXT },       { "HEAP", CH_CELL_TEXT },
		{ "COMMITTED", CH_CELL_COUNT }, { "USED", CH_CELL_COUNT },
		{ "FREE", CH_CELL_COUNT },      { "OVERHEAD", CH_CELL_COUNT },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	uint64_t shown_bytes = 0, all_bytes = 0, most = report->limit, rows = 0, shown = 0;
	struct ch_error *err = table ? NULL : &ch_enomem;
	const struct ch_heap *list = result->view.heaps;
	const struct segment *items = segments->items;
	size_t i;

	for (i = 0; !err && i < segments->count; i++) {
		if (is_summed(all, &items[i]))
			continue;
		rows++;
		all_bytes += items[i].committed_bytes;
		if (most && shown >= most)
			continue;
		shown++;
		shown_bytes = all_bytes;
		err = add_segment_row(table, &list[items[i].span.heap], &items[i]);
	}
	if (!err) {
		chp_report_heading(report, "segments", false);
		chp_table_print(table, report);
		chp_report_cut(report, shown, rows, shown_bytes, all_bytes);
	}
	chp_table_destroy(table);
	return err;
}

struct ch_error *chp_print_heap_segments(const struct ch_report *report,
					 const struct ch_heap_result *result, bool all)
{
	struct ch_vec segments = CH_VEC(struct segment);
	struct ch_error *err = collect(&result->view, all, &segments);

	if (!err)
		err = print_listed(report, result, &segments, all);
	if (!err && !all)
		err = print_mapped(report, result, &segments);
	ch_vec_deinit(&segments);
	return err;
}
