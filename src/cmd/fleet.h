/*
 * fleet.h - one question to many cores, each in a process of its own.
 *
 * A core that is broken beyond what the program expects, or for which there is not enough memory,
 * ends its process and no other; and what reading it took is given back when that ends. What a
 * process says is kept until it is its turn, so that lines come in the order of the cores however
 * many are read at a time.
 */
#ifndef COREHEAP_CMD_FLEET_H
#define COREHEAP_CMD_FLEET_H

#include "cmd/cores.h"
#include "cmd/driver.h"

/** Ask about one core, in a process of its own: the exit code. */
typedef int (*chp_fleet_ask_fn)(const struct ch_line *line, const struct ch_core_path *core);
/** Say in a line that there is no answer about a core, because its process ended so. */
typedef void (*chp_fleet_lost_fn)(const struct ch_line *line, const struct ch_core_path *core,
				  const struct ch_error *why);

/**
 * Ask about all cores, of struct ch_core_path. Returns the highest exit code; that of an
 * interrupt, when there was one: then the cores that were not begun are left out.
 */
int chp_fleet_run(const struct ch_line *line, const struct ch_vec *cores, chp_fleet_ask_fn ask,
		  chp_fleet_lost_fn lost);

#endif /* COREHEAP_CMD_FLEET_H */
