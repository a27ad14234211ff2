/*
 * traces.h - the stack traces that objects carry (exceptions, leak records), alike ones
 * together.
 */
#ifndef COREHEAP_HEAP_TRACES_H
#define COREHEAP_HEAP_TRACES_H

#include "heap/filter.h"
#include "heap/inspect.h"

/** Objects of one type that carry the same frames. */
struct ch_trace_stat {
	uint32_t type;
	struct ch_trace trace;
	/** Objects, the sum of their chunk_bytes, and of what holds their traces (arrays of the
	 * runtime's, which no other object has). */
	uint64_t count, total_bytes, trace_bytes;
	/** The first of them. */
	uint64_t sample_addr;
};

struct ch_traces_stat {
	/** of struct ch_trace_stat: most objects first, then most bytes, then by address. */
	struct ch_vec rows;
	uint64_t count, total_bytes, trace_bytes;
	/** Objects without any frame, which are in rows, too. */
	uint64_t bare_count;
	/** Objects that came after the table was full: in no row. */
	uint64_t left_out_count;
	/** A runtime here has such objects. */
	bool readable;
};

/**
 * Group all that pass by type and frames. ret is zeroed before, and the caller's to end
 * with chp_traces_deinit() also on failure. Errors: NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_traces_count(struct ch_heaps *heaps,
						const struct ch_object_filter *filter,
						struct ch_traces_stat *ret);
void chp_traces_deinit(struct ch_traces_stat *traces);

/** The stack trace that the object at addr carries. False: it is of no type that carries any. */
bool chp_trace_read(struct ch_heaps *heaps, uint64_t addr, struct ch_trace *ret);
/** A frame of what the object at addr carries. False: it has no more, or carries none. */
bool chp_trace_frame(struct ch_heaps *heaps, uint64_t addr, uint32_t index,
		     struct ch_trace_frame *ret);

#endif /* COREHEAP_HEAP_TRACES_H */
