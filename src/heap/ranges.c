/*
 * Ranges that spans are told of in one finding, with a count.
 */
#include <stdio.h>

#include "heap/candidates.h"
#include "util/bytes.h"
#include "util/context.h"

void chp_ranges_add(struct ch_ranges *ranges, uint64_t start, uint64_t end, uint64_t bytes)
{
	if (!ranges->count++) {
		ranges->start = start;
		ranges->end = end;
	}
	if (!ch_add(ranges->bytes, bytes, &ranges->bytes))
		ranges->bytes = UINT64_MAX;
}

/* One range is told by its addresses alone. */
void chp_ranges_tell(struct ch_heaps *heaps, uint32_t opened, const struct ch_ranges *ranges,
		     enum ch_severity severity, const char *code, const char *what)
{
	const struct ch_core *core = heaps->env.core;
	char many[64] = "range ";

	if (!ranges->count)
		return;
	if (ranges->count > 1)
		snprintf(many, sizeof(many), "%llu ranges, the first of them ",
			 (unsigned long long)ranges->count);
	chp_context_finding(heaps->env.ctx, severity, code, "%s: %s%s-%s%s",
			    CH_VEC_AT(&heaps->opened, struct ch_opened, opened)->walker->name, many,
			    chp_core_word(core, ranges->start, CH_NO_ADDRESS).text,
			    chp_core_word(core, ranges->end, CH_NO_ADDRESS).text, what);
}
