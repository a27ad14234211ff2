/*
 * analysis/sites.h - where objects were allocated, as a runtime sampled it.
 */
#ifndef COREHEAP_ANALYSIS_SITES_H
#define COREHEAP_ANALYSIS_SITES_H

#include <coreheap/coreheap.h>

#include "heap/sites.h"
#include "util/vec.h"

/** Estimates of all objects, from those that were noted. */
struct ch_site_values {
	uint64_t allocs_count, allocs_bytes, used_count, used_bytes;
};

/** Samples with one stack. */
struct ch_sites_row {
	/** Innermost first, with names; the runtime's own that begin a stack are left out. Borrowed
	 * until the result is ended. */
	struct ch_frame *frames;
	size_t frames_count;
	/** Hash of functions and lines: the same in another dump of the program. */
	uint64_t fingerprint;
	/** What was noted, not what is estimated. */
	uint64_t noted_allocs_count, noted_used_count;
	struct ch_site_values all;
};

/** Samples of one size with one stack: what a profile of pprof has. */
struct ch_sites_sample {
	/** In rows. */
	size_t row;
	uint64_t size_bytes;
	struct ch_site_values values;
};

struct ch_sites {
	struct ch_sampling sampling;
	/** A runtime samples, or might have. */
	bool known;
	/** of struct ch_sites_row: most bytes in use first; of struct ch_sites_sample */
	struct ch_vec rows, samples;
	struct ch_site_values all;
	/** Texts of frames. */
	void *texts;
	/** The modules of the process. Borrowed from the session. */
	const struct ch_module *modules;
	size_t modules_count;
};

/** The caller's to end with chp_sites_deinit() also on failure. Errors: those of the session,
 * NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_sites_make(struct ch_session *session, struct ch_sites *ret);
void chp_sites_deinit(struct ch_sites *sites);

/** What so many noted objects of a size stand for, as runtime/pprof estimates it. */
void chp_sites_estimate(uint64_t count, uint64_t size_bytes, uint64_t rate_bytes,
			uint64_t *count_ret, uint64_t *bytes_ret);

void chp_site_values_add(struct ch_site_values *to, const struct ch_site_values *of);

/** A key for tables of what is shown of some frames: their addresses and names, of which each text
 * is kept once. Never 0. */
uint64_t chp_sites_hash(const struct ch_frame *frames, size_t count);

#endif /* COREHEAP_ANALYSIS_SITES_H */
