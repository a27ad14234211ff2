/*
 * conduct.h - how a program runs on .NET: locks, finalizers, collections.
 */
#ifndef COREHEAP_WALKERS_CORECLR_CONDUCT_H
#define COREHEAP_WALKERS_CORECLR_CONDUCT_H

#include "heap/walker.h"

struct clr;

/** What of the word that an object begins with is the address of its method table: the collector
 * borrows low bits. */
#define CLR_MT_MASK (~7ULL)

/** conduct.c: as ch_walker.conduct. */
extern const struct ch_conduct clr_conduct;
/** locks.c: as ch_conduct.locks. */
CH_MUST_CHECK struct ch_error *clr_locks(void *state, struct ch_heaps *heaps, ch_lock_fn fn,
					 void *arg);
/** queues.c: as ch_conduct.queues. */
CH_MUST_CHECK struct ch_error *clr_queues(void *state, struct ch_heaps *heaps, ch_queue_fn fn,
					  void *arg);
/** handles.c: as ch_conduct.pins. */
CH_MUST_CHECK struct ch_error *clr_pins(void *state, ch_object_fn fn, void *arg);
/** Fill in the numbers of clr.threads. */
void clr_thread_numbers(struct clr *clr);

/**
 * layout.c: the value of a variable of the runtime by its entry in the table of those, which
 * holds addresses, or offsets of 4 bytes in the runtime; counted from that of g_gcDacGlobals, as
 * far as CLR_VARIABLES. False: there is none, or it is 0.
 */
bool clr_variable_value(const struct clr *clr, int32_t entry, uint64_t *ret);
#define CLR_VARIABLES 128
/** Of g_pFinalizerThread, in 3.1 to 10. */
#define CLR_VARIABLE_FINALIZER (-3)

#endif /* COREHEAP_WALKERS_CORECLR_CONDUCT_H */
