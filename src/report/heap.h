/*
 * heap.h - how heaps, types and objects are shown.
 */
#ifndef COREHEAP_REPORT_HEAP_H
#define COREHEAP_REPORT_HEAP_H

#include "heap/filter.h"
#include "report/report.h"

/**
 * Every heap with its sums, details and segments. Measured by the caller.
 * Errors: NOMEM, OS.
 */
CH_MUST_CHECK struct ch_error *ch_report_heap(const struct ch_report *report,
					      struct ch_heaps *heaps);

/** Rows of `types`. */
struct ch_types_result {
	struct ch_heaps *heaps;
	/** By total bytes, then name. Borrowed. */
	const struct ch_type_stat *rows;
	size_t rows_count;
	/** Sums over the rows. */
	uint64_t total_count, total_bytes;
	/** Not all objects were asked for. */
	bool filtered;
};

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_types(const struct ch_report *report,
					       const struct ch_types_result *result);

/** What `objects` asks for. */
struct ch_objects_result {
	struct ch_heaps *heaps;
	struct ch_object_filter filter;
};

/**
 * Walk the objects that pass and print them as they come, at constant memory;
 * rows beyond report->limit are counted only. Errors: NOMEM, OS, STOP.
 */
CH_MUST_CHECK struct ch_error *ch_report_objects(const struct ch_report *report,
						 const struct ch_objects_result *result);

/** Say that no heap was walked, what is here all the same, and what was looked for;
 * a finding when nothing is here. */
void chp_report_no_heap(const struct ch_report *report, const struct ch_heaps *heaps);
/** Whether a walker was opened. */
bool chp_heaps_any(const struct ch_heaps *heaps);
/** Whether a walker found its allocator or runtime, opened or not. */
bool chp_heaps_present(const struct ch_heaps *heaps);
/** {name, score, evidence, open, status, facts{}} of each walker that looked. */
json_t *chp_json_runtimes(const struct ch_heaps *heaps);
/** Where an object is kept ("thread cache", "top" ...), or NULL. */
const char *chp_object_place(const struct ch_object *object);

#endif /* COREHEAP_REPORT_HEAP_H */
