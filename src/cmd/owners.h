/*
 * owners.h - `types --by owner`: native memory by the managed objects that own it.
 */
#ifndef COREHEAP_CMD_OWNERS_H
#define COREHEAP_CMD_OWNERS_H

#include "cmd/cmd.h"

/** Errors: those of ch_graph_create(), NOMEM, STOP, OS. */
CH_MUST_CHECK struct ch_error *chp_owners_run(struct ch_cmd_env *env);

#endif /* COREHEAP_CMD_OWNERS_H */
