/*
 * The modules of the process's assemblies.
 *
 * dotnet/runtime, release/9.0, src/coreclr/vm/appdomain.hpp (AppDomain), inc/arraylist.h
 * (ArrayListBase); measured on 9.0.7 and 10.0.12.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include "util/bytes.h"
#include "util/context.h"

enum {
	/* ArrayListBase: a count, and the first block: next, size, elements. */
	LIST_BLOCK = 8,
	BLOCK_NEXT = 0,
	BLOCK_SIZE = 8,
	BLOCK_ITEMS = 16,
};

#define ASSEMBLIES_MAX (1U << 20)
#define BLOCKS_MAX     65536
/* Bytes of an AppDomain that are looked through for its assemblies. */
#define DOMAIN_BYTES 4096
/* And of an assembly for its module. */
#define MODULE_AT_MAX 128

static struct ch_error *keep(struct clr *clr, uint64_t module)
{
	uint64_t *slot;

	if (!module)
		return NULL;
	slot = ch_vec_push(&clr->module_list);
	if (!slot)
		return &ch_enomem;
	*slot = module;
	return NULL;
}

/* Where the domain's list is, and how an element of it leads to a module: at module_at
 * of what it points at first (.NET 10), or of itself. */
struct path {
	uint64_t list;
	uint32_t module_at;
	bool indirect;
};

static bool read_module(const struct clr *clr, const struct path *path, uint64_t item,
			uint64_t *ret)
{
	return (!path->indirect || (clr_read_ptr(clr, item, &item) && item)) &&
	       clr_read_ptr(clr, item + path->module_at, ret);
}

static struct ch_error *keep_assemblies(struct clr *clr, const struct path *path)
{
	uint64_t block = path->list + LIST_BLOCK, at, module;
	struct ch_error *err = NULL;
	uint32_t left, size, blocks, i;

	if (!ch_core_read_u32(clr->core, path->list, &left) || left > ASSEMBLIES_MAX)
		return NULL;
	for (blocks = 0; !err && left && block && blocks < BLOCKS_MAX; blocks++) {
		if (!ch_core_read_u32(clr->core, block + BLOCK_SIZE, &size) || !size)
			break;
		for (i = 0; !err && i < size && left; i++, left--)
			if (clr_read_ptr(clr, block + BLOCK_ITEMS + 8ULL * i, &at) && at &&
			    read_module(clr, path, at, &module))
				err = keep(clr, module);
		if (!clr_read_ptr(clr, block + BLOCK_NEXT, &block))
			break;
	}
	return err;
}

/* Whether the first elements of what may be a list lead to modules, most of them with
 * metadata: a file on disk may be another build's. */
static bool leads_to_modules(struct clr *clr, const struct path *path)
{
	uint64_t block = path->list + LIST_BLOCK, item, module, next;
	uint32_t count, size, known = 0, i;

	if (!ch_core_read_u32(clr->core, path->list, &count) || !count || count > ASSEMBLIES_MAX ||
	    !ch_core_read_u32(clr->core, block + BLOCK_SIZE, &size) || !size || size > 64 ||
	    !clr_read_ptr(clr, block + BLOCK_NEXT, &next) || (count > size) != (next != 0))
		return false;
	for (i = 0; i < count && i < size; i++) {
		if (!clr_read_ptr(clr, block + BLOCK_ITEMS + 8ULL * i, &item) ||
		    !read_module(clr, path, item, &module))
			return false;
		known += clr_module_metadata(clr, module) != NULL;
		/* The first one is System.Private.CoreLib. */
		if (!known)
			return false;
	}
	return known > i / 2;
}

/* How elements lead to modules: .NET 10 tells the offset, else it is where all do. */
static bool find_path(struct clr *clr, struct path *path)
{
	uint32_t step, last = MODULE_AT_MAX;

	path->module_at = 0;
	if (clr->layout.assembly_module) {
		path->module_at = clr->layout.assembly_module;
		last = path->module_at + 8;
	}
	for (; path->module_at < last; path->module_at += 8)
		for (step = 0; step < 2; step++) {
			path->indirect = step;
			if (leads_to_modules(clr, path))
				return true;
		}
	return false;
}

struct ch_error *clr_modules_find(struct clr *clr)
{
	struct path path;
	uint64_t domain;
	uint32_t at;

	if (clr->modules_found)
		return NULL;
	clr->modules_found = true;
	if (!clr_read_ptr(clr, clr->app_domain, &domain) || !domain)
		return NULL;
	path.list = domain + clr->layout.domain_assemblies;
	if (clr->layout.domain_assemblies && find_path(clr, &path))
		return keep_assemblies(clr, &path);
	for (at = 8; at < DOMAIN_BYTES; at += 8) {
		path.list = domain + at;
		if (find_path(clr, &path))
			return keep_assemblies(clr, &path);
	}
	chp_context_finding(clr->env->ctx, CH_SEVERITY_INCOMPLETE, "clr-assemblies",
			    "the runtime's list of assemblies was not found: statics of types "
			    "without objects have no names, loader heaps may be missing");
	return NULL;
}
