/*
 * The table of all commands.
 */
#include "cmd/cmd.h"

/* The build lists the commands of src/cmd in cmds.inc (see Makefile). */
#define CH_CMD(name) extern const struct ch_cmd ch_cmd_##name;
#include "cmds.inc"
#undef CH_CMD

const struct ch_cmd *const chp_cmds[] = {
#define CH_CMD(name) &ch_cmd_##name,
#include "cmds.inc"
#undef CH_CMD
	NULL,
};
