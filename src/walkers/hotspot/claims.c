/*
 * Memory of the JVM's own beside its heap: compiled code, by the code cache's own list of
 * heaps; metaspace as metaspace.c finds it, and where that does not know it, by the granules
 * that classes and their constants lie in (heuristic). Granules of 64 KiB are what metaspace
 * commits (memory/metaspace/metaspaceSettings.hpp, jdk-17), and nothing else lies in one; whole
 * mappings are not taken, as the kernel merges those of neighbours.
 */

#include "walkers/hotspot/metaspace.h"

/* A class file counts its methods in 16 bits (JVMS 4.1); what metaspace commits at a time. */
#define METHODS_MAX 65536
#define GRANULE     65536ULL

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
			       heaps[i].label) ||
		    !add_claim(hs, heaps[i].map, heaps[i].map_end, CH_USAGE_JIT, CH_BASIS_DERIVED,
			       "map of the code cache"))
			return &ch_enomem;
	return NULL;
}

/*
 * Where a collector keeps what it has yet to look at is in no table, but its size is known:
 * of G1 a flag's number of words (gc/g1/g1ConcurrentMark.hpp, G1CMMarkStack), of ZGC up to 21
 * 32 MiB (gc/z/zMarkStackAllocator.cpp, ZMarkStackSpaceExpandSize). Heuristic, and only if
 * one mapping has it.
 */
static struct ch_error *claim_marks(struct hs *hs)
{
	const struct ch_region *regions = NULL, *found = NULL;
	uint64_t bytes = 0;
	size_t count, i;

	if (hs->colors.used)
		bytes = 32ULL << 20;
	else if (hs_flag_is_set(hs, "UseG1GC") && hs_flag(hs, "MarkStackSize", &bytes))
		bytes = bytes < (1ULL << 40) ? 8 * bytes : 0;
	if (bytes < (1U << 20))
		return NULL;
	regions = ch_map_regions(hs->env->map, &count);
	for (i = 0; i < count; i++) {
		if (regions[i].usage != CH_USAGE_ANON || regions[i].state != CH_STATE_COMMIT ||
		    regions[i].end - regions[i].start != bytes)
			continue;
		if (found)
			return NULL;
		found = &regions[i];
	}
	return !found || add_claim(hs, found->start, found->end, CH_USAGE_MANAGED_OTHER,
				   CH_BASIS_HEURISTIC, "mark stack")
		       ? NULL
		       : &ch_enomem;
}

/* The granule that holds addr, if nobody has said yet what it is for. */
static struct ch_error *claim_around(struct hs *hs, uint64_t addr, const char *label,
				     uint64_t *last)
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
			 CH_USAGE_MANAGED_LOADER, CH_BASIS_HEURISTIC, label)
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

static bool is_of_file(const struct hs *hs, uint64_t addr)
{
	const struct ch_region *region = ch_map_region_at(hs->env->map, addr);

	return region && region->usage == CH_USAGE_FILE;
}

/* A class's methods, each in two parts. */
static struct ch_error *claim_methods(struct hs *hs, uint64_t klass, uint64_t last[2])
{
	uint64_t methods, at, method, constant;
	struct ch_error *err = NULL;
	uint32_t count, i;

	/* of a shared archive none lies in memory of the JVM's own */
	if (is_of_file(hs, klass) || !hs->numbers[HS_SIZE_POINTERS].found ||
	    !hs_member_ptr(hs, HS_KLASS_METHODS, klass, &methods) || !methods ||
	    !hs_read_u32(hs, methods, &count))
		return NULL;
	/* oops/array.hpp: the pointers end where the structure with one of them does */
	at = methods + hs->numbers[HS_SIZE_POINTERS].value - 8;
	for (i = 0; !err && i < ch_min(count, METHODS_MAX); i++, at += 8) {
		if (!hs_read_ptr(hs, at, &method))
			break;
		err = claim_around(hs, method, "metaspace", &last[0]);
		if (!err && hs_member_ptr(hs, HS_METHOD_CONST, method, &constant))
			err = claim_around(hs, constant, "metaspace", &last[1]);
	}
	return err;
}

/* Where classes and what belongs to them lie. */
static struct ch_error *claim_classes(struct hs *hs)
{
	uint64_t in_class_space = 0, in_metaspace = 0, of_methods[2] = { 0 }, pool, klass;
	const struct hs_class *classes = hs->classes.items;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && i < hs->classes.count; i++) {
		klass = classes[i].klass;
		/* compressed class pointers reach 4 GiB: what lies there has no other data */
		err = claim_around(hs, klass,
				   (hs->narrow_klass || hs->compact) && klass >= hs->klass_base &&
						   klass - hs->klass_base < 4ULL << 30
					   ? "class space"
					   : "metaspace",
				   &in_class_space);
		if (!err && hs_member_ptr(hs, HS_KLASS_CONSTANTS, klass, &pool) && pool)
			err = claim_around(hs, pool, "metaspace", &in_metaspace);
		if (!err)
			err = claim_methods(hs, klass, of_methods);
	}
	return err;
}

struct ch_error *hs_claims_find(struct hs *hs)
{
	struct ch_error *err = claim_code(hs);

	if (!err && hs->colors.used)
		err = hs_zgc_claim(hs);
	if (!err)
		err = claim_marks(hs);
	if (!err)
		err = hs_classes_list(hs);
	if (!err)
		err = hs_metaspace_find(hs);
	if (!err && !hs_metaspace_is_whole(hs))
		err = claim_classes(hs);
	if (!err)
		unite(hs);
	return err;
}
