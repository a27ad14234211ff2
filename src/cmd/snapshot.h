/*
 * snapshot.h - from an open core to what a comparison needs of it.
 */
#ifndef COREHEAP_CMD_SNAPSHOT_H
#define COREHEAP_CMD_SNAPSHOT_H

#include "cmd/cmd.h"
#include "report/diff.h"

/**
 * Fill ret, which is zeroed before and the caller's to end with chp_snapshot_deinit()
 * also on failure. with_paths: ask which roots hold what, too. Errors: those of the
 * session and the graph, NOMEM, STOP.
 */
CH_MUST_CHECK struct ch_error *chp_snapshot_make(const struct ch_cmd_env *env,
						 const struct ch_open_core *open, bool with_paths,
						 struct ch_snapshot *ret);

#endif /* COREHEAP_CMD_SNAPSHOT_H */
