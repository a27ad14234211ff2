/*
 * dump.h - what tells one dump from another, and what was found missing in it.
 */
#ifndef COREHEAP_ANALYSIS_DUMP_H
#define COREHEAP_ANALYSIS_DUMP_H

#include <coreheap/coreheap.h>

#include "util/vec.h"

/** Room for an id. */
#define CH_DUMP_ID_MAX 17

struct ch_dump {
	/** chp_dump_id() */
	char id[CH_DUMP_ID_MAX];
	/** The file's name without its folder; what the kernel calls the process, "" when not
	 * recorded. Escaped, owned. */
	char *file, *comm;
	/** Static. */
	const char *producer, *arch;
	/** 0: not recorded. */
	uint32_t pid;
};

/** Hexadecimal digits: process, threads with their registers and mapped files. All of it is in
 * the notes, so a truncated or compressed copy has the same id. Returns ret. */
const char *chp_dump_id(const struct ch_core *core, char ret[CH_DUMP_ID_MAX]);

/** The caller's to end with chp_dump_deinit() also on failure. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_dump_make(const struct ch_core *core, struct ch_dump *ret);
void chp_dump_deinit(struct ch_dump *dump);

/** A finding that outlives its context. */
struct ch_dump_finding {
	struct ch_finding finding;
	/** The finding's message. Owned. */
	char *message;
};

/** Append what ctx has heard of to ret (of struct ch_dump_finding). Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_dump_findings_copy(const struct ch_context *ctx,
						      struct ch_vec *ret);
/** The vector, too. */
void chp_dump_findings_free(struct ch_vec *findings);

#endif /* COREHEAP_ANALYSIS_DUMP_H */
