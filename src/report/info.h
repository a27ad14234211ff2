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

/** A runtime or allocator that a mapped file or its walker gives away. */
struct ch_info_runtime {
	/** "glibc malloc", "coreclr". Static. */
	const char *name;
	/** "allocator" or "runtime". Static. */
	const char *kind;
	/** Path of the file. Borrowed from the core, unescaped. NULL: none. */
	const char *file;
	/** What its walker says of it; NULL: it has no walker yet. Borrowed. */
	const struct ch_runtime *probe;
};

/** "walked", "mapped, not used" ... of a row. Static. */
const char *chp_info_status(const struct ch_info_runtime *runtime);

struct ch_info {
	struct ch_death death;
	/** Main executable, or NULL. */
	const struct ch_module *exe;
	uint64_t modules_count, threads_count, segments_count;
	const struct ch_info_notes *notes;
	size_t notes_count;
	const struct ch_info_auxv *auxv;
	size_t auxv_count;
	const struct ch_info_runtime *runtimes;
	size_t runtimes_count;
};

CH_MUST_CHECK struct ch_error *ch_report_info(const struct ch_report *report,
					      const struct ch_info *info);

#endif /* COREHEAP_REPORT_INFO_H */
