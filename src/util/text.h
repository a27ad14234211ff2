/*
 * util/text.h - text from a core made safe to print.
 */
#ifndef COREHEAP_UTIL_TEXT_H
#define COREHEAP_UTIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/**
 * Copy at most max bytes of text, with control bytes (C0, DEL, C1), invalid
 * UTF-8, bidirectional overrides and backslashes as \xNN. NULL text gives
 * NULL. Free with free(); NULL also when out of memory.
 */
char *chp_text_escape(const char *text, size_t max);

/** Whether text may be a name: not empty, valid UTF-8, nothing of it is escaped. */
bool chp_text_is_name(const char *text);

/**
 * "worker-12" as "worker-#", "C2 CompilerThread0" as "C2 CompilerThread#": a name whose
 * numbers are left out, but for those in the middle of a word. Free with free(); NULL when
 * out of memory.
 */
char *chp_text_pattern(const char *name);

/** At most room letters of a name: its ends with "..." between them, for types end with what tells.
 * Free with free(); NULL when out of memory. */
char *chp_text_cut(const char *name, size_t room);

/**
 * Close a stream of open_memstream(): its text, which is *text, or NULL where there was no memory
 * for all of it. Then *text is freed and NULL, too. Free with free().
 */
char *chp_text_end(FILE *out, char **text);

/** Behind the last slash. */
const char *chp_base_name(const char *path);

#endif /* COREHEAP_UTIL_TEXT_H */
