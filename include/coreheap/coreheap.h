/*
 * coreheap/coreheap.h - one analysis of one core: everything in one handle.
 *
 * A session opens the core at once and the rest on demand, so that `info`
 * does not pay for the heap. Two sessions in one process are independent.
 */
#ifndef COREHEAP_COREHEAP_H
#define COREHEAP_COREHEAP_H

#include <coreheap/code.h>
#include <coreheap/context.h>
#include <coreheap/core.h>
#include <coreheap/error.h>
#include <coreheap/heap.h>
#include <coreheap/map.h>
#include <coreheap/pools.h>
#include <coreheap/runtime.h>
#include <coreheap/sym.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CH_VERSION "0.1.0"

struct ch_session;

struct ch_session_options {
	struct ch_core_options core;
	struct ch_sym_options sym;
	/** Of enum ch_strength: which of them hold something; if given at all. */
	bool strengths_given;
	uint32_t strengths;
};

/**
 * Open a core for analysis. ctx must outlive the session; options may be NULL;
 * strings in options are borrowed until the session is closed. Errors: those
 * of ch_core_open().
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_session_open(struct ch_context *ctx, const char *path,
							 const struct ch_session_options *options,
							 struct ch_session **ret);
/** Close; NULL accepted. */
CH_PUBLIC void ch_session_close(struct ch_session *session);

CH_PUBLIC struct ch_context *ch_session_context(const struct ch_session *session);
CH_PUBLIC struct ch_core *ch_session_core(const struct ch_session *session);
/** Bits of enum ch_strength. */
CH_PUBLIC uint32_t ch_session_strengths(const struct ch_session *session);

/** Opened at the first call, then the same each time. Owned by the session. */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_session_sym(struct ch_session *session,
							struct ch_sym **ret);
/**
 * The map with every heap's spans claimed (this opens the heaps too).
 */
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_session_map(struct ch_session *session,
							struct ch_map **ret);
CH_PUBLIC CH_MUST_CHECK struct ch_error *ch_session_heaps(struct ch_session *session,
							  struct ch_heaps **ret);

/** Whether what the process had in its heaps contradicts itself. */
enum ch_intact {
	/** Not all blocks of all heaps were looked at, or something was missing. */
	CH_INTACT_UNKNOWN,
	CH_INTACT_YES,
	/** Damaged: see the findings. */
	CH_INTACT_NO,
};

/** What is known so far: nothing is opened or walked for it. */
CH_PUBLIC enum ch_intact ch_session_heap_intact(const struct ch_session *session);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_COREHEAP_H */
