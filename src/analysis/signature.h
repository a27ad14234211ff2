/*
 * signature.h - which frames of a stack say what happened, and a number made of their names.
 *
 * Frames that every stack of the kind has are left out: how a signal was sent and an abort or an
 * exception was reported, how a thread began, what is inside of malloc(), and what a runtime runs
 * methods by. What is left is the same in another run and in another build of the program, as
 * long as functions keep their names.
 */
#ifndef COREHEAP_ANALYSIS_SIGNATURE_H
#define COREHEAP_ANALYSIS_SIGNATURE_H

#include "analysis/thread_rows.h"

/** Frames that count at most, the innermost ones: further out is how the program came to the
 * work, not what it did. */
#define CH_SIGNATURE_FRAMES 16

enum ch_signature_basis {
	/** No frame is known. */
	CH_SIGNATURE_NONE,
	/** Names of functions. */
	CH_SIGNATURE_NAMES,
	/** A frame has no name: its place in its module stands for it, which another build has
	 * somewhere else. */
	CH_SIGNATURE_OFFSETS,
};

struct ch_signature {
	/** FNV-1a of the signal's name, if there is one, and of frames, each with its zero byte. */
	uint64_t id;
	enum ch_signature_basis basis;
	/** Plain names, escaped, owned: innermost first, each once, for recursion has no depth that
	 * says anything. */
	char *frames[CH_SIGNATURE_FRAMES];
	size_t frames_count;
};

/** signal: name of the signal that the thread died of, or NULL. ret is the caller's to end with
 * chp_signature_deinit() also on failure. Errors: NOMEM. */
CH_MUST_CHECK struct ch_error *chp_signature_make(const struct ch_thread_row *row,
						  const char *signal, struct ch_signature *ret);
void chp_signature_deinit(struct ch_signature *signature);

/** "names", "offsets"; NULL for NONE. */
const char *chp_signature_basis_name(enum ch_signature_basis basis);

/** The first frame of a stack at or behind index that counts; frames_count: there is no more. */
size_t chp_signature_next(const struct ch_thread_row *row, size_t index);

#endif /* COREHEAP_ANALYSIS_SIGNATURE_H */
