/*
 * output.h - where a command writes what is no text for people: a file that -o names, which is
 * written whole or not at all, or standard output.
 */
#ifndef COREHEAP_CMD_OUTPUT_H
#define COREHEAP_CMD_OUTPUT_H

#include "cmd/cmd.h"
#include "util/error.h"

struct ch_output {
	FILE *file;
	/** What the file is called in the end, owned; NULL: standard output. */
	char *path;
	/** What it is called until it is whole, owned; NULL: it is written in its place. */
	char *part;
	/** What had been short when it was begun: what lacks something is no answer. */
	struct ch_shortage before;
};

/**
 * Begin to write what will take the place of the file at path, or to standard output where path is
 * "-", or NULL and that is no terminal or the bytes are text. A link is followed; what is no
 * regular file (a device, a pipe) is written in its place. What is at core_path is never written
 * to. The caller's to end with chp_output_end_take(). Errors: ARG, NOMEM, OS.
 */
CH_MUST_CHECK struct ch_error *chp_output_open(const char *path, const char *core_path, bool text,
					       struct ch_output *ret);
/** ARG where both are the same file; path NULL is none. */
CH_MUST_CHECK struct ch_error *chp_output_spares(const char *path, const char *core_path);
/** Give the file its name; err is what went wrong before, which is returned: then nothing is left
 * behind, and what was there before stays. Errors: OS. */
CH_MUST_CHECK struct ch_error *chp_output_end_take(struct ch_output *output, struct ch_error *err);

#endif /* COREHEAP_CMD_OUTPUT_H */
