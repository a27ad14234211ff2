/*
 * What is free in the heaps, and why it was not given back: the parts of heap --free.
 */
#include "report/heap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* Thread ids of one arena on the screen; JSON has all. */
#define TIDS_SHOWN 8

/* Bytes of the lists that fragmentation is about. */
static uint64_t listed_bytes(const struct ch_heap_free *sums)
{
	return sums->bins.bytes + sums->fast.bytes;
}

/* 1 - largest chunk / bytes, hundredths of a percent. */
static uint64_t fragmented(const struct ch_heap_free *sums)
{
	return chp_percent(listed_bytes(sums) - sums->largest_bytes, listed_bytes(sums));
}

static uint64_t trim_bytes(const struct ch_heap_free *sums)
{
	return sums->trim_pages_bytes + sums->trim_top_bytes;
}

/* ---- the verdict ----------------------------------------------------------- */

/* Parts that are not zero, their sum, and the shares; owned by the caller. */
static char *arithmetic_of(const struct ch_retention *retention)
{
	const struct ch_verdict *verdict = &retention->verdict;
	char number[CH_BYTES_TEXT_MAX], *text = NULL;
	const char *separator = "";
	size_t i, size = 0;
	uint64_t share;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (i = 0; i < CH_PARTS; i++) {
		if (!retention->parts[i])
			continue;
		fprintf(out, "%s%s %s", separator, chp_part_title((enum ch_part_id)i),
			chp_count_text(retention->parts[i], number));
		separator = " + ";
	}
	share = chp_percent(retention->parts[retention->largest], verdict->total_bytes);
	fprintf(out, "%s%s bytes committed", separator[0] ? " = " : "",
		chp_count_text(verdict->total_bytes, number));
	fprintf(out, "; %s is %" PRIu64 ".%02" PRIu64 "%%", verdict->leader, verdict->share / 100,
		verdict->share % 100);
	if (share != verdict->share)
		fprintf(out, ", most of it %s (%" PRIu64 ".%02" PRIu64 "%%)",
			chp_part_title(retention->largest), share / 100, share % 100);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* What the allocator's own call could do about it; owned by the caller. */
static char *returnable_text(const struct ch_retention *retention)
{
	const struct ch_heap_free *sums = &retention->free;
	char a[CH_BYTES_TEXT_MAX], b[CH_BYTES_TEXT_MAX], c[CH_BYTES_TEXT_MAX], *text = NULL;
	uint64_t all = listed_bytes(sums) + sums->cached.bytes + sums->top.bytes;

	if (asprintf(&text,
		     "%s would give back at most %s of the %s free bytes: %s in whole pages of "
		     "free chunks, the rest of top",
		     retention->trim_name, chp_bytes_text(trim_bytes(sums), a),
		     chp_count_text(all, b), chp_count_text(sums->trim_pages_bytes, c)) < 0)
		return NULL;
	return text;
}

/* Exact numbers, a line each. */
static void print_plain(const struct ch_report *report, const struct ch_heap_result *result)
{
	const struct ch_retention *retention = &result->retention;
	size_t i;

	chp_report_heading(report, "verdict", false);
	chp_report_field(report, "verdict", "%s", result->sums.verdict.class);
	chp_report_field(report, "confidence", "%s", result->sums.verdict.confidence);
	chp_report_field(report, "heaps", "%s", retention->verdict.class);
	for (i = 0; i < CH_PARTS; i++)
		chp_report_bytes_field(report, chp_part_name((enum ch_part_id)i),
				       retention->parts[i]);
	chp_report_bytes_field(report, "returnable",
			       retention->free.trim_pages_bytes + retention->free.trim_top_bytes);
}

struct ch_error *chp_print_retention(const struct ch_report *report,
				     const struct ch_heap_result *result)
{
	const struct ch_retention *retention = &result->retention;
	const struct ch_verdict *verdict = &result->sums.verdict;
	_cleanup_free_ char *arithmetic = NULL, *returnable = NULL, *line = NULL;
	char heaps[CH_COVERAGE_TEXT_MAX], covers[CH_COVERAGE_TEXT_MAX];

	if (report->format == CH_FORMAT_PLAIN) {
		print_plain(report, result);
		return NULL;
	}
	arithmetic = arithmetic_of(retention);
	if (asprintf(&line, "%s (confidence %s: %s)", verdict->class, verdict->confidence,
		     verdict->reason) < 0) {
		line = NULL;
		return &ch_enomem;
	}
	if (retention->trim_name)
		returnable = returnable_text(retention);
	if (!arithmetic || (retention->trim_name && !returnable))
		return &ch_enomem;
	fputc('\n', report->out);
	chp_report_wrapped(report, "verdict", line);
	snprintf(heaps, sizeof(heaps), "%s: %s", retention->verdict.class, retention->meaning);
	chp_report_wrapped(report, "heaps", heaps);
	chp_report_wrapped(report, "because", arithmetic);
	if (chp_coverage_words(&result->sums.coverage, covers))
		chp_report_wrapped(report, "covers", covers);
	if (returnable)
		chp_report_wrapped(report, "returnable", returnable);
	return NULL;
}

json_t *chp_json_retention(const struct ch_heap_result *result)
{
	const struct ch_retention *retention = &result->retention;
	const struct ch_verdict *verdict = &result->sums.verdict;
	char covers[CH_COVERAGE_TEXT_MAX];
	_cleanup_free_ char *arithmetic = arithmetic_of(retention);
	json_t *object, *parts = json_object();
	char key[32];
	size_t i;

	for (i = 0; parts && i < CH_PARTS; i++) {
		snprintf(key, sizeof(key), "%s_bytes", chp_part_name((enum ch_part_id)i));
		if (json_object_set_new(parts, key, chp_json_uint(retention->parts[i])) != 0) {
			json_decref(parts);
			parts = NULL;
		}
	}
	object = json_pack(
		"{s:s, s:o, s:s, s:s, s:s, s:o, s:o, s:s, s:s, s:s?, s:o, s:s}", "class",
		verdict->class, "covers",
		chp_coverage_words(&result->sums.coverage, covers) ? chp_json_text(covers)
								   : json_null(),
		"meaning", retention->meaning, "largest_part", chp_part_name(retention->largest),
		"arithmetic", arithmetic ? arithmetic : "", "total_bytes",
		chp_json_uint(retention->verdict.total_bytes), "percent_of_total",
		chp_json_percent(retention->verdict.share), "confidence", verdict->confidence,
		"confidence_reason", verdict->reason, "trim_call", retention->trim_name,
		"trim_bytes",
		retention->trim_name ? chp_json_uint(trim_bytes(&retention->free)) : json_null(),
		"heaps_class", retention->verdict.class);
	if (!arithmetic || !object || !parts || json_object_update(object, parts) != 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(parts);
	return object;
}

/* ---- where free memory is -------------------------------------------------- */

static json_t *json_classes(const struct ch_heap_free *sums)
{
	json_t *array = json_array();
	uint64_t from;
	size_t i;

	for (i = 0; i < CH_SIZE_CLASSES; i++) {
		if (!sums->classes[i].count)
			continue;
		from = 1ULL << i;
		chp_json_append_take(&array,
				     json_pack("{s:o, s:o, s:o, s:o}", "smallest_bytes",
					       chp_json_uint(from), "largest_bytes",
					       chp_json_uint(from + (from - 1)), "count",
					       chp_json_uint(sums->classes[i].count), "total_bytes",
					       chp_json_uint(sums->classes[i].bytes)));
	}
	return array;
}

json_t *chp_json_free(const struct ch_heap_free *sums)
{
	bool trim = sums->can_trim;
	json_t *object = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "bins_bytes",
		chp_json_uint(sums->bins.bytes), "bins_count", chp_json_uint(sums->bins.count),
		"fastbins_bytes", chp_json_uint(sums->fast.bytes), "fastbins_count",
		chp_json_uint(sums->fast.count), "thread_caches_bytes",
		chp_json_uint(sums->cached.bytes), "thread_caches_count",
		chp_json_uint(sums->cached.count), "top_bytes", chp_json_uint(sums->top.bytes),
		"top_count", chp_json_uint(sums->top.count));
	json_t *rest = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "largest_chunk_bytes",
		chp_json_uint(sums->largest_bytes), "largest_chunk_addr",
		sums->largest_bytes ? chp_json_addr(sums->largest_addr) : json_null(),
		"fragmented_percent", chp_json_percent(fragmented(sums)), "trapped_bytes",
		trim ? chp_json_uint(sums->trapped_bytes) : json_null(), "trim_pages_bytes",
		trim ? chp_json_uint(sums->trim_pages_bytes) : json_null(), "trim_top_bytes",
		trim ? chp_json_uint(sums->trim_top_bytes) : json_null(), "classes",
		json_classes(sums));

	if (!object || !rest || json_object_update(object, rest) != 0) {
		json_decref(object);
		object = NULL;
	}
	json_decref(rest);
	return object;
}

static struct ch_error *add_free_row(struct ch_table *table, const char *name,
				     const struct ch_heap_free *sums)
{
	uint64_t listed = listed_bytes(sums);
	const struct ch_cell cells[] = {
		CH_CELL_STR(name),
		CH_CELL_NUM(sums->bins.bytes),
		CH_CELL_NUM(sums->bins.count),
		CH_CELL_NUM(sums->fast.bytes),
		CH_CELL_NUM(sums->cached.bytes),
		CH_CELL_NUM(sums->top.bytes),
		CH_CELL_NUM(sums->largest_bytes),
		listed ? CH_CELL_NUM(fragmented(sums)) : CH_CELL_NONE,
		listed && sums->can_trim ? CH_CELL_NUM(chp_percent(sums->trapped_bytes, listed))
					 : CH_CELL_NONE,
		sums->can_trim ? CH_CELL_NUM(trim_bytes(sums)) : CH_CELL_NONE,
	};

	return chp_table_row(table, cells);
}

static struct ch_error *print_places(const struct ch_report *report,
				     const struct ch_heap_result *result)
{
	static const struct ch_column columns[] = {
		{ "HEAP", CH_CELL_TEXT },           { "BINS", CH_CELL_COUNT },
		{ "BLOCKS", CH_CELL_COUNT },        { "FAST BINS", CH_CELL_COUNT },
		{ "THREAD CACHES", CH_CELL_COUNT }, { "TOP", CH_CELL_COUNT },
		{ "LARGEST", CH_CELL_COUNT },       { "FRAGMENTED", CH_CELL_PERCENT },
		{ "TRAPPED", CH_CELL_PERCENT },     { "RETURNABLE", CH_CELL_COUNT },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	const struct ch_heap *list = result->view.heaps;
	size_t i;

	for (i = 0; !err && i < result->view.heaps_count; i++)
		if (list[i].free_count)
			err = add_free_row(table, list[i].name, &result->view.frees[i]);
	if (!err)
		err = add_free_row(table, "total", &result->retention.free);
	if (!err) {
		chp_report_heading(report, "free memory", false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

static struct ch_error *print_classes(const struct ch_report *report,
				      const struct ch_heap_free *sums)
{
	static const struct ch_column columns[] = {
		{ "FROM", CH_CELL_COUNT },    { "TO", CH_CELL_COUNT },
		{ "BLOCKS", CH_CELL_COUNT },  { "BYTES", CH_CELL_COUNT },
		{ "SHARE", CH_CELL_PERCENT }, { "UP TO HERE", CH_CELL_PERCENT },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	uint64_t all = listed_bytes(sums) + sums->cached.bytes, sum = 0, from;
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < CH_SIZE_CLASSES; i++) {
		if (!sums->classes[i].count)
			continue;
		from = 1ULL << i;
		sum += sums->classes[i].bytes;
		err = chp_table_row(
			table,
			(struct ch_cell[]){ CH_CELL_NUM(from), CH_CELL_NUM(from + (from - 1)),
					    CH_CELL_NUM(sums->classes[i].count),
					    CH_CELL_NUM(sums->classes[i].bytes),
					    CH_CELL_NUM(chp_percent(sums->classes[i].bytes, all)),
					    CH_CELL_NUM(chp_percent(sum, all)) });
	}
	if (!err && sum) {
		chp_report_heading(report, "free blocks by size, without top", false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

struct ch_error *chp_print_free(const struct ch_report *report, const struct ch_heap_result *result)
{
	struct ch_error *err = print_places(report, result);

	return err ? err : print_classes(report, &result->retention.free);
}

/* ---- threads --------------------------------------------------------------- */

/* "812, 813 and 5 more"; owned by the caller. */
static char *tids_text(const struct ch_report *report, const struct ch_heap *heap)
{
	size_t i, size = 0, most = report->format == CH_FORMAT_PLAIN ? SIZE_MAX : TIDS_SHOWN;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (i = 0; i < heap->tids_count && i < most; i++)
		fprintf(out, "%s%" PRIu32, i ? ", " : "", heap->tids[i]);
	if (i < heap->tids_count)
		fprintf(out, " and %zu more", heap->tids_count - i);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* The allocator's own count, absent where it keeps none. */
static struct ch_cell attached_cell(const struct ch_heap *heap)
{
	size_t i;

	for (i = 0; i < heap->facts_count; i++)
		if (strcmp(heap->facts[i].key, "attached_threads_count") == 0)
			return CH_CELL_NUM(heap->facts[i].number);
	return CH_CELL_NONE;
}

struct ch_error *chp_print_heap_threads(const struct ch_report *report,
					const struct ch_heaps_view *view)
{
	static const struct ch_column columns[] = {
		{ "HEAP", CH_CELL_TEXT },
		{ "THREADS", CH_CELL_COUNT },
		{ "COUNTED BY IT", CH_CELL_COUNT },
		{ "IDS", CH_CELL_TEXT },
	};
	struct ch_table *table = chp_table_create(columns, CH_COUNT_OF(columns));
	struct ch_error *err = table ? NULL : &ch_enomem;
	const struct ch_heap *list = view->heaps;
	bool any = false;
	size_t i;
	char *ids;

	for (i = 0; !err && i < view->heaps_count; i++) {
		if (!list[i].tids_known)
			continue;
		any = true;
		ids = tids_text(report, &list[i]);
		err = ids ? chp_table_row(table,
					  (struct ch_cell[]){ CH_CELL_STR(list[i].name),
							      CH_CELL_NUM(list[i].tids_count),
							      attached_cell(&list[i]),
							      CH_CELL_STR(ids) })
			  : &ch_enomem;
		free(ids);
	}
	if (!err && any) {
		chp_report_heading(report, "threads that allocate from it", false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}
