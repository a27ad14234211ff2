/*
 * Limits of memory that libraries of runtimes keep to, and which of them is near.
 */
#include "analysis/pooled.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "heap/type_table.h"
#include "util/number.h"

#define NEAR_PERCENT 90

static struct ch_error *name_types(struct ch_heaps *heaps, struct ch_pooled *pooled)
{
	const struct ch_pools *pools = pooled->pools;
	struct ch_error *err = NULL;
	struct ch_type type;
	size_t i;

	pooled->type_names = calloc(pools->types_count + 1, sizeof(*pooled->type_names));
	if (!pooled->type_names)
		return &ch_enomem;
	for (i = 0; !err && i < pools->types_count; i++) {
		err = ch_heaps_type(heaps, chp_type_of(heaps, pools->walker, pools->types[i].key),
				    &type);
		if (!err && !type.unnamed)
			pooled->type_names[i] = type.name;
	}
	return err;
}

struct ch_error *chp_pooled_find(struct ch_heaps *heaps, bool walk, struct ch_pooled *ret)
{
	struct ch_error *err;
	size_t count;

	*ret = (struct ch_pooled){ .runtimes = ch_heaps_runtimes(heaps, &count) };
	err = ch_heaps_quotas(heaps, &ret->quotas, &ret->quotas_count);
	if (!err && walk)
		err = ch_heaps_pools(heaps, &ret->pools);
	return err || !ret->pools ? err : name_types(heaps, ret);
}

void chp_pooled_deinit(struct ch_pooled *pooled)
{
	free(pooled->type_names);
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
