/*
 * coreheap/context.h - what the library needs from its caller, and what it
 * tells the caller besides results.
 *
 * Vocabulary:
 *   log      a line for somebody who debugs coreheap itself;
 *   finding  a fact about the core that weakens or colours the answer
 *            ("truncated", "build-id mismatch"); it ends up as a warning of
 *            the report, so it is stored here, once per distinct message;
 *   progress (done, total) of a long loop; the callback may cancel.
 *
 * A context is used by one session. Findings may be added from any thread.
 */
#ifndef COREHEAP_CONTEXT_H
#define COREHEAP_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ch_context;

enum ch_log_level {
	CH_LOG_DEBUG,
	CH_LOG_INFO,
	CH_LOG_WARNING,
};

struct ch_context_options {
	/** Called for each log line, or NULL. */
	void (*log)(void *arg, enum ch_log_level level, const char *message);
	/**
	 * Called now and then during long work with a static phase name, or
	 * NULL. total is 0 when it is not known.
	 */
	void (*progress)(void *arg, const char *phase, uint64_t done, uint64_t total);
	/** Passed to both callbacks. */
	void *arg;
	/** Messages may hold contents of the core's memory. */
	bool reveal;
};

/** How much a finding weakens the answer. */
enum ch_severity {
	/** Worth knowing; the numbers stand. */
	CH_SEVERITY_NOTE,
	/** What the process had in its memory contradicts itself: an overwritten header, a
	 * list that leads nowhere. The core is what it was, so complete stays. */
	CH_SEVERITY_DAMAGED,
	/** Something was missing, cut short or not understood: complete = false. */
	CH_SEVERITY_INCOMPLETE,
};

struct ch_finding {
	/** Stable kebab-case code ("truncated", "build-id-mismatch"). Static. */
	const char *code;
	/** One line; already safe to print (no control bytes, valid UTF-8). */
	const char *message;
	/** What it weakens. */
	enum ch_severity severity;
	/** How often the same code was reported; > 1 only for capped codes. */
	uint64_t count;
	/** Address that it is about, where one is told; 0: none is. */
	uint64_t addr;
	/** It says how to get a better answer: a first screen shows it, though it is a note. */
	bool hint;
};

/**
 * Create a context. options may be NULL (no callbacks). Returns NULL when out
 * of memory. Free with ch_context_destroy().
 */
CH_PUBLIC struct ch_context *ch_context_create(const struct ch_context_options *options);

/** Free a context; NULL accepted. Findings borrowed from it become invalid. */
CH_PUBLIC void ch_context_destroy(struct ch_context *ctx);

/**
 * Ask all work under this context to stop as soon as it can. Async-signal-safe.
 */
CH_PUBLIC void ch_context_cancel(struct ch_context *ctx);

/** Whether ch_context_cancel() was called. */
CH_PUBLIC bool ch_context_cancelled(const struct ch_context *ctx);

/**
 * All findings so far, in the order in which they were first reported.
 * Borrowed: valid until the next finding or the end of the context.
 */
CH_PUBLIC const struct ch_finding *ch_context_findings(const struct ch_context *ctx,
						       size_t *count_ret);

/** False as soon as one finding with CH_SEVERITY_INCOMPLETE was reported. */
CH_PUBLIC bool ch_context_complete(const struct ch_context *ctx);
/** True as soon as one finding with CH_SEVERITY_DAMAGED was reported. */
CH_PUBLIC bool ch_context_damaged(const struct ch_context *ctx);

/** "note", "damaged", "incomplete". Static. */
CH_PUBLIC const char *ch_severity_name(enum ch_severity severity);

#ifdef __cplusplus
}
#endif

#endif /* COREHEAP_CONTEXT_H */
