/*
 * Reading memory of the core with a reason when it fails: which address has no bytes, and whether
 * it was never mapped or was left out of the core. The reason may show an address only as far as
 * contents.c allows, which is why this lies above memory.c.
 */
#include "core/contents.h"
#include "core/core_priv.h"
#include "util/bytes.h"
#include "util/error.h"

/* The first address of [addr, addr + len) without bytes. */
static uint64_t first_absent(const struct ch_core *core, uint64_t addr, size_t len)
{
	uint64_t end, at = addr;
	size_t n = 0;

	if (!ch_add(addr, len, &end))
		end = UINT64_MAX;
	while (at < end && ch_core_span(core, at, &n))
		at += n;
	return at;
}

struct ch_error *ch_core_read(const struct ch_core *core, uint64_t addr, void *buf, size_t len)
{
	uint64_t at;

	if (ch_core_try_read(core, addr, buf, len))
		return NULL;
	at = first_absent(core, addr, len);
	if (chp_core_is_mapped(core, at))
		return ch_error_at(CH_ERROR_ABSENT, at, "memory at 0x%llx is not in the core",
				   (unsigned long long)at);
	return ch_error_at(CH_ERROR_FAULT, at, "no memory was mapped at %s",
			   chp_core_addr(core, at, "an address").text);
}
