/*
 * unwind.h - stacks with frames that no module's unwind data describes.
 *
 * A runtime that makes code knows the shape of that code's frames: who walks a stack
 * asks it where call frame information ends.
 */
#ifndef COREHEAP_SYM_UNWIND_H
#define COREHEAP_SYM_UNWIND_H

#include <coreheap/sym.h>

/** A frame, as far as a walk knows it. */
struct ch_frame_regs {
	uint64_t pc, sp;
	/** The frame pointer register; it need not be one. */
	uint64_t fp;
	/** It was interrupted, not left by a call. */
	bool activation;
};

/** Who knows further frames. */
struct ch_frame_source {
	/** The caller of a frame whose code has no call frame information: fill pc, sp
	 * and fp of ret. False: not known. */
	bool (*caller)(void *arg, const struct ch_frame_regs *frame, struct ch_frame_regs *ret);
	void *arg;
};

/** A walk over a stack. */
struct ch_unwound {
	/** Room for max frames, the caller's. */
	struct ch_frame *frames;
	size_t max;
	/** Set by the walk, as ch_sym_unwind() does. */
	size_t count;
	const char *end;
};

/** As ch_sym_unwind(), with another source of frames; NULL: none. */
CH_MUST_CHECK struct ch_error *chp_sym_unwind_with(struct ch_sym *sym,
						   const struct ch_frame_source *source,
						   size_t thread_index, struct ch_unwound *unwound);

#endif /* COREHEAP_SYM_UNWIND_H */
