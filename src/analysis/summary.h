/*
 * summary.h - one screen: what died, where its memory is, and the verdict.
 */
#ifndef COREHEAP_ANALYSIS_SUMMARY_H
#define COREHEAP_ANALYSIS_SUMMARY_H

#include "analysis/death.h"
#include "analysis/heaps_view.h"
#include "analysis/measure.h"
#include "analysis/named_types.h"
#include "analysis/pooled.h"
#include "analysis/signature.h"
#include "analysis/suspect.h"
#include "analysis/thread_rows.h"
#include "analysis/type_groups.h"
#include "util/vec.h"

/** Room for the headline. */
#define CH_HEADLINE_MAX 256

/** Types shown. */
#define CH_SUMMARY_TYPES 10

struct ch_summary_type {
	struct ch_named_type row;
	/** Those on touched pages, and zeros that a runtime wrote. */
	uint64_t in_use_bytes;
};

struct ch_summary {
	/** The program; NULL: not known. Borrowed from the session. */
	const struct ch_module *executable;
	struct ch_death death;
	/** The thread that died, if one did: at most one row. */
	struct ch_thread_rows crash;
	/** Of its stack; empty where none died. */
	struct ch_signature signature;
	struct ch_heaps_view view;
	/** Rules that need the graph were left out, and blocks were not named. */
	bool quick;
	struct ch_measured sums;
	/** Types of used objects by bytes in use, descending. */
	struct ch_summary_type types[CH_SUMMARY_TYPES];
	size_t types_count;
	/** Who named used blocks; empty with quick. */
	struct ch_type_groups named;
	/** of struct ch_suspect: by bytes, descending */
	struct ch_vec suspects;
	/** Of the native used bytes those that are a runtime's own; NULL: not known. */
	const struct ch_tracking *tracking;
	/** Limits; pools but with quick. */
	struct ch_pooled pooled;
	/** headline.h */
	char headline[CH_HEADLINE_MAX];
	/** "malloc blocks in use 12 + free memory kept by malloc 3 + ... = 15; malloc blocks in use
	 * is 80.00%". Owned. */
	char *arithmetic;
};

/** The thread that died; NULL: none did. */
static inline const struct ch_thread_row *chp_summary_crash(const struct ch_summary *summary)
{
	return summary->crash.threads.rows_count ? summary->crash.rows : NULL;
}

struct ch_summary_options {
	/** Threads to work with; 0: as many as there are processors. */
	uint32_t threads;
	/** Apply no rule that needs the graph, and name no blocks. */
	bool quick;
	/** Called with arg as soon as it is known who died, how, and what memory is in use: long
	 * before the rest. NULL: nobody waits for it. Non-NULL ends the work. */
	struct ch_error *(*begun)(void *arg, const struct ch_summary *summary);
	void *arg;
};

/**
 * The caller's to end with chp_summary_deinit() also on failure. Errors: those of the session
 * and the graph, NOMEM; an interrupt ends the rules and is a finding.
 */
CH_MUST_CHECK struct ch_error *chp_summary_make(struct ch_session *session,
						const struct ch_summary_options *options,
						struct ch_summary *ret);
void chp_summary_deinit(struct ch_summary *summary);

#endif /* COREHEAP_ANALYSIS_SUMMARY_H */
