/*
 * output.h - where a command writes what is no text for people: a file that -o names, or
 * standard output.
 */
#ifndef COREHEAP_CMD_OUTPUT_H
#define COREHEAP_CMD_OUTPUT_H

#include "cmd/cmd.h"

struct ch_output {
	FILE *file;
	/** NULL: standard output. */
	const char *path;
};

/**
 * Begin to write to the file at path, which is emptied, or to standard output where path is NULL
 * and that is no terminal or the bytes are text. What is at core_path is never written to.
 * Errors: ARG, OS.
 */
CH_MUST_CHECK struct ch_error *chp_output_open(const char *path, const char *core_path, bool text,
					       struct ch_output *ret);
/** End; err is what went wrong before, which is returned: a file is not left behind then.
 * Errors: OS. */
CH_MUST_CHECK struct ch_error *chp_output_end_take(struct ch_output *output, struct ch_error *err);

#endif /* COREHEAP_CMD_OUTPUT_H */
