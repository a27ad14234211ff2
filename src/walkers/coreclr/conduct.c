/*
 * What this walker knows of how programs run on .NET.
 */
#include "walkers/coreclr/conduct.h"

static const char *const library[] = { "System.", "Microsoft.", "Interop.", "Internal.", NULL };

const struct ch_conduct clr_conduct = {
	.locks = clr_locks,
	.library = library,
};
