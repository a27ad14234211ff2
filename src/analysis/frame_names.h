/*
 * frame_names.h - frames of a stack with names, as all who show stacks need them.
 */
#ifndef COREHEAP_ANALYSIS_FRAME_NAMES_H
#define COREHEAP_ANALYSIS_FRAME_NAMES_H

#include <coreheap/code.h>
#include <coreheap/coreheap.h>

#include "util/vec.h"

/** Names that were asked for before. The caller fills heaps, sym and frames_max, the rest begins
 * with zeros. */
struct ch_frame_names {
	struct ch_heaps *heaps;
	struct ch_sym *sym;
	/** tsearch(3) of places; of char: texts that frames borrow, the caller's to free with
	 * tdestroy(texts, free). */
	void *places, *texts;
	/** Most frames of a stack. */
	size_t frames_max;
	/** Functions that were put into compiled ones have frames of their own. */
	bool with_inlined;
};

/** Free all but texts. */
void chp_frame_names_deinit(struct ch_frame_names *names);
/** Append frames with names to frames (of struct ch_frame) for count frames that an unwinder
 * found, the first of which is where the stack begins. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_frames_name(struct ch_frame_names *names,
					       const struct ch_frame *found, size_t count,
					       struct ch_vec *frames);
/** A text with one copy of each; NULL: out of memory. */
const char *chp_frame_names_keep(struct ch_frame_names *names, const char *text);
/** Hash of a stack: of modules and places in them, of methods by name and line. */
uint64_t chp_frames_fingerprint(const struct ch_sym *sym, const struct ch_frame *frames,
				size_t count);

/** Whether a frame is a method of a runtime's code. */
bool chp_thread_row_method(const struct ch_frame *frame);
/** Whether a frame is a runtime's own: of a stack with methods it is only how the runtime came to
 * the next of them, or waits; which of these there are depends on what it has compiled by then. */
bool chp_thread_row_runtime(const struct ch_frame *frame);

#endif /* COREHEAP_ANALYSIS_FRAME_NAMES_H */
