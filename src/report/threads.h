/*
 * threads.h - threads, their stacks, and groups of equal stacks.
 */
#ifndef COREHEAP_REPORT_THREADS_H
#define COREHEAP_REPORT_THREADS_H

#include "report/report.h"

struct ch_thread_row {
	/** Borrowed from the core. */
	const struct ch_thread *thread;
	/** Only the main thread's is recorded; NULL otherwise. Unescaped. */
	const char *name;
	/** It got the signal that ended the process. */
	bool crashed;
	/** Its stack [start, end); both 0 when sp points nowhere known. */
	uint64_t stack_start, stack_end;
	/** From sp to the end of the stack. */
	uint64_t used_bytes;
	/** Owned by the array. */
	struct ch_frame *frames;
	size_t frames_count;
	/** Why the last frame is the last. Owned. */
	char *end;
	/** Hash of modules, functions and offsets: survives randomised addresses. */
	uint64_t fingerprint;
};

/** Threads with equal fingerprints. */
struct ch_thread_group {
	uint64_t fingerprint;
	uint64_t count, stack_bytes, used_bytes;
	/** Index of the first of them in rows. */
	size_t first;
};

struct ch_threads {
	const struct ch_thread_row *rows;
	size_t rows_count;
	/** By count descending, then by the first thread. */
	const struct ch_thread_group *groups;
	size_t groups_count;
	uint64_t stack_bytes, used_bytes;
	/** Show registers; show groups instead of threads (text). */
	bool with_regs, grouped;
	enum ch_arch arch;
};

CH_MUST_CHECK struct ch_error *ch_report_threads(const struct ch_report *report,
						 const struct ch_threads *threads);

#endif /* COREHEAP_REPORT_THREADS_H */
