/*
 * Limits of memory that libraries of runtimes keep to, and which of them is near.
 */
#include "analysis/pooled.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/number.h"

#define NEAR_PERCENT 90

struct ch_error *chp_pooled_find(struct ch_heaps *heaps, bool walk, struct ch_pooled *ret)
{
	struct ch_error *err = ch_heaps_quotas(heaps, &ret->quotas, &ret->quotas_count);

	return err || !walk ? err : ch_heaps_pools(heaps, &ret->pools);
}

bool chp_quota_is_near(const struct ch_quota *quota)
{
	uint64_t left = ch_quota_left(quota);

	return quota->limit_bytes &&
	       ((quota->next_bytes && left < quota->next_bytes) ||
		chp_percent(quota->used_bytes, quota->limit_bytes) >= NEAR_PERCENT * 100);
}

char *chp_quota_text(const struct ch_quota *quota, char buf[CH_QUOTA_TEXT_MAX])
{
	char used[CH_BYTES_TEXT_MAX], limit[CH_BYTES_TEXT_MAX], left[CH_BYTES_TEXT_MAX];
	char next[CH_BYTES_TEXT_MAX];
	uint64_t rest = ch_quota_left(quota);
	int len;

	len = snprintf(buf, CH_QUOTA_TEXT_MAX,
		       "%.60s: %s, %" PRIu64 " %% of its limit of %s: %s left", quota->label,
		       chp_binary_text(quota->used_bytes, used),
		       chp_percent(quota->used_bytes, quota->limit_bytes) / 100,
		       chp_binary_text(quota->limit_bytes, limit), chp_binary_text(rest, left));
	if (quota->next_bytes && len > 0 && len < CH_QUOTA_TEXT_MAX)
		snprintf(buf + len, CH_QUOTA_TEXT_MAX - (size_t)len, ", %s takes %s%s", quota->next,
			 chp_binary_text(quota->next_bytes, next),
			 rest < quota->next_bytes ? ": the next one fails" : "");
	return buf;
}
