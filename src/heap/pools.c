/*
 * What libraries of runtimes manage themselves; as runtime.c.
 */
#include <coreheap/pools.h>

#include "heap/heap_priv.h"

uint64_t ch_quota_left(const struct ch_quota *quota)
{
	return quota->limit_bytes > quota->used_bytes ? quota->limit_bytes - quota->used_bytes : 0;
}

struct ch_error *ch_heaps_quotas(struct ch_heaps *heaps, const struct ch_quota **ret,
				 size_t *count_ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_quota *quotas = NULL;
	struct ch_error *err = NULL;
	size_t count = 0, i, k;

	for (i = 0; !err && !count && i < heaps->opened.count; i++) {
		if (!opened[i].runtime->pooling || !opened[i].runtime->pooling->quotas)
			continue;
		err = opened[i].runtime->pooling->quotas(opened[i].state, &quotas, &count);
		for (k = 0; !err && k < count; k++)
			quotas[k].walker = opened[i].index;
	}
	*ret = err ? NULL : quotas;
	*count_ret = err ? 0 : count;
	return err;
}

struct ch_error *ch_heaps_pools(struct ch_heaps *heaps, const struct ch_pools **ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_pools *pools = NULL;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && !pools && i < heaps->opened.count; i++) {
		if (!opened[i].runtime->pooling || !opened[i].runtime->pooling->pools)
			continue;
		err = opened[i].runtime->pooling->pools(opened[i].state, heaps, &pools);
		if (!err && pools)
			pools->walker = opened[i].index;
	}
	*ret = err ? NULL : pools;
	return err;
}

const struct ch_pooling *chp_heaps_pooling(const struct ch_heaps *heaps, uint32_t walker,
					   void **state_ret)
{
	const struct ch_opened *opened = chp_opened_of(heaps, walker);

	if (!opened)
		return NULL;
	*state_ret = opened->state;
	return opened->runtime->pooling;
}
