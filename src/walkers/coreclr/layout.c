/*
 * What differs between releases: .NET Core 3.1 and .NET 8, and programs of one file
 * of .NET 9, do not say where their fields are. Their places are known, and all of them are checked
 * by what they lead to before anything is believed.
 *
 * dotnet/coreclr, release/3.1, and dotnet/runtime, release/8.0: src/inc/dacvars.h
 * (the order of the table), src/vm/methodtable.h (MethodTable, its multipurpose
 * slots), class.h (EEClass), packedfields.inl, ceeload.h (Module), appdomain.hpp
 * (DomainLocalModule), threads.h; measured on 3.1.3, 8.0.0 and 8.0.33.
 */
#include "walkers/coreclr/conduct.h"
#include "walkers/coreclr/coreclr_priv.h"
#include "walkers/coreclr/tables.h"

#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Of the table of variables, counted from g_gcDacGlobals. */
enum {
	ENTRY_APP_DOMAIN = 1,
	/* The same in .NET 8 to 11. */
	STORE_ENTRY = -4,
	/* ExecutionManager's table of code, the first entry since .NET 5. */
	CODE_ENTRY_3 = -34,
	CODE_ENTRY_8 = -20,
	CODE_ENTRY_10 = -19,
	/* g_pFinalizerThread, in all of them. */
	ENTRY_FINALIZER = -3,
	STORE_FROM = 32,
};

/* Of a method table. */
enum {
	FLAG_COMPONENT = 0x80000000,
	FLAG_GENERICS = 0x30,
	FLAG_OLD_COLLECTIBLE = 0x10000000,
	FLAG2_DYNAMIC_STATICS = 2,
	/* Multipurpose slots, and that one of them holds the module. */
	FLAG2_SLOTS = 0x0f,
	FLAG2_MODULE = 0x10,
	MT_FLAGS2 = 8,
	MT_ROW = 10,
	MT_VIRTUALS = 12,
	MT_SLOTS = 48,
	MT_TABLES = 64,
	ROW_OVERFLOW = 0xffff,
	CATEGORY_MASK = 0x000c0000,
	CATEGORY_ARRAY = 0x00080000,
};

enum {
	/* Before the auxiliary data of a method table, since .NET 9. */
	STATICS_INFO = 24,
	/* Where a Module has what, before: numbers of fields by their place. */
	NUMBER_INSTANCE = 0,
	NUMBER_STATIC = 2,
	NUMBER_THREAD = 6,
	FIELDS_MAX = 65535,
};

/* One release: its layout, and where the table has ThreadStore and the table of code. */
struct release {
	struct clr_layout layout;
	int store_entry, code_entry;
	const char *source;
};

#define OLD_METHOD_TABLE                                                                           \
	.mt_flags = 0, .mt_base_size = 4, .mt_flags2 = MT_FLAGS2, .mt_module = 24,                 \
	.mt_parent = 16, .mt_class = 40, .mt_dictionaries = MT_SLOTS, .mt_aux = 32,                \
	.class_fields = 24, .flag_collectible = FLAG_OLD_COLLECTIBLE, .layout_base = 8,            \
	.file_image = 8, .statics_objects = 32, .old = true, .context = 88

static const struct release net8 = {
	.layout = { OLD_METHOD_TABLE, .class_kind = 48, .class_numbers = 50, .module_file = 272,
		    .image_layout = 120, .module_types = 752, .module_allocator = 248,
		    .module_dynamic = 1688, .module_statics = 1224, .module_index = 1232,
		    .thread_block = 1080, .store_first = 160, .store_count = 184,
		    .thread_link = 232, .thread_os_id = 424, .thread_thrown = 464,
		    .token_bits = CLR_TOKEN_BITS },
	.store_entry = STORE_ENTRY,
	.code_entry = CODE_ENTRY_8,
	.source = "those of .NET 8, measured on 8.0.0 and 8.0.33",
};

#define NEW_METHOD_TABLE                                                                           \
	.mt_flags = 0, .mt_base_size = 4, .mt_flags2 = MT_FLAGS2, .mt_module = 24,                 \
	.mt_parent = 16, .mt_class = 40, .mt_dictionaries = MT_SLOTS, .mt_aux = 32,                \
	.module_foreign_types = 8, .class_fields = 24, .class_kind = 48,                           \
	.class_instance_count = 50, .class_static_count = 54, .class_thread_count = 58,            \
	.flag_collectible = CLR_FLAG_COLLECTIBLE, .thread_link = 112, .thread_locals = 32,         \
	.thread_number = 16, .token_bits = CLR_TOKEN_BITS

/* From .NET 9 on a runtime describes itself, but for programs of one file of .NET 9, and but in
 * cores without the pages of its library that nobody wrote to. */
static const struct release net9 = {
	.layout = { NEW_METHOD_TABLE, .module_base = 288, .module_dynamic = 1120,
		    .module_assembly = 312, .module_allocator = 248, .module_types = 624,
		    .store_first = 160, .store_count = 184, .thread_os_id = 296,
		    .thread_thrown = 336, .thread_data = 928 },
	.store_entry = STORE_ENTRY,
	.code_entry = CODE_ENTRY_8,
	.source = "those of .NET 9, from the descriptor of 9.0.22",
};

static const struct release net10 = {
	.layout = { NEW_METHOD_TABLE, .module_base = 224, .module_dynamic = 840,
		    .module_assembly = 248, .module_allocator = 176, .module_types = 416,
		    .module_methods = 448, .module_field_map = 512, .domain_assemblies = 576,
		    .assembly_module = 16, .store_first = 88, .store_count = 112,
		    .thread_os_id = 296, .thread_thrown = 336, .thread_data = 568, .context = 8 },
	.store_entry = STORE_ENTRY,
	.code_entry = CODE_ENTRY_10,
	.source = "those of .NET 10, from the descriptor of 10.0.12",
};

static const struct release net11 = {
	.layout = { NEW_METHOD_TABLE, .module_base = 224, .module_dynamic = 840,
		    .module_assembly = 248, .module_allocator = 176, .module_types = 416,
		    .module_methods = 448, .module_field_map = 480, .domain_assemblies = 576,
		    .assembly_module = 16, .store_first = 88, .store_count = 96,
		    .links_threads = true, .thread_os_id = 224, .thread_thrown = 264,
		    .thread_data = 496, .context = 8 },
	.store_entry = STORE_ENTRY,
	.code_entry = CODE_ENTRY_10,
	.source = "those of .NET 11, from the descriptor of 11.0.0",
};

static const struct release core3 = {
	.layout = { OLD_METHOD_TABLE,
		    .class_kind = 52,
		    .class_numbers = 54,
		    .module_file = 16,
		    .image_layout = 88,
		    .module_assembly = 48,
		    .assembly_allocator = 64,
		    .module_types = 696,
		    .module_foreign_types = 728,
		    .module_dynamic = 1656,
		    .module_statics = 1304,
		    .module_index = 1312,
		    .thread_block = 1072,
		    .store_first = 168,
		    .store_count = 192,
		    .thread_link = 256,
		    .thread_os_id = 456,
		    .thread_thrown = 504,
		    .gc_shift = 8,
		    .token_bits = 14 },
	.store_entry = -18,
	.code_entry = CODE_ENTRY_3,
	.source = "those of .NET Core 3.1, measured on 3.1.3",
};

/* ---- Which release it is --------------------------------------------------------- */

/* Take a release's layout; false when its threads are not where it has them. */
static bool take_release(struct clr *clr, const struct clr_dac_table *table,
			 const struct release *release, enum clr_fit wanted)
{
	clr->layout = release->layout;
	clr->tables_source = release->source;
	return clr_table_value(table, release->store_entry, &clr->thread_store) &&
	       clr_layout_fits(clr) >= wanted;
}

static bool choose_release(struct clr *clr, const struct clr_dac_table *table)
{
	static const struct release *const releases[] = { &core3, &net8, &net9, &net10, &net11 };
	/* The first one has a table of its own kind. */
	size_t first = table->relative ? 0 : 1;
	size_t end = table->relative ? 1 : CH_COUNT_OF(releases), i;
	uint64_t code;
	int wanted;

	for (wanted = CLR_FIT_CORE; wanted > CLR_FIT_NOT; wanted--)
		for (i = first; i < end; i++) {
			if (!take_release(clr, table, releases[i], (enum clr_fit)wanted))
				continue;
			code = clr_table_variable(table, releases[i]->code_entry);
			if (code)
				clr_code_tables(clr, code);
			return true;
		}
	return false;
}

struct clr_layout clr_layout_common(void)
{
	return (struct clr_layout){ OLD_METHOD_TABLE };
}

/* .NET 5 to 7, of which no core was at hand, and whatever a servicing release moved. */
static bool measure_release(struct clr *clr, const struct clr_dac_table *table)
{
	uint64_t finalizer;
	int64_t entry;

	if (!clr_table_value(table, ENTRY_FINALIZER, &finalizer))
		return false;
	for (entry = -1; entry > -STORE_FROM; entry--) {
		clr->layout = clr_layout_common();
		if (clr_table_value(table, entry, &clr->thread_store) &&
		    clr_layout_measure(clr, finalizer)) {
			clr->tables_source =
				"measured in this core; .NET 5 to 7 were not tried yet";
			return true;
		}
	}
	return false;
}

struct ch_error *clr_old_tables(struct clr *clr)
{
	struct clr_dac_table table;

	if (!clr_table_find(clr, &table))
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "its tables are not where .NET Core 3.1 to .NET 9 have "
				       "them, and it does not describe itself as later ones do");
	clr->app_domain = clr_table_variable(&table, ENTRY_APP_DOMAIN);
	clr->variables = table.addr;
	clr->variables_relative = table.relative;
	if (!clr_table_value(&table, 0, &clr->gc_vars) || !clr_table_types(clr, &table))
		return ch_error_create(CH_ERROR_CORRUPT, "the runtime's table of variables does "
							 "not lead to its types");
	if (!choose_release(clr, &table) && !measure_release(clr, &table))
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "its threads are not where .NET Core 3.1, .NET 8 or .NET 9 "
				       "have them, and measuring where they are failed: it is of "
				       "another release, or damaged, or its assemblies are not at "
				       "hand (see --sysroot)");
	return NULL;
}

/* ---- What method tables say ---------------------------------------------------- */

/* Where a generic type or an array has its module, when the loader's is another; 0:
 * it has no such word. The slot is the next one that its other words leave. */
static uint64_t module_slot(const struct clr *clr, uint64_t mt)
{
	uint32_t flags, flags2, virtuals, set, slot;
	uint64_t class;

	if (!ch_core_read_u32(clr->core, mt, &flags) || !(flags & (FLAG_COMPONENT | FLAG_GENERICS)))
		return 0;
	if ((flags & CATEGORY_MASK) != CATEGORY_ARRAY &&
	    clr_read_ptr(clr, mt + clr->layout.mt_class, &class) && class & 3)
		mt = class & ~3ULL;
	if (!ch_core_read_u32(clr->core, mt + MT_FLAGS2, &flags2) || !(flags2 & FLAG2_MODULE) ||
	    !ch_core_read_u32(clr->core, mt + MT_VIRTUALS, &virtuals))
		return 0;
	set = flags2 & FLAG2_SLOTS;
	/* Alone, interfaces leave the first slot free. */
	if (set == 2)
		set = 0;
	for (slot = 0; set; set &= set - 1)
		slot++;
	if (slot < 2)
		return mt + MT_SLOTS + 8ULL * slot;
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
	       !(flags & (FLAG_COMPONENT | FLAG_GENERICS | FLAG_OLD_COLLECTIBLE)) &&
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
