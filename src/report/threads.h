/*
 * threads.h - threads, their stacks, and groups of equal stacks.
 */
#ifndef COREHEAP_REPORT_THREADS_H
#define COREHEAP_REPORT_THREADS_H

#include <coreheap/code.h>
#include <coreheap/map.h>

#include "render/render.h"

/** Stacks of a thread beside the one that it runs on; more is not kept. */
#define CH_INTERRUPTED_MAX 8

struct ch_thread_row {
	/** Borrowed from the core. */
	const struct ch_thread *thread;
	/** What its runtime calls it, else of the main thread what the kernel did; NULL:
	 * neither is recorded. Unescaped. */
	const char *name;
	/** What its runtime knows of it; NULL: nothing. Owned by the array. */
	struct ch_thread_info *info;
	/** It got the signal that ended the process. */
	bool crashed;
	/** Its stack [start, end); both 0 when sp points nowhere known. */
	uint64_t stack_start, stack_end;
	/** From sp to the end of the stack. */
	uint64_t used_bytes;
	/** The program set that stack for signals. */
	bool for_signals;
	/** Stacks on which signals interrupted it, the last one first. */
	struct ch_thread_stack interrupted[CH_INTERRUPTED_MAX];
	size_t interrupted_count;
	/** Owned by the array. */
	struct ch_frame *frames;
	size_t frames_count;
	/** Why the last frame is the last. Owned. */
	char *end;
	/** Hash of modules, functions and offsets: survives randomised addresses. */
	uint64_t fingerprint;
};

/** Names that differ in digits only: "worker-#", unescaped, and how many have one. */
struct ch_thread_names {
	char *pattern;
	uint64_t count;
};

/** Threads with equal fingerprints. */
struct ch_thread_group {
	uint64_t fingerprint;
	uint64_t count, stack_bytes, used_bytes;
	/** Index of the first of them in rows. */
	size_t first;
	/** Most frequent first, then by name; those without a name are in none. Owned. */
	struct ch_thread_names *names;
	size_t names_count;
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

/** The frames of a stack as documents have them. */
json_t *chp_json_frames(const struct ch_core *core, const struct ch_thread_row *row);

CH_MUST_CHECK struct ch_error *ch_report_threads(const struct ch_report *report,
						 const struct ch_threads *threads);

#endif /* COREHEAP_REPORT_THREADS_H */
