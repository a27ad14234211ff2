/*
 * thread_rows.h - every thread with its stack unwound, and groups of equal stacks.
 */
#ifndef COREHEAP_ANALYSIS_THREAD_ROWS_H
#define COREHEAP_ANALYSIS_THREAD_ROWS_H

#include <coreheap/code.h>
#include <coreheap/coreheap.h>
#include <coreheap/map.h>

#include "analysis/frame_names.h"
#include "util/vec.h"

/** Frames of a stack where nobody says how many. */
#define CH_FRAMES_DEFAULT 64

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
	/** Hash of modules and offsets in them, of methods of a runtime by name and line: survives
	 * randomised addresses, and that methods are compiled again. */
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

/** A goroutine, and the index of its group. */
struct ch_goroutine_row {
	struct ch_goroutine of;
	size_t group;
	/** Names of its first function, and of the one that started it, with the source line of
	 * that ("main.go:37"); "" where that is not known. Owned by the array. */
	const char *start, *creator, *created_at;
};

/** Goroutines that stand in the same place and wait for the same. */
struct ch_goroutine_group {
	/** Hash of their frames, which builds and processes share; of the program counters. */
	uint64_t fingerprint, place;
	uint64_t count, stack_bytes, waited_most_ns;
	/** Those that nothing can wake. */
	uint64_t stuck_count;
	/** Index of the first of them. */
	size_t first;
	/** Owned by the array. */
	struct ch_frame *frames;
	size_t frames_count;
	/** Why the last frame is the last. Owned. */
	char *end;
};

struct ch_threads {
	const struct ch_thread_row *rows;
	size_t rows_count;
	/** By count descending, then by the first thread. */
	const struct ch_thread_group *groups;
	size_t groups_count;
	/** Over all stacks, each byte once; not of a thread alone. */
	uint64_t stack_bytes, used_bytes;
	/** As the runtime lists them. */
	const struct ch_goroutine_row *goroutines;
	size_t goroutines_count;
	/** By count descending, then by the first. */
	const struct ch_goroutine_group *goroutine_groups;
	size_t goroutine_groups_count;
	/** Show registers; show groups instead of threads (text). */
	bool with_regs, grouped;
	enum ch_arch arch;
};

struct ch_thread_rows {
	/** rows, groups and arch are filled. */
	struct ch_threads threads;
	/** Owned; as in threads. */
	struct ch_thread_row *rows;
	struct ch_thread_group *groups;
	/** of struct ch_goroutine_row and struct ch_goroutine_group */
	struct ch_vec goroutines, goroutine_groups;
	/** Texts that frames borrow. */
	void *texts;
};

/**
 * Unwind all threads. ret is zeroed before, and the caller's to end with
 * chp_thread_rows_deinit() also on failure. Errors: NOMEM, STOP, those of unwinding.
 */
CH_MUST_CHECK struct ch_error *chp_thread_rows_make(struct ch_session *session, size_t frames_max,
						    struct ch_thread_rows *ret);
/** The same of one thread alone, with frames for functions that a compiler put into others;
 * no rows where there is none of that number. */
CH_MUST_CHECK struct ch_error *chp_thread_rows_of(struct ch_session *session, uint32_t tid,
						  size_t frames_max, struct ch_thread_rows *ret);
/** Add goroutines to rows that were made, and groups of them. Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_thread_rows_goroutines(struct ch_session *session,
							  size_t frames_max,
							  struct ch_thread_rows *rows);
void chp_thread_rows_deinit(struct ch_thread_rows *rows);
/** Whether a stack has any methods of a runtime's code. */
bool chp_thread_row_has_methods(const struct ch_thread_row *row);
/** The frame that says best what a thread does: the innermost method of a runtime's code,
 * else 0. */
size_t chp_thread_row_first(const struct ch_thread_row *row);

#endif /* COREHEAP_ANALYSIS_THREAD_ROWS_H */
