/*
 * What this walker knows of how programs run on a JVM.
 */
#include "walkers/hotspot/hotspot_priv.h"

static const char *const library[] = { "java.", "javax.", "jdk.", "sun.", "com.sun.", NULL };

const struct ch_conduct hs_conduct = {
	.locks = hs_locks,
	.library = library,
};
