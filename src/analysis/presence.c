/*
 * Which allocators and runtimes are here, and what they say of themselves.
 */
#include "analysis/presence.h"

#include <string.h>

#include "util/context.h"

bool chp_runtimes_any(const struct ch_runtime *runtimes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (runtimes[i].open)
			return true;
	return false;
}

bool chp_runtimes_present(const struct ch_runtime *runtimes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (runtimes[i].score)
			return true;
	return false;
}

bool chp_runtimes_unused(const struct ch_runtime *runtimes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (runtimes[i].unused)
			return true;
	return false;
}

void chp_heaps_tell_none(const struct ch_heaps *heaps, struct ch_context *ctx)
{
	const struct ch_runtime *runtimes;
	size_t count;

	runtimes = ch_heaps_runtimes(heaps, &count);
	if (!chp_runtimes_present(runtimes, count) && !chp_runtimes_unused(runtimes, count))
		chp_context_finding(ctx, CH_SEVERITY_INCOMPLETE, "no-allocator",
				    "no known allocator was found: what the heap holds is not "
				    "known");
}
