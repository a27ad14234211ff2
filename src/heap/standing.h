/*
 * standing.h - what a runtime knows of how its program stands: timers, goroutines that wait for
 * ever, what it said when it died. Part of walker.h, which includes it.
 */
#ifndef COREHEAP_HEAP_STANDING_H
#define COREHEAP_HEAP_STANDING_H

#include <coreheap/heap.h>

#include "util/error.h"

struct ch_last_words;

/** A timer of a runtime's own that will fire. */
struct ch_set_timer {
	uint64_t addr;
	/** The function that it calls, and its name, unescaped. */
	uint64_t pc;
	const char *calls;
	enum {
		/** A function of the program or its libraries. */
		CH_TIMER_CALL,
		/** It sends to a channel. */
		CH_TIMER_CHANNEL,
		/** It is the runtime's: of a sleep, of a deadline of the network. */
		CH_TIMER_RUNTIME,
	} kind;
	bool periodic;
};
/** Non-NULL ends the visit: return it unchanged. */
typedef struct ch_error *(*ch_set_timer_fn)(void *arg, const struct ch_set_timer *timer);

/** A function of a runtime on the stack of the thread that died, and its frame, [start, end). */
struct ch_said {
	const char *function;
	uint64_t start, end;
};

/** What a runtime said, by a function that it ended the process with. False: nothing. */
bool chp_heaps_said(struct ch_heaps *heaps, const struct ch_said *said, struct ch_last_words *ret);
/** Timers of runtimes that are set. Errors: NOMEM, STOP, those of fn. */
CH_MUST_CHECK struct ch_error *chp_heaps_set_timers(struct ch_heaps *heaps, ch_set_timer_fn fn,
						    void *arg);
/** Let runtimes find out which goroutines nothing can wake, which takes a mark of their heaps.
 * Errors: NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_heaps_find_stuck(struct ch_heaps *heaps);

#endif /* COREHEAP_HEAP_STANDING_H */
