/*
 * thread_rows.h - every thread with its stack unwound, and groups of equal stacks.
 */
#ifndef COREHEAP_CMD_THREAD_ROWS_H
#define COREHEAP_CMD_THREAD_ROWS_H

#include "report/threads.h"

/** Frames of a stack where nobody says how many. */
#define CH_FRAMES_DEFAULT 64

struct ch_thread_rows {
	/** rows, groups and arch are filled. */
	struct ch_threads threads;
	/** Owned; as in threads. */
	struct ch_thread_row *rows;
	struct ch_thread_group *groups;
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
void chp_thread_rows_deinit(struct ch_thread_rows *rows);
/** Whether a frame is a method of a runtime's code. */
bool chp_thread_row_method(const struct ch_frame *frame);
/** The frame that says best what a thread does: the innermost method of a runtime's code,
 * else 0. */
size_t chp_thread_row_first(const struct ch_thread_row *row);

#endif /* COREHEAP_CMD_THREAD_ROWS_H */
