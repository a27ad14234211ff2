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
	/** Of a caller: it lies on another stack than the frame; it was interrupted by a signal, of
	 * which the frame is the handler, and the rest is not set. */
	bool other_stack, by_signal;
};

/** Who knows further frames. */
struct ch_frame_source {
	/** The caller of a frame whose code has no call frame information: fill pc, sp
	 * and fp of ret; pc 0: nobody called it. False: not known. */
	bool (*caller)(void *arg, const struct ch_frame_regs *frame, struct ch_frame_regs *ret);
	/** Whether it knows the frames of this code better than call frame information does. NULL:
	 * of none. */
	bool (*owns)(void *arg, uint64_t pc);
	void *arg;
};

/** Registers by DWARF number that a state has room for. */
#define CH_FRAME_REGS_MAX 32

/** Registers of a frame, as call frame information restores them. */
struct ch_frame_state {
	/** The address that belongs to the frame: of a caller, the byte before its return address.
	 */
	uint64_t pc;
	/** By DWARF number; those that are known by bit. */
	uint64_t regs[CH_FRAME_REGS_MAX];
	uint64_t valid;
	/** Canonical frame address: the stack pointer of the caller; 0: not known. */
	uint64_t cfa;
};

/** A walk over a stack. */
struct ch_unwound {
	/** Room for max states, the caller's; NULL: they are not wanted. */
	struct ch_frame_state *states;
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
/** The same from a place that is none of a thread's: a stack that nobody runs on now. Where that is
 * not interrupted, but behind a call, the basis of the first frame is CH_FRAME_RUNTIME. */
CH_MUST_CHECK struct ch_error *chp_sym_unwind_at(struct ch_sym *sym,
						 const struct ch_frame_source *source,
						 const struct ch_frame_regs *from,
						 struct ch_unwound *unwound);

#endif /* COREHEAP_SYM_UNWIND_H */
