/*
 * The providers there are.
 */
#include "types/provider.h"

/* The build lists the files of src/types that export one in providers.inc (see Makefile). */
#define CH_PROVIDER(name) extern const struct ch_provider ch_provider_##name;
#include "providers.inc"
#undef CH_PROVIDER

const struct ch_provider *const chp_providers[] = {
#define CH_PROVIDER(name) &ch_provider_##name,
#include "providers.inc"
#undef CH_PROVIDER
	NULL,
};
