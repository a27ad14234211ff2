/*
 * loaders.h - class loaders, alike ones in one row: `types --by loader`.
 */
#ifndef COREHEAP_CMD_LOADERS_H
#define COREHEAP_CMD_LOADERS_H

#include "cmd/cmd.h"

/** Find, group and print them. Errors: those of ch_graph_create(), NOMEM, STOP. */
CH_MUST_CHECK struct ch_error *chp_loaders_run(struct ch_cmd_env *env);

#endif /* COREHEAP_CMD_LOADERS_H */
