/*
 * The table of all walkers.
 */
#include "heap/walker.h"

/* The build lists the files of src/walkers in walkers.inc (see Makefile).
 * Constructors or linker sections would vanish from a static archive. */
#define CH_WALKER(name) extern const struct ch_walker ch_walker_##name;
#include "walkers.inc"
#undef CH_WALKER

const struct ch_walker *const chp_walkers[] = {
#define CH_WALKER(name) &ch_walker_##name,
#include "walkers.inc"
#undef CH_WALKER
	NULL,
};
