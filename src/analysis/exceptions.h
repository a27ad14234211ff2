/*
 * exceptions.h - exceptions of threads, or one object, and what is inside of them.
 */
#ifndef COREHEAP_ANALYSIS_EXCEPTIONS_H
#define COREHEAP_ANALYSIS_EXCEPTIONS_H

#include <coreheap/code.h>
#include <coreheap/coreheap.h>

#include "util/vec.h"

struct ch_exception_row {
	/** The thread that has it; 0: an object that was asked for. */
	uint32_t tid;
	/** What the runtime calls the thread, unescaped, or "". */
	char thread_name[128];
	/** How it is known; valid with a thread. */
	enum ch_exception_found found;
	/** 0: the exception itself; 1: the one inside of it, and so on. */
	uint32_t depth;
	/** 0: there is no object yet. */
	uint64_t addr;
	/** Unescaped, owned. */
	char *type;
	bool has_hresult;
	uint32_t hresult;
	/** With --reveal, owned; else, or when it has none, NULL. */
	char *message;
	/** of char *: methods, innermost first, owned; there are more. */
	struct ch_vec frames;
	bool frames_cut;
};

/**
 * Those of all threads, with what is inside of them, appended to ret (of struct
 * ch_exception_row), which is the caller's to end with ch_exception_rows_deinit() also on
 * failure. reveal: with their messages. Errors: those of the session, NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_exceptions_of_threads(struct ch_session *session, bool reveal,
							 struct ch_vec *ret);
/** The exception at addr. Errors: ARG where there is none, else as above. */
CH_MUST_CHECK struct ch_error *chp_exceptions_at(struct ch_session *session, uint64_t addr,
						 bool reveal, struct ch_vec *ret);
void ch_exception_rows_deinit(struct ch_vec *rows);

#endif /* COREHEAP_ANALYSIS_EXCEPTIONS_H */
