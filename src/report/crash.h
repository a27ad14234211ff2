/*
 * crash.h - the stack of the thread that died, for the first screen.
 */
#ifndef COREHEAP_REPORT_CRASH_H
#define COREHEAP_REPORT_CRASH_H

#include "render/render.h"

struct ch_frame;
struct ch_thread_row;
struct ch_death;
struct ch_signature;

/** What a document tells of a crash. Borrowed; row is NULL where no thread died. */
struct ch_crash {
	const struct ch_death *death;
	const struct ch_thread_row *row;
	const struct ch_signature *signature;
};

/** Frames of the line, as a rule; JSON has all. */
#define CH_CRASH_FRAMES 6

/** "parse() main.c:10 <- handle() main.c:15 <- main() main.c:20", at most so many of the frames
 * that say what happened, and how many there are more; escaped, owned by the caller, NULL when out
 * of memory. */
char *chp_crash_text(const struct ch_thread_row *row, size_t most);
/** One frame with its place in its module: "parse() main.c:10, shop+0x1149 (build-id 12ab...)"; as
 * chp_crash_text(). */
char *chp_crash_frame(const struct ch_frame *frame);
/** "SIGSEGV, read at 0x18 (a null pointer + 24), in parse() main.c:10"; as chp_crash_text(). */
char *chp_crash_title(const struct ch_death *death, const struct ch_thread_row *row);
/** Thread, frames, title and signature; null where no thread died. */
json_t *chp_json_crash(const struct ch_report *report, const struct ch_crash *crash);

#endif /* COREHEAP_REPORT_CRASH_H */
