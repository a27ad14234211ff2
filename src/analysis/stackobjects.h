/*
 * stackobjects.h - objects of runtimes that registers and stacks of threads lead to.
 */
#ifndef COREHEAP_ANALYSIS_STACKOBJECTS_H
#define COREHEAP_ANALYSIS_STACKOBJECTS_H

#include <coreheap/coreheap.h>

struct ch_stackobject_row {
	uint32_t tid;
	/** The register, or the address of the word. */
	const char *where;
	uint64_t addr, size_bytes;
	const char *type;
};

/** Called with each row, which is lent. Non-NULL stops. */
typedef struct ch_error *(*ch_stackobject_fn)(void *arg, const struct ch_stackobject_row *row);

/**
 * Each object once for a thread, where it is first; tid 0: of all threads. *threads_ret: how many
 * lead to any. Errors: ARG where there is no such thread, those of the session, NOMEM, STOP,
 * those of fn.
 */
CH_MUST_CHECK struct ch_error *chp_stackobjects(struct ch_session *session, uint64_t tid,
						ch_stackobject_fn fn, void *arg,
						uint64_t *threads_ret);

#endif /* COREHEAP_ANALYSIS_STACKOBJECTS_H */
