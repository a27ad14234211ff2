/*
 * What is free in the heaps, and why it was not given back: the parts of heap --free.
 */
#include "render/document.h"
#include "report/heap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/text.h"

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
	return chp_text_end(out, &text);
}

/* What the allocators' own calls could do about it; owned by the caller. */
static char *returnable_text(const struct ch_retention *retention)
{
	const struct ch_heap_free *sums = &retention->free;
	const struct ch_trim_call *calls = retention->trims;
	char a[CH_BYTES_TEXT_MAX], b[CH_BYTES_TEXT_MAX], *text = NULL;
	uint64_t all = listed_bytes(sums) + sums->cached.bytes + sums->top.bytes;
	size_t i, size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	chp_count_text(all, b);
	fprintf(out, "%s would give back at most %s of the %s free bytes", calls[0].name,
		chp_bytes_text(chp_trim_call_bytes(&calls[0]), a), b);
	if (calls[0].top_bytes)
		fprintf(out, ": %s in whole pages of free chunks, the rest of top",
			chp_count_text(calls[0].pages_bytes, a));
	for (i = 1; i < retention->trims_count; i++)
		if (chp_trim_call_bytes(&calls[i]))
			fprintf(out, "; %s at most %s", calls[i].name,
				chp_bytes_text(chp_trim_call_bytes(&calls[i]), a));
	return chp_text_end(out, &text);
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
	_cleanup_free_ char *arithmetic = NULL, *returnable = NULL;
	char line[CH_VERDICT_TEXT_MAX];
	char heaps[CH_COVERAGE_TEXT_MAX], covers[CH_COVERAGE_TEXT_MAX];

	if (report->format == CH_FORMAT_PLAIN) {
		print_plain(report, result);
		return NULL;
	}
	arithmetic = arithmetic_of(retention);
	chp_verdict_text(&result->sums.verdict, line);
	if (retention->trims_count)
		returnable = returnable_text(retention);
	if (!arithmetic || (retention->trims_count && !returnable))
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

/* ---- the verdict, as documents have it ------------------------------------- */

struct verdict_row {
	const char *class, *heaps_class, *confidence, *reason, *meaning, *largest, *trim_call;
	const char *arithmetic;
	char covers[CH_COVERAGE_TEXT_MAX], text[CH_VERDICT_SENTENCE_MAX];
	uint64_t total_bytes, share, trim_bytes, parts[CH_PARTS];
	bool can_trim;
};

#define VERDICT(member) CH_AT(struct verdict_row, member)

const struct ch_field_spec chp_retention_fields[] = {
	{ "class", NULL, CH_CELL_SAFE, "What most of the memory is, as summary says it.",
	  VERDICT(class),
	  .words = "managed|managed-garbage|managed-free|loader|native-live|native-retained|"
		   "stacks|files|mixed|inconclusive" },
	{ "covers", NULL, CH_CELL_TEXT, "What of the memory the verdict is about.", VERDICT(covers),
	  .flags = CH_FIELD_INSIDE | CH_FIELD_NOT_ZERO },
	{ "meaning", NULL, CH_CELL_SAFE, "The class of the heaps in words.", VERDICT(meaning) },
	{ "largest_part", NULL, CH_CELL_SAFE, "The largest part of the heaps.", VERDICT(largest),
	  .words = "used|mmapped|bins|fastbins|thread_caches|top|overhead|unwalked|managed" },
	{ "arithmetic", NULL, CH_CELL_SAFE, "The sum in words.", VERDICT(arithmetic) },
	{ "total_bytes", NULL, CH_CELL_BYTES, "What the parts add up to.", VERDICT(total_bytes) },
	{ "percent_of_total", NULL, CH_CELL_PERCENT, "Share of what makes the class.",
	  VERDICT(share) },
	{ "confidence", NULL, CH_CELL_SAFE, "How sure that is.", VERDICT(confidence),
	  .words = "high|medium|low" },
	{ "confidence_reason", NULL, CH_CELL_SAFE, "Why.", VERDICT(reason) },
	{ "trim_call", NULL, CH_CELL_SAFE, "A call that could give memory back.",
	  VERDICT(trim_call), .flags = CH_FIELD_OPTIONAL },
	{ "trim_bytes", NULL, CH_CELL_BYTES, "What it could give back at most.",
	  VERDICT(trim_bytes), CH_KNOWN(struct verdict_row, can_trim) },
	{ "heaps_class", NULL, CH_CELL_SAFE, "What most of the heaps is.", VERDICT(heaps_class),
	  .words = "native-live|native-retained|managed|mixed|inconclusive" },
	{ "used_bytes", NULL, CH_CELL_BYTES, "Used blocks.", VERDICT(parts[CH_PART_USED]) },
	{ "mmapped_bytes", NULL, CH_CELL_BYTES, "Used blocks with mappings of their own.",
	  VERDICT(parts[CH_PART_MMAPPED]) },
	{ "bins_bytes", NULL, CH_CELL_BYTES, "Free chunks in bins.", VERDICT(parts[CH_PART_BINS]) },
	{ "fastbins_bytes", NULL, CH_CELL_BYTES, "Free chunks in fast bins.",
	  VERDICT(parts[CH_PART_FAST]) },
	{ "thread_caches_bytes", NULL, CH_CELL_BYTES, "Free chunks in caches of threads.",
	  VERDICT(parts[CH_PART_CACHED]) },
	{ "top_bytes", NULL, CH_CELL_BYTES, "What was never handed out, at the tops.",
	  VERDICT(parts[CH_PART_TOP]) },
	{ "overhead_bytes", NULL, CH_CELL_BYTES, "The allocators' own.",
	  VERDICT(parts[CH_PART_OVERHEAD]) },
	{ "unwalked_bytes", NULL, CH_CELL_BYTES, "What could not be walked.",
	  VERDICT(parts[CH_PART_UNWALKED]) },
	{ "managed_bytes", NULL, CH_CELL_BYTES, "Heaps of runtimes with a collector.",
	  VERDICT(parts[CH_PART_MANAGED]) },
	{ "text", NULL, CH_CELL_SAFE, "The verdict for people, as summary says it.", VERDICT(text),
	  .flags = CH_FIELD_INSIDE },
	CH_FIELDS_END,
};

json_t *chp_json_retention(const struct ch_heap_result *result)
{
	const struct ch_retention *retention = &result->retention;
	const struct ch_verdict *verdict = &result->sums.verdict;
	_cleanup_free_ char *arithmetic = arithmetic_of(retention);
	struct verdict_row row = {
		.class = verdict->class,
		.heaps_class = retention->verdict.class,
		.confidence = verdict->confidence,
		.reason = verdict->reason,
		.meaning = retention->meaning,
		.largest = chp_part_name(retention->largest),
		.trim_call = retention->trims_count ? retention->trims[0].name : NULL,
		.arithmetic = arithmetic,
		.total_bytes = retention->verdict.total_bytes,
		.share = retention->verdict.share,
		.trim_bytes =
			retention->trims_count ? chp_trim_call_bytes(&retention->trims[0]) : 0,
		.can_trim = retention->trims_count != 0,
	};

	if (!arithmetic)
		return NULL;
	memcpy(row.parts, retention->parts, sizeof(row.parts));
	if (!chp_coverage_words(&result->sums.coverage, row.covers))
		row.covers[0] = '\0';
	chp_verdict_sentence(verdict, row.text);
	return chp_fields_json(NULL, chp_retention_fields, &row);
}

/* ---- where free memory is -------------------------------------------------- */

struct class_row {
	uint64_t smallest_bytes, largest_bytes, count, total_bytes;
};

#define CLASS(member) CH_AT(struct class_row, member)
#define FREE(member)  CH_AT(struct ch_heap_free, member)

static const struct ch_field_spec class_fields[] = {
	{ "smallest_bytes", NULL, CH_CELL_BYTES, "The least size.", CLASS(smallest_bytes) },
	{ "largest_bytes", NULL, CH_CELL_BYTES, "The largest one.", CLASS(largest_bytes) },
	{ "count", NULL, CH_CELL_COUNT, "Free chunks.", CLASS(count) },
	{ "total_bytes", NULL, CH_CELL_BYTES, "Their size.", CLASS(total_bytes) },
	CH_FIELDS_END,
};

static json_t *classes_of(const struct ch_report *report, const void *arg)
{
	const struct ch_heap_free *sums = arg;
	json_t *array = json_array();
	struct class_row row;
	size_t i;

	for (i = 0; i < CH_SIZE_CLASSES; i++) {
		if (!sums->classes[i].count)
			continue;
		row.smallest_bytes = 1ULL << i;
		row.largest_bytes = row.smallest_bytes + (row.smallest_bytes - 1);
		row.count = sums->classes[i].count;
		row.total_bytes = sums->classes[i].bytes;
		chp_json_append_take(&array, chp_fields_json(report, class_fields, &row));
	}
	return array;
}

static struct ch_cell largest_addr(const void *arg)
{
	const struct ch_heap_free *sums = arg;

	return (struct ch_cell){ .number = sums->largest_addr, .absent = !sums->largest_bytes };
}

static struct ch_cell fragmented_of(const void *sums)
{
	return CH_CELL_NUM(fragmented(sums));
}

const struct ch_field_spec chp_free_fields[] = {
	{ "bins_bytes", NULL, CH_CELL_BYTES, "Free chunks in bins.", FREE(bins.bytes) },
	{ "bins_count", NULL, CH_CELL_COUNT, "How many.", FREE(bins.count) },
	{ "fastbins_bytes", NULL, CH_CELL_BYTES, "Free chunks in fast bins.", FREE(fast.bytes) },
	{ "fastbins_count", NULL, CH_CELL_COUNT, "How many.", FREE(fast.count) },
	{ "thread_caches_bytes", NULL, CH_CELL_BYTES, "Free chunks in caches of threads.",
	  FREE(cached.bytes) },
	{ "thread_caches_count", NULL, CH_CELL_COUNT, "How many.", FREE(cached.count) },
	{ "top_bytes", NULL, CH_CELL_BYTES, "What was never handed out, at the tops.",
	  FREE(top.bytes) },
	{ "top_count", NULL, CH_CELL_COUNT, "How many tops.", FREE(top.count) },
	{ "largest_chunk_bytes", NULL, CH_CELL_BYTES, "The largest free chunk.",
	  FREE(largest_bytes) },
	{ "largest_chunk_addr", NULL, CH_CELL_ADDR, "Where it lies.", .get = largest_addr,
	  .flags = CH_FIELD_OPTIONAL },
	{ "fragmented_percent", NULL, CH_CELL_PERCENT,
	  "Share of the free memory that is not in the largest chunk.", .get = fragmented_of },
	{ "trapped_bytes", NULL, CH_CELL_BYTES, "What no call gives back.", FREE(trapped_bytes),
	  CH_KNOWN(struct ch_heap_free, can_trim) },
	{ "trim_pages_bytes", NULL, CH_CELL_BYTES, "Whole pages that could be given back.",
	  FREE(trim_pages_bytes), CH_KNOWN(struct ch_heap_free, can_trim) },
	{ "trim_top_bytes", NULL, CH_CELL_BYTES, "What of the tops could be given back.",
	  FREE(trim_top_bytes), CH_KNOWN(struct ch_heap_free, can_trim) },
	{ "classes", NULL, CH_CELL_PART, "Free chunks by size.", .part = classes_of,
	  .fields = class_fields },
	CH_FIELDS_END,
};

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
	return chp_text_end(out, &text);
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
