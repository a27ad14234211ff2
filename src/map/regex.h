/*
 * regex.h - regular expressions over bytes, in time that grows with the bytes alone.
 */
#ifndef COREHEAP_MAP_REGEX_H
#define COREHEAP_MAP_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <coreheap/error.h>

struct ch_regex;

/** An expression as expression.h knows them. Errors: ARG (says what is wrong), NOMEM. */
CH_MUST_CHECK struct ch_error *chp_regex_make(const char *text, bool ignore_case,
					      struct ch_regex **ret);
/** End it; NULL accepted. */
void chp_regex_destroy(struct ch_regex *regex);

/** A match, by where it begins and its length. Non-NULL ends the search. */
typedef struct ch_error *(*ch_regex_fn)(void *arg, size_t at, size_t len);

/**
 * The matches in len bytes, from left to right: of those that begin first the longest, none is
 * empty, and none begins before the one before it ends. What lies beside the bytes is taken for the
 * middle of a line. Errors: LIMIT (it took too many steps for the bytes that were looked at so far,
 * some 32 each), NOMEM, whatever fn returned.
 */
CH_MUST_CHECK struct ch_error *chp_regex_find(struct ch_regex *regex, const uint8_t *bytes,
					      size_t len, ch_regex_fn fn, void *arg);

/** Whether anything in the bytes matches; true also where that cannot be said. */
bool chp_regex_is_in(struct ch_regex *regex, const uint8_t *bytes, size_t len);

#endif /* COREHEAP_MAP_REGEX_H */
