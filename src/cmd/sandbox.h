/*
 * sandbox.h - what this process may do from now on, whatever a core makes it do.
 */
#ifndef COREHEAP_CMD_SANDBOX_H
#define COREHEAP_CMD_SANDBOX_H

#include "cmd/driver.h"

/**
 * Before the first core is opened: no program is started any more, no socket made (unless
 * debuginfod was allowed), no file read outside of the folders of programs and libraries, those
 * that the command line names and those of the cores, and none written but what -o names and copies
 * of cores in the folder for them. What the kernel cannot do is left out, --no-sandbox leaves all
 * of it out. cores: of struct ch_core_path, where the line may name folders and patterns; NULL:
 * it names cores.
 */
void chp_sandbox_enter(const struct ch_line *line, const struct ch_vec *cores);
/** After the last core was opened: no copies any more. */
void chp_sandbox_seal(const struct ch_line *line);

#endif /* COREHEAP_CMD_SANDBOX_H */
