/*
 * The modules that were asked for, by address: where the image of each is, and its metadata,
 * opened once. Names of types and methods come from there, so everything that names something
 * looks its module up here.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdlib.h>

#include "util/cleanup.h"
#include "util/context.h"
#include "util/text.h"

/* Assemblies that a process makes one after the other may be many; a core that names more is
 * damaged. */
#define MODULES_MAX (1U << 18)
/* Layouts of an image (IMAGE_COUNT). */
#define LAYOUTS 3

void clr_modules_free(struct clr *clr)
{
	struct clr_module *const *modules = clr->modules.items;
	size_t i;

	for (i = 0; i < clr->modules.count; i++) {
		free(modules[i]->r2r.owners);
		free(modules[i]);
	}
	ch_table_deinit(&clr->modules_by_addr);
	ch_vec_deinit(&clr->modules);
}

/* One that metadata was not looked for yet. */
static struct clr_module *add_module(struct clr *clr, uint64_t addr)
{
	struct clr_module **slot, *module;

	if (clr->modules.count >= MODULES_MAX ||
	    !ch_vec_reserve(&clr->modules, clr->modules.count + 1))
		return NULL;
	module = calloc(1, sizeof(*module));
	if (!module || !ch_table_put(&clr->modules_by_addr, addr, (uint32_t)clr->modules.count)) {
		free(module);
		return NULL;
	}
	module->addr = addr;
	slot = ch_vec_push(&clr->modules);
	*slot = module;
	return module;
}

/* An image may be flat in one layout and loaded in another: the first one will do. */
static bool open_old_image(const struct clr *clr, struct clr_module *module)
{
	const struct clr_layout *layout = &clr->layout;
	uint32_t layouts = layout->image_layouts ? layout->image_layouts : LAYOUTS, i;
	uint64_t file, image, at, base;

	if (!clr_read_ptr(clr, module->addr + layout->module_file, &file) || !file ||
	    !clr_read_ptr(clr, file + layout->file_image, &image) || !image)
		return false;
	for (i = 0; i < layouts; i++) {
		if (!clr_read_ptr(clr, image + layout->image_layout - 8ULL * i, &at) || !at ||
		    !clr_read_ptr(clr, at + layout->layout_base, &base) || !base)
			continue;
		module->image = base;
		if (clr_metadata_open_image(clr->core, base, &module->metadata))
			return true;
	}
	return false;
}

/* Whether metadata is that of the module: the runtime's maps from rows to what it made
 * of them have an entry for each row, and one for row 0. */
static bool has_rows(const struct clr *clr, uint64_t addr, const struct clr_metadata *metadata)
{
	enum { MAP_COUNT = 16 };
	const struct {
		uint32_t map;
		enum clr_table table;
	} maps[] = {
		{ clr->layout.module_types, CLR_TABLE_TYPE_DEF },
		{ clr->layout.module_methods, CLR_TABLE_METHOD_DEF },
		{ clr->layout.module_field_map, CLR_TABLE_FIELD },
	};
	uint32_t count;
	size_t i;

	for (i = 0; i < CH_COUNT_OF(maps); i++)
		if (maps[i].map &&
		    ch_core_read_u32(clr->core, addr + maps[i].map + MAP_COUNT, &count) &&
		    count != metadata->rows[maps[i].table] + 1)
			return false;
	return true;
}

/* A file that nothing in the core contradicted may be of another build all the same. */
static void check_file(const struct clr *clr, struct clr_module *module)
{
	const struct ch_module *file = ch_sym_module_at(clr->env->sym, module->image);
	_cleanup_free_ char *path = NULL;

	if (!module->known || !file || file->match != CH_MATCH_LIKELY ||
	    has_rows(clr, module->addr, &module->metadata))
		return;
	module->known = false;
	path = chp_text_escape(file->file_path, 1024);
	chp_context_finding(clr->env->ctx, CH_SEVERITY_INCOMPLETE, "assembly-mismatch",
			    "%s is another build than the one in the core: it has not as many "
			    "types, methods or fields; its types have no names",
			    path ? path : "an assembly");
}

/* Made at run time: a snapshot of the metadata, behind its size; before .NET 9 that is
 * an SBuffer (inc/sbuffer.h), which leads to it. */
static bool open_snapshot(const struct clr *clr, struct clr_module *module)
{
	enum { SBUFFER_BYTES = 16 };
	uint64_t blob;
	uint32_t bytes;

	if (!clr_read_ptr(clr, module->addr + clr->layout.module_dynamic, &blob) || !blob ||
	    !ch_core_read_u32(clr->core, blob, &bytes))
		return false;
	if (!clr->layout.old)
		blob += 4;
	else if (!clr_read_ptr(clr, blob + SBUFFER_BYTES, &blob))
		return false;
	return clr_metadata_open(clr->core, blob, bytes, &module->metadata);
}

struct clr_module *clr_module_entry(struct clr *clr, uint64_t addr)
{
	uint32_t i = ch_table_find(&clr->modules_by_addr, addr);
	struct clr_module *module;

	if (!addr)
		return NULL;
	if (i != CH_TABLE_NONE)
		return *CH_VEC_AT(&clr->modules, struct clr_module *, i);
	module = add_module(clr, addr);
	if (!module)
		return NULL;
	if (clr->layout.module_file)
		module->known = open_old_image(clr, module);
	else if (clr_read_ptr(clr, addr + clr->layout.module_base, &module->image) && module->image)
		module->known =
			clr_metadata_open_image(clr->core, module->image, &module->metadata);
	check_file(clr, module);
	if (!module->known && clr->layout.module_dynamic && !(clr->layout.old && module->image))
		module->known = open_snapshot(clr, module);
	return module;
}

const struct clr_metadata *clr_module_metadata(struct clr *clr, uint64_t addr)
{
	const struct clr_module *module = clr_module_entry(clr, addr);

	return module && module->known ? &module->metadata : NULL;
}
