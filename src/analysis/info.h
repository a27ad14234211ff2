/*
 * info.h - what a core is, from its headers and notes alone.
 */
#ifndef COREHEAP_ANALYSIS_INFO_H
#define COREHEAP_ANALYSIS_INFO_H

#include <coreheap/coreheap.h>

#include "analysis/death.h"
#include "util/vec.h"

/** Notes of one owner and type. */
struct ch_info_notes {
	/** Borrowed from the core. */
	const char *owner;
	uint32_t type;
	/** "NT_PRSTATUS", or NULL. Static. */
	const char *name;
	uint64_t count, total_bytes;
	bool known;
};

struct ch_info_auxv {
	uint64_t type, value;
	/** "AT_ENTRY". Static. */
	const char *name;
};

struct ch_info_source;

struct ch_info {
	struct ch_death death;
	/** Main executable, or NULL. */
	const struct ch_module *exe;
	uint64_t modules_count, threads_count, segments_count;
	/** of struct ch_info_notes: in the order of their first one */
	struct ch_vec notes;
	/** of struct ch_info_auxv */
	struct ch_vec auxv;
	/** of const struct ch_runtime *: what is here, or was mapped and not used */
	struct ch_vec runtimes;
	/** What rows borrow from; private to info.c. */
	struct ch_info_source *source;
};

/** Asks each walker whether its runtime is here, and opens none. The caller's to end with
 * chp_info_deinit() also on failure. Errors: those of the session, NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_info_make(struct ch_session *session, struct ch_info *ret);
void chp_info_deinit(struct ch_info *info);

#endif /* COREHEAP_ANALYSIS_INFO_H */
