/*
 * What a method table, its EEClass and its Module say of a type, before anything is named: the
 * size of its objects, whether it is a value, an array or generic, its row in the metadata, where
 * its statics lie. Releases keep these in different places; struct clr_layout has them.
 *
 * dotnet/coreclr, release/3.1, and dotnet/runtime, release/8.0 and 9.0: src/vm/methodtable.h
 * (the flags, multipurpose slots), class.h (EEClass), packedfields.inl, ceeload.h (Module),
 * appdomain.hpp (DomainLocalModule), generics.h (dictionaries).
 */
#include "walkers/coreclr/coreclr_priv.h"

#include "util/bytes.h"

#define MAPS_MAX 65536

enum {
	FLAG2_DYNAMIC_STATICS = 2,
	/* Multipurpose slots, and that one of them holds the module. */
	FLAG2_SLOTS = 0x0f,
	FLAG2_MODULE = 0x10,
	MT_ROW = 10,
	MT_VIRTUALS = 12,
	MT_TABLES = 64,
	ROW_OVERFLOW = 0xffff,
	MANAGED_BASE_MAX = 1 << 27,
	/* Before the auxiliary data of a method table, since .NET 9. */
	STATICS_INFO = 24,
	/* Where a Module has what, before: numbers of fields by their place. */
	NUMBER_INSTANCE = 0,
	NUMBER_STATIC = 2,
	NUMBER_THREAD = 6,
	FIELDS_MAX = 65535,
};

uint32_t clr_type_flags(const struct clr *clr, uint64_t mt)
{
	uint32_t flags = 0;

	ch_core_read_u32(clr->core, mt + clr->layout.mt_flags, &flags);
	return flags;
}

bool clr_is_value_type(const struct clr *clr, uint64_t mt)
{
	return mt && !(mt & 2) && (clr_type_flags(clr, mt) & CLR_MT_CATEGORY) == CLR_MT_VALUE;
}

/* Where a generic type or an array has its module, when the loader's is another; 0:
 * it has no such word. The slot is the next one that its other words leave. */
static uint64_t module_slot(const struct clr *clr, uint64_t mt)
{
	uint32_t flags, flags2, virtuals, set, slot;
	uint64_t class;

	if (!ch_core_read_u32(clr->core, mt, &flags) ||
	    !(flags & (CLR_MT_COMPONENT | CLR_MT_GENERICS)))
		return 0;
	if ((flags & CLR_MT_CATEGORY) != CLR_MT_ARRAY &&
	    clr_read_ptr(clr, mt + clr->layout.mt_class, &class) && class & 3)
		mt = class & ~3ULL;
	if (!ch_core_read_u32(clr->core, mt + CLR_MT_OLD_FLAGS2, &flags2) ||
	    !(flags2 & FLAG2_MODULE) || !ch_core_read_u32(clr->core, mt + MT_VIRTUALS, &virtuals))
		return 0;
	set = flags2 & FLAG2_SLOTS;
	/* Alone, interfaces leave the first slot free. */
	if (set == 2)
		set = 0;
	for (slot = 0; set; set &= set - 1)
		slot++;
	if (slot < 2)
		return mt + CLR_MT_OLD_SLOTS + 8ULL * slot;
	return mt + MT_TABLES + 8ULL * (slot - 2) + 8ULL * (((virtuals & 0xffff) + 7) / 8);
}

bool clr_type_module(const struct clr *clr, uint64_t mt, uint64_t *ret)
{
	uint64_t slot = clr->layout.old ? module_slot(clr, mt) : 0;

	return clr_read_ptr(clr, slot ? slot : mt + clr->layout.mt_module, ret);
}

bool clr_type_row(const struct clr *clr, uint64_t mt, uint32_t *ret)
{
	/* Upper 24 bits since .NET 9, upper half before. */
	if (!ch_core_read_u32(clr->core, mt + clr->layout.mt_flags2, ret))
		return false;
	*ret >>= clr->layout.old ? 16 : 8;
	return !clr->layout.old || *ret != ROW_OVERFLOW;
}

bool clr_module_allocator(const struct clr *clr, uint64_t module, uint64_t *ret)
{
	const struct clr_layout *layout = &clr->layout;
	uint64_t assembly;

	if (layout->assembly_allocator)
		return clr_read_ptr(clr, module + layout->module_assembly, &assembly) &&
		       clr_read_ptr(clr, assembly + layout->assembly_allocator, ret);
	return layout->module_allocator &&
	       clr_read_ptr(clr, module + layout->module_allocator, ret);
}

bool clr_is_collectible(const struct clr *clr, uint64_t mt)
{
	uint32_t flags;

	return ch_core_read_u32(clr->core, mt + clr->layout.mt_flags, &flags) &&
	       flags & clr->layout.flag_collectible;
}

uint32_t clr_class_number(const struct clr *clr, uint64_t class, enum clr_number number)
{
	static const uint32_t places[] = { NUMBER_INSTANCE, NUMBER_STATIC, NUMBER_THREAD };
	const struct clr_layout *layout = &clr->layout;
	const uint32_t offsets[] = { layout->class_instance_count, layout->class_static_count,
				     layout->class_thread_count };
	uint8_t bytes[2], start;
	uint32_t ret;

	if (!layout->class_numbers)
		return ch_core_try_read(clr->core, class + offsets[number], bytes, 2)
			       ? ch_get16(bytes)
			       : 0;
	if (!ch_core_try_read(clr->core, class + layout->class_numbers, &start, 1) ||
	    !ch_core_read_u32(clr->core, class + start + 4ULL * places[number], &ret) ||
	    ret > FIELDS_MAX)
		return 0;
	return ret;
}

/* Statics of a module lie together, but for those of generic types and of types made
 * at run time. */
bool clr_old_statics_module(const struct clr *clr, uint64_t mt, uint64_t *ret)
{
	uint32_t flags;

	return ch_core_read_u32(clr->core, mt, &flags) &&
	       !(flags & (CLR_MT_COMPONENT | CLR_MT_GENERICS | CLR_MT_OLD_COLLECTIBLE)) &&
	       clr_type_module(clr, mt, ret);
}

static void old_static_bases(const struct clr *clr, uint64_t mt, uint64_t bases[2])
{
	uint64_t module, statics;

	if (!clr->layout.module_statics || !clr_old_statics_module(clr, mt, &module) ||
	    !clr_read_ptr(clr, module + clr->layout.module_statics, &statics) || !statics)
		return;
	/* Fields without objects count from the start of the structure. */
	bases[1] = statics;
	if (!clr_read_ptr(clr, statics + clr->layout.statics_objects, &bases[0]))
		bases[0] = 0;
}

void clr_static_bases(const struct clr *clr, uint64_t mt, uint64_t bases[2])
{
	uint64_t aux;
	uint32_t flags, i;

	bases[0] = bases[1] = 0;
	if (clr->layout.old) {
		old_static_bases(clr, mt, bases);
		return;
	}
	if (!ch_core_read_u32(clr->core, mt + clr->layout.mt_flags2, &flags) ||
	    !(flags & FLAG2_DYNAMIC_STATICS) || !clr_read_ptr(clr, mt + clr->layout.mt_aux, &aux))
		return;
	for (i = 0; i < 2; i++) {
		/* The low bit says that the type was not initialised yet. */
		if (!clr_read_ptr(clr, aux - STATICS_INFO + 8ULL * i, &bases[i]))
			bases[i] = 0;
		bases[i] &= ~1ULL;
	}
}

uint64_t clr_module_type(const struct clr *clr, uint64_t module, enum clr_table table, uint32_t row)
{
	/* LookupMap (src/coreclr/vm/ceeload.h): next, table, number of its entries. */
	enum { NEXT = 0, TABLE = 8, COUNT = 16 };
	uint64_t map = module, entries, mt;
	uint32_t count, maps;

	if (table == CLR_TABLE_TYPE_SPEC)
		return 0;
	map += table == CLR_TABLE_TYPE_DEF ? clr->layout.module_types
					   : clr->layout.module_foreign_types;
	for (maps = 0; map && maps < MAPS_MAX; maps++) {
		if (!clr_read_ptr(clr, map + TABLE, &entries) ||
		    !ch_core_read_u32(clr->core, map + COUNT, &count))
			return 0;
		if (row < count)
			/* Low bits are flags of the map. */
			return clr_read_ptr(clr, entries + 8ULL * row, &mt) ? mt & ~7ULL : 0;
		row -= count;
		if (!clr_read_ptr(clr, map + NEXT, &map))
			return 0;
	}
	return 0;
}

bool clr_shape_read(const struct clr *clr, uint64_t mt, struct clr_shape *ret)
{
	uint32_t flags, base;

	if (mt % 8 || !mt || !ch_core_read_u32(clr->core, mt + clr->layout.mt_flags, &flags) ||
	    !ch_core_read_u32(clr->core, mt + clr->layout.mt_base_size, &base))
		return false;
	/* A string has 22: its last character may end the object unaligned. */
	if (base < 16 || base > MANAGED_BASE_MAX)
		return false;
	ret->base_bytes = base;
	ret->component_bytes = flags & CLR_MT_COMPONENT ? flags & 0xffff : 0;
	return true;
}

uint32_t clr_array_rank(const struct clr *clr, uint64_t mt)
{
	enum { SINGLE_BYTES = 24, DIMENSION_BYTES = 8, RANKS = 32 };
	struct clr_shape shape;
	uint32_t more;

	if (!clr_shape_read(clr, mt, &shape) || shape.base_bytes <= SINGLE_BYTES)
		return 0;
	more = shape.base_bytes - SINGLE_BYTES;
	return more % DIMENSION_BYTES || more / DIMENSION_BYTES > RANKS ? 0
									: more / DIMENSION_BYTES;
}

/* The tagged word may lead to the canonical method table. */
bool clr_class_of(const struct clr *clr, uint64_t mt, uint64_t *ret)
{
	if (!clr_read_ptr(clr, mt + clr->layout.mt_class, ret))
		return false;
	/* The tag is 1, and was 2 in .NET Core 3.1. */
	if (*ret & 3)
		return clr_read_ptr(clr, (*ret & ~3ULL) + clr->layout.mt_class, ret);
	return true;
}

uint32_t clr_type_arguments(const struct clr *clr, uint64_t mt, uint64_t args[CLR_ARITY_MAX])
{
	uint64_t dictionaries, dictionary;
	uint8_t counts[4];
	uint32_t dicts, n, i;

	if (!clr_read_ptr(clr, mt + clr->layout.mt_dictionaries, &dictionaries) ||
	    !ch_core_try_read(clr->core, dictionaries - 4, counts, sizeof(counts)))
		return 0;
	dicts = ch_get16(counts);
	n = ch_get16(counts + 2);
	if (!dicts || n > CLR_ARITY_MAX ||
	    !clr_read_ptr(clr, dictionaries + 8ULL * (dicts - 1), &dictionary))
		return 0;
	for (i = 0; i < n; i++)
		if (!clr_read_ptr(clr, dictionary + 8ULL * i, &args[i]))
			return 0;
	return n;
}
