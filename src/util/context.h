/*
 * util/context.h - the side of coreheap/context.h that the library uses.
 */
#ifndef COREHEAP_UTIL_CONTEXT_H
#define COREHEAP_UTIL_CONTEXT_H

#include <coreheap/context.h>

/**
 * Report a finding. code is static. The message may hold text from the core:
 * it is escaped here. The same message is stored once; of one code at most 16
 * messages are kept, the rest is counted in the last one.
 */
void chp_context_finding(struct ch_context *ctx, enum ch_severity severity, const char *code,
			 const char *format, ...) CH_PRINTF(4, 5);

/** The address that the finding of this code that was reported last is about; none, and no error,
 * where there is no such finding. */
void chp_context_finding_addr(struct ch_context *ctx, const char *code, uint64_t addr);

/** The finding of this code that was reported last is a hint (see struct ch_finding); no error
 * where there is no such finding. */
void chp_context_finding_hint(struct ch_context *ctx, const char *code);

/** Report that memory ran short where the answer has no room for an error: it is incomplete.
 * Needs no memory. */
void chp_context_no_memory(struct ch_context *ctx);
/** Destroy an error that the answer has no room for; of NOMEM the same is reported. NULL accepted.
 */
void chp_context_drop_take(struct ch_context *ctx, struct ch_error *err);

void chp_context_log(struct ch_context *ctx, enum ch_log_level level, const char *format, ...)
	CH_PRINTF(3, 4);

/** Cheap when nobody listens. phase is static. */
void chp_context_progress(struct ch_context *ctx, const char *phase, uint64_t done, uint64_t total);

/** Whether messages may hold contents of the core's memory; false for NULL. */
bool chp_context_reveals(const struct ch_context *ctx);

/** &ch_stop when cancelled, else NULL. */
CH_MUST_CHECK struct ch_error *chp_context_check(const struct ch_context *ctx);

#endif /* COREHEAP_UTIL_CONTEXT_H */
