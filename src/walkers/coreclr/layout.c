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

#include "heap/signs.h"
#include "util/bytes.h"
#include "util/error.h"

/* Of the table of variables, counted from g_gcDacGlobals. */
enum {
	ENTRY_APP_DOMAIN = 1,
	/* The same in .NET 8 and 9. */
	STORE_ENTRY = -4,
	/* ExecutionManager's list of code, of .NET Core 3.1 alone. */
	ENTRY_CODE_OLD = -34,
	/* g_pFinalizerThread, in all of them. */
	ENTRY_FINALIZER = -3,
	STORE_FROM = 32,
	/* From the method table of System.Object to that of System.String. */
	ENTRY_STRING = 3,
	STRINGS_FROM = 8,
	FREE_FROM = 4,
	ENTRIES = 64,
};

/* Of a method table. */
enum {
	STRING_FLAGS_MASK = 0x8000ffff,
	STRING_FLAGS = 0x80000002,
	STRING_BYTES = 22,
	FREE_FLAGS = 0x80000001,
	FREE_BYTES = 24,
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

/* One release: its layout, and where the table has ThreadStore. */
struct release {
	struct clr_layout layout;
	int store_entry;
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
		    .thread_link = 232, .thread_os_id = 424, .token_bits = CLR_TOKEN_BITS },
	.store_entry = STORE_ENTRY,
	.source = "those of .NET 8, measured on 8.0.0 and 8.0.33",
};

/* Programs of one file leave the descriptor of .NET 9 away. */
static const struct release net9 = {
	.layout = { .mt_flags = 0,
		    .mt_base_size = 4,
		    .mt_flags2 = MT_FLAGS2,
		    .mt_module = 24,
		    .mt_parent = 16,
		    .mt_class = 40,
		    .mt_dictionaries = MT_SLOTS,
		    .mt_aux = 32,
		    .module_base = 288,
		    .module_dynamic = 1120,
		    .module_assembly = 312,
		    .module_allocator = 248,
		    .module_types = 624,
		    .module_foreign_types = 8,
		    .class_fields = 24,
		    .class_kind = 48,
		    .class_instance_count = 50,
		    .class_static_count = 54,
		    .class_thread_count = 58,
		    .flag_collectible = CLR_FLAG_COLLECTIBLE,
		    .store_first = 160,
		    .store_count = 184,
		    .thread_link = 112,
		    .thread_os_id = 296,
		    .thread_locals = 32,
		    .thread_data = 928,
		    .token_bits = CLR_TOKEN_BITS },
	.store_entry = STORE_ENTRY,
	.source = "those of .NET 9, from the descriptor of 9.0.22",
};

static const struct release core3 = {
	.layout = { OLD_METHOD_TABLE, .class_kind = 52, .class_numbers = 54, .module_file = 16,
		    .image_layout = 88, .module_assembly = 48, .assembly_allocator = 64,
		    .module_types = 696, .module_foreign_types = 728, .module_dynamic = 1656,
		    .module_statics = 1304, .module_index = 1312, .thread_block = 1072,
		    .store_first = 168, .store_count = 192, .thread_link = 256, .thread_os_id = 456,
		    .gc_shift = 8, .token_bits = 14 },
	.store_entry = -18,
	.source = "those of .NET Core 3.1, measured on 3.1.3",
};

/* ---- The table of variables --------------------------------------------------- */

/* Absolute addresses, or since the start of the runtime in 32 bits. */
struct table {
	const struct clr *clr;
	uint64_t addr;
	bool relative;
};

/* Address of the variable of an entry, which may lie before addr; 0: there is none. */
static uint64_t variable(const struct table *table, int64_t entry)
{
	uint64_t ret = 0;
	uint32_t offset;

	if (!table->relative)
		return clr_read_ptr(table->clr, table->addr + (uint64_t)(8 * entry), &ret) ? ret
											   : 0;
	if (!ch_core_read_u32(table->clr->core, table->addr + (uint64_t)(4 * entry), &offset))
		return 0;
	return table->clr->runtime->start + offset;
}

bool clr_variable_value(const struct clr *clr, int32_t entry, uint64_t *ret)
{
	const struct table table = { .clr = clr,
				     .addr = clr->variables,
				     .relative = clr->variables_relative };
	uint64_t addr = table.addr ? variable(&table, entry) : 0;

	return addr && clr_read_ptr(clr, addr, ret) && *ret;
}

static bool value(const struct table *table, int64_t entry, uint64_t *ret)
{
	uint64_t addr = variable(table, entry);

	return addr && clr_read_ptr(table->clr, addr, ret) && *ret;
}

/* GcDacVars: version, bytes of a generation, number of them (since .NET 5), then
 * addresses in the runtime or in a collector of its own file. */
static bool is_gc_vars(const struct clr *clr, uint64_t addr)
{
	uint64_t version, bytes, word;
	uint32_t good = 0, i;

	if (addr % 8 || !clr_read_ptr(clr, addr, &version) ||
	    !clr_read_ptr(clr, addr + 8, &bytes) || !version || version > 0xffff || bytes < 100 ||
	    bytes > 2000 || bytes % 8)
		return false;
	for (i = 2; i < 32; i++)
		if (clr_read_ptr(clr, addr + 8ULL * i, &word) && word > CH_PAGE_BYTES &&
		    ch_core_try_read(clr->core, word, &word, 1))
			good++;
	return good >= 5;
}

/* .NET Core 3.1 exports nothing: the structure lies in the runtime's data, a variable
 * there points at it, and the table has that variable. */
static uint64_t find_gc_pointer(const struct clr *clr)
{
	uint64_t start = clr->runtime->start, at = start, word, i;
	uint64_t end = ch_max(clr->runtime->end, clr->runtime->bss_end);
	struct ch_data_run run = { 0 };

	while (chp_data_next(clr->env, clr->runtime, &at, &run))
		for (i = ch_align_up(run.addr, 8) - run.addr; i < run.len && 8 <= run.len - i;
		     i += 8) {
			word = ch_get64(run.bytes + i);
			if (word >= start && word < end && is_gc_vars(clr, word))
				return run.addr + i;
		}
	return 0;
}

static bool find_relative(struct clr *clr, struct table *table)
{
	uint64_t at = clr->runtime->start, i, pointer = find_gc_pointer(clr);
	struct ch_data_run run = { 0 };

	while (pointer && chp_data_next(clr->env, clr->runtime, &at, &run))
		for (i = ch_align_up(run.addr, 4) - run.addr; i < run.len && 4 <= run.len - i;
		     i += 4) {
			if (clr->runtime->start + ch_get32(run.bytes + i) != pointer)
				continue;
			*table = (struct table){ .clr = clr,
						 .addr = run.addr + i,
						 .relative = true };
			clr_code_tables(clr, variable(table, ENTRY_CODE_OLD));
			return true;
		}
	return false;
}

/* The entry of g_gcDacGlobals. */
static bool find_absolute(struct clr *clr, struct table *table)
{
	struct ch_symbol symbol;
	uint64_t addr;
	int64_t i;

	if (!ch_sym_exported(clr->env->sym, clr->runtime, "g_dacTable", &symbol))
		return false;
	*table = (struct table){ .clr = clr, .addr = symbol.addr };
	/* The first entry is that of ExecutionManager's table of code. */
	if (clr_read_ptr(clr, symbol.addr, &addr))
		clr_code_tables(clr, addr);
	for (i = 0; i < ENTRIES; i++)
		if (value(table, i, &addr) && is_gc_vars(clr, addr)) {
			table->addr += (uint64_t)(8 * i);
			return true;
		}
	return false;
}

static bool is_method_table(const struct clr *clr, uint64_t mt, uint32_t mask, uint32_t flags,
			    uint32_t bytes)
{
	uint32_t words[2];

	return mt % 8 == 0 && ch_core_read_u32(clr->core, mt, &words[0]) &&
	       ch_core_read_u32(clr->core, mt + 4, &words[1]) && (words[0] & mask) == flags &&
	       words[1] == bytes;
}

/* The best known types: strings are unlike all others, objects lie before them. */
static bool find_types(struct clr *clr, const struct table *table)
{
	int64_t i, k;

	for (i = STRINGS_FROM; i < ENTRIES; i++)
		if (value(table, i, &clr->string_mt) &&
		    is_method_table(clr, clr->string_mt, STRING_FLAGS_MASK, STRING_FLAGS,
				    STRING_BYTES))
			break;
	if (i == ENTRIES || !value(table, i - ENTRY_STRING, &clr->object_mt))
		return false;
	for (k = i + FREE_FROM; k < i + ENTRIES; k++)
		if (value(table, k, &clr->free_mt) &&
		    is_method_table(clr, clr->free_mt, UINT32_MAX, FREE_FLAGS, FREE_BYTES))
			return true;
	return false;
}

/* Take a release's layout; false when its threads are not where it has them. */
static bool take_release(struct clr *clr, const struct table *table, const struct release *release,
			 enum clr_fit wanted)
{
	clr->layout = release->layout;
	clr->tables_source = release->source;
	return value(table, release->store_entry, &clr->thread_store) &&
	       clr_layout_fits(clr) >= wanted;
}

static bool choose_release(struct clr *clr, const struct table *table)
{
	static const struct release *const releases[] = { &net8, &net9, &core3 };
	/* Of its three, the last has a table of its own kind. */
	size_t first = table->relative ? 2 : 0, end = table->relative ? 3 : 2, i;
	int wanted;

	for (wanted = CLR_FIT_CORE; wanted > CLR_FIT_NOT; wanted--)
		for (i = first; i < end; i++)
			if (take_release(clr, table, releases[i], (enum clr_fit)wanted))
				return true;
	return false;
}

struct clr_layout clr_layout_common(void)
{
	return (struct clr_layout){ OLD_METHOD_TABLE };
}

/* .NET 5 to 7, of which no core was at hand, and whatever a servicing release moved. */
static bool measure_release(struct clr *clr, const struct table *table)
{
	uint64_t finalizer;
	int64_t entry;

	if (!value(table, ENTRY_FINALIZER, &finalizer))
		return false;
	for (entry = -1; entry > -STORE_FROM; entry--) {
		clr->layout = clr_layout_common();
		if (value(table, entry, &clr->thread_store) && clr_layout_measure(clr, finalizer)) {
			clr->tables_source =
				"measured in this core; .NET 5 to 7 were not tried yet";
			return true;
		}
	}
	return false;
}

struct ch_error *clr_old_tables(struct clr *clr)
{
	struct table table;

	if (!find_absolute(clr, &table) && !find_relative(clr, &table))
		return ch_error_create(CH_ERROR_UNSUPPORTED,
				       "its tables are not where .NET Core 3.1 to .NET 9 have "
				       "them, and it does not describe itself as later ones do");
	clr->app_domain = variable(&table, ENTRY_APP_DOMAIN);
	clr->variables = table.addr;
	clr->variables_relative = table.relative;
	if (!value(&table, 0, &clr->gc_vars) || !find_types(clr, &table))
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
