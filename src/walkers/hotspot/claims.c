/*
 * Memory of the JVM's own beside its heap: compiled code, by the code cache's own list of
 * heaps; metaspace, by the granules that classes and their constants lie in (heuristic:
 * libjvm's tables do not list its chunks). Granules of 64 KiB are what metaspace commits
 * (memory/metaspace/metaspaceSettings.hpp, jdk-17), and nothing else lies in one; whole
 * mappings are not taken, as the kernel merges those of neighbours.
 */
#include <stdlib.h>

#include "walkers/hotspot/hotspot_priv.h"

#define GRANULE 65536ULL

bool hs_claim_add(struct hs *hs, const struct ch_walker_claim *given)
{
	struct ch_walker_claim *claim;

	if (given->end <= given->start)
		return true;
	claim = ch_vec_push(&hs->claims);
	if (!claim)
		return false;
	*claim = *given;
	return true;
}

static bool add_claim(struct hs *hs, uint64_t start, uint64_t end, enum ch_usage usage,
		      enum ch_basis basis, const char *label)
{
	return hs_claim_add(hs, &(struct ch_walker_claim){ start, end, usage, basis, label });
}

static struct ch_error *claim_code(struct hs *hs)
{
	const struct hs_code_heap *heaps = hs->code_heaps.items;
	size_t i;

	for (i = 0; i < hs->code_heaps.count; i++)
		if (!add_claim(hs, heaps[i].low, heaps[i].high, CH_USAGE_JIT, CH_BASIS_DERIVED,
			       "code cache"))
			return &ch_enomem;
	return NULL;
}

/* The granule that holds addr, if nobody has said yet what it is for. */
static struct ch_error *claim_around(struct hs *hs, uint64_t addr, uint64_t *last)
{
	uint64_t start = ch_align_down(addr, GRANULE), end = start + GRANULE;
	const struct ch_region *region;

	/* Most lie where the one before did. */
	if (start == *last)
		return NULL;
	*last = start;
	region = ch_map_region_at(hs->env->map, addr);
	if (!region || region->usage != CH_USAGE_ANON || region->state != CH_STATE_COMMIT)
		return NULL;
	return add_claim(hs, ch_max(start, region->start), ch_min(end, region->end),
			 CH_USAGE_MANAGED_LOADER, CH_BASIS_HEURISTIC, "metaspace")
		       ? NULL
		       : &ch_enomem;
}

static int compare_claims(const void *a, const void *b)
{
	const struct ch_walker_claim *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

/* What was met twice is claimed once, and neighbours together. */
static void unite(struct hs *hs)
{
	struct ch_walker_claim *claims = hs->claims.items, *last;
	size_t i, kept = 0;

	ch_vec_sort(&hs->claims, compare_claims);
	for (i = 0; i < hs->claims.count; i++) {
		last = kept ? &claims[kept - 1] : NULL;
		if (last && claims[i].start == last->end && claims[i].label == last->label)
			last->end = claims[i].end;
		else if (!last || claims[i].start >= last->end)
			claims[kept++] = claims[i];
	}
	hs->claims.count = kept;
}

struct ch_error *hs_claims_find(struct hs *hs)
{
	uint64_t in_class_space = 0, in_metaspace = 0, pool;
	const struct hs_class *classes;
	struct ch_error *err = claim_code(hs);
	size_t i;

	if (!err && hs->colors.used)
		err = hs_zgc_claim(hs);
	if (!err)
		err = hs_classes_list(hs);
	classes = hs->classes.items;
	for (i = 0; !err && i < hs->classes.count; i++) {
		err = claim_around(hs, classes[i].klass, &in_class_space);
		if (!err && hs_member_ptr(hs, HS_KLASS_CONSTANTS, classes[i].klass, &pool) && pool)
			err = claim_around(hs, pool, &in_metaspace);
	}
	if (!err)
		unite(hs);
	return err;
}
