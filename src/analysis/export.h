/*
 * export.h - what is held where, as paths for programs that draw them.
 */
#ifndef COREHEAP_ANALYSIS_EXPORT_H
#define COREHEAP_ANALYSIS_EXPORT_H

#include <coreheap/coreheap.h>

#include "graph/paths.h"

/** A path, and the blocks at its end. */
struct ch_export_path {
	/** In ch_export.paths.tracks. */
	uint32_t track;
	uint64_t count, bytes;
};

struct ch_export_options {
	/** Threads to work with; 0: as many as there are processors. */
	uint32_t threads;
	/** Paths that are listed; 0: all. */
	uint64_t rows_max;
};

struct ch_export {
	struct ch_paths paths;
	/** of struct ch_export_path: by bytes, descending; those without blocks are left out */
	struct ch_vec list;
	/** What is not listed: how many paths, and what they have together. */
	uint64_t rest_paths_count;
	struct ch_export_path rest;
	/** The modules of the process. Borrowed from the session. */
	const struct ch_module *modules;
	size_t modules_count;
};

/** The caller's to end with chp_export_deinit() also on failure. Errors: those of the session and
 * the graph, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_export_make(struct ch_session *session,
					       const struct ch_export_options *options,
					       struct ch_export *ret);
void chp_export_deinit(struct ch_export *of);

/** The frames of a path, innermost first, as indexes into ch_export.paths.frames: ret is of
 * uint32_t. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_export_frames(const struct ch_export *of, uint32_t track,
						 struct ch_vec *ret);

#endif /* COREHEAP_ANALYSIS_EXPORT_H */
