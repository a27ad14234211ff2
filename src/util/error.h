/*
 * util/error.h - making errors. See coreheap/error.h for what they mean.
 */
#ifndef COREHEAP_UTIL_ERROR_H
#define COREHEAP_UTIL_ERROR_H

#include <coreheap/error.h>

/** New error of a code; ch_enomem when even that fails. Never NULL. */
struct ch_error *ch_error_create(enum ch_error_code code, const char *format, ...) CH_PRINTF(2, 3);
/** New error about a target address (FAULT, ABSENT, CORRUPT). */
struct ch_error *ch_error_at(enum ch_error_code code, uint64_t addr, const char *format, ...)
	CH_PRINTF(3, 4);
/** New OS error; pass errno as captured in the statement after the call. */
struct ch_error *ch_error_os(int errnum, const char *path, const char *what);
/** Put "text: " before the message; takes and returns err (static ones as they are). */
struct ch_error *ch_error_prefix_take(struct ch_error *err, const char *format, ...)
	CH_PRINTF(2, 3);

/**
 * Say that there was no memory for something, wherever that happens: an answer may then lack a
 * part of it. Allocations that fail say it (util/alloc.c), and errors of that kind that are
 * destroyed instead of returned.
 */
void chp_error_note_nomem(void);
/** Say that a file could not be looked at though it is there: for want of descriptors, or because
 * its disk fails. An errno that says something else, as that there is no file, counts as nothing.
 */
void chp_error_note_file(int errnum);

/** How often that was said in this process. */
struct ch_shortage {
	unsigned long memory, files;
};
struct ch_shortage chp_shortage(void);
/** Why an answer that was begun then may lack something, and is none; NULL: it lacks nothing. */
struct ch_error *chp_shortage_since(const struct ch_shortage *before);

#endif /* COREHEAP_UTIL_ERROR_H */
