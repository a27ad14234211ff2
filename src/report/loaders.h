/*
 * loaders.h - class loaders of a runtime, alike ones in one row.
 */
#ifndef COREHEAP_REPORT_LOADERS_H
#define COREHEAP_REPORT_LOADERS_H

#include "report/heap.h"
#include "util/vec.h"

/** Loaders of one type that are all live, or all dead. */
struct ch_loaders_row {
	/** Of the loaders; 0: the runtime's own, or hidden ones. */
	uint32_t type;
	bool hidden, always, live;
	uint64_t count, classes_count;
	/** Sum of what each retains; 0 of dead ones. */
	uint64_t retained_bytes;
	/** Memory of theirs for classes, in both parts and in that for classes alone; of so many
	 * loaders it is known. */
	struct ch_metachunks chunks, class_chunks;
	uint64_t chunks_known_count;
	/** One of them; 0: it is no object. */
	uint64_t sample_addr;
};

struct ch_loaders_result {
	struct ch_heaps *heaps;
	/** of struct ch_loaders_row: most loaders first */
	struct ch_vec rows;
	uint64_t count, classes_count;
};

CH_MUST_CHECK struct ch_error *chp_report_loaders(const struct ch_report *report,
						  const struct ch_loaders_result *result);

#endif /* COREHEAP_REPORT_LOADERS_H */
