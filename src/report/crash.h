/*
 * crash.h - the stack of the thread that died, for the first screen.
 */
#ifndef COREHEAP_REPORT_CRASH_H
#define COREHEAP_REPORT_CRASH_H

#include "render/render.h"

struct ch_thread_row;

/** "parse() main.c:10 <- handle() main.c:15 <- main() main.c:20", escaped; owned by the
 * caller, NULL when out of memory. */
char *chp_crash_text(const struct ch_thread_row *row);
/** Thread, frames and the fingerprint of the stack; null where row is NULL. */
json_t *chp_json_crash(const struct ch_report *report, const struct ch_thread_row *row);

#endif /* COREHEAP_REPORT_CRASH_H */
