/*
 * Value types by name: instances of generic ones are in no table of their module
 * but a hash table of the runtime's own, so they are looked for in its memory.
 *
 * dotnet/runtime, release/9.0, src/coreclr/vm/methodtable.h: a value type that is
 * no enumeration derives from System.ValueType; class.h: EEClass leads back to the
 * canonical method table.
 */
#include "walkers/coreclr/coreclr_priv.h"

#include <stdlib.h>
#include <string.h>

#include "util/bytes.h"
#include "util/hash.h"
#include "util/search.h"

#define CANDIDATES_MAX 65536
#define REGION_MAX     (1ULL << 30)

enum {
	/* Of EEClass. */
	CLASS_METHOD_TABLE = 16,
};

struct clr_named_type {
	uint64_t hash, mt;
};

static uint64_t hash_of(const char *name)
{
	return ch_hash_bytes(CH_HASH_START, name, strlen(name));
}

/* System.ValueType, by its name in the module of System.Object. */
static uint64_t find_value_type(struct clr *clr)
{
	const struct clr_metadata *metadata = NULL;
	char name[32], space[32];
	uint64_t module;
	uint32_t row;

	if (clr_type_module(clr, clr->object_mt, &module))
		metadata = clr_module_metadata(clr, module);
	for (row = 1; metadata && row <= metadata->rows[CLR_TABLE_TYPE_DEF]; row++) {
		if (!clr_metadata_string(metadata, CLR_TABLE_TYPE_DEF, row, CLR_TYPE_DEF_NAME, name,
					 sizeof(name)) ||
		    strcmp(name, "ValueType") != 0)
			continue;
		if (clr_metadata_string(metadata, CLR_TABLE_TYPE_DEF, row, CLR_TYPE_DEF_NAMESPACE,
					space, sizeof(space)) &&
		    strcmp(space, "System") == 0)
			return clr_module_type(clr, module, CLR_TABLE_TYPE_DEF, row);
	}
	return 0;
}

/* Whether a method table that has the right parent is one. */
static bool is_method_table(const struct clr *clr, uint64_t mt)
{
	const struct clr_layout *layout = &clr->layout;
	uint64_t word, class, canonical;
	uint32_t flags;

	if (!ch_core_read_u32(clr->core, mt + layout->mt_flags, &flags) ||
	    (flags & CLR_MT_CATEGORY) != CLR_MT_VALUE ||
	    !clr_read_ptr(clr, mt + layout->mt_class, &word) || !clr_class_of(clr, mt, &class) ||
	    !clr_read_ptr(clr, class + CLASS_METHOD_TABLE, &canonical))
		return false;
	return canonical == (word & 1 ? word & ~1ULL : mt);
}

static bool add_type(struct clr *clr, uint64_t mt)
{
	struct clr_named_type *slot;
	char name[CLR_NAME_MAX];

	if (!is_method_table(clr, mt) || !clr_type_name(clr, mt, name, sizeof(name)))
		return true;
	slot = ch_vec_push(&clr->value_types);
	if (!slot)
		return false;
	slot->hash = hash_of(name);
	slot->mt = mt;
	return clr->value_types.count < CANDIDATES_MAX;
}

/* Every word that is the address of System.ValueType may be a parent. */
static bool scan(struct clr *clr, const struct ch_region *region, uint64_t parent)
{
	uint64_t at = region->start, end = region->end;
	const uint8_t *bytes;
	size_t len, i;

	while (at < end) {
		bytes = ch_core_span(clr->core, at, &len);
		if (!bytes) {
			at = ch_align_up(ch_core_next_present(clr->core, at, end), 8);
			continue;
		}
		len = (size_t)ch_min(len, end - at) & ~(size_t)7;
		if (!len)
			break;
		for (i = 0; i < len; i += 8)
			if (ch_get64(bytes + i) == parent && at + i > clr->layout.mt_parent &&
			    !add_type(clr, at + i - clr->layout.mt_parent))
				return false;
		at += len;
	}
	return true;
}

/* Where the runtime may have put its own structures. */
static bool is_loader_memory(const struct clr *clr, const struct ch_region *region)
{
	const struct clr_region *regions = clr->regions_list.items;
	size_t i;

	if (region->usage != CH_USAGE_ANON && region->usage != CH_USAGE_MEMFD &&
	    region->usage != CH_USAGE_MANAGED_LOADER && region->usage != CH_USAGE_MANAGED_OTHER)
		return false;
	if (region->state == CH_STATE_FREE || region->end - region->start > REGION_MAX)
		return false;
	for (i = 0; i < clr->regions_list.count; i++)
		if (region->start < regions[i].end && regions[i].start < region->end)
			return false;
	return true;
}

static int compare_types(const void *a, const void *b)
{
	const struct clr_named_type *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->mt < y->mt ? -1 : x->mt > y->mt;
}

static void find_all(struct clr *clr)
{
	const struct ch_region *regions;
	uint64_t parent = find_value_type(clr);
	size_t count, i;

	regions = ch_map_regions(clr->env->map, &count);
	for (i = 0; parent && i < count; i++)
		if (is_loader_memory(clr, &regions[i]) && !scan(clr, &regions[i], parent))
			break;
	ch_vec_sort(&clr->value_types, compare_types);
}

void clr_value_types_free(struct clr *clr)
{
	ch_vec_deinit(&clr->value_types);
}

uint64_t clr_value_type_by_name(struct clr *clr, const char *name)
{
	const struct clr_named_type *types;
	size_t low;
	uint64_t hash = hash_of(name);
	char found[CLR_NAME_MAX];

	if (!clr->value_types_known) {
		clr->value_types_known = true;
		clr->value_types = CH_VEC(struct clr_named_type);
		find_all(clr);
	}
	types = clr->value_types.items;
	low = ch_search(types, clr->value_types.count, it, it->hash < hash);
	if (low == clr->value_types.count || types[low].hash != hash ||
	    !clr_type_name(clr, types[low].mt, found, sizeof(found)) || strcmp(found, name) != 0)
		return 0;
	return types[low].mt;
}
