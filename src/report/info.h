/*
 * info.h - what a core is, from its headers and notes alone.
 */
#ifndef COREHEAP_REPORT_INFO_H
#define COREHEAP_REPORT_INFO_H

#include <coreheap/heap.h>

#include "report/death.h"
#include "report/process.h"

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

/** "walked", "not walked yet", "mapped, not in use". Static. */
const char *chp_info_status(const struct ch_runtime *runtime);

struct ch_info {
	struct ch_death death;
	/** Main executable, or NULL. */
	const struct ch_module *exe;
	uint64_t modules_count, threads_count, segments_count;
	const struct ch_info_notes *notes;
	size_t notes_count;
	const struct ch_info_auxv *auxv;
	size_t auxv_count;
	const struct ch_runtime *const *runtimes;
	size_t runtimes_count;
};

CH_MUST_CHECK struct ch_error *ch_report_info(const struct ch_report *report,
					      const struct ch_info *info);

#endif /* COREHEAP_REPORT_INFO_H */
