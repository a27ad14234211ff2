/*
 * The report of the heaps: what each holds, in use and free, and what each runtime says of
 * itself.
 */
#include "report/heap.h"
#include "report/metaspace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "util/vec.h"

/* Facts of heaps that get a column each in the table of details. */
#define DETAILS_MAX 10

const char *chp_runtime_words(const struct ch_runtime *runtime)
{
	if (runtime->open)
		return "walked";
	if (runtime->kind == CH_RUNTIME_ON_MALLOC)
		return "its objects are blocks of malloc, and are counted as such";
	return runtime->named_only ? "not walked yet, its blocks are not counted"
				   : "not readable, its blocks are not counted";
}

/* One line a walker that found something, or that found nothing. */
static void list_runtimes(const struct ch_report *report, const struct ch_runtime *runtimes,
			  size_t count, bool present)
{
	size_t i;

	for (i = 0; i < count; i++)
		if ((runtimes[i].score > 0) == present)
			fprintf(report->out, "  %s%s%s: %s\n", runtimes[i].title,
				present ? ", " : "", present ? ch_runtime_status(&runtimes[i]) : "",
				runtimes[i].evidence[0] ? runtimes[i].evidence : "no sign of it");
}

void chp_report_no_heap(const struct ch_report *report, const struct ch_runtime *runtimes,
			size_t count)
{
	if (report->format != CH_FORMAT_TEXT)
		return;
	if (chp_runtimes_present(runtimes, count)) {
		fputs("no heap could be walked, so no block is counted; found:\n", report->out);
		list_runtimes(report, runtimes, count, true);
		fputs("looked for, but not found:\n", report->out);
	} else if (chp_runtimes_unused(runtimes, count)) {
		fputs("malloc was never called; looked for:\n", report->out);
	} else {
		fputs("no known allocator found; looked for:\n", report->out);
	}
	list_runtimes(report, runtimes, count, false);
}

const char *chp_object_place(const struct ch_object *object)
{
	if (object->flags & CH_OBJECT_CACHED)
		return "thread cache";
	if (object->flags & CH_OBJECT_FASTBIN)
		return "fast bin";
	if (object->flags & CH_OBJECT_TOP)
		return "top";
	if (object->flags & CH_OBJECT_MMAPPED)
		return "own mapping";
	return NULL;
}

/* ---- JSON ------------------------------------------------------------------ */

static json_t *json_facts(const struct ch_fact *facts, size_t count)
{
	json_t *object = json_object(), *value;
	size_t i;

	for (i = 0; object && i < count; i++) {
		value = facts[i].text ? chp_json_text(facts[i].text)
				      : chp_json_uint(facts[i].number);
		if (json_object_set_new(object, facts[i].key, value) != 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

json_t *chp_json_runtimes(const struct ch_heaps_view *view)
{
	const struct ch_runtime *runtimes = view->runtimes;
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < view->runtimes_count; i++)
		chp_json_append_take(
			&array,
			json_pack("{s:s, s:s, s:s, s:o, s:o, s:b, s:s, s:o, s:o}", "name",
				  runtimes[i].name, "title", runtimes[i].title, "role",
				  ch_runtime_kind_name(runtimes[i].kind), "score",
				  chp_json_uint(runtimes[i].score), "evidence",
				  chp_json_text(runtimes[i].evidence), "open",
				  (int)runtimes[i].open, "status", ch_runtime_status(&runtimes[i]),
				  "facts", json_facts(view->facts[i].rows, view->facts[i].count),
				  "named_bytes",
				  runtimes[i].bytes_known ? chp_json_uint(runtimes[i].named_bytes)
							  : json_null()));
	return array;
}

static struct ch_heap total_of(const struct ch_heap *list, size_t count)
{
	struct ch_heap total = { .name = "total" };
	size_t i;

	for (i = 0; i < count; i++)
		chp_heap_add(&total, &list[i]);
	return total;
}

/* ---- Fields ---------------------------------------------------------------- */

struct heap_row {
	const struct ch_heap *heap;
	const struct ch_heap_free *free;
	struct ch_rows tids, segments;
	bool tids_known;
};

struct result {
	const struct ch_heap_result *of;
	const struct ch_heap_shown *shown;
	struct ch_heap total;
	const struct ch_heap_free *free;
	/* of struct heap_row */
	struct ch_rows heaps;
};

#define HEAP(member)   CH_AT(struct ch_heap, member)
#define ROW(member)    CH_AT(struct heap_row, member)
#define RESULT(member) CH_AT(struct result, member)

static const struct ch_field_spec sum_fields[] = {
	{ "reserved_bytes", NULL, CH_CELL_BYTES, "Address space.", HEAP(reserved_bytes) },
	{ "committed_bytes", NULL, CH_CELL_BYTES, "What of it is mapped for use.",
	  HEAP(committed_bytes) },
	{ "used_bytes", NULL, CH_CELL_BYTES, "Used blocks.", HEAP(used_bytes) },
	{ "used_count", NULL, CH_CELL_COUNT, "How many.", HEAP(used_count) },
	{ "free_bytes", NULL, CH_CELL_BYTES, "Free blocks.", HEAP(free_bytes) },
	{ "free_count", NULL, CH_CELL_COUNT, "How many.", HEAP(free_count) },
	{ "overhead_bytes", NULL, CH_CELL_BYTES, "The rest of what is committed.",
	  HEAP(overhead_bytes) },
	{ "allocator_bytes", NULL, CH_CELL_BYTES, "Of used blocks: the allocator's own.",
	  HEAP(allocator_bytes) },
	{ "allocator_count", NULL, CH_CELL_COUNT, "How many.", HEAP(allocator_count) },
	{ "unwalked_bytes", NULL, CH_CELL_BYTES, "Of the overhead: covered by no block.",
	  HEAP(unwalked_bytes) },
	{ "absent_bytes", NULL, CH_CELL_BYTES, "Of that: not in the core.", HEAP(absent_bytes) },
	CH_FIELDS_END,
};

static const struct ch_field_spec heap_fields[] = {
	{ "runtime", NULL, CH_CELL_SAFE, "Whose it is.", HEAP(runtime) },
	{ "kind", NULL, CH_CELL_SAFE, "What it is to its allocator or runtime.", HEAP(kind) },
	{ "name", NULL, CH_CELL_TEXT, "Its name.", HEAP(name), .flags = CH_FIELD_OPTIONAL },
	{ "addr", NULL, CH_CELL_ADDR, "Where its own structure lies.", HEAP(addr),
	  .flags = CH_FIELD_NOT_ZERO },
	CH_FIELDS_END,
};

static const struct ch_field_spec tid_field[] = {
	{ "tid", NULL, CH_CELL_NUMBER, "A thread.", .offset = 0, .size = sizeof(uint32_t) },
	CH_FIELDS_END,
};

static json_t *detail_of(const struct ch_report *report, const void *row)
{
	const struct ch_heap *heap = ((const struct heap_row *)row)->heap;

	(void)report;
	return json_facts(heap->facts, heap->facts_count);
}

static const struct ch_field_spec row_fields[] = {
	{ .kind = CH_CELL_OBJECT,
	  ROW(heap),
	  .flags = CH_FIELD_FLAT | CH_FIELD_POINTED,
	  .fields = heap_fields },
	{ .kind = CH_CELL_OBJECT,
	  ROW(heap),
	  .flags = CH_FIELD_FLAT | CH_FIELD_POINTED,
	  .fields = sum_fields },
	{ "free", NULL, CH_CELL_OBJECT, "Where its free memory is.", ROW(free),
	  .flags = CH_FIELD_POINTED, .fields = chp_free_fields },
	{ "tids", NULL, CH_CELL_VALUES, "Threads that allocate from it, where that is known.",
	  ROW(tids), CH_KNOWN(struct heap_row, tids_known), .fields = tid_field },
	{ "detail", NULL, CH_CELL_PART, "What else is known of it.", .part = detail_of,
	  .ref = "facts" },
	{ "segments", NULL, CH_CELL_ROWS, "Ranges of memory that it consists of.", ROW(segments),
	  .fields = chp_segment_fields },
	CH_FIELDS_END,
};

static const struct ch_heap_result *result_of(const void *result)
{
	return ((const struct result *)result)->of;
}

static json_t *verdict_of(const struct ch_report *report, const void *result)
{
	(void)report;
	return chp_json_retention(result_of(result));
}

static json_t *memory_of(const struct ch_report *report, const void *result)
{
	(void)report;
	return chp_json_runtime_memory(&result_of(result)->view);
}

static json_t *metaspace_of(const struct ch_report *report, const void *result)
{
	(void)report;
	return chp_json_metaspace(result_of(result)->view.runtimes, result_of(result)->metaspace);
}

static json_t *runtimes_of(const struct ch_report *report, const void *result)
{
	(void)report;
	return chp_json_runtimes(&result_of(result)->view);
}

static json_t *tracking_of(const struct ch_report *report, const void *result)
{
	(void)report;
	return chp_json_tracking(result_of(result)->view.runtimes, result_of(result)->tracking);
}

static json_t *settings_of(const struct ch_report *report, const void *arg)
{
	const struct result *result = arg;
	const struct ch_sections settings = { .list = result->of->settings,
					      .all = result->shown->all_settings };

	return chp_json_sections(report, result->of->view.runtimes, &settings);
}

static json_t *limits_of(const struct ch_report *report, const void *result)
{
	(void)report;
	return chp_json_quotas(&result_of(result)->pooled);
}

static json_t *pools_of(const struct ch_report *report, const void *result)
{
	(void)report;
	return chp_json_pools(&result_of(result)->pooled);
}

/* What the section of the runtimes is said to hold. */
static const struct ch_field_spec setting_fields[] = {
	{ "runtime", NULL, CH_CELL_SAFE, "Whose setting it is.", CH_NOWHERE },
	{ "name", NULL, CH_CELL_SAFE, "Its name.", CH_NOWHERE },
	{ "type", NULL, CH_CELL_SAFE, "Its type.", CH_NOWHERE },
	{ "value", NULL, CH_CELL_TEXT, "Its value; a text with --reveal.",
	  .flags = CH_FIELD_OPTIONAL },
	{ "origin", NULL, CH_CELL_SAFE, "Who set it.", CH_NOWHERE },
	{ "changed", NULL, CH_CELL_BOOL, "Whether it is not the default.", CH_NOWHERE },
	CH_FIELDS_END,
};

static const struct ch_field_spec fields[] = {
	{ "total", NULL, CH_CELL_OBJECT, "Sums of all heaps.", RESULT(total),
	  .fields = sum_fields },
	{ "verdict", NULL, CH_CELL_PART, "Leak or retention.", .part = verdict_of,
	  .object = chp_retention_fields },
	{ "free", NULL, CH_CELL_OBJECT, "Where the free memory of all heaps is.", RESULT(free),
	  .flags = CH_FIELD_POINTED, .fields = chp_free_fields },
	{ "heaps", NULL, CH_CELL_ROWS, "Each heap.", RESULT(heaps), .fields = row_fields },
	{ "runtime_memory", NULL, CH_CELL_PART, "What runtimes have for themselves.",
	  .part = memory_of, .fields = chp_memory_fields },
	{ "metaspace", NULL, CH_CELL_PART, "What a JVM has for its classes.", .part = metaspace_of,
	  .object = chp_metaspace_fields, .flags = CH_FIELD_OPTIONAL },
	{ "runtimes", NULL, CH_CELL_PART, "Allocators and runtimes that were looked for.",
	  .part = runtimes_of, .ref = "runtimes" },
	{ "native_tracking", NULL, CH_CELL_PART, "A runtime's accounts of its native memory.",
	  .part = tracking_of, .ref = "native_tracking", .flags = CH_FIELD_LATER },
	{ "settings", NULL, CH_CELL_PART, "How runtimes were set up.", .part = settings_of,
	  .fields = setting_fields, .flags = CH_FIELD_LATER },
	{ "limits", NULL, CH_CELL_PART, "Memory that is counted against a limit.",
	  .part = limits_of, .ref = "limits", .flags = CH_FIELD_LATER },
	{ "pools", NULL, CH_CELL_PART, "Pools of buffers of libraries.", .part = pools_of,
	  .ref = "pools", .flags = CH_FIELD_LATER },
	CH_FIELDS_END,
};

/* ---- Text ------------------------------------------------------------------ */

/* Who manages the memory here, and why we think so. */
static void print_runtimes(const struct ch_report *report, const struct ch_heaps_view *view)
{
	const struct ch_runtime *runtime;
	const struct ch_fact *fact;
	size_t i, k;

	for (i = 0; i < view->runtimes_count; i++) {
		runtime = &view->runtimes[i];
		if (!runtime->score)
			continue;
		if (runtime->open)
			chp_report_field(report, runtime->name, "%s", runtime->evidence);
		else
			chp_report_field(report, runtime->name, "%s; %s",
					 chp_runtime_words(runtime), runtime->evidence);
		for (k = 0; k < view->facts[i].count; k++) {
			fact = &view->facts[i].rows[k];
			if (fact->text)
				chp_report_field(report, fact->key, "%s", fact->text);
			else
				chp_report_count_field(report, fact->key, fact->number);
		}
	}
}

static struct ch_error *add_sums_row(struct ch_table *table, const struct ch_heap *heap)
{
	const struct ch_cell cells[] = {
		CH_CELL_STR(heap->name),
		heap->addr ? CH_CELL_NUM(heap->addr) : CH_CELL_NONE,
		CH_CELL_NUM(heap->reserved_bytes),
		CH_CELL_NUM(heap->committed_bytes),
		CH_CELL_NUM(heap->used_bytes),
		CH_CELL_NUM(heap->used_count),
		CH_CELL_NUM(heap->free_bytes),
		CH_CELL_NUM(heap->free_count),
		CH_CELL_NUM(heap->overhead_bytes - heap->absent_bytes),
		CH_CELL_NUM(heap->absent_bytes),
	};

	return chp_table_row(table, cells);
}

/* Exact bytes without binary sizes: nine columns have to fit a screen. */
static struct ch_error *print_sums(const struct ch_report *report, const struct ch_heap *list,
				   size_t count, const struct ch_heap *total)
{
	static const struct ch_column columns[] = {
		{ "HEAP", CH_CELL_TEXT },      { "ADDRESS", CH_CELL_ADDR },
		{ "RESERVED", CH_CELL_COUNT }, { "COMMITTED", CH_CELL_COUNT },
		{ "USED", CH_CELL_COUNT },     { "BLOCKS", CH_CELL_COUNT },
		{ "FREE", CH_CELL_COUNT },     { "BLOCKS", CH_CELL_COUNT },
		{ "OVERHEAD", CH_CELL_COUNT }, { "ABSENT", CH_CELL_COUNT },
	};
	struct ch_table *table =
		chp_table_create(columns, CH_COUNT_OF(columns) - !total->absent_bytes);
	struct ch_error *err = table ? NULL : &ch_enomem;
	size_t i;

	for (i = 0; !err && i < count; i++)
		err = add_sums_row(table, &list[i]);
	if (!err)
		err = add_sums_row(table, total);
	if (!err) {
		chp_report_heading(report, "heaps", false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

/* The sum that closes, in one line. */
static void print_total(const struct ch_report *report, const struct ch_heap *total)
{
	char texts[4][CH_BYTES_TEXT_MAX];

	if (report->format != CH_FORMAT_TEXT)
		return;
	fprintf(report->out, "\ncommitted %s = used %s + free %s + overhead %s",
		chp_bytes_text(total->committed_bytes, texts[0]),
		chp_bytes_text(total->used_bytes, texts[1]),
		chp_bytes_text(total->free_bytes, texts[2]),
		chp_bytes_text(total->overhead_bytes - total->absent_bytes, texts[3]));
	if (total->absent_bytes)
		fprintf(report->out, " + absent %s", chp_bytes_text(total->absent_bytes, texts[0]));
	fputc('\n', report->out);
	if (total->allocator_count)
		fprintf(report->out, "used includes %s blocks of the allocator's own: %s\n",
			chp_count_text(total->allocator_count, texts[0]),
			chp_bytes_text(total->allocator_bytes, texts[1]));
	if (total->unwalked_bytes > total->absent_bytes)
		fprintf(report->out, "overhead includes %s covered by no block\n",
			chp_bytes_text(total->unwalked_bytes - total->absent_bytes, texts[0]));
}

struct detail_columns {
	const char *keys[DETAILS_MAX];
	char titles[DETAILS_MAX][40];
	struct ch_column columns[DETAILS_MAX + 1];
	size_t count;
};

/* "top_bytes" as a heading: "TOP". */
static void make_title(const char *key, char *title, size_t max)
{
	size_t len = strlen(key), i;

	if (len > 6 && (strcmp(key + len - 6, "_bytes") == 0))
		len -= 6;
	len = len < max - 1 ? len : max - 1;
	for (i = 0; i < len; i++)
		title[i] = key[i] == '_'                    ? ' '
			   : key[i] >= 'a' && key[i] <= 'z' ? (char)(key[i] - 'a' + 'A')
							    : key[i];
	title[len] = '\0';
}

/* What the tables of free memory and of threads show. */
static bool is_shown_elsewhere(const char *key)
{
	static const char *const keys[] = {
		"top_bytes",     "tcache_bytes",  "tcache_count",          "fastbin_bytes",
		"fastbin_count", "threads_count", "attached_threads_count"
	};
	size_t i;

	for (i = 0; i < CH_COUNT_OF(keys); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

static void add_detail(struct detail_columns *details, const struct ch_fact *fact)
{
	size_t i;

	if (is_shown_elsewhere(fact->key))
		return;
	for (i = 0; i < details->count; i++)
		if (strcmp(details->keys[i], fact->key) == 0)
			return;
	if (details->count == DETAILS_MAX)
		return;
	make_title(fact->key, details->titles[i], sizeof(details->titles[i]));
	details->keys[i] = fact->key;
	details->columns[i + 1] =
		(struct ch_column){ .title = details->titles[i],
				    .kind = fact->text ? CH_CELL_TEXT : CH_CELL_COUNT };
	details->count++;
}

static struct ch_error *add_detail_row(struct ch_table *table, const struct ch_heap *heap,
				       const struct detail_columns *details)
{
	struct ch_cell cells[DETAILS_MAX + 1] = { CH_CELL_STR(heap->name) };
	size_t i, k;

	for (i = 0; i < details->count; i++) {
		cells[i + 1] = CH_CELL_NONE;
		for (k = 0; k < heap->facts_count; k++)
			if (strcmp(heap->facts[k].key, details->keys[i]) == 0)
				cells[i + 1] = (struct ch_cell){ .text = heap->facts[k].text,
								 .number = heap->facts[k].number };
	}
	return chp_table_row(table, cells);
}

/* What the walkers know beyond the sums: top, caches, counters. */
static struct ch_error *print_details(const struct ch_report *report, const struct ch_heap *list,
				      size_t count)
{
	struct detail_columns details = { .columns[0] = { "HEAP", CH_CELL_TEXT } };
	struct ch_error *err = NULL;
	struct ch_table *table;
	size_t i, k;

	for (i = 0; i < count; i++)
		for (k = 0; k < list[i].facts_count; k++)
			add_detail(&details, &list[i].facts[k]);
	if (!details.count)
		return NULL;
	table = chp_table_create(details.columns, details.count + 1);
	if (!table)
		return &ch_enomem;
	for (i = 0; !err && i < count; i++)
		if (list[i].facts_count)
			err = add_detail_row(table, &list[i], &details);
	if (!err) {
		chp_report_heading(report, "details", false);
		chp_table_print(table, report);
	}
	chp_table_destroy(table);
	return err;
}

/* Only the heaps of runtimes that collect their garbage, as `eeheap -gc`. */
static struct ch_error *print_collected(const struct ch_report *report,
					const struct ch_heaps_view *view)
{
	_cleanup_free_ struct ch_heap *kept = calloc(view->heaps_count + 1, sizeof(*kept));
	const struct ch_heap *list = view->heaps;
	struct ch_error *err;
	struct ch_heap total;
	size_t i, n = 0;

	if (!kept)
		return &ch_enomem;
	for (i = 0; i < view->heaps_count; i++)
		if (view->runtimes[list[i].walker].kind == CH_RUNTIME_LANGUAGE)
			kept[n++] = list[i];
	if (!n && report->format == CH_FORMAT_TEXT)
		fputs("no heap here belongs to a runtime that collects its garbage\n", report->out);
	if (!n)
		return NULL;
	total = total_of(kept, n);
	err = print_sums(report, kept, n, &total);
	if (!err)
		print_total(report, &total);
	return err ? err : print_details(report, kept, n);
}

/* A part of the report that was asked for. */
static struct ch_error *print_part(const struct ch_report *report,
				   const struct ch_heap_result *result,
				   const struct ch_heap_shown *shown)
{
	struct ch_error *err = NULL;

	if (shown->collected_only)
		err = print_collected(report, &result->view);
	if (!err && shown->loader_only)
		err = chp_print_runtime_memory(report, &result->view);
	chp_report_findings(report);
	return err;
}

/* Tables with a line for each heap: how much, where free memory is, and what else is known. */
static struct ch_error *print_lines(const struct ch_report *report,
				    const struct ch_heap_result *result,
				    struct ch_error *(*print)(const struct ch_report *report,
							      const struct ch_heap_result *result))
{
	struct ch_heap_result lines = *result;
	struct ch_heaps_alike alike;
	struct ch_error *err = chp_heaps_alike_make(&result->view, &alike);

	lines.view.heaps = alike.heaps;
	lines.view.frees = alike.frees;
	lines.view.heaps_count = alike.count;
	if (!err)
		err = print(report, &lines);
	chp_heaps_alike_deinit(&alike);
	return err;
}

static struct ch_error *print_all_sums(const struct ch_report *report,
				       const struct ch_heap_result *result)
{
	const struct ch_heaps_view *view = &result->view;
	struct ch_heap total = total_of(view->heaps, view->heaps_count);
	struct ch_error *err = print_sums(report, view->heaps, view->heaps_count, &total);

	if (!err)
		print_total(report, &total);
	return err;
}

static struct ch_error *print_all_details(const struct ch_report *report,
					  const struct ch_heap_result *result)
{
	return print_details(report, result->view.heaps, result->view.heaps_count);
}

static struct ch_error *print_text(const struct ch_report *report,
				   const struct ch_heap_result *result,
				   const struct ch_heap_shown *shown)
{
	const struct ch_heaps_view *view = &result->view;
	const struct ch_sections settings = { .list = result->settings,
					      .all = shown->all_settings };
	struct ch_error *err;

	print_runtimes(report, view);
	err = print_lines(report, result, print_all_sums);
	if (!err)
		err = chp_print_runtime_memory(report, view);
	if (!err)
		err = chp_print_metaspace(report, result->metaspace);
	if (!err)
		err = chp_print_tracking(report, result->tracking);
	if (!err)
		err = chp_print_retention(report, result);
	if (!err)
		err = print_lines(report, result, chp_print_free);
	if (!err)
		err = chp_print_heap_threads(report, view);
	if (!err)
		err = print_lines(report, result, print_all_details);
	if (!err)
		err = chp_print_heap_segments(report, result, shown->segments);
	if (!err)
		err = chp_print_pooled(report, &result->pooled);
	if (!err)
		err = chp_print_sections(report, view->runtimes, &settings);
	chp_report_findings(report);
	return err;
}

static struct ch_error *print(const struct ch_report *report, const void *arg)
{
	const struct result *result = arg;
	const struct ch_heaps_view *view = &result->of->view;

	if (!chp_runtimes_any(view->runtimes, view->runtimes_count)) {
		chp_report_no_heap(report, view->runtimes, view->runtimes_count);
		return NULL;
	}
	if (result->shown->collected_only || result->shown->loader_only)
		return print_part(report, result->of, result->shown);
	return print_text(report, result->of, result->shown);
}

const struct ch_document ch_document_heap = {
	.name = "heap",
	.title = "Leak or retention, and each heap",
	.fields = fields,
	.print = print,
};

struct ch_error *ch_report_heap(const struct ch_report *report, const struct ch_heap_result *of,
				const struct ch_heap_shown *shown)
{
	const struct ch_heaps_view *view = &of->view;
	_cleanup_free_ struct heap_row *rows = calloc(view->heaps_count + 1, sizeof(*rows));
	_cleanup_free_ struct ch_rows *segments = calloc(view->heaps_count + 1, sizeof(*segments));
	_cleanup_free_ void *items = NULL;
	const struct result result = { .of = of,
				       .shown = shown,
				       .total = total_of(view->heaps, view->heaps_count),
				       .free = &of->retention.free,
				       .heaps = CH_ROWS(rows, view->heaps_count) };
	struct ch_error *err;
	size_t i;

	if (!rows || !segments)
		return &ch_enomem;
	err = chp_heap_segments(view, &items, segments);
	if (err)
		return err;
	for (i = 0; i < view->heaps_count; i++)
		rows[i] = (struct heap_row){
			.heap = &view->heaps[i],
			.free = &view->frees[i],
			.tids = CH_ROWS(view->heaps[i].tids, view->heaps[i].tids_count),
			.segments = segments[i],
			.tids_known = view->heaps[i].tids_known,
		};
	return chp_document_print(report, &ch_document_heap, &result);
}
