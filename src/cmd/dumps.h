/*
 * dumps.h - dumps that are compared.
 */
#ifndef COREHEAP_CMD_DUMPS_H
#define COREHEAP_CMD_DUMPS_H

#include "analysis/compare.h"
#include "cmd/cmd.h"

/** What is noise when nobody says so. */
#define CH_NOISE_BYTES   (64ULL << 10)
#define CH_NOISE_PERCENT 1

/** Compare the dumps of the command line, and call fn with what differs; with_paths: ask which
 * roots hold what, too. Errors: ARG (too many), those of opening and comparing, whatever fn
 * returned. */
CH_MUST_CHECK struct ch_error *
chp_dumps_compare(struct ch_cmd_env *env, const struct ch_diff_options *options, bool with_paths,
		  struct ch_error *(*fn)(void *arg, const struct ch_diff *diff), void *arg);

#endif /* COREHEAP_CMD_DUMPS_H */
