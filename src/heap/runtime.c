/*
 * What runtimes say of themselves: the first one that has an answer gives it, as two
 * runtimes of a kind in one process have not been seen.
 */
#include "heap/heap_priv.h"

struct ch_error *ch_heaps_tracking(struct ch_heaps *heaps, const struct ch_tracking **ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_tracking *tracking = NULL;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && !tracking && i < heaps->opened.count; i++) {
		if (!opened[i].runtime->tracking)
			continue;
		err = opened[i].runtime->tracking(opened[i].state, heaps, &tracking);
		if (!err && tracking)
			tracking->walker = opened[i].index;
	}
	*ret = err ? NULL : tracking;
	return err;
}

struct ch_error *ch_heaps_loaders(struct ch_heaps *heaps, const struct ch_loader **ret,
				  size_t *count_ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_loader *loaders = NULL;
	struct ch_error *err = NULL;
	size_t count = 0, i, k;

	for (i = 0; !err && !count && i < heaps->opened.count; i++) {
		if (!opened[i].runtime->loaders)
			continue;
		err = opened[i].runtime->loaders(opened[i].state, &loaders, &count);
		for (k = 0; !err && k < count; k++)
			loaders[k].walker = opened[i].index;
	}
	*ret = err ? NULL : loaders;
	*count_ret = err ? 0 : count;
	return err;
}

struct ch_error *ch_heaps_metaspace(struct ch_heaps *heaps, const struct ch_metaspace **ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_metaspace *metaspace = NULL;
	struct ch_error *err = NULL;
	size_t i;

	for (i = 0; !err && !metaspace && i < heaps->opened.count; i++) {
		if (!opened[i].runtime->metaspace)
			continue;
		err = opened[i].runtime->metaspace(opened[i].state, &metaspace);
		if (!err && metaspace)
			metaspace->walker = opened[i].index;
	}
	*ret = err ? NULL : metaspace;
	return err;
}

void ch_metachunks_add(struct ch_metachunks *sum, const struct ch_metachunks *one)
{
	sum->count += one->count;
	sum->capacity_bytes += one->capacity_bytes;
	sum->committed_bytes += one->committed_bytes;
	sum->used_bytes += one->used_bytes;
	sum->free_bytes += one->free_bytes;
	sum->waste_bytes += one->waste_bytes;
	sum->deallocated_count += one->deallocated_count;
	sum->deallocated_bytes += one->deallocated_bytes;
}

bool chp_heaps_is_archive(const struct ch_heaps *heaps, uint64_t addr)
{
	const struct ch_opened *opened = heaps->opened.items;
	uint64_t start, bytes;
	size_t i;

	for (i = 0; i < heaps->opened.count; i++)
		if (opened[i].runtime->archive &&
		    opened[i].runtime->archive(opened[i].state, &start, &bytes) &&
		    addr - start < bytes)
			return true;
	return false;
}

bool chp_heaps_waste(const struct ch_heaps *heaps, size_t *next, struct ch_region_waste *ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	const struct ch_conduct *conduct;

	while (*next < heaps->opened.count) {
		conduct = opened[*next].runtime->conduct;
		*ret = (struct ch_region_waste){ .count = 0 };
		if (conduct && conduct->waste && conduct->waste(opened[(*next)++].state, ret))
			return true;
		*next += !conduct || !conduct->waste;
	}
	return false;
}

enum ch_class_library chp_heaps_class_library(const struct ch_heaps *heaps, uint32_t runtime)
{
	const struct ch_opened *opened = chp_opened_of(heaps, runtime);

	return opened ? opened->runtime->class_library : CH_CLASS_LIBRARY_OTHER;
}

struct ch_error *chp_heaps_handles(struct ch_heaps *heaps, ch_handles_fn fn, void *arg,
				   bool *known_ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_error *err = NULL;
	size_t i;

	*known_ret = false;
	for (i = 0; !err && i < heaps->opened.count; i++) {
		if (!opened[i].runtime->handles)
			continue;
		*known_ret = true;
		err = opened[i].runtime->handles(opened[i].state, fn, arg);
	}
	return err;
}

struct ch_error *chp_heaps_methods(struct ch_heaps *heaps, ch_methods_fn fn, void *arg,
				   bool *known_ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	struct ch_error *err = NULL;
	size_t i;

	*known_ret = false;
	for (i = 0; !err && i < heaps->opened.count; i++) {
		if (!opened[i].runtime->methods)
			continue;
		*known_ret = true;
		err = opened[i].runtime->methods(opened[i].state, fn, arg);
	}
	return err;
}

struct ch_error *chp_heaps_sites(struct ch_heaps *heaps, struct ch_sampling *ret, ch_sites_fn fn,
				 void *arg, bool *known_ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	size_t i;

	*known_ret = false;
	for (i = 0; i < heaps->opened.count; i++) {
		if (!opened[i].runtime->sites)
			continue;
		*known_ret = true;
		ret->runtime = opened[i].walker->name;
		return opened[i].runtime->sites(opened[i].state, ret, fn, arg);
	}
	return NULL;
}

struct ch_error *chp_heaps_classes(struct ch_heaps *heaps, ch_classes_fn fn, void *arg,
				   uint32_t *walker_ret, bool *known_ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	size_t i;

	*known_ret = false;
	for (i = 0; i < heaps->opened.count; i++) {
		if (!opened[i].runtime->classes)
			continue;
		*known_ret = true;
		*walker_ret = opened[i].index;
		return opened[i].runtime->classes(opened[i].state, fn, arg);
	}
	return NULL;
}

bool chp_heaps_meaning(struct ch_heaps *heaps, uint64_t addr, struct ch_meaning *ret)
{
	const struct ch_opened *opened = heaps->opened.items;
	size_t i;

	for (i = 0; i < heaps->opened.count; i++)
		if (opened[i].runtime->meaning &&
		    opened[i].runtime->meaning(opened[i].state, addr, ret))
			return true;
	return false;
}
