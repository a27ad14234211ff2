/*
 * loaders.h - class loaders of a runtime, alike ones in one row.
 */
#ifndef COREHEAP_ANALYSIS_LOADERS_H
#define COREHEAP_ANALYSIS_LOADERS_H

#include <coreheap/graph.h>
#include <coreheap/runtime.h>

#include "util/vec.h"

/** Loaders of one type that are all live, or all dead. */
struct ch_loaders_row {
	/** Of the loaders; 0: the runtime's own, or hidden ones. */
	uint32_t type;
	/** Of that type: borrowed until the heaps are closed. */
	const char *name;
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
	/** of struct ch_loaders_row: most loaders first */
	struct ch_vec rows;
	uint64_t count, classes_count;
};

/** threads: to work with; 0: as many as there are processors. The caller's to end with
 * chp_loaders_deinit() also on failure. Errors: those of the session and the graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_loaders_make(struct ch_session *session, uint32_t threads,
						struct ch_loaders_result *ret);
void chp_loaders_deinit(struct ch_loaders_result *result);

#endif /* COREHEAP_ANALYSIS_LOADERS_H */
