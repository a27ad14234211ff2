/*
 * heap.h - how heaps, types and objects are shown.
 */
#ifndef COREHEAP_REPORT_HEAP_H
#define COREHEAP_REPORT_HEAP_H

#include "analysis/heap_result.h"
#include "analysis/objects.h"
#include "analysis/presence.h"
#include "analysis/types.h"
#include "heap/filter.h"
#include "render/document.h"
#include "report/pools.h"
#include "report/runtime.h"
#include "report/sections.h"

/** What of a heap result is shown. */
struct ch_heap_shown {
	/** Every chunk with a mapping of its own as a segment. */
	bool segments;
	/** Of the tables only those of heaps with a collector, or of what runtimes have for
	 * themselves; not of documents. */
	bool collected_only, loader_only;
	/** Settings that are at their defaults, too. */
	bool all_settings;
};

/**
 * Every heap with its sums, the verdict, where the free memory is, threads,
 * details and segments. Errors: NOMEM, OS.
 */
CH_MUST_CHECK struct ch_error *ch_report_heap(const struct ch_report *report,
					      const struct ch_heap_result *result,
					      const struct ch_heap_shown *shown);

/** Errors: NOMEM, OS. */
CH_MUST_CHECK struct ch_error *ch_report_types(const struct ch_report *report,
					       const struct ch_types_result *result);

/**
 * Walk the objects that pass and print them as they come, at constant memory;
 * rows beyond report->limit are counted only. addrs_only: in TEXT and PLAIN a line with its
 * address for each, and nothing else. Errors: NOMEM, OS, STOP.
 */
CH_MUST_CHECK struct ch_error *ch_report_objects(const struct ch_report *report,
						 const struct ch_objects_result *result,
						 bool addrs_only);

/** Fields of struct ch_heap_free, and of parts that documents have. */
extern const struct ch_field_spec chp_free_fields[], chp_retention_fields[], chp_segment_fields[],
	chp_memory_fields[];

/** heap_free.c: the verdict, where free memory is, who uses which arena. */
CH_MUST_CHECK struct ch_error *chp_print_retention(const struct ch_report *report,
						   const struct ch_heap_result *result);
CH_MUST_CHECK struct ch_error *chp_print_free(const struct ch_report *report,
					      const struct ch_heap_result *result);
CH_MUST_CHECK struct ch_error *chp_print_heap_threads(const struct ch_report *report,
						      const struct ch_heaps_view *view);
/** {class, largest_part, ...}; NULL when out of memory. */
json_t *chp_json_retention(const struct ch_heap_result *result);
/** heap_segments.c: of each heap its segments (view->heaps_count zeroed lists in ret), in one
 * array that is owned by the caller; and as a table. all: every chunk with a mapping of its own.
 * Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_heap_segments(const struct ch_heaps_view *view, void **items_ret,
						 struct ch_rows *ret);
CH_MUST_CHECK struct ch_error *chp_print_heap_segments(const struct ch_report *report,
						       const struct ch_heap_result *result,
						       bool all);

/** Heaps as lines of text: those of one runtime that have one name are one. */
struct ch_heaps_alike {
	struct ch_heap *heaps;
	/** Of each line. */
	struct ch_heap_free *frees;
	size_t count;
	/** of char *, owned: names of lines that are several */
	struct ch_vec names;
};
/** heap_alike.c. The caller's to end with chp_heaps_alike_deinit() also on failure. Errors: NOMEM.
 */
CH_MUST_CHECK struct ch_error *chp_heaps_alike_make(const struct ch_heaps_view *view,
						    struct ch_heaps_alike *ret);
void chp_heaps_alike_deinit(struct ch_heaps_alike *lines);
/** Add the sums of a heap to those of another. */
void chp_heap_add(struct ch_heap *to, const struct ch_heap *from);

/** Say that no heap was walked, what is here all the same, and what was looked for (TEXT). */
void chp_report_no_heap(const struct ch_report *report, const struct ch_runtime *runtimes,
			size_t count);
/** What became of the blocks of one that is here: "walked", "not walked yet, its blocks are
 * not counted". Static. */
const char *chp_runtime_words(const struct ch_runtime *runtime);
/** {name, score, evidence, open, status, facts{}} of each walker that looked. */
json_t *chp_json_runtimes(const struct ch_heaps_view *view);
/** Where an object is kept ("thread cache", "top" ...), or NULL. */
const char *chp_object_place(const struct ch_object *object);

/** heap_memory.c: what runtimes have for themselves, by what it is for. */
json_t *chp_json_runtime_memory(const struct ch_heaps_view *view);
CH_MUST_CHECK struct ch_error *chp_print_runtime_memory(const struct ch_report *report,
							const struct ch_heaps_view *view);

#endif /* COREHEAP_REPORT_HEAP_H */
